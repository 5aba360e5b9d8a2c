"""Number and size of the images in a source, found without decoding them."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.images.opening import SourceLike, open_source
from infomax.images.source import Content

_SAMPLES = 24  # images that are opened


@dataclass(frozen=True)
class SourceProbe:
    """Number and typical size of the images in a source.

    Attributes:
        count: Number of entries. Some of them may be broken.
        side: Median length of the shorter side of a few images, in pixels; 0 if none of them can be opened.

    """

    count: int
    side: int


def probe_source(source: SourceLike) -> SourceProbe:
    """Count the images of a source and measure a few.

    Args:
        source: Anything that `open_source` takes.

    Returns:
        Number and typical size of the images.

    Raises:
        InfoMaxError: There are no images.

    Examples:
        >>> probe_source("digits")
        SourceProbe(count=1797, side=8)

    """
    found = open_source(source)
    count = len(found.entries)
    rows = sorted({round(row) for row in np.linspace(0, count - 1, min(count, _SAMPLES))})
    sides = [side for content in found.read(rows) if (side := _shorter_side(content))]
    return SourceProbe(count, int(np.median(sides)) if sides else 0)


def _shorter_side(content: Content) -> int:
    """Shorter side of an image in pixels, from the header of its file; 0 if it cannot be opened."""
    if isinstance(content.data, BrokenImage):
        return 0
    if isinstance(content.data, np.ndarray):
        return min(int(side) for side in content.data.shape[:2])
    try:
        with Image.open(content.data if isinstance(content.data, Path) else BytesIO(content.data)) as image:
            return min(image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0
