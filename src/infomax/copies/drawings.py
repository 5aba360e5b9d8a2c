"""Compare drawings, pages and screens at their full resolution: there a word or a dot is all that may differ.

A photo with a mark is the same photo. A form with another name is another form, although most of both agrees. So every
small part of a drawing that shows something must agree, and none is left out. A copy that was encoded again, scaled or
brightened differs nowhere by more than noise.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from infomax.copies.agreement import box, luma, match_clipping
from infomax.copies.photometry import part_sums, unexplained_color, unexplained_light
from infomax.copies.registration import AffineMaps, GrayImages, register, sample

DRAWING_SIDE = 256
"""Pixels of both sides at which drawings are compared, unless a thumbnail is smaller."""

PART = 12
"""Side of a part whose structure is compared, in pixels; half of it overlaps the next one."""

LEAST_AGREEMENT = 0.1
"""Least correlation of the parts of two drawings that are the same."""

LIGHT = 2.0
"""Largest difference of light, relative to what encoding and a slight shift may cause."""

LIGHT_OF_SMALL = 2.6
"""The same, where one image is so small that its edges are smeared over a part."""

LIGHT_OF_SHARED = 2.2
"""The same, for two drawings that both are the same as a third one."""

LIGHT_PART = 4
"""Side of a part whose light is compared, in pixels: less than a letter."""

PART_CONTRAST = 16.0
"""Standard deviation, in levels of 255, from which on a part shows something."""

RELATIVE_CONTRAST = 0.25
"""The same, relative to the parts of most contrast: beside black letters, the noise of an encoder is nothing."""

FADED = 0.25
"""Ratio of contrasts below which a part shows something in one image only."""

COLOR_PARTS = 16
"""Parts along a side, in which colors are compared."""

GAIN = 1.7
"""Largest ratio of the contrasts of two drawings: a pale shirt is no dark one."""

SOME_PARTS = 4
"""Least number of parts that must show something."""

LEAST_LIKELY = 0.6
"""Least correlation of the details at 64 x 64 pixels, for drawings to be compared more closely."""

LEAST_AT_START = 0.3
"""The same, before they are registered."""

CUTS = (0.025, 0.05, 0.075, 0.1)
"""Parts of a side that may be cut off: at its start, at its end, or half of it at both."""

NOISE = 10.0
"""Residual, in levels of 255, that counts as noise in a registration. Most of a drawing is even and has none: an edge
that is off by a pixel must not count as a mark that only one image has."""

SMALLEST_SIDE = 64
"""Pixels of a side at which drawings are registered first."""


def profile_maps(first: GrayImages, second: GrayImages) -> AffineMaps:
    """Find how one drawing is cropped out of the other, along each axis by itself.

    Rows of text and columns of a table show in the means along the other axis, and tell where they are even if they
    look alike. A search for a map without such a start would end one line apart.

    Args:
        first: Gray images, shape (m, side, side).
        second: Gray images, shape (m, side, side).

    Returns:
        Maps from the first to the second images, shape (m, 2, 3).

    """
    maps = torch.zeros(len(first), 2, 3)
    cuts = _cuts()
    for axis, across in ((0, 1), (1, 2)):
        chosen = cuts[_best_cut(first.mean(across), second.mean(across))]
        maps[:, axis, axis], maps[:, axis, 2] = chosen[:, 0], chosen[:, 1]
    return maps


@cache
def _cuts() -> Float[torch.Tensor, "cuts 2"]:
    """Size and shift of the second drawing in coordinates of the first: whole, or either cut out of the other."""
    found = [(1.0, 0.0)]
    for cut in CUTS:
        for middle in (-cut, 0.0, cut):
            found += [(1 - cut, middle), (1 / (1 - cut), -middle / (1 - cut))]
    return torch.tensor(found)


def _best_cut(first: Float[torch.Tensor, "m side"], second: Float[torch.Tensor, "m side"]) -> Int[torch.Tensor, " m"]:
    """The cut by which two profiles agree best."""
    side = first.shape[1]
    along = (torch.arange(side) * 2 + 1) / side - 1
    places = _cuts()[:, :1] * along + _cuts()[:, 1:]
    inside = (places.abs() <= 1).float()
    index = ((places + 1) * side / 2 - 0.5).clamp(0, side - 1)
    low = index.floor().long().clamp(max=side - 2)
    part = index - low
    details = _without_trend(second)
    warped = details[:, low] * (1 - part) + details[:, low + 1] * part
    x = _without_trend(first)[:, None] * inside
    y = warped * inside
    agreement = (x * y).sum(2) / ((x * x).sum(2) * (y * y).sum(2)).clamp(min=1e-6).sqrt()
    return agreement.argmax(1)


def _without_trend(profile: Float[torch.Tensor, "m side"]) -> Float[torch.Tensor, "m side"]:
    """A profile without its mean over an eighth of the side."""
    width = profile.shape[1] // 8 | 1
    padded = torch.nn.functional.pad(profile[:, None], (width // 2, width // 2), mode="replicate")
    return profile - torch.nn.functional.avg_pool1d(padded, width, 1)[:, 0]


def closest(
    first: GrayImages, second: GrayImages, starts: Sequence[AffineMaps]
) -> tuple[Float[torch.Tensor, " m"], AffineMaps]:
    """Register drawings from the best of several starts, where there is one that may lead anywhere.

    Args:
        first: Gray images in 0..255, shape (m, side, side).
        second: Gray images in 0..255, shape (m, side, side).
        starts: Maps from the first to the second images, each of shape (m, 2, 3).

    Returns:
        Correlation of the details, shape (m,), and the maps.

    """
    agreements = torch.stack([_agreement(first, second, start) for start in starts])
    best, chosen = agreements.max(0)
    maps = torch.stack(list(starts))[chosen, torch.arange(len(first))]
    near = (best >= LEAST_AT_START).nonzero()[:, 0]
    if len(near):
        moved = maps[near]
        for reduction in (2, 1):
            moved = register(first[near], second[near], moved, reduction, 3, NOISE * reduction)
        agreement = _agreement(first[near], second[near], moved)
        better = agreement > best[near]
        best[near] = torch.where(better, agreement, best[near])
        maps[near] = torch.where(better[:, None, None], moved, maps[near])
    return best, maps


def _agreement(first: GrayImages, second: GrayImages, maps: AffineMaps) -> Float[torch.Tensor, " m"]:
    """Correlation of the details of images that are registered by some maps."""
    warped, overlap = sample(second[:, None], maps)
    return _correlation(first - box(first, 9), warped[:, 0] - box(warped[:, 0], 9), overlap.float())


def light_bounds(small: Bool[np.ndarray, " m"], *, shared: bool) -> Float[torch.Tensor, " m"]:
    """Choose by how much the light of pairs may differ.

    Args:
        small: Whether one image of a pair is much smaller than `SMALLEST_SIDE`, shape (m,).
        shared: Whether both images are the same as a third one.

    Returns:
        The bounds, shape (m,).

    """
    return torch.where(torch.from_numpy(small), LIGHT_OF_SMALL, LIGHT_OF_SHARED if shared else LIGHT)


def may_be_same(
    first: GrayImages, second: GrayImages, maps: AffineMaps, light: Float[torch.Tensor, " m"]
) -> Bool[torch.Tensor, " m"]:
    """Compare registered drawings roughly: most of one layout with other words differ at a glance.

    Args:
        first: Gray images in 0..255, shape (m, 64, 64).
        second: Gray images in 0..255, shape (m, 64, 64).
        maps: Maps from the first to the second images, shape (m, 2, 3).
        light: Largest difference of light, such as `LIGHT`, shape (m,).

    Returns:
        Which pairs deserve a closer look, shape (m,).

    """
    warped, overlap = sample(second[:, None], maps)
    likely: Bool[torch.Tensor, " m"] = unexplained_light(first, warped[:, 0], overlap.float(), LIGHT_PART) <= light
    return likely


def same_drawing(
    first: UInt8[np.ndarray, "m side side 3"],
    second: UInt8[np.ndarray, "m side side 3"],
    maps: AffineMaps,
    light: Float[torch.Tensor, " m"],
) -> Bool[torch.Tensor, " m"]:
    """Compare drawings part by part.

    Args:
        first: Pixels of the first images, shape (m, side, side, 3).
        second: Pixels of the second images, shape (m, side, side, 3).
        maps: Maps from the first to the second images, shape (m, 2, 3), to start from.
        light: Largest difference of light, such as `LIGHT`, shape (m,).

    Returns:
        Which pairs agree in all parts that show anything, shape (m,).

    """
    one, other = (torch.from_numpy(each).permute(0, 3, 1, 2).contiguous().float() for each in (first, second))
    side = first.shape[1]
    fixed, moving = luma(one), luma(other)
    for reduction in (4, 2, 1):
        if side // reduction >= SMALLEST_SIDE:
            stride = side // reduction // SMALLEST_SIDE
            maps = register(fixed, moving, maps, reduction, 2, NOISE * reduction, stride=stride)
    warped, overlap = sample(other, maps)
    mask, moved = overlap.float(), luma(warped)
    gains = _gains(fixed, moved, mask)
    same = (gains <= GAIN) & (gains >= 1 / GAIN)
    least, numbers = _least_agreement(*match_clipping(fixed, moved, mask), mask, PART)
    same &= (least >= LEAST_AGREEMENT) & (numbers >= SOME_PARTS)
    same &= unexplained_light(fixed, moved, mask, LIGHT_PART) <= light
    color, colorless = unexplained_color(one, warped, mask, side // COLOR_PARTS)
    return same & (colorless | (color <= 1))


def _least_agreement(
    x: GrayImages, y: GrayImages, mask: GrayImages, part: int
) -> tuple[Float[torch.Tensor, " m"], Int[torch.Tensor, " m"]]:
    """Least correlation of a part that shows something, and the number of such parts."""
    middle = (x * mask).sum((1, 2), keepdim=True) / mask.sum((1, 2), keepdim=True).clamp(min=1)
    x, y = (x - middle) * mask, (y - middle) * mask  # so that squares do not lose digits
    w, x_sum, y_sum, xx, yy, xy = part_sums(torch.stack([mask, x, y, x * x, y * y, x * y], 1), part).unbind(1)
    total = w.clamp(min=1)
    x_size = (xx / total - (x_sum / total).square()).clamp(min=0).sqrt()
    y_size = (yy / total - (y_sum / total).square()).clamp(min=0).sqrt()
    correlation = (xy / total - x_sum * y_sum / total.square()) / (x_size * y_size).clamp(min=1)
    larger, smaller = torch.maximum(x_size, y_size), torch.minimum(x_size, y_size)
    correlation = torch.where(smaller < FADED * larger, 0, correlation)
    whole = w > 0.9 * part**2
    most = (larger * whole).quantile(0.95, 1, keepdim=True)
    shows = whole & (larger > (RELATIVE_CONTRAST * most).clamp(min=PART_CONTRAST))
    return correlation.masked_fill(~shows, 1).amin(1), shows.sum(1)


def _correlation(x: GrayImages, y: GrayImages, mask: GrayImages) -> Float[torch.Tensor, " m"]:
    xx, yy, xy = ((each * mask).sum((1, 2)) for each in (x * x, y * y, x * y))
    return xy / (xx * yy).clamp(min=1e-6).sqrt()


def _gains(x: GrayImages, y: GrayImages, mask: GrayImages) -> Float[torch.Tensor, " m"]:
    """Ratio of the standard deviations within the overlap."""
    total = mask.sum((1, 2), keepdim=True).clamp(min=1)
    power = [
        ((each - (each * mask).sum((1, 2), keepdim=True) / total).square() * mask).sum((1, 2)).clamp(min=1e-3)
        for each in (x, y)
    ]
    return (power[1] / power[0]).sqrt()
