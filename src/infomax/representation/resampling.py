"""Resampling and blur along the axes of an image, as matrices."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot


def resampling_matrices(
    start: Int[Tensor, " n"], length: Int[Tensor, " n"], pixels: int, size: int
) -> Float[Tensor, "n size pixels"]:
    """Return the weights of antialiased bilinear resampling of a part of each axis.

    Each output pixel has a triangle of weights about its center. The triangle ignores everything outside the part. It
    is as wide as the step between output pixels, and at least as wide as an input pixel, so shrinking does not alias.

    Args:
        start: First input pixel of the part.
        length: Input pixels in the part.
        pixels: Input pixels of the whole axis.
        size: Output pixels.

    Returns:
        One matrix for each image; its rows sum to 1.

    """
    start, length = start.float()[:, None, None], length.float()[:, None, None]
    step = length / size
    outputs = torch.arange(size, device=start.device, dtype=torch.float32)[:, None]
    inputs = torch.arange(pixels, device=start.device, dtype=torch.float32)
    offset = (inputs + 0.5 - start) - step * (outputs + 0.5)
    weights = (1 - offset.abs() / step.clamp(min=1)).clamp_(min=0)
    weights = weights.masked_fill_((inputs < start) | (inputs >= start + length), 0)
    return weights / weights.sum(2, keepdim=True)


def reduced(planes: Float[Tensor, "n c pixels pixels"], size: int) -> Float[Tensor, "n c size size"]:
    """Reduce square images by antialiased bilinear resampling.

    Args:
        planes: The images.
        size: Side of the results, in pixels.

    Returns:
        The reduced images.

    """
    pixels = planes.shape[-1]
    start, length = torch.tensor([0], device=planes.device), torch.tensor([pixels], device=planes.device)
    (matrix,) = resampling_matrices(start, length, pixels, size).to(planes)
    result: Tensor = matrix @ planes @ matrix.T
    return result


def blur_matrices(sigma: Float[Tensor, " n"], size: int) -> Float[Tensor, "n size size"]:
    """Return the weights of a Gaussian blur that reaches a twentieth of the axis and mirrors the image at its ends.

    Args:
        sigma: Standard deviation in pixels. 0 gives the identity.
        size: Pixels of the axis.

    Returns:
        One matrix for each image; its rows sum to 1.

    """
    radius = max(1, size // 20)
    offsets = torch.arange(-radius, radius + 1, device=sigma.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3).unsqueeze(1)).square())
    mirrored = torch.arange(size, device=sigma.device).unsqueeze(1) + offsets
    mirrored = (size - 1 - (size - 1 - mirrored.abs()).abs()).clamp_(0)  # an axis of one pixel has no other end
    taps = one_hot(mirrored.T, size).float()
    blur: Tensor = (kernel / kernel.sum(1, keepdim=True)) @ taps.flatten(1)
    return blur.view(-1, size, size)
