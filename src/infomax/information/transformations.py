"""Transformations of samples, one to one: they change the marginals and preserve the mutual information.

They follow "Beyond Normal" (Czyz et al. 2023, arXiv 2306.11078).
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Columns = Float[Tensor, "n _"]  # n samples of x or of y, any number of columns
Transformation = Callable[[Columns], Columns]


def half_cube(z: Columns) -> Columns:
    """Compute sign(z) |z|^(3/2), which lengthens the tails.

    Args:
        z: Samples.

    Returns:
        Transformed samples.

    """
    return z.sign() * z.abs() ** 1.5


def asinh(z: Columns) -> Columns:
    """Compute the inverse hyperbolic sine, which shortens the tails.

    Args:
        z: Samples.

    Returns:
        Transformed samples.

    """
    return z.asinh()


def normal_cdf(z: Columns) -> Columns:
    """Compute Phi(z), which makes a standard normal uniform on [0, 1].

    Args:
        z: Samples.

    Returns:
        Transformed samples.

    """
    out: Tensor = torch.special.ndtr(z)
    return out


def swiss_roll(z: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
    """Roll a standard normal up in the plane: t = 3 pi/2 (1 + 2 Phi(z)) -> t (cos t, sin t) / 21.

    Args:
        z: Samples of one variable.

    Returns:
        Points in the plane.

    """
    t = 1.5 * math.pi * (1 + 2 * normal_cdf(z))
    return torch.cat([t * t.cos(), t * t.sin()], 1) / 21


def spiral(z: Columns) -> Columns:
    """Rotate the first two coordinates by |z|^2 radians, so that each sphere is rotated as a whole.

    Args:
        z: Samples of two variables or more.

    Returns:
        Rotated samples.

    """
    angle = z.square().sum(1)
    a, b = z[:, 0], z[:, 1]
    turned = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], 1)
    return torch.cat([turned, z[:, 2:]], 1)
