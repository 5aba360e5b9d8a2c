"""Decode one image, in any format that Pillow reads, to a small square of 8-bit RGB.

    stored bytes -> first frame -> upright -> central square -> RGB on white -> resized

Nothing here knows about collections. Color profiles are ignored.
"""

import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from infomax.errors import InfoMaxWarning

# to be raised when the same bytes decode to other pixels, so that older caches are not used
DECODING_VERSION = 1

# formats that Pillow recognizes but cannot draw, and EPS, which it passes to an external program
_UNSUITED = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS"}


class BrokenImage(Exception):
    """An image that cannot be decoded.

    Args:
        reason: Why, in plain words, without the name of the image.

    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableImage(BrokenImage):
    """An image that could not be read this time (permission, a failing disk). It is worth trying again later."""


def decode(data: bytes | Path, size: int) -> NDArray[np.uint8]:
    """Decode one image to a square. Pillow's warnings are suppressed.

    Args:
        data: Content of an image file, or its path.
        size: Side of the square in pixels.

    Returns:
        Pixels (size, size, 3), 0 to 255.

    Raises:
        BrokenImage: The data is not an image, is incomplete, or may be a decompression bomb.

    Example:
        >>> file = BytesIO()
        >>> Image.new("RGB", (40, 30), "red").save(file, "png")
        >>> decode(file.getvalue(), 2).tolist()
        [[[255, 0, 0], [255, 0, 0]], [[255, 0, 0], [255, 0, 0]]]

    """
    with no_pillow_warnings():
        return center_crop_resize(data, size)


@contextmanager
def no_pillow_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings about odd files (bad EXIF, unknown tags).

    Warning filters belong to the whole process. So this must enclose a pool of threads and must not be used inside one.

    Yields:
        Nothing.

    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", InfoMaxWarning)
        yield


def center_crop_resize(data: bytes | Path | NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Decode one image to a square. Many threads may do so within one `no_pillow_warnings`.

    Args:
        data: Content of an image file, its path, or pixels (h, w) or (h, w, c) with c = 1, 3 or 4.
        size: Side of the square in pixels.

    Returns:
        Pixels (size, size, 3), 0 to 255.

    Raises:
        BrokenImage: The data is not an image, is incomplete, or may be a decompression bomb.

    """
    with open_image(data, 2 * size) as opened:
        return crop_resize(opened.image, size)


class OpenedImage(NamedTuple):
    """A decoded image, upright.

    Attributes:
        image: The image. It is smaller than `width` x `height` if a JPEG was read at a fraction of its size.
        width: Full width in pixels.
        height: Full height in pixels.

    """

    image: Image.Image
    width: int
    height: int


@contextmanager
def open_image(data: bytes | Path | NDArray[np.uint8], enough: int) -> Iterator[OpenedImage]:
    """Decode an image once for everything that is made of it.

    Args:
        data: Content of an image file, its path, or pixels (h, w) or (h, w, c) with c = 1, 3 or 4.
        enough: Pixels per side that suffice. A JPEG several times larger is read at a fraction of its size.

    Yields:
        The decoded image.

    Raises:
        BrokenImage: The data is not an image, or the block fails on it.
        UnreadableImage: The file cannot be read.

    """
    if isinstance(data, np.ndarray):
        image = Image.fromarray(data[..., 0] if data.ndim == 3 and data.shape[2] == 1 else data)
        yield OpenedImage(image, image.width, image.height)
        return
    with _translate_errors(), _open_content(data) as file, Image.open(file, formats=_formats()) as image:
        width, height = image.size
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and width * height > limit:
            raise BrokenImage(f"too large: {width} x {height} pixels, above the limit of {limit}")
        image.draft(None, (enough, enough))
        image.load()
        stored_size = image.size
        _exif_transpose(image)
        if image.size != stored_size:
            width, height = height, width
        is_16_bit = image.format == "PPM" and image.mode == "I"  # Pillow reads 16-bit PGM as 32-bit
        yield OpenedImage(image.convert("I;16") if is_16_bit else image, width, height)


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
    """Convert any mode to RGB.

    Transparency is laid on white. Deep gray is rescaled, never clipped: 16-bit gray v becomes v / 257. 32-bit integers
    and floats have no fixed white, so their minimum becomes 0 and their maximum 255 (NaN and infinities become 0; a
    constant image is black).

    Args:
        image: Image in any mode.

    Returns:
        A new image in mode RGB.

    """
    if image.mode.startswith("I;16"):
        return _gray(np.asarray(image) / 257)
    if image.mode in ("I", "F"):
        return _gray(_rescale(np.asarray(image, np.float64)))
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


@cache
def image_extensions() -> frozenset[str]:
    """Extensions of the files that count as images, in lower case with their dot."""
    return frozenset(extension for extension, name in Image.registered_extensions().items() if name in _formats())


@cache
def _formats() -> tuple[str, ...]:
    """Image formats that are decoded, the most common first."""
    Image.init()
    # Pillow recognizes formats that have no extension by hardly anything
    with_extension = set(Image.registered_extensions().values())
    return tuple(name for name in Image.OPEN if name in with_extension - _UNSUITED)


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
        raise BrokenImage(f"too large: more than twice the limit of {Image.MAX_IMAGE_PIXELS} pixels") from None
    except MemoryError:
        raise BrokenImage("not enough memory to decode it") from None
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UnreadableImage(f"cannot be read: {error.strerror}") from None
        if isinstance(error, EOFError) or "truncated" in str(error).lower():
            raise BrokenImage("truncated: the end of the image is missing") from None
        raise BrokenImage(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from None


def _exif_transpose(image: Image.Image) -> None:
    """Turn an image upright, in place, as its EXIF orientation says. Broken EXIF is ignored: the pixels are sound."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:
        pass


def _rescale(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shift and scale the finite values to fill 0 to 255."""
    finite = np.isfinite(values)
    low, high = values.min(where=finite, initial=np.inf), values.max(where=finite, initial=-np.inf)
    if low >= high:
        return np.zeros_like(values)
    scaled: NDArray[np.float64] = (values / 2 - low / 2) / (high / 2 - low / 2) * 255  # high - low could overflow
    return np.where(finite, scaled, 0)


def _gray(values: NDArray[np.floating[Any]]) -> Image.Image:
    """Convert values (h, w) from 0 to 255 to an RGB image."""
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")
