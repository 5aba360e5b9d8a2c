"""Compare the colors of registered images: a copy may be gray, paler or of another white balance, not recolored."""

import torch
from jaxtyping import Bool, Float
from torch.nn.functional import avg_pool2d

GRAY = 2.5
"""Root mean square distance from gray, in levels of 255, up to which an image counts as gray."""

GRAY_SPOT = 10.0
"""Largest distance from gray, in levels of 255, of an eighth of the sides of such an image: a red stamp is no gray."""

TURN = 40.0
"""Largest turn of the hue, in degrees."""

RATIO = 2.0
"""Largest ratio of the contrasts of color."""

LEVELS = 8.0
"""Root mean square difference, in levels of 255, that is allowed in any case."""

REST = 0.6
"""Largest difference that a turn and a gain leave, relative to the larger contrast of color."""

SHIFT = 45.0
"""Difference of the mean colors, in levels of 255, that is allowed in any case."""

FADING = 0.5
"""Largest difference of the mean colors, relative to the stronger one: a paler copy."""


def same_color(
    a: Float[torch.Tensor, "m side side 3"],
    b: Float[torch.Tensor, "m side side 3"],
    overlap: Float[torch.Tensor, "m side side"],
    tolerance: float = 1.0,
) -> Bool[torch.Tensor, " m"]:
    """Compare the colors of pairs of images, pixel by pixel, whatever their brightness.

    Red and blue without the luma are taken as one complex number. The second image must be the first one times a number
    near 1, plus a constant; or one of both must be gray.

    Args:
        a: First images in 0..255, shape (m, side, side, 3).
        b: Second images, registered.
        overlap: Weights of the pixels, shape (m, side, side).
        tolerance: Factor of the differences that are allowed.

    Returns:
        Which pairs have the same colors, shape (m,).

    """
    w = overlap.flatten(1)
    total = w.sum(1).clamp(min=1)
    x, y = _chroma(a), _chroma(b)
    gray = (_power(x, w, total) <= GRAY) & (_largest_spot(x, overlap) <= GRAY_SPOT)
    gray |= (_power(y, w, total) <= GRAY) & (_largest_spot(y, overlap) <= GRAY_SPOT)
    mean_x, mean_y = (x * w).sum(1) / total, (y * w).sum(1) / total
    x, y = x - mean_x[:, None], y - mean_y[:, None]
    size_x, size_y = _power(x, w, total), _power(y, w, total)
    cross = (x.conj() * y * w).sum(1) / total
    # a contrast that is as small as the noise does not say by how much the colors are turned
    gain = ((cross.abs() + LEVELS**2) / (size_x.square() + LEVELS**2)).clamp(1 / RATIO, RATIO)
    angle = cross.angle().clamp(-torch.pi * TURN / 180, torch.pi * TURN / 180)
    rest = _power(y - torch.polar(gain, angle)[:, None] * x, w, total)
    shift = (FADING * torch.maximum(mean_x.abs(), mean_y.abs())).clamp(min=SHIFT)
    small = rest <= tolerance * (LEVELS + REST * torch.minimum(size_x, size_y))
    return gray | (small & ((mean_x - mean_y).abs() <= tolerance * shift))


def _chroma(images: Float[torch.Tensor, "m side side 3"]) -> torch.Tensor:
    """Red and blue without the luma, as complex numbers, shape (m, pixels)."""
    red, green, blue = images.flatten(1, 2).unbind(2)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.complex(red - luma, blue - luma)


def _power(values: torch.Tensor, w: Float[torch.Tensor, "m pixels"], total: torch.Tensor) -> torch.Tensor:
    return ((values.abs().square() * w).sum(1) / total).sqrt()


def _largest_spot(values: torch.Tensor, overlap: Float[torch.Tensor, "m side side"]) -> Float[torch.Tensor, " m"]:
    """Largest mean over an eighth of both sides, within the overlap."""
    planes = torch.view_as_real(values.reshape(overlap.shape)).permute(0, 3, 1, 2) * overlap[:, None]
    means = avg_pool2d(planes, overlap.shape[-1] // 8)
    largest: torch.Tensor = means.square().sum(1).sqrt().flatten(1).amax(1)
    return largest
