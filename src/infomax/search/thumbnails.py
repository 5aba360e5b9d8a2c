"""Small pictures to show: the whole picture upright, not the square that a model sees."""

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infomax.pictures.decoding import BrokenPicture, formats, to_rgb, upright

SIDE = 256
"""Pixels of the longer side: sharp at 128 on a screen of double density."""

QUALITY = 80


class Thumbnail(NamedTuple):
    """Width and height of the picture itself, upright, and a WebP of it no larger than SIDE."""

    width: int
    height: int
    content: bytes


def thumbnail(data: bytes | Path | NDArray[np.uint8]) -> Thumbnail:
    """The thumbnail of a picture that `to_square` has decoded before: what is no picture was found out there.

    Raises BrokenPicture where it has been lost since.
    """
    try:
        if isinstance(data, np.ndarray):
            return reduced(Image.fromarray(data[..., 0] if data.ndim == 3 and data.shape[2] == 1 else data))
        with Image.open(BytesIO(data) if isinstance(data, bytes) else data, formats=formats()) as image:
            width, height = image.size
            image.draft(None, (2 * SIDE, 2 * SIDE))
            image.load()
            deep = image.format == "PPM" and image.mode == "I"  # as in decoding: Pillow hands 16-bit PGM over as 32-bit
            small = reduced(image.convert("I;16") if deep else image)
            turned = (small.width > small.height) != (image.width > image.height)
            return small._replace(width=height if turned else width, height=width if turned else height)
    except Exception as error:  # Pillow's readers raise nearly anything
        raise BrokenPicture(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from None


def reduced(image: Image.Image) -> Thumbnail:
    """The thumbnail of a loaded picture."""
    small = to_rgb(upright(image))
    width, height = small.size
    small.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    file = BytesIO()
    small.save(file, "webp", quality=QUALITY, method=2)
    return Thumbnail(width, height, file.getvalue())
