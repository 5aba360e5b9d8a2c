"""Bring deep pixels (16-bit, 32-bit, floats) to 8 bits by one scale for a whole collection.

A 12-bit camera uses 4096 of the 65536 values of its files, and a dim microscope a few hundred. Divided by 257 such
images would be black. So the range that a collection uses is measured once and maps to 0..255 for all of its images.
A saturated frame or a blank one among many others has no say in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FULL_RANGE = (0.0, 65535.0)
"""Range of 16-bit images that use at least half of it. Then v becomes v / 257, as their 8-bit copies have it."""

_TAILS = (0.1, 99.9)  # percentiles: a few hot or dead pixels do not set the scale
_SAMPLE = 1 << 16  # values of an image that are looked at
_FAR = 2.0  # widths of the usual range; an image whose range ends farther away is an outlier
_FEW = 0.1  # largest share of images that can be outliers; of three images or more, always one
_ROWS = 256  # rows converted at a time, so that large images need little memory

Range = tuple[float, float]


@dataclass(frozen=True)
class DepthScale:
    """Ranges of values that become 0..255. Values outside are clipped.

    Attributes:
        integers: Darkest and brightest value of integers of up to 16 bits; None scales each image by its own range.
        floats: The same for images of floats.
        wide_integers: The same for integers of 32 or 64 bits.

    Examples:
        >>> DepthScale(integers=(100.0, 355.0)).to_8_bits(np.array([[100, 228, 355, 4095]], np.uint16)).tolist()
        [[0, 128, 255, 255]]

    """

    integers: Range | None = None
    floats: Range | None = None
    wide_integers: Range | None = None

    def to_8_bits(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Scale deep pixels to 8 bits. NaN and infinities become 0; an image of one value without a scale is black.

        Args:
            values: Integers or floats, (h, w) or (h, w, c).

        Returns:
            Pixels of the same shape, 0 to 255.

        """
        known: Range | None = getattr(self, _kind(values))
        low, high = known or range_of([sample_values(values)]) or FULL_RANGE
        scaled = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), _ROWS):
            rows = slice(start, start + _ROWS)
            block = values[rows].astype(np.float64)
            finite = np.isfinite(block)
            unit = (block / 2 - low / 2) / (high / 2 - low / 2)  # high - low could overflow
            scaled[rows] = np.where(finite, np.rint(unit.clip(0, 1) * 255), 0)
        return scaled

    def to_dict(self) -> dict[str, list[float] | None]:
        """Give the scale as config.json has it."""
        ranges: dict[str, Range | None] = {name: getattr(self, name) for name in _KINDS}
        return {name: None if each is None else list(each) for name, each in ranges.items()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "DepthScale":
        """Read the scale from config.json.

        Args:
            stored: What `to_dict` gave.

        Returns:
            The scale.

        """
        return cls(
            *((None if (each := stored.get(name)) is None else (float(each[0]), float(each[1]))) for name in _KINDS)
        )


_KINDS = ("integers", "floats", "wide_integers")


def _kind(values: NDArray[Any]) -> str:
    """Which of the ranges some values belong to: 32-bit counts say nothing of a 16-bit camera, or the reverse."""
    if values.dtype.kind == "f":
        return "floats"
    return "integers" if values.dtype.itemsize <= 2 else "wide_integers"


NO_SCALE = DepthScale()
"""Each deep image by its own range."""


def common_scale(samples: Sequence[NDArray[Any]]) -> DepthScale:
    """Find the scale of a collection.

    Args:
        samples: Values of some of its deep images, as `sample_values` gives them. They may be of different types.

    Returns:
        A scale with the ranges of integers, of floats and of wide integers, as far as there are any.

    """
    return DepthScale(**{kind: range_of([each for each in samples if _kind(each) == kind]) for kind in _KINDS})


def sample_values(values: NDArray[Any]) -> NDArray[Any]:
    """Pick finite values of an image, evenly spread over its rows and columns.

    Args:
        values: Deep pixels (h, w) or (h, w, c).

    Returns:
        At most some ten thousands of values, shape (n,).

    """
    step = max(1, int(np.ceil(np.sqrt(values.size / _SAMPLE))))
    picked = values[::step, ::step].ravel()
    return picked[np.isfinite(picked)] if picked.dtype.kind == "f" else picked


def range_of(samples: Sequence[NDArray[Any]]) -> Range | None:
    """Find the range that images use, without the outermost thousandth at either end.

    Images of one value have no say, and neither have a few whose own range ends far from the usual one, which is the
    median over the images. 16-bit images that use half of their range or more have the whole range: they are
    photographs, with a white.

    Args:
        samples: Values of some images of one kind, integers or floats.

    Returns:
        The darkest and the brightest value; None if there are no values, or only one.

    """
    filled = [each for each in samples if each.size]
    if not filled:
        return None
    chosen = _without_outliers(filled)
    values = np.concatenate([each.astype(np.float64) for each in chosen])
    low, high = _ends(values)
    if low >= high:  # nearly all values are equal: what differs is the image
        low, high = float(values.min()), float(values.max())
    is_16_bit = all(each.dtype.kind != "f" for each in chosen) and values.min() >= 0 and values.max() <= FULL_RANGE[1]
    if is_16_bit and high / 2 - low / 2 >= FULL_RANGE[1] / 4:
        return FULL_RANGE
    return (low, high) if low < high else None


def _ends(values: NDArray[Any]) -> Range:
    low, high = (float(each) for each in np.percentile(values, _TAILS, method="nearest"))
    return low, high


def _without_outliers(samples: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
    """Leave out images of one value, and a few images that use quite another range than most."""
    ranges = np.array([_ends(each) for each in samples])
    varied = np.flatnonzero(ranges[:, 0] < ranges[:, 1]).tolist()
    if not varied:
        return samples
    low, high = np.median(ranges[varied], axis=0)
    reach = _FAR * np.median(ranges[varied, 1] / 2 - ranges[varied, 0] / 2) * 2  # a difference could overflow
    usual = [row for row in varied if ranges[row, 0] >= low - reach and ranges[row, 1] <= high + reach]
    outliers = len(varied) - len(usual)
    few = outliers <= max(_FEW * len(varied), 1) and len(varied) >= 3
    return [samples[row] for row in (usual if few else varied)]
