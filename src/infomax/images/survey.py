"""A first look at a source: how many images, and how large, without decoding them."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from infomax.images.decoding import BrokenImage
from infomax.images.opening import SourceLike, open_source
from infomax.images.source import Content

LOOKED_AT = 24


@dataclass(frozen=True)
class SourceProbe:
    """count: of entries, broken ones among them. side: the median shorter side of some, in pixels; 0 if none opens."""

    count: int
    side: int


def probe_source(source: SourceLike) -> SourceProbe:
    """Count a SOURCE's images and look at some. Raises InfoMaxError where there are none."""
    found = open_source(source)
    count = len(found.entries)
    rows = sorted({round(place) for place in np.linspace(0, count - 1, min(count, LOOKED_AT))})
    sides = [side for content in found.read(rows) if (side := _shorter_side(content))]
    return SourceProbe(count, int(np.median(sides)) if sides else 0)


def _shorter_side(content: Content) -> int:
    if isinstance(content.data, BrokenImage):
        return 0
    if isinstance(content.data, np.ndarray):
        return min(int(side) for side in content.data.shape[:2])
    try:
        with Image.open(content.data if isinstance(content.data, Path) else BytesIO(content.data)) as image:
            return min(image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0
