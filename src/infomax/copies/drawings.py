"""Compare drawings, pages and screens at their full resolution: there a word or a dot is all that may differ.

A photo with a mark is the same photo. A form with another name is another form, although most of both agrees. So every
small part of a drawing that shows something must agree, and none is left out. A copy that was encoded again, scaled or
brightened differs nowhere by more than noise.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch.nn.functional import avg_pool2d

from infomax.copies.agreement import box, match_clipping
from infomax.copies.candidates import gray
from infomax.copies.registration import AffineMaps, GrayImages, identity_maps, register, sample

DRAWING_SIDE = 256
"""Pixels of both sides at which drawings are compared, unless a thumbnail is smaller."""

LEAST_AGREEMENT = {12: 0.68, 8: 0.3}
"""Least correlation of the parts of two drawings that are the same, by the side of a part in pixels.

Half of a part overlaps the next one. A letter shows in the smaller parts, and the larger ones do not mind some blur.
"""

PART_CONTRAST = 8.0
"""Standard deviation, in levels of 255, from which on a part shows something."""

RELATIVE_CONTRAST = 0.25
"""The same, relative to the parts of most contrast: beside black letters, the noise of an encoder is nothing."""

FADED = 0.25
"""Ratio of contrasts below which a part shows something in one image only."""

GAIN = 1.7
"""Largest ratio of the contrasts of two drawings: a pale shirt is no dark one."""

SOME_PARTS = 4
"""Least number of parts that must show something."""

LEAST_LIKELY = 0.8
"""Least correlation of the details of two miniatures, for drawings to be compared."""

SIZES = (1.0, 0.95, 1 / 0.95)
"""Sizes of the second image in the first: whole, and cropped either way."""


def likely_drawings(
    first: UInt8[np.ndarray, "m side side 3"], second: UInt8[np.ndarray, "m side side 3"]
) -> tuple[Bool[torch.Tensor, " m"], AffineMaps]:
    """Find pairs of drawings that may be the same, and how the second one is cropped.

    Lines of text also agree when they are one line apart. So no map is searched for before some are tried.

    Args:
        first: Miniatures, shape (m, 32, 32, 3).
        second: Miniatures, shape (m, 32, 32, 3).

    Returns:
        Which pairs agree in their details, shape (m,), and the maps from the first to the second, shape (m, 2, 3).

    """
    fixed, moving = gray(first), gray(second)
    details = fixed - box(fixed, 9)
    best, chosen = torch.full((len(fixed),), -2.0), identity_maps(len(fixed))
    for size in SIZES:
        maps = identity_maps(len(fixed)) * size
        warped, overlap = sample(moving[:, None], maps)
        agreement = _correlation(details, warped[:, 0] - box(warped[:, 0], 9), overlap.float())
        better = agreement > best
        best, chosen = torch.where(better, agreement, best), torch.where(better[:, None, None], maps, chosen)
    return best >= LEAST_LIKELY, chosen


def same_drawing(
    first: GrayImages, second: GrayImages, maps: AffineMaps, *, some_parts: int = SOME_PARTS
) -> tuple[Bool[torch.Tensor, " m"], AffineMaps]:
    """Compare drawings part by part.

    Args:
        first: Gray images in 0..255, shape (m, side, side).
        second: Gray images in 0..255, shape (m, side, side).
        maps: Maps from the first to the second images, shape (m, 2, 3), to start from.
        some_parts: Least number of parts that must show something.

    Returns:
        Which pairs agree in all parts that show anything, shape (m,), and the refined maps.

    """
    maps = register(first, second, maps, 1, 2, 2.0, stride=max(1, first.shape[-1] // 64))
    warped, overlap = sample(second[:, None], maps)
    mask = overlap.float()
    gains = _gains(first, warped[:, 0], mask)
    same = (gains <= GAIN) & (gains >= 1 / GAIN)
    x, y = match_clipping(first, warped[:, 0], mask)
    for part, bound in LEAST_AGREEMENT.items():
        if part == max(LEAST_AGREEMENT) or first.shape[-1] == DRAWING_SIDE:
            least, numbers = _least_agreement(x, y, mask, part)
            same &= (least >= bound) & (numbers >= some_parts)
    return same, maps


def _least_agreement(
    x: GrayImages, y: GrayImages, mask: GrayImages, part: int
) -> tuple[Float[torch.Tensor, " m"], Int[torch.Tensor, " m"]]:
    """Least correlation of a part that shows something, and the number of such parts."""
    middle = (x * mask).sum((1, 2), keepdim=True) / mask.sum((1, 2), keepdim=True).clamp(min=1)
    x, y = (x - middle) * mask, (y - middle) * mask  # so that squares do not lose digits
    w, x_sum, y_sum, xx, yy, xy = _sums(torch.stack([mask, x, y, x * x, y * y, x * y], 1), part)
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


def _sums(images: Float[torch.Tensor, "n c side side"], part: int) -> tuple[Float[torch.Tensor, "n parts"], ...]:
    """Sums over all parts, one image after another."""
    halves = avg_pool2d(images, part // 2, divisor_override=1)
    return avg_pool2d(halves, 2, 1, divisor_override=1).flatten(2).unbind(1)


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
