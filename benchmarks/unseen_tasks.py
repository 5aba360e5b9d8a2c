"""Twenty-two tasks that were written down before the estimator saw any of them; estimation.py runs them.

Their information is known in closed form, or by quadrature here.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from scipy import integrate, stats
from torch import Generator, Tensor

from bmi_tasks import rotation, wiggly_y
from fresh_tasks import entropy, mixture, normals, random_scale, side_by_side
from infomax.information import distributions as k
from infomax.information.distributions import Known
from infomax.information.transformations import asinh, half_cube, swiss_roll


def tasks() -> Iterator[tuple[str, Known]]:
    lengthen = k.dense_normal(6, 1.0)
    for known in (
        spectrum("spectrum 4 x 4", 4, 4, [0.9, 0.6, 0.3, 0.1]),
        k.transformed(spectrum("spectrum 8 x 8", 8, 8, [0.8**i for i in range(1, 9)]), half_cube),
        spectrum("five pairs 15 x 15", 15, 15, [0.5] * 5),
        spectrum("three pairs 30 x 10", 30, 10, [0.7] * 3),
        k.normal(torch.eye(40), 20, "independent 20 x 20"),
        k.transformed(lengthen, five_asinh, five_asinh),
        k.transformed(k.bivariate_normal(0.6), torch.exp, torch.exp),
        k.student(k.sparse_covariance(3, 0.5)[:5, :5], 3, 4.0),
        k.student(torch.eye(20), 10, 5.0),
        k.student(torch.eye(4), 1, 1.5),
        k.pareto(2.0),
        k.gamma_noise(3.0, 0.5),
        clusters(1.5, 0.6),
        steps(5, 0.5),
        frank(6.0),
        k.transformed(k.bivariate_normal(0.8), swiss_roll, wiggly_y),
        k.transformed(k.sparse_normal(4, 1.2), rotation(0, 3, 0.25, "spiral")),
        beside_noise(k.sine(1, 0.2), 2),
        side_by_side(k.gamma_noise(2.0, 2.0), k.sine(1, 0.5)),
        random_scale(0.8),
        k.table(torch.tensor([[0.45, 0.05], [0.1, 0.4]])),
        radius(0.3),
    ):
        yield "unseen", known


def spectrum(name: str, x_dim: int, y_dim: int, correlations: list[float]) -> Known:
    """A normal with these canonical correlations, each side rotated at random."""
    covariance = torch.eye(x_dim + y_dim, dtype=torch.float64)
    for i, rho in enumerate(correlations):
        covariance[i, x_dim + i] = covariance[x_dim + i, i] = rho
    generator = torch.Generator().manual_seed(7)
    turn = torch.block_diag(  # type: ignore[no-untyped-call]
        *(torch.linalg.qr(normals(d, d, generator)).Q for d in (x_dim, y_dim))
    )
    return k.normal(turn @ covariance @ turn.T, x_dim, name)


def five_asinh(z: Tensor) -> Tensor:
    """Shorten the tails more than asinh does."""
    return asinh(5 * z)


def beside_noise(known: Known, columns: int) -> Known:
    """Columns of noise beside x."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, y = known.draw(n, generator)
        return torch.cat([x, normals(n, columns, generator)], 1), y

    return Known(f"{known.name} beside {columns} columns of noise", known.mutual_information, draw)


def clusters(distance: float, correlation: float) -> Known:
    """Two clusters on the diagonal, in one of which x and y correlate and in the other the other way round."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        sign = (torch.rand(n, 1, generator=generator, dtype=torch.float64) < 0.5) * 2.0 - 1
        x, e = normals(n, 2, generator).unsqueeze(2).unbind(1)
        y = sign * correlation * x + math.sqrt(1 - correlation**2) * e
        return x + sign * distance, y + sign * distance

    grid = np.linspace(-9, 9, 2401)
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1)
    joint = sum(
        0.5 * stats.multivariate_normal([s * distance] * 2, [[1, s * correlation], [s * correlation, 1]]).pdf(points)
        for s in (-1, 1)
    )
    marginal = sum(0.5 * stats.norm.pdf(grid, s * distance) for s in (-1, 1))
    ratio = np.log(np.maximum(joint, 1e-300)) - np.log(marginal)[:, None] - np.log(marginal)
    information = float(integrate.trapezoid(integrate.trapezoid(joint * ratio, grid), grid))
    return Known(f"clusters {distance}, {correlation}", information, draw)


def steps(levels: int, noise: float) -> Known:
    """A discrete variable in noise: x uniform on 0, 1, ..., y = x + N(0, noise^2)."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x = torch.randint(levels, (n, 1), generator=generator).double()
        return x, x + noise * normals(n, 1, generator)

    y = np.linspace(-6 * noise, levels - 1 + 6 * noise, 8001)
    density = stats.norm.pdf(y[:, None], np.arange(levels), noise).mean(1)
    return Known(f"steps {levels}, {noise}", entropy(density, y) - float(stats.norm(0, noise).entropy()), draw)


def frank(theta: float) -> Known:
    """The Frank copula, which has no tail dependence."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        u, p = torch.rand(2, n, 1, generator=generator, dtype=torch.float64)
        a = (-theta * u).exp()
        return u, -torch.log1p(p * math.expm1(-theta) / (p + (1 - p) * a)) / theta

    u = (np.arange(4000) + 0.5) / 4000
    a, b, c = np.expm1(-theta * u)[:, None], np.expm1(-theta * u), math.expm1(-theta)
    density = -theta * c * (a + 1) * (b + 1) / (c + a * b) ** 2
    return Known(f"Frank copula {theta}", float((density * np.log(density)).mean()), draw)


def radius(noise: float) -> Known:
    """The distance from the center of three normal variables, in noise."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x = normals(n, 3, generator)
        return x, x.norm(dim=1, keepdim=True) + noise * normals(n, 1, generator)

    t, y = np.linspace(0, 8, 8001), np.linspace(-8 * noise, 8, 2001)
    density = mixture(y, lambda v: stats.chi.pdf(t, 3) * stats.norm.pdf(v, t, noise), t)
    return Known(f"radius of three, {noise}", entropy(density, y) - float(stats.norm(0, noise).entropy()), draw)
