"""How well the details of registered images agree, part by part.

Details are a band of middle frequencies, compared in 49 overlapping parts of the image. Two photos of one kind of
garment agree in outline and differ in detail. A part that shows nothing says nothing, so white paper or a frame never
makes two images the same.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch.nn.functional import avg_pool2d, pad

from infomax.copies.candidates import gray
from infomax.copies.color import same_color
from infomax.copies.registration import CLIPPED, AffineMaps, GrayImages, identity_maps, register, sample

VERIFIED_SIDE = 64
"""Pixels of both sides at which two images are verified."""

SOME_DETAIL = 4
"""Least number of parts, of 49, that must show detail in two photos."""

LEAST_OVERLAP = 0.5
"""Least part of an image that the other one shows, too."""

MARKED = 0.25
"""Part of the detail that may differ: a mark, a line of text."""


class Bounds(NamedTuple):
    """Least agreement, up to 1, of two images that are the same.

    Attributes:
        rough: Of outlines at 16 x 16 pixels, for a candidate to be looked at more closely.
        outline: Of outlines at 32 x 32 pixels.
        detail: Of details at 64 x 64 pixels.
        detail_of_small: The same, where one image is much smaller than that and than the other.
        coarse: Of details at 32 x 32 pixels.
        coarse_of_small: The same, where one image is much smaller than `VERIFIED_SIDE` and than the other.
        detail_of_smooth: The same, for images that show no finer ones.
        color: Factor of the differences of color that are allowed, 1 or more.
        parts: Least number of parts, of 49, that must show detail.

    """

    rough: float
    outline: float
    detail: float
    detail_of_small: float
    coarse: float
    coarse_of_small: float
    detail_of_smooth: float
    color: float
    parts: int


def register_miniatures(
    a: UInt8[np.ndarray, "m 32 32 3"], b: UInt8[np.ndarray, "m 32 32 3"], bounds: Bounds
) -> tuple[Int[np.ndarray, " kept"], Float[torch.Tensor, "kept 2 3"]]:
    """Register miniatures, and find the pairs whose outlines agree.

    Args:
        a: Miniatures of the first images, shape (m, 32, 32, 3).
        b: Miniatures of the second images, shape (m, 32, 32, 3).
        bounds: How well they must agree.

    Returns:
        Which pairs agree, and their maps from the first to the second images, shape (kept, 2, 3).

    """
    fixed, moving, maps = gray(a), gray(b), identity_maps(len(a))
    kept = np.arange(len(a))
    for reduction, steps, noise, least in ((4, 4, 30.0, 0.0), (2, 4, 4.0, bounds.rough), (1, 3, 2.0, bounds.outline)):
        maps = register(fixed, moving, maps, reduction, steps, noise)
        if least:
            some, other = (avg_pool2d(each[:, None], reduction)[:, 0] for each in (fixed, moving))
            warped, overlap = sample(other[:, None], maps)
            outline, parts = agreement(*match_clipping(some, warped[:, 0], overlap.float()), overlap.float(), 3.0)
            good = (outline >= least) & (parts >= bounds.parts / 2)
            fixed, moving, maps = fixed[good], moving[good], maps[good]
            kept = kept[good.numpy()]
    return kept, maps


def verify(
    a: UInt8[np.ndarray, "m side side 3"],
    b: UInt8[np.ndarray, "m side side 3"],
    maps: AffineMaps,
    small: Bool[np.ndarray, " m"],
    inside: Float[torch.Tensor, "m side side"],
    bounds: Bounds,
    *,
    by_channel: bool = False,
) -> tuple[Float[torch.Tensor, " m"], Bool[torch.Tensor, " m"], AffineMaps]:
    """Compare the details and the colors of registered images.

    Args:
        a: Pixels of the first images, shape (m, 64, 64, 3).
        b: Pixels of the second images, shape (m, 64, 64, 3).
        maps: Maps from the first to the second images, shape (m, 2, 3), which are refined.
        small: Whether one image of a pair is much smaller than its square, shape (m,).
        inside: 1 for pixels of the first images that count, 0 for others.
        bounds: How well they must agree.
        by_channel: Whether red, green and blue have been clipped one by one, as in a brightened image of strong colors.

    Returns:
        How well the details agree; which pairs are the same; and the refined maps.

    """
    first, second = (torch.from_numpy(each).permute(0, 3, 1, 2).contiguous().float() for each in (a, b))
    fixed = luma(first)
    maps = register(fixed, luma(second), maps, 1, 3, 2.0, stride=2)
    other, overlap = sample(second, maps)
    mask = overlap.float() * inside
    if by_channel:
        channels = match_clipping(first.flatten(0, 1), other.flatten(0, 1), mask.repeat_interleave(3, 0))
        x, y = (luma(each.reshape(first.shape)) for each in channels)
    else:
        x, y = match_clipping(fixed, luma(other), mask)
    fine, parts = agreement(_band(x), _band(y), mask, 2.0)
    x, y, halved = (avg_pool2d(each[:, None], 2)[:, 0] for each in (x, y, mask))
    coarse, coarse_parts = agreement(_band(x), _band(y), halved, 2.0)
    tiny = torch.from_numpy(small)
    least = torch.where(tiny, bounds.detail_of_small, bounds.detail)
    least_coarse = torch.where(tiny, bounds.coarse_of_small, bounds.coarse)
    smooth = parts < max(bounds.parts, 1)
    by_coarse = (coarse >= bounds.detail_of_smooth) & (coarse_parts >= bounds.parts)
    good = torch.where(smooth, by_coarse, (fine >= least) & (coarse >= least_coarse))
    good &= overlap.float().mean((1, 2)) >= LEAST_OVERLAP
    one, two = (avg_pool2d(each, 2).permute(0, 2, 3, 1) for each in (first, other))
    good &= same_color(one, two, halved, bounds.color)
    return torch.where(smooth, coarse, fine), good, maps


def luma(images: Float[torch.Tensor, "n 3 side side"]) -> GrayImages:
    """Convert images to gray.

    Args:
        images: Images in 0..255, shape (n, 3, side, side).

    Returns:
        Luma (ITU-R BT.601), shape (n, side, side).

    """
    red, green, blue = images.unbind(1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def match_clipping(a: GrayImages, b: GrayImages, mask: GrayImages) -> tuple[GrayImages, GrayImages]:
    """Bring registered images to one scale, and equal pixels that one of them has clipped to white or black.

    Args:
        a: Gray images in 0..255, shape (n, side, side).
        b: Gray images in 0..255, shape (n, side, side).
        mask: Weights of the pixels, shape (n, side, side).

    Returns:
        The first images with the gain and the offset of the second ones, and the second ones. Where a pixel is clipped
        in one image and is as bright, or as dark, as that in the other, both are equal.

    """
    low, high = CLIPPED
    unclipped = mask * ((a > low) & (a < high) & (b > low) & (b < high))
    few = unclipped.sum((1, 2), keepdim=True) < 0.1 * mask.sum((1, 2), keepdim=True)
    w = torch.where(few, mask, unclipped)
    total = w.sum((1, 2), keepdim=True).clamp(min=1)
    mean_a, mean_b = (a * w).sum((1, 2), keepdim=True) / total, (b * w).sum((1, 2), keepdim=True) / total
    power_a, power_b = ((a - mean_a).square() * w).sum((1, 2)), ((b - mean_b).square() * w).sum((1, 2))
    gain = (power_b / power_a.clamp(min=1e-3)).sqrt().clamp(*_GAINS)[:, None, None]
    x = mean_b + gain * (a - mean_a)
    white, black = mean_b + gain * (high - mean_a), mean_b + gain * (low - mean_a)
    return (
        torch.where(((b >= high) & (x >= high)) | ((b <= low) & (x <= low)), b, x),
        torch.where(((a >= high) & (b >= white)) | ((a <= low) & (b <= black)), x, b),
    )


_GAINS = (0.2, 5.0)


def agreement(
    a: GrayImages, b: GrayImages, mask: GrayImages, contrast: float
) -> tuple[Float[torch.Tensor, " m"], Int[torch.Tensor, " m"]]:
    """Correlate the overlapping parts of two images that show anything, and leave the worst parts out.

    A part is a quarter of the side wide, and half of it overlaps the next one. A part that only one image shows
    anything in has correlation 0.

    Args:
        a: Images whose parts have mean values near 0, or any images, shape (m, side, side).
        b: Images to compare them with, shape (m, side, side).
        mask: Weights of the pixels, shape (m, side, side).
        contrast: Standard deviation, in levels of 255, from which on a part shows something.

    Returns:
        Mean correlation over the parts, weighted by their contrasts, and the number of parts that count, shape (m,).

    """
    middle = (a * mask).sum((1, 2), keepdim=True) / mask.sum((1, 2), keepdim=True).clamp(min=1)
    a, b = a - middle, b - middle  # so that squares do not lose digits
    x, y = a * mask, b * mask
    sums = _sums_over_parts(torch.stack([mask, x, y, a * x, b * y, a * y], 1))
    w, x, y, xx, yy, xy = sums.unbind(1)
    total = w.clamp(min=1)
    x, y, xx, yy, xy = x / total, y / total, xx / total, yy / total, xy / total
    xx, yy, xy = (xx - x * x).clamp(min=0), (yy - y * y).clamp(min=0), xy - x * y
    power = torch.maximum(xx, yy)
    pixels = (a.shape[-1] // 4) ** 2
    counts = (power > contrast**2) & (w >= 0.5 * pixels)
    correlation = torch.where(torch.minimum(xx, yy) * 9 > contrast**2, xy / (xx * yy).clamp(min=1e-6).sqrt(), 0)
    correlation, order = correlation.sort(1)
    weights = (power.sqrt() * counts).gather(1, order)
    so_far = weights.cumsum(1)
    weights = weights * (so_far >= MARKED * so_far[:, -1:])
    return (weights * correlation).sum(1) / weights.sum(1).clamp(min=1e-6), counts.sum(1)


def _sums_over_parts(images: Float[torch.Tensor, "n c side side"]) -> Float[torch.Tensor, "n c parts"]:
    """Sums over parts of a quarter of the side, half of it apart."""
    eighths = avg_pool2d(images, images.shape[-1] // 8, divisor_override=1)
    return avg_pool2d(eighths, 2, 1, divisor_override=1).flatten(2)


def _band(images: GrayImages) -> GrayImages:
    """Details: what a mean over 3 x 3 pixels leaves, without the mean over 9 x 9."""
    smooth = box(images, 3)
    return smooth - box(smooth, 9)


def box(images: GrayImages, width: int) -> GrayImages:
    """Average images over squares.

    Args:
        images: Images, shape (n, side, side).
        width: Odd side of the squares, in pixels.

    Returns:
        The means, shape (n, side, side). Beyond the edges, images go on with the values of their edges.

    """
    half = width // 2
    padded = pad(images[:, None], (half, half, half, half), mode="replicate")
    return avg_pool2d(avg_pool2d(padded, (width, 1), 1), (1, width), 1)[:, 0]
