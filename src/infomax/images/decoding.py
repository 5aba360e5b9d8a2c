"""One image, in any of the forms images come in, to one small square of 8-bit RGB.

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
from PIL import Image, UnidentifiedImageError

VERSION = 1
"""Raised whenever the same bytes come out as other pixels: prepared images of another version are not reused."""

UNSUITED = {"BUFR", "GRIB", "HDF5", "MPEG", "WMF", "EPS"}
"""Formats Pillow recognizes but cannot draw, and EPS, which it hands to an outside program."""

UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to the turn that undoes it; 1 needs none."""

ORIENTATION = 0x0112
"""The EXIF tag of the orientation."""


class BrokenImage(Exception):
    """An image that cannot be decoded; `reason` says why in plain words, without saying where."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnreadableImage(BrokenImage):
    """An image that could not be read just now (permission, a failing disk): worth trying again another time."""


def decode(data: bytes | Path, size: int) -> NDArray[np.uint8]:
    """The pixels (size, size, 3) of one image, given as the bytes of its file or as the path to it.

    Raises BrokenImage where it is no image, incomplete, or so large that it may be a decompression bomb.
    """
    with no_pillow_warnings():
        return center_crop_resize(data, size)


@contextmanager
def no_pillow_warnings() -> Iterator[None]:
    """Pillow's remarks on odd files (bad EXIF, unknown tags) are not printed.

    Warning filters belong to the whole process, so this goes around a pool of threads, never inside one of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def center_crop_resize(data: bytes | Path | NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The same as `decode`, for many threads within one `remarks_silenced`; also takes pixels (h, w) or (h, w, c)."""
    with loaded(data, 2 * size) as decoded:
        return crop_resize(decoded.image, size)


class Loaded(NamedTuple):
    """An image in memory, not yet upright; `width` and `height` are its own, also where the image is reduced."""

    image: Image.Image
    width: int
    height: int


@contextmanager
def loaded(data: bytes | Path | NDArray[np.uint8], enough: int) -> Iterator[Loaded]:
    """An image decoded once, for all that is made of it; a huge JPEG is read at a fraction, `enough` or more a side.

    Raises BrokenImage where it is no image, or where what is done with it fails, UnreadableImage where reading
    does.
    """
    if isinstance(data, np.ndarray):
        image = Image.fromarray(data[..., 0] if data.ndim == 3 and data.shape[2] == 1 else data)
        yield Loaded(image, image.width, image.height)
        return
    with translate_pillow_errors(), opened(data) as file, Image.open(file, formats=formats()) as image:
        width, height = image.size
        limit = Image.MAX_IMAGE_PIXELS
        if limit is not None and width * height > limit:
            raise BrokenImage(f"too large: {width} x {height} pixels, above the limit of {limit}")
        image.draft(None, (enough, enough))
        image.load()
        deep = image.format == "PPM" and image.mode == "I"  # Pillow hands 16-bit PGM over as 32-bit
        yield Loaded(image.convert("I;16") if deep else image, width, height)


@contextmanager
def opened(data: bytes | Path) -> Iterator[BytesIO | BufferedReader]:
    """The content of an image, to read. Raises BrokenImage where it is empty or no regular file."""
    if isinstance(data, bytes):
        length = len(data)
    else:
        status = data.stat()
        length = status.st_size
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for ever
            raise BrokenImage("a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file")
    if length == 0:
        raise BrokenImage("an empty file")
    with BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
        yield file


@contextmanager
def translate_pillow_errors() -> Iterator[None]:
    """Whatever goes wrong with an image, said of the image: Pillow's readers raise nearly anything."""
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


def crop_resize(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """The central square of a loaded image, upright, in RGB, resized with antialiasing: (size, size, 3).

    The crop comes first, so that an image of 1 x 20000 pixels costs no more than any other. A square of the right
    size passes through bit by bit.
    """
    image = exif_transpose(image)
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = to_rgb(image.crop((left, top, left + side, top + side)))
    return np.array(square.resize((size, size), Image.Resampling.BICUBIC))


def exif_transpose(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation asks."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ORIENTATION, 1))
    except Exception:  # the pixels are sound even where the EXIF block is not
        return image
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: transparency on white, deep grays rescaled and never clipped.

    16-bit gray v becomes v / 257. 32-bit integers and floats have no fixed white: their least value becomes 0 and
    their greatest 255 (NaN and infinities become 0; a constant image is black).
    """
    if image.mode.startswith("I;16"):
        return gray(np.asarray(image) / 257)
    if image.mode in ("I", "F"):
        return gray(stretched(np.asarray(image, np.float64)))
    if image.has_transparency_data:
        solid = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", solid.size, "white"), solid).convert("RGB")
    return image.convert("RGB")


def stretched(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The finite values moved and scaled to fill 0 to 255."""
    finite = np.isfinite(values)
    low, high = values.min(where=finite, initial=np.inf), values.max(where=finite, initial=-np.inf)
    if low >= high:
        return np.zeros_like(values)
    scaled: NDArray[np.float64] = (values / 2 - low / 2) / (high / 2 - low / 2) * 255  # high - low could overflow
    return np.where(finite, scaled, 0)


def gray(values: NDArray[np.floating[Any]]) -> Image.Image:
    """Values (h, w) from 0 to 255 as an RGB image."""
    return Image.fromarray(np.rint(values).astype(np.uint8)).convert("RGB")


@cache
def formats() -> tuple[str, ...]:
    """The image formats that are decoded, the likeliest first."""
    Image.init()
    named = set(Image.registered_extensions().values())  # those without an extension are guessed from hardly anything
    return tuple(name for name in Image.OPEN if name in named - UNSUITED)


@cache
def extensions() -> frozenset[str]:
    """The extensions, in lower case with their dot, of the files that are taken for images."""
    return frozenset(extension for extension, name in Image.registered_extensions().items() if name in formats())
