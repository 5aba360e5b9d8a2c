"""Distributions with known mutual information that were not used to tune estimate_mi; estimation.py runs them.

For those that `information/distributions.py` lacks, the mutual information is computed here by quadrature: as
h(y) - h(y|x), or as the integral of the log ratio.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import integrate, stats
from torch import Generator, Tensor

from infomax.information import distributions as k
from infomax.information.distributions import Known
from infomax.information.transformations import normal_cdf

Grid = NDArray[np.float64]


def tasks() -> Iterator[tuple[str, Known]]:
    for task in (
        k.uniform_noise(0.3),
        k.gamma_noise(2.0, 1.0),
        k.gamma_noise(1.0, 3.0),
        laplace_noise(0.05),
        folded_normal(0.2),
        random_scale(1.2),
        k.sine(1, 0.1),
        k.sine(2, 0.3),
        k.pareto(0.5),
        two_correlations(0.95, -0.8),
        k.student(torch.tensor([[1, 0.5], [0.5, 1]]), 1, 0.7),
        k.transformed(k.bivariate_normal(0.97), torch.exp, cauchy),
        rounded_normal(0.9, 0.5),
        counts(2.0, 3.0),
    ):
        yield "fresh 1-d", task
    for dims, information in {(1, 10): 2.0, (10, 3): 3.0, (4, 7): 1.9, (2, 8): 1.0, (10, 10): 3.0}.items():
        yield "fresh normal", k.mixed_normal(*dims, information)
    yield "fresh normal", scaled(k.mixed_normal(6, 6, 2.5))
    yield "fresh normal", k.dense_normal(7, 0.3)
    yield "fresh normal", k.transformed(k.normal(torch.eye(8), 3, "independent 3 x 5"), cauchy, torch.exp)
    yield "fresh other", copies(3, 0.4)
    yield "fresh other", k.student(torch.eye(4), 2, 2.0)
    yield "fresh other", k.student(k.sparse_covariance(4, 1.0), 4, 3.0)
    yield "fresh other", side_by_side(k.uniform_noise(0.3), k.uniform_noise(0.6))


def cauchy(z: Tensor) -> Tensor:
    """Transform a normal variable into a Cauchy variable; the order is kept."""
    return torch.tan(math.pi * (normal_cdf(z) - 0.5))


def scaled(known: Known) -> Known:
    """A task whose columns have different scales and locations."""

    def spread(z: Tensor) -> Tensor:
        return z * torch.logspace(-4, 4, z.shape[1], dtype=z.dtype) + 100

    return k.transformed(known, spread, spread)


def side_by_side(one: Known, other: Known) -> Known:
    """Two independent tasks as two columns of each side."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        (a, b), (c, d) = one.draw(n, generator), other.draw(n, generator)
        return torch.cat([a, c], 1), torch.cat([b, d], 1)

    return Known(f"{one.name} beside {other.name}", one.mutual_information + other.mutual_information, draw)


def copies(m: int, noise: float) -> Known:
    """M noisy copies of one normal variable: I = 1/2 log(1 + m / noise^2)."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x = normals(n, 1, generator)
        return x, x + noise * normals(n, m, generator)

    return Known(f"{m} noisy copies", 0.5 * math.log1p(m / noise**2), draw)


def laplace_noise(scale: float) -> Known:
    """Additive noise with a peak and heavy tails: x ~ U[0, 1], y = x + Laplace noise."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, u = torch.rand(2, n, 1, generator=generator, dtype=torch.float64)
        return x, x - scale * (u - 0.5).sign() * torch.log1p(-2 * (u - 0.5).abs())

    y = np.linspace(-40 * scale, 1 + 40 * scale, 400_001)
    noise = stats.laplace(0, scale)
    return Known(f"Laplace noise {scale}", entropy(noise.cdf(y) - noise.cdf(y - 1), y) - float(noise.entropy()), draw)


def folded_normal(noise: float) -> Known:
    """Two values of x for each y: x ~ N(0, 1), y = |x| + N(0, noise^2)."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x = normals(n, 1, generator)
        return x, x.abs() + noise * normals(n, 1, generator)

    t, y = np.linspace(0, 9, 20_001), np.linspace(-8 * noise, 9, 2001)
    density = mixture(y, lambda v: 2 * stats.norm.pdf(t) * stats.norm.pdf(v, t, noise), t)
    return Known(f"folded normal {noise}", entropy(density, y) - float(stats.norm(0, noise).entropy()), draw)


def random_scale(strength: float) -> Known:
    """X determines the scale of y, not its sign: x ~ N(0, 1), y = exp(strength x) e, e ~ N(0, 1)."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, e = normals(n, 2, generator).unsqueeze(2).unbind(1)
        return x, (strength * x).exp() * e

    t, logarithm = np.linspace(-8, 8, 2001), np.linspace(-14, 16, 3001)
    y = np.exp(logarithm)
    density = mixture(y, lambda v: stats.norm.pdf(t) * stats.norm.pdf(v, 0, np.exp(strength * t)), t)
    of_y = -2 * float(integrate.trapezoid(density * np.log(np.maximum(density, 1e-300)) * y, logarithm))
    return Known(f"random scale {strength}", of_y - float(stats.norm.entropy()), draw)


def two_correlations(one: float, other: float) -> Known:
    """A mixture of two correlations with equal weights."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, e = normals(n, 2, generator).unsqueeze(2).unbind(1)
        rho = torch.where(torch.rand(n, 1, generator=generator, dtype=torch.float64) < 0.5, one, other)
        return x, rho * x + (1 - rho**2).sqrt() * e

    grid = np.linspace(-8, 8, 2401)
    points = np.stack(np.meshgrid(grid, grid, indexing="ij"), -1)
    joint = sum(0.5 * stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).pdf(points) for rho in (one, other))
    ratio = np.log(np.maximum(joint, 1e-300)) - stats.norm.logpdf(points).sum(-1)
    information = float(integrate.trapezoid(integrate.trapezoid(joint * ratio, grid), grid))
    return Known(f"correlation {one} or {other}", information, draw)


def rounded_normal(correlation: float, step: float) -> Known:
    """A normal pair whose x is rounded to a multiple of the step: I = H(x) - E_y H(x|y)."""
    pair = k.bivariate_normal(correlation)

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x, y = pair.draw(n, generator)
        return (x / step).round(), y

    edges, y = (np.arange(-40, 42) - 0.5) * step, np.linspace(-9, 9, 6001)
    given_y = np.diff(stats.norm.cdf((edges - correlation * y[:, None]) / math.sqrt(1 - correlation**2)))
    of_x = stats.entropy(np.diff(stats.norm.cdf(edges)))
    information = float(of_x - integrate.trapezoid(stats.entropy(given_y, axis=1) * stats.norm.pdf(y), y))
    return Known(f"rounded normal {correlation}, {step}", information, draw)


def counts(shape: float, rate: float) -> Known:
    """A rate and a count: x ~ Gamma(shape), y ~ Poisson(rate x); the marginal of y is negative binomial."""

    def draw(n: int, generator: Generator) -> tuple[Tensor, Tensor]:
        x = torch._standard_gamma(torch.full((n, 1), shape, dtype=torch.float64), generator=generator)
        return x, torch.poisson(rate * x, generator=generator)

    y, x = np.arange(200), np.linspace(1e-6, 30, 4001)
    of_y = stats.entropy(stats.nbinom(shape, 1 / (1 + rate)).pmf(y))
    given_x = stats.entropy(stats.poisson.pmf(y, rate * x[:, None]), axis=1)
    return Known("counts", float(of_y - integrate.trapezoid(given_x * stats.gamma(shape).pdf(x), x)), draw)


def normals(n: int, columns: int, generator: Generator) -> Tensor:
    return torch.randn(n, columns, generator=generator, dtype=torch.float64)


def mixture(y: Grid, integrand: Callable[[float], Grid], t: Grid) -> Grid:
    """Density at each y: the integral over t of the integrand."""
    return np.array([integrate.trapezoid(integrand(value), t) for value in y])


def entropy(density: Grid, y: Grid) -> float:
    return -float(integrate.trapezoid(density * np.log(np.maximum(density, 1e-300)), y))
