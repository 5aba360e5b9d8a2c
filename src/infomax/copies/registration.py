"""Register small images: find the affine map and the change of contrast that carry one image onto another.

Gauss-Newton steps on the squared difference, for many pairs at once (Lucas and Kanade 1981; Baker and Matthews 2004,
with a gain and an offset). They go from coarse to fine, since a shift of some pixels is small at a low resolution.
Robust weights (Geman and McClure 1987) leave out what only one image shows, such as a mark or a line of text. Pixels
that are white or black in one of the images only may be clipped, and say nothing of where they belong.
"""

from functools import cache
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch.nn.functional import avg_pool2d, grid_sample, pad

LARGEST_CHANGE = 0.45
"""Largest entry by which an affine map may differ from the identity, in halves of the side."""

LARGEST_STEP = 0.1
"""Largest change of an entry in one step."""

GAINS = (0.2, 5.0)
"""Least and largest ratio of contrasts; an inverted image is no copy."""

RIDGE = 1e-3
"""Keeps a step small along directions that the image says nothing of; relative to the diagonal."""

CLIPPED = (5.0, 250.0)
"""Levels of 255 up to which, and from which on, a pixel may be clipped."""

MEDIAN_OF = 256
"""Pixels of which the median residual is taken."""

LEAST_UNCLIPPED = 0.4
"""Least share of pixels that tell how an image is moved; where there are fewer, clipped ones count as well."""

GrayImages: TypeAlias = Float[torch.Tensor, "n side side"]
AffineMaps: TypeAlias = Float[torch.Tensor, "n 2 3"]
_Values: TypeAlias = Float[torch.Tensor, "n pixels"]


def identity_maps(n: int) -> AffineMaps:
    """Make maps that leave images as they are.

    Args:
        n: Number of maps.

    Returns:
        The maps, shape (n, 2, 3).

    """
    return torch.eye(2, 3).repeat(n, 1, 1)


def register(
    fixed: GrayImages, moving: GrayImages, maps: AffineMaps, reduction: int, steps: int, noise: float, stride: int = 1
) -> AffineMaps:
    """Improve the maps that carry each moving image onto its fixed image.

    Args:
        fixed: Gray images in 0..255, shape (n, side, side).
        moving: Gray images in 0..255, shape (n, side, side).
        maps: Maps to start from, shape (n, 2, 3), from coordinates of the fixed image to those of the moving one,
            both in -1..1.
        reduction: Factor by which the resolution is reduced for the steps.
        steps: Number of steps.
        noise: Residual, in levels of 255, that counts as noise.
        stride: Distance of the pixels that are looked at, along both axes.

    Returns:
        The maps, shape (n, 2, 3).

    """
    template = avg_pool2d(fixed[:, None], reduction)[:, 0]
    stack = _with_gradients(avg_pool2d(moving[:, None], reduction)[:, 0])
    grid = _grid(template.shape[-1])[stride // 2 :: stride, stride // 2 :: stride].reshape(-1, 3)
    target = template[:, stride // 2 :: stride, stride // 2 :: stride].flatten(1)
    for _ in range(steps):
        maps = _step(target, stack, grid, maps, noise)
    return maps


def sample(
    images: Float[torch.Tensor, "n c side side"], maps: AffineMaps
) -> tuple[Float[torch.Tensor, "n c side side"], Bool[torch.Tensor, "n side side"]]:
    """Sample images at mapped positions.

    Args:
        images: Images, shape (n, c, side, side).
        maps: Affine maps, shape (n, 2, 3), from coordinates of the result to those of the image, both in -1..1.

    Returns:
        The warped images, and which of their pixels come from within the image.

    """
    side = images.shape[-1]
    sampled, inside = _sample_at(images, maps, _grid(side).reshape(-1, 3))
    return sampled.reshape(*sampled.shape[:2], side, side), inside.reshape(-1, side, side)


def compose(outer: AffineMaps, inner: AffineMaps) -> AffineMaps:
    """Apply one map after another.

    Args:
        outer: AffineMaps that are applied last, shape (n, 2, 3).
        inner: AffineMaps that are applied first, shape (n, 2, 3).

    Returns:
        The composed maps, shape (n, 2, 3).

    """
    linear = outer[:, :, :2] @ inner[:, :, :2]
    offset = outer[:, :, :2] @ inner[:, :, 2:] + outer[:, :, 2:]
    return torch.cat([linear, offset], 2)


def invert(maps: AffineMaps) -> AffineMaps:
    """Invert maps.

    Args:
        maps: Maps near the identity, shape (n, 2, 3).

    Returns:
        The inverse maps, shape (n, 2, 3).

    """
    linear = torch.linalg.inv(maps[:, :, :2])
    return torch.cat([linear, -linear @ maps[:, :, 2:]], 2)


def stretch(
    maps: AffineMaps, first: Float[torch.Tensor, " n"], second: Float[torch.Tensor, " n"]
) -> Float[torch.Tensor, " n"]:
    """Say how unevenly maps scale: a crop scales evenly in pixels, and a squeezed copy does so in whole images.

    Args:
        maps: Maps between images that were squeezed into squares, shape (n, 2, 3).
        first: Width by height of the images that are mapped, shape (n,).
        second: Width by height of the images that they are mapped to, shape (n,).

    Returns:
        Largest by least factor, in pixels or in parts of the images, whichever is less; 1 or more, shape (n,).

    """
    linear = maps[:, :, :2]
    wide = torch.stack([second, torch.ones_like(second)], 1)
    narrow = torch.stack([1 / first, torch.ones_like(first)], 1)
    factors = torch.linalg.svdvals(torch.stack([linear, wide[:, :, None] * linear * narrow[:, None]]))
    ratios: Float[torch.Tensor, " n"] = (factors[..., 0] / factors[..., 1].clamp(min=1e-6)).amin(0)
    return ratios


@cache
def _grid(side: int) -> Float[torch.Tensor, "side side 3"]:
    """Homogeneous coordinates x, y, 1 of the pixels' middles, in -1..1."""
    along = (torch.arange(side) * 2 + 1) / side - 1
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1)


def _sample_at(
    images: Float[torch.Tensor, "n c side side"], maps: AffineMaps, grid: Float[torch.Tensor, "pixels 3"]
) -> tuple[Float[torch.Tensor, "n c pixels"], Bool[torch.Tensor, "n pixels"]]:
    """Sample images at mapped points of a grid; see `sample`."""
    positions = grid @ maps.mT
    sampled = grid_sample(images, positions[:, None], mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[:, :, 0], positions.abs().amax(2) <= 1


def _with_gradients(images: GrayImages) -> Float[torch.Tensor, "n 3 side side"]:
    """Images beside their derivatives along x and y, per unit of the coordinates."""
    padded = pad(images[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    per_unit = images.shape[-1] / 4  # central differences span two pixels, and a pixel is 2 / side wide
    dx = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) * per_unit
    dy = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) * per_unit
    return torch.stack([images, dx, dy], 1)


def _step(
    target: _Values,
    stack: Float[torch.Tensor, "n 3 side side"],
    grid: Float[torch.Tensor, "pixels 3"],
    maps: AffineMaps,
    noise: float,
) -> AffineMaps:
    """One weighted step for gain, offset and the six entries of the map, within the pixels that overlap."""
    sampled, inside = _sample_at(stack, maps, grid)
    image, slopes = sampled[:, 0], sampled[:, 1:]
    overlap = _unclipped(image, target, inside).float()
    weights = overlap * _robust_weights(_residual(image, target, overlap), overlap, noise)
    rows = torch.empty(len(image), 8, len(grid))
    rows[:, 0], rows[:, 1] = image, 1
    torch.mul(slopes[:, :, None], grid.T, out=rows[:, 2:].view(-1, 2, 3, len(grid)))
    weighted = rows * weights[:, None]
    gram, moment = weighted @ rows.mT, (weighted @ target[..., None])[..., 0]
    scale = gram.diagonal(dim1=1, dim2=2).clamp(min=1e-6).sqrt()
    ridge = torch.diag(torch.tensor([0.0, 0.0] + [RIDGE] * 6) + 1e-6)
    solution = torch.linalg.solve(gram / scale[:, :, None] / scale[:, None] + ridge, moment / scale) / scale
    change = (solution[:, 2:] / solution[:, :1].clamp(*GAINS)).clamp(-LARGEST_STEP, LARGEST_STEP)
    identity = torch.eye(2, 3)
    moved: AffineMaps = identity + (maps + change.reshape(-1, 2, 3) - identity).clamp(-LARGEST_CHANGE, LARGEST_CHANGE)
    return moved


def _unclipped(
    image: _Values, target: _Values, inside: Bool[torch.Tensor, "n pixels"]
) -> Bool[torch.Tensor, "n pixels"]:
    """Pixels that overlap and are not clipped in one image only; all that overlap, where few are left."""
    low, high = CLIPPED
    alike = inside & ((image >= high) == (target >= high)) & ((image <= low) == (target <= low))
    enough = alike.sum(1, keepdim=True) >= LEAST_UNCLIPPED * inside.sum(1, keepdim=True)
    return torch.where(enough, alike, inside)


def _residual(image: _Values, target: _Values, overlap: _Values) -> _Values:
    """What a gain and an offset of the image leave of the target."""
    total = overlap.sum(1, keepdim=True).clamp(min=1)
    x = image - (image * overlap).sum(1, keepdim=True) / total
    y = target - (target * overlap).sum(1, keepdim=True) / total
    weighted = x * overlap
    power = (x * weighted).sum(1, keepdim=True).clamp(min=1e-3)
    return y - ((y * weighted).sum(1, keepdim=True) / power).clamp(*GAINS) * x


def _robust_weights(residual: _Values, overlap: _Values, noise: float) -> _Values:
    """Weights that fall with the residual, in units of twice its median size plus the noise."""
    size = residual.abs()
    every = size.shape[1] // MEDIAN_OF | 1  # odd, so that it meets all columns
    seen = size[:, ::every].masked_fill(overlap[:, ::every] == 0, torch.nan)
    median = seen.nanmedian(1, keepdim=True)[0].nan_to_num(0)
    return (1 + (size / (2 * median + noise)).square()).square().reciprocal()
