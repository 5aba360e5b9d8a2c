"""Thumbnails: the whole image, small and upright, not the square that a model sees."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.exif import ImageMetadata, read_metadata
from infomax.decoding.image import OpenedImage, crop_resize, open_image, to_rgb
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions

SIDE = 256
"""Pixels of the longer side: sharp at 128 CSS pixels on a screen of double density."""

QUALITY = 80
"""Quality of the WebP, in 0..100."""


class Thumbnail(NamedTuple):
    """A small version of an image.

    Attributes:
        width: Width of the image itself, upright, in pixels.
        height: Height of the image itself, upright, in pixels.
        content: A WebP whose longer side is at most SIDE pixels.

    """

    width: int
    height: int
    content: bytes


def thumbnail(data: bytes | Path | NDArray[np.uint8], options: ReadingOptions = DEFAULT_OPTIONS) -> Thumbnail:
    """Make the thumbnail of an image.

    Args:
        data: The content of a file, its path, or uint8 pixels (h, w) or (h, w, c).
        options: How images are read.

    Returns:
        The thumbnail.

    Raises:
        BrokenImage: The image cannot be decoded.

    """
    with open_image(data, SIDE, options) as decoded:
        return _reduced(decoded)


def decode_views(
    data: bytes | Path | NDArray[np.uint8], size: int, options: ReadingOptions = DEFAULT_OPTIONS
) -> tuple[UInt8[np.ndarray, "size size 3"], Thumbnail, ImageMetadata]:
    """Make all that an index keeps of an image, which is decoded once: square, thumbnail, and what its file says.

    A JPEG is decoded a second time where the model takes so small a fraction of it that a thumbnail needs more.

    Args:
        data: The content of a file, its path, or uint8 pixels (h, w) or (h, w, c).
        size: Side of the square, in pixels.
        options: How images are read.

    Returns:
        The pixels of the square, shape (size, size, 3), as `center_crop_resize` makes them, the thumbnail, and the
        metadata.

    Raises:
        BrokenImage: The image cannot be decoded.

    """
    with open_image(data, 2 * size, options) as decoded:
        square = crop_resize(decoded.image, size)
        is_whole = decoded.image.size == (decoded.width, decoded.height)
        enough = is_whole or min(decoded.image.size) >= SIDE
        small = _reduced(decoded) if enough else thumbnail(data, options)
        return square, small, read_metadata(decoded.image)


def _reduced(decoded: OpenedImage) -> Thumbnail:
    """The thumbnail of a loaded image."""
    small = to_rgb(decoded.image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = BytesIO()
    small.save(file, "webp", quality=QUALITY, method=2)
    return Thumbnail(decoded.width, decoded.height, file.getvalue())
