"""Explain one registered image by the other with one change of brightness and of color for all of it.

A copy that was darkened, or made gray, differs from its original by one map of levels. Another print on the same shirt
does not, even where each part by itself agrees up to a contrast of its own.
"""

import torch
from jaxtyping import Bool, Float
from torch.nn.functional import avg_pool2d

from infomax.copies.registration import CLIPPED, GrayImages

LIGHT_LEVELS = 10.0
"""Difference of the mean of a part, in levels of 255, that an encoder may cause."""

EDGES = 0.15
"""The same, relative to the contrast of the part: a slight shift moves an edge out of it."""

CLIPPED_WEIGHT = 0.01
"""Weight of a pixel that both images have clipped, in the search for one gain and offset."""

LIGHT_GAINS = (0.4, 2.5)
"""Least and largest change of contrast."""

NO_CHROMA = 6.0
"""Largest chroma of a part of an image without any, in levels of 255."""

CHROMA_LEVELS = 12.0
"""Difference of the chroma of a part, in levels of 255, that an encoder may cause."""

CHROMA_PART = 0.45
"""The same, relative to the larger chroma of the part: where a channel is clipped, the hue changes."""

LEVEL_WIDTH = 16.0
"""Levels of 255 that count as one in the search for one gain and offset."""

LEAST_SHARE = 0.02
"""Share of an image below which a level counts by its share."""

NOISES = (24.0, 12.0, 6.0, 6.0)
"""Residuals, in levels of 255, that the steps of a robust fit take for noise."""

Parts = Float[torch.Tensor, "m parts"]
ColorImages = Float[torch.Tensor, "m 3 side side"]


def unexplained_light(a: GrayImages, b: GrayImages, mask: GrayImages, part: int) -> Float[torch.Tensor, " m"]:
    """Find the largest difference of a part that one gain and one offset for the whole image leave.

    Args:
        a: Gray images in 0..255, shape (m, side, side).
        b: Gray images in 0..255, registered, shape (m, side, side).
        mask: Weights of the pixels, shape (m, side, side).
        part: Side of a part, in pixels.

    Returns:
        The difference relative to what encoding and a slight shift may cause, so up to 1 for a copy, shape (m,).

    """
    difference, gain = explain_light(a, b, mask, part)
    w, left, bb, b_sum = part_sums(torch.stack([mask, difference * mask, b * b * mask, b * mask], 1), part).unbind(1)
    total = w.clamp(min=1)
    contrast = (bb / total - (b_sum / total).square()).clamp(min=0).sqrt()
    relative = (left / total).abs() / (LIGHT_LEVELS * gain.clamp(max=1) + EDGES * contrast)
    return torch.where(w >= 0.9 * part**2, relative, 0).amax(1)


def explain_light(
    a: GrayImages, b: GrayImages, mask: GrayImages, part: int
) -> tuple[GrayImages, Float[torch.Tensor, "m 1"]]:
    """Explain the light of the second images by the first ones, with one gain and one offset for each pair.

    The line goes through most means of parts, for these do not mind a blur. Clipped pixels hardly count.

    Args:
        a: Gray images in 0..255, shape (m, side, side).
        b: Gray images in 0..255, registered, shape (m, side, side).
        mask: Weights of the pixels, shape (m, side, side).
        part: Side of a part, in pixels.

    Returns:
        What remains of the second images, shape (m, side, side), 0 where clipping explains it; and the gains, shape
        (m, 1).

    """
    low, high = CLIPPED
    alike = mask * ((a >= high) == (b >= high)) * ((a <= low) == (b <= low))
    trusted = alike * torch.where((b >= high) | (b <= low), CLIPPED_WEIGHT, 1)
    count, w, x, y = part_sums(torch.stack([alike, trusted, a * trusted, b * trusted], 1), part).unbind(1)
    x, y = x / w.clamp(min=1e-3), y / w.clamp(min=1e-3)
    gain, offset = _robust_line(x, y, _balanced(x, torch.where(count >= 0.5 * part**2, w, 0)))
    slope, shift = gain[:, :, None], offset[:, :, None]
    expected = slope * a + shift
    white, black = slope * high + shift, slope * low + shift
    clipped = ((b >= high) & (expected >= high)) | ((b <= low) & (expected <= low))
    clipped |= ((a >= high) & (b >= white)) | ((a <= low) & (b <= black))
    return torch.where(clipped, 0, b - expected), gain


def unexplained_color(
    a: ColorImages, b: ColorImages, mask: GrayImages, part: int
) -> tuple[Float[torch.Tensor, " m"], Bool[torch.Tensor, " m"]]:
    """Find the largest difference of color of a part that one gain and one shift for the whole image leave.

    Args:
        a: Images in 0..255, shape (m, 3, side, side).
        b: Images in 0..255, registered, shape (m, 3, side, side).
        mask: Weights of the pixels, shape (m, side, side).
        part: Side of a part, in pixels.

    Returns:
        The difference relative to what encoding and clipping may cause, so up to 1 for a copy, shape (m,); and whether
        one of both images has no color at all, shape (m,).

    """
    w = part_sums(mask[:, None], part)[:, 0]
    x, y = (_chroma(part_sums(each * mask[:, None], part) / w.clamp(min=1)[:, None]) for each in (a, b))
    whole = (w >= 0.5 * part**2).float()
    colorless = ((x.abs() * whole).amax(1) <= NO_CHROMA) | ((y.abs() * whole).amax(1) <= NO_CHROMA)
    weights = whole
    for noise in NOISES:
        total = weights.sum(1, keepdim=True).clamp(min=1)
        mean_x, mean_y = (x * weights).sum(1, keepdim=True) / total, (y * weights).sum(1, keepdim=True) / total
        dx, dy = x - mean_x, y - mean_y
        cross = (dx.conj() * dy * weights).sum(1, keepdim=True)
        power = (dx.abs().square() * weights).sum(1, keepdim=True)
        gain = ((cross.real + noise**2) / (power + noise**2)).clamp(*LIGHT_GAINS)
        rest = (dy - gain * dx).abs()
        weights = whole / (1 + (rest / noise).square())
    relative = rest / (CHROMA_LEVELS + CHROMA_PART * torch.maximum(x.abs(), y.abs()))
    return (relative * whole).amax(1), colorless


def part_sums(images: Float[torch.Tensor, "n c side side"], part: int) -> Float[torch.Tensor, "n c parts"]:
    """Add up all parts; half of a part overlaps the next one.

    Args:
        images: Images, shape (n, c, side, side).
        part: Side of a part, in pixels, even.

    Returns:
        The sums, shape (n, c, parts).

    """
    halves = avg_pool2d(images, part // 2, divisor_override=1)
    return avg_pool2d(halves, 2, 1, divisor_override=1).flatten(2)


def _balanced(x: Parts, weights: Parts) -> Parts:
    """Weights by which each level counts alike, however many parts have it: a dark bar sets no line by itself."""
    levels = (x / LEVEL_WIDTH).long().clamp(0, int(255 / LEVEL_WIDTH))
    totals = torch.zeros(len(x), int(255 / LEVEL_WIDTH) + 1).scatter_add_(1, levels, weights)
    share = totals / totals.sum(1, keepdim=True).clamp(min=1e-6)
    return weights / (share + LEAST_SHARE).gather(1, levels)


def _robust_line(x: Parts, y: Parts, counts: Parts) -> tuple[Float[torch.Tensor, "m 1"], Float[torch.Tensor, "m 1"]]:
    """Gain and offset of the line through most points."""
    weights = counts
    for noise in NOISES:
        total = weights.sum(1, keepdim=True).clamp(min=1e-3)
        mean_x, mean_y = (x * weights).sum(1, keepdim=True) / total, (y * weights).sum(1, keepdim=True) / total
        dx, dy = x - mean_x, y - mean_y
        power = (dx.square() * weights).sum(1, keepdim=True) / total
        gain = (((dx * dy * weights).sum(1, keepdim=True) / total + 1) / (power + 1)).clamp(*LIGHT_GAINS)
        weights = counts / (1 + ((dy - gain * dx) / noise).square())
    return gain, mean_y - gain * mean_x


def _chroma(means: Float[torch.Tensor, "m 3 parts"]) -> torch.Tensor:
    """Red and blue without the luma, as complex numbers, shape (m, parts)."""
    red, green, blue = means.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.complex(red - luma, blue - luma)
