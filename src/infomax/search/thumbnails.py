"""Small images to show: the whole image upright, not the square that a model sees."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from infomax.images.decoding import Loaded, crop_resize, exif_transpose, loaded, to_rgb

SIDE = 256
"""Pixels of the longer side: sharp at 128 on a screen of double density."""

QUALITY = 80

SMALLEST = 16
"""Pixels of either side of an image that is only compared with others."""


class Thumbnail(NamedTuple):
    """Width and height of the image itself, upright, and a WebP of it no larger than SIDE."""

    width: int
    height: int
    content: bytes


def thumbnail(data: bytes | Path | NDArray[np.uint8]) -> Thumbnail:
    """The thumbnail of an image. Raises BrokenImage."""
    with loaded(data, SIDE) as decoded:
        return reduced(decoded)


def square_and_thumbnail(
    data: bytes | Path | NDArray[np.uint8], size: int
) -> tuple[UInt8[np.ndarray, "size size 3"], Thumbnail]:
    """What a model sees, as `to_square` gives it, and the thumbnail: the image is decoded once for both.

    Only a JPEG of which the model takes so small a fraction that a thumbnail needs more is decoded again. Raises
    BrokenImage.
    """
    with loaded(data, 2 * size) as decoded:
        square = crop_resize(decoded.image, size)
        is_whole = decoded.image.size == (decoded.width, decoded.height)
        enough = is_whole or min(decoded.image.size) >= SIDE
        return square, reduced(decoded) if enough else thumbnail(data)


def reduced(decoded: Loaded) -> Thumbnail:
    """The thumbnail of a loaded image."""
    small = to_rgb(exif_transpose(decoded.image))
    turned = (small.width > small.height) != (decoded.image.width > decoded.image.height)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = BytesIO()
    small.save(file, "webp", quality=QUALITY, method=2)
    width, height = (decoded.height, decoded.width) if turned else (decoded.width, decoded.height)
    return Thumbnail(width, height, file.getvalue())


def smallest(content: bytes) -> NDArray[np.uint8]:
    """A thumbnail at its smallest, (SMALLEST, SMALLEST, 3), the whole of it: not as wide as high as it was."""
    with Image.open(BytesIO(content), formats=["WEBP"]) as image:
        return np.array(image.convert("RGB").resize((SMALLEST, SMALLEST), Image.Resampling.BILINEAR))
