"""Decode one image, in any format that Pillow or an extra reads, to a small square of 8-bit RGB.

    stored bytes -> first frame -> upright -> 8 bits -> central square -> RGB on white -> resized

Nothing here knows about collections. Color profiles are ignored.
"""

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.decoding.depth import NO_SCALE, DepthScale, sample_values
from infomax.decoding.native import pillow_limit_at_least, silence_native_libraries
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.decoding.rasters import SIDEWAYS, is_deep, may_hold_deep, read_raster, select_bands
from infomax.errors import InfoMaxWarning

# to be raised when the same bytes decode to other pixels, so that older caches are not used
DECODING_VERSION = 2


def decode(data: bytes | Path, size: int, options: ReadingOptions = DEFAULT_OPTIONS) -> NDArray[np.uint8]:
    """Decode one image to a square. Pillow's warnings are suppressed.

    Args:
        data: Content of an image file, or its path.
        size: Side of the square in pixels.
        options: How images are read.

    Returns:
        Pixels (size, size, 3), 0 to 255.

    Raises:
        BrokenImage: The data is not an image, is incomplete, or may be a decompression bomb.

    Examples:
        >>> file = BytesIO()
        >>> Image.new("RGB", (40, 30), "red").save(file, "png")
        >>> decode(file.getvalue(), 2).tolist()
        [[[255, 0, 0], [255, 0, 0]], [[255, 0, 0], [255, 0, 0]]]

    """
    with no_pillow_warnings():
        return center_crop_resize(data, size, options)


@contextmanager
def no_pillow_warnings() -> Iterator[None]:
    """Suppress the warnings of Pillow and its libraries about odd files (bad EXIF, unknown tags).

    Warning filters belong to the whole process. So this must enclose a pool of threads and must not be used inside one.

    Yields:
        Nothing.

    """
    silence_native_libraries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", InfoMaxWarning)
        yield


def center_crop_resize(
    data: bytes | Path | NDArray[np.uint8], size: int, options: ReadingOptions = DEFAULT_OPTIONS
) -> NDArray[np.uint8]:
    """Decode one image to a square. Many threads may do so within one `no_pillow_warnings`.

    Args:
        data: Content of an image file, its path, or pixels (h, w) or (h, w, c) with c = 1, 3 or 4.
        size: Side of the square in pixels.
        options: How images are read.

    Returns:
        Pixels (size, size, 3), 0 to 255.

    Raises:
        BrokenImage: The data is not an image, is incomplete, or may be a decompression bomb.

    """
    with open_image(data, 2 * size, options) as opened:
        return crop_resize(opened.image, size)


class OpenedImage(NamedTuple):
    """A decoded image, upright, of 8 bits.

    Attributes:
        image: The image. It is smaller than `width` x `height` if a JPEG was read at a fraction of its size.
        width: Full width in pixels.
        height: Full height in pixels.

    """

    image: Image.Image
    width: int
    height: int


@contextmanager
def open_image(
    data: bytes | Path | NDArray[np.uint8], enough: int, options: ReadingOptions = DEFAULT_OPTIONS
) -> Iterator[OpenedImage]:
    """Decode an image once for everything that is made of it.

    Args:
        data: Content of an image file, its path, or pixels (h, w) or (h, w, c) with c = 1, 3 or 4.
        enough: Pixels per side that suffice. A JPEG several times larger is read at a fraction of its size.
        options: How images are read.

    Yields:
        The decoded image.

    Raises:
        BrokenImage: The data is not an image, or the block fails on it.
        UnreadableImage: The file cannot be read.

    """
    if isinstance(data, np.ndarray):
        image = _to_8_bits(data if options.bands is None else select_bands(data, options.bands), options)
        yield OpenedImage(image, image.width, image.height)
        return
    with _translate_errors(), pillow_limit_at_least(options.max_pixels), _open_content(data) as file:
        raster = read_raster(file, data.suffix.lower() if isinstance(data, Path) else "", enough, options)
        image = _to_8_bits(raster.pixels, options)
        width, height = raster.size
        if raster.turn is not None:
            image = image.transpose(raster.turn)
            if raster.turn in SIDEWAYS:
                width, height = height, width
        yield OpenedImage(image, width, height)


def sample_depth(data: bytes | Path | NDArray[Any], options: ReadingOptions) -> NDArray[Any] | None:
    """Look at the values of an image, if it is deeper than 8 bits.

    Args:
        data: Content of an image file, its path, or pixels.
        options: How images are read.

    Returns:
        Some values, shape (n,); None for an image of 8 bits.

    Raises:
        BrokenImage: The data is not an image.

    """
    if isinstance(data, np.ndarray):
        return sample_values(data) if data.dtype not in (np.uint8, np.bool_) else None
    with _translate_errors(), pillow_limit_at_least(options.max_pixels), _open_content(data) as file:
        if not may_hold_deep(file):
            return None
        pixels = read_raster(file, data.suffix.lower() if isinstance(data, Path) else "", 1, options).pixels
        if isinstance(pixels, Image.Image):
            return sample_values(np.asarray(pixels)) if is_deep(pixels) else None
        colors = pixels[..., :3] if pixels.ndim == 3 else pixels
        return sample_values(colors) if pixels.dtype not in (np.uint8, np.bool_) else None


def may_be_deep(data: bytes | Path | NDArray[Any]) -> bool:
    """Tell quickly whether an image may be deeper than 8 bits, by the first bytes of its file.

    Args:
        data: Content of an image file, its path, or pixels.

    Returns:
        False only if it is certainly not, or cannot be read.

    """
    if isinstance(data, np.ndarray):
        return data.dtype not in (np.uint8, np.bool_)
    try:
        with _translate_errors(), _open_content(data) as file:
            return may_hold_deep(file)
    except BrokenImage:
        return False


def crop_resize(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Cut out the central square of an image and resize it with antialiasing.

    The crop comes first, so that an image of 1 x 20000 pixels costs no more than any other. A square of the right
    size keeps every bit.

    Args:
        image: Image in any mode, upright.
        size: Side of the square in pixels.

    Returns:
        Pixels (size, size, 3), RGB, 0 to 255.

    """
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = to_rgb(image.crop((left, top, left + side, top + side)))
    return np.array(square.resize((size, size), Image.Resampling.BICUBIC))


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB. Transparency is laid on white.

    Args:
        image: Image in any mode. One deeper than 8 bits, which `open_image` never gives, is scaled by itself.

    Returns:
        A new image in mode RGB.

    """
    image = _to_8_bits(image, DEFAULT_OPTIONS)
    if image.mode == "La":  # gray times its opacity, which Pillow converts to nothing else
        image = image.convert("LA")
    if image.has_transparency_data:
        solid = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid).convert("RGB")
    return image.convert("RGB")


def regular_file_size(path: Path) -> int:
    """Check that a path is a regular file. Opening a named pipe would wait forever.

    Args:
        path: Path to check.

    Returns:
        Size of the file in bytes.

    Raises:
        BrokenImage: The path is not a regular file.
        OSError: The path cannot be examined.

    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise BrokenImage("a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file")
    return status.st_size


def _to_8_bits(pixels: Image.Image | NDArray[Any], options: ReadingOptions) -> Image.Image:
    """Make an image of 8 bits. Deep pixels are scaled; transparency has a scale of its own."""
    if isinstance(pixels, Image.Image):
        if not is_deep(pixels):
            return pixels
        pixels = np.asarray(pixels)
    if pixels.ndim == 3 and pixels.shape[2] < 3:
        pixels = pixels[..., 0]
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if pixels.dtype != np.uint8:
        scale = options.depth_scale or NO_SCALE
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            opaque = float(np.iinfo(pixels.dtype).max) if pixels.dtype.kind in "ui" else 1.0
            alpha = DepthScale(*3 * [(0.0, opaque)]).to_8_bits(pixels[..., 3:])
            pixels = np.concatenate([scale.to_8_bits(pixels[..., :3]), alpha], axis=2)
        else:
            pixels = scale.to_8_bits(pixels)
    return Image.fromarray(np.ascontiguousarray(pixels))


@contextmanager
def _open_content(data: bytes | Path) -> Iterator[BytesIO | BufferedReader]:
    """Open the content of an image. Raises BrokenImage if it is empty or not a regular file."""
    length = len(data) if isinstance(data, bytes) else regular_file_size(data)
    if length == 0:
        raise BrokenImage("an empty file")
    with BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        yield file


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Turn any error into a BrokenImage with a plain reason. Pillow's readers raise nearly every exception."""
    try:
        yield
    except BrokenImage:
        raise
    except FileNotFoundError:
        raise BrokenImage("there is no such file, or it is a link to nothing") from None
    except UnidentifiedImageError:
        raise BrokenImage("not an image") from None
    except Image.DecompressionBombError:
        raise BrokenImage("too large: an image within the file has more pixels than Pillow decodes") from None
    except MemoryError:
        raise BrokenImage("not enough memory to decode it") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UnreadableImage(f"cannot be read: {error.strerror}") from None
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            raise BrokenImage("truncated: the end of the image is missing") from None
        if str(error) == "not identified by this driver":
            raise BrokenImage("damaged, or of a variant that its decoder does not know") from None
        raise BrokenImage(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from None
