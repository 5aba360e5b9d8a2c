"""First look at a collection: the one scale by which all of its images deeper than 8 bits become 8 bits."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage
from infomax.decoding.depth import DepthScale, common_scale
from infomax.decoding.image import may_be_deep, sample_depth
from infomax.decoding.options import ReadingOptions
from infomax.devices import cores
from infomax.images.source import Content, Source

_SAMPLE = 64  # images whose values are looked at
_CHUNK = 4096  # files that are told apart at a time
_SHALLOW = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".webp", ".bmp", ".heic", ".heif", ".hif"})


def measure_depth(source: Source, options: ReadingOptions) -> DepthScale:
    """Find the scale of a collection. The same files always give the same scale.

    Files are first told apart by their first bytes, so that a collection of 8-bit images costs next to nothing, and a
    few deep images among many others are found. Of a collection that is stored in other ways only a sample is read.

    Args:
        source: The open source.
        options: How images are read.

    Returns:
        The scale; without ranges if no image is deeper than 8 bits.

    """
    rows = _spread(range(len(source.entries)), _SAMPLE)
    sample = list(source.read(rows))
    if all(isinstance(content.data, Path | BrokenImage) for content in sample):
        sample = list(source.read(_spread(_deep_rows(source), _SAMPLE)))
    with ThreadPoolExecutor(cores()) as pool:
        values = pool.map(lambda content: _values(content, options), sample)
        return common_scale([each for each in values if each is not None])


def _deep_rows(source: Source) -> list[int]:
    """Rows of a source of files whose image may be deep. JPEGs and their like are not even opened."""
    contents, deep = source.read(range(len(source.entries))), list[bool]()
    with ThreadPoolExecutor(cores()) as pool:
        while chunk := list(islice(contents, _CHUNK)):
            deep += pool.map(_may_be_deep, chunk)
    return [row for row, is_deep in enumerate(deep) if is_deep]


def _may_be_deep(content: Content) -> bool:
    data = content.data
    if isinstance(data, BrokenImage) or (isinstance(data, Path) and data.suffix.lower() in _SHALLOW):
        return False
    return may_be_deep(data)


def _values(content: Content, options: ReadingOptions) -> NDArray[Any] | None:
    """Values of a deep image. None for all others, broken ones among them."""
    try:
        return None if isinstance(content.data, BrokenImage) else sample_depth(content.data, options)
    except BrokenImage:
        return None


def _spread(rows: "range | list[int]", count: int) -> list[int]:
    """At most `count` of some rows, evenly spread."""
    if len(rows) <= count:
        return list(rows)
    return [rows[round(place)] for place in np.linspace(0, len(rows) - 1, count)]
