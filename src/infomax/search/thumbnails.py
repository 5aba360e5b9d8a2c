"""Small pictures to show: the whole picture upright, not the square that a model sees."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image

from infomax.images.decoding import Loaded, loaded, prepare, to_rgb, upright

SIDE = 256
"""Pixels of the longer side: sharp at 128 on a screen of double density."""

QUALITY = 80

SMALLEST = 16
"""Pixels of either side of a picture that is only compared with others."""


class Thumbnail(NamedTuple):
    """Width and height of the picture itself, upright, and a WebP of it no larger than SIDE."""

    width: int
    height: int
    content: bytes


def thumbnail(data: bytes | Path | NDArray[np.uint8]) -> Thumbnail:
    """The thumbnail of a picture. Raises BrokenPicture."""
    with loaded(data, SIDE) as picture:
        return reduced(picture)


def square_and_thumbnail(
    data: bytes | Path | NDArray[np.uint8], size: int
) -> tuple[UInt8[np.ndarray, "size size 3"], Thumbnail]:
    """What a model sees, as `to_square` gives it, and the thumbnail: the picture is decoded once for both.

    Only a JPEG of which the model takes so small a fraction that a thumbnail needs more is decoded again. Raises
    BrokenPicture.
    """
    with loaded(data, 2 * size) as picture:
        square = prepare(picture.image, size)
        is_whole = picture.image.size == (picture.width, picture.height)
        enough = is_whole or min(picture.image.size) >= SIDE
        return square, reduced(picture) if enough else thumbnail(data)


def reduced(picture: Loaded) -> Thumbnail:
    """The thumbnail of a loaded picture."""
    small = to_rgb(upright(picture.image))
    turned = (small.width > small.height) != (picture.image.width > picture.image.height)
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = BytesIO()
    small.save(file, "webp", quality=QUALITY, method=2)
    width, height = (picture.height, picture.width) if turned else (picture.width, picture.height)
    return Thumbnail(width, height, file.getvalue())


def smallest(content: bytes) -> NDArray[np.uint8]:
    """A thumbnail at its smallest, (SMALLEST, SMALLEST, 3), the whole of it: not as wide as high as it was."""
    with Image.open(BytesIO(content), formats=["WEBP"]) as image:
        return np.array(image.convert("RGB").resize((SMALLEST, SMALLEST), Image.Resampling.BILINEAR))
