"""The forty tasks of the public benchmark bmi, drawn without jax; estimation.py runs them.

They follow "Beyond Normal" (Czyz et al. 2023, arXiv 2306.11078) and the task list of its package, benchmark-mi 0.1:
the same laws, parameters and information, with other random numbers.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from infomax.information import distributions as k
from infomax.information.distributions import Known
from infomax.information.transformations import Columns, Transformation, asinh, half_cube, normal_cdf, swiss_roll

PAIR_INFORMATION = -math.log(1 - 0.8**2)  # of two pairs with correlation 0.8, as signals of strength 2 in noise of 1

_SPIRALS = " (x spiral, y spiral)"
FEW = frozenset(
    {
        "normal, correlation 0.75",
        "normal, correlation 0.75 (x wiggly_x, y wiggly_y)",
        "uniform noise 0.1",
        "Student-t 1 x 1, 1 degrees",
        "dense normal 2 x 2",
        "2-pair normal 5 x 5",
        "dense normal 25 x 25",
        "Student-t 3 x 3, 3 degrees",
        "Student-t 5 x 5, 2 degrees",
        f"2-pair normal 3 x 3{_SPIRALS}",
        f"2-pair normal 5 x 5 (x normal_cdf, y normal_cdf){_SPIRALS}",
        f"2-pair normal 25 x 25{_SPIRALS}",
    }
)
"""A few of them, on which slower estimators run, too: `--tasks few`."""


def tasks() -> Iterator[tuple[str, Known]]:
    for kind, known in forty():
        yield f"{kind}, few" if known.name in FEW else kind, known


def forty() -> Iterator[tuple[str, Known]]:
    binormal, cauchy = k.bivariate_normal(0.75), k.student(torch.eye(2), 1, 1.0)
    for known in (
        binormal,
        k.transformed(binormal, normal_cdf, normal_cdf),
        k.uniform_noise(0.1),
        k.uniform_noise(0.75),
        k.transformed(binormal, bimodal_x, bimodal_y),
        k.transformed(binormal, wiggly_x, wiggly_y),
        k.transformed(binormal, half_cube, half_cube),
        cauchy,
        k.transformed(cauchy, asinh, asinh),
        k.transformed(binormal, swiss_roll, normal_cdf),
    ):
        yield "bmi 1-d", known
    for dim in (2, 3, 5, 25, 50):
        covariance = torch.full((2 * dim, 2 * dim), 0.5, dtype=torch.float64).fill_diagonal_(1.0)
        yield "bmi normal", k.normal(covariance, dim, f"dense normal {dim} x {dim}")
    for dim in (2, 3, 5, 25):
        yield "bmi normal", two_pairs(dim)
    students = [(2, 1.0), (2, 2.0), (3, 2.0), (3, 3.0), (5, 2.0), (5, 3.0)]
    for dim, degrees in students:
        yield "bmi Student", k.student(torch.eye(2 * dim), dim, degrees)
    for one in (normal_cdf, half_cube):
        for dim in (3, 5, 25):
            yield "bmi transformed", k.transformed(two_pairs(dim), one, one)
    for dim in (3, 5, 25):
        yield "bmi spiral", spirals(two_pairs(dim), dim)
    for dim in (3, 5, 25):
        yield "bmi spiral", spirals(k.transformed(two_pairs(dim), normal_cdf, normal_cdf), dim)
    for dim, degrees in ((2, 1.0), (3, 2.0), (5, 2.0)):
        yield "bmi Student", k.transformed(k.student(torch.eye(2 * dim), dim, degrees), asinh, asinh)


def two_pairs(dim: int) -> Known:
    """A normal with two pairs of correlated columns."""
    known = k.sparse_normal(dim, PAIR_INFORMATION)
    return Known(f"2-pair normal {dim} x {dim}", known.mutual_information, known.draw)


def spirals(known: Known, dim: int) -> Known:
    """Both sides rotated by |z|^2 / dim: x in its first two columns, y in its second and third."""
    return k.transformed(known, rotation(0, 1, 1 / dim, "spiral"), rotation(1, 2, 1 / dim, "spiral"))


def rotation(a: int, b: int, speed: float, name: str) -> Transformation:
    """Rotate columns a and b of z by speed |z|^2 radians."""

    def rotate(z: Columns) -> Columns:
        angle = speed * z.square().sum(1)
        out = z.clone()
        out[:, a] = angle.cos() * z[:, a] - angle.sin() * z[:, b]
        out[:, b] = angle.sin() * z[:, a] + angle.cos() * z[:, b]
        return out

    rotate.__name__ = name
    return rotate


def wiggly_x(z: Columns) -> Columns:
    """An increasing curve with waves."""
    return z + 0.4 * z.sin() + 0.2 * (1.7 * z + 1).sin() + 0.03 * (3.3 * z - 2.5).sin()


def wiggly_y(z: Columns) -> Columns:
    """Another one."""
    return z - 0.4 * (0.4 * z).sin() + 0.17 * (1.3 * z + 3.5).sin() + 0.02 * (4.3 * z - 2.5).sin()


def bimodal_x(z: Columns) -> Columns:
    """To a mixture of N(0, 1) with weight 0.3 and N(5, 1)."""
    return quantiles_of_mixture(z, 0.3, 0.0, 5.0)


def bimodal_y(z: Columns) -> Columns:
    """To a mixture of N(-1, 1) with weight 0.5 and N(3, 1)."""
    return quantiles_of_mixture(z, 0.5, -1.0, 3.0)


def quantiles_of_mixture(z: Columns, weight: float, one: float, other: float) -> Tensor:
    """The quantile Phi(z) of a mixture of two normals with variance 1, by bisection."""
    target = normal_cdf(z)
    low, high = torch.full_like(z, one - 10), torch.full_like(z, other + 10)
    for _ in range(60):
        middle = (low + high) / 2
        below = weight * normal_cdf(middle - one) + (1 - weight) * normal_cdf(middle - other) < target
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return middle
