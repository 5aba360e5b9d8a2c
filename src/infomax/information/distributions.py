"""Joint distributions with exactly known mutual information, to test estimates against.

The choice and most of the formulas follow "Beyond Normal" (Czyz et al. 2023, arXiv 2306.11078). Information is in nats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information.transformations import Columns, Transformation

_Covariance = Float[Tensor, "d d"]


@dataclass(frozen=True)
class Known:
    """A joint distribution of x and y with known mutual information.

    Attributes:
        name: Name and parameters, for tables of results.
        mutual_information: I(X;Y) in nats.
        draw: (n, generator) -> x of shape (n, dx) and y of shape (n, dy), float64.

    """

    name: str
    mutual_information: float
    draw: Callable[[int, torch.Generator], tuple[Columns, Columns]]

    def sample(self, n: int, seed: int = 0) -> tuple[Columns, Columns]:
        """Draw pairs; the same seed gives the same pairs.

        Args:
            n: Number of pairs.
            seed: Seed of the random numbers.

        Returns:
            x of shape (n, dx) and y of shape (n, dy), float64.

        """
        return self.draw(n, torch.Generator().manual_seed(seed))


def normal(covariance: _Covariance, x_dim: int, name: str = "normal") -> Known:
    """Make a multivariate normal, x the first x_dim coordinates and y the others.

    I = 1/2 log det S_x det S_y / det S.

    Args:
        covariance: Covariance matrix S of x and y together.
        x_dim: Dimensions of x.
        name: Name of the distribution.

    Returns:
        The distribution.

    """
    factor = torch.linalg.cholesky(covariance.double())

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        z = _normals(n, len(factor), generator) @ factor.T
        return z[:, :x_dim], z[:, x_dim:]

    return Known(name, _normal_information(covariance.double(), x_dim), draw)


def bivariate_normal(correlation: float) -> Known:
    """Make a normal with one variable on each side: I = -1/2 log(1 - rho^2).

    Args:
        correlation: Correlation rho of x and y.

    Returns:
        The distribution.

    """
    covariance = torch.tensor([[1, correlation], [correlation, 1]], dtype=torch.float64)
    return normal(covariance, 1, f"normal, correlation {correlation:.3g}")


def sparse_normal(dim: int, information: float, pairs: int = 2) -> Known:
    """Make a normal in which a few variables of x correlate, each with one variable of y.

    Args:
        dim: Variables on each side.
        information: Mutual information in nats.
        pairs: Number of correlated pairs; they share the information equally.

    Returns:
        The distribution.

    """
    return normal(sparse_covariance(dim, information, pairs), dim, f"sparse normal {dim} x {dim}")


def sparse_covariance(dim: int, information: float, pairs: int = 2) -> _Covariance:
    """Compute the covariance of `sparse_normal`: unit variances and the same correlation in each pair.

    Args:
        dim: Variables on each side.
        information: Mutual information in nats.
        pairs: Number of correlated pairs.

    Returns:
        The covariance matrix of x and y together.

    """
    rho = math.sqrt(-math.expm1(-2 * information / pairs))
    covariance = torch.eye(2 * dim, dtype=torch.float64)
    for i in range(pairs):
        covariance[i, dim + i] = covariance[dim + i, i] = rho
    return covariance


def dense_normal(dim: int, information: float) -> Known:
    """Make a normal in which all variables correlate equally; bisection finds the correlation.

    Args:
        dim: Variables on each side.
        information: Mutual information in nats.

    Returns:
        The distribution.

    Raises:
        ValueError: No correlation below 1 gives this much information.

    """
    low, high = 0.0, 1 - 1e-9
    if _normal_information(_equicorrelated(dim, high), dim) < information:
        raise ValueError(f"{information} nats are more than {dim} equally correlated variables on each side can share")
    for _ in range(60):
        middle = (low + high) / 2
        if _normal_information(_equicorrelated(dim, middle), dim) < information:
            low = middle
        else:
            high = middle
    return normal(_equicorrelated(dim, low), dim, f"dense normal {dim} x {dim}")


def mixed_normal(x_dim: int, y_dim: int, information: float, seed: int = 0) -> Known:
    """Make a normal whose columns are mixtures: on each side a random square matrix mixes the columns.

    Before mixing, each variable of the smaller side correlates with one of the other side and holds a random share of
    the information. Mixing preserves the information, but may hide it in directions of little variance.

    Args:
        x_dim: Dimensions of x.
        y_dim: Dimensions of y.
        information: Mutual information in nats.
        seed: Seed of the shares and the mixing matrices.

    Returns:
        The distribution.

    """
    generator = torch.Generator().manual_seed(seed)
    shares = torch.rand(min(x_dim, y_dim), generator=generator, dtype=torch.float64) + 0.2
    correlated = torch.arange(len(shares))
    covariance = torch.eye(x_dim + y_dim, dtype=torch.float64)
    covariance[correlated, x_dim + correlated] = (-torch.expm1(-2 * information * shares / shares.sum())).sqrt()
    covariance = covariance.triu() + covariance.triu(1).T
    mixing = torch.zeros_like(covariance)
    mixing[:x_dim, :x_dim] = _normals(x_dim, x_dim, generator)
    mixing[x_dim:, x_dim:] = _normals(y_dim, y_dim, generator)
    return normal(mixing @ covariance @ mixing.T, x_dim, f"mixed normal {x_dim} x {y_dim}")


def uniform_noise(width: float) -> Known:
    """Make additive uniform noise: x ~ U[0, 1], y = x + U[-width, width].

    I = width - log(2 width) up to a width of 1/2, and 1 / (4 width) above.

    Args:
        width: Largest absolute noise.

    Returns:
        The distribution.

    """

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        x, noise = torch.rand(2, n, 1, generator=generator, dtype=torch.float64)
        return x, x + width * (2 * noise - 1)

    information = width - math.log(2 * width) if width <= 0.5 else 1 / (4 * width)
    return Known(f"uniform noise {width:.3g}", information, draw)


def gamma_noise(shape: float, noise: float) -> Known:
    """Make additive noise that is never negative: x ~ Gamma(shape), y = x + Gamma(noise), all of unit scale.

    y ~ Gamma(shape + noise), and I = h(y) - h(noise) with h(Gamma(k)) = k + log Gamma(k) + (1 - k) psi(k).

    Args:
        shape: Shape parameter of x.
        noise: Shape parameter of the noise.

    Returns:
        The distribution.

    """

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        x = _gamma(shape, n, generator)
        return x, x + _gamma(noise, n, generator)

    information = _gamma_entropy(shape + noise) - _gamma_entropy(noise)
    return Known(f"gamma noise {shape:.3g}, {noise:.3g}", information, draw)


def pareto(shape: float) -> Known:
    """Make two exponential variables with one random rate: x, y = E_1 / g, E_2 / g, g ~ Gamma(shape).

    One tail is heavy. The copula is Clayton's with parameter 1 / shape, rotated by 180 degrees. For a = shape the means
    of log(1 + x) and log(1 + x + y) are psi(a + 1) - psi(a) and psi(a + 2) - psi(a): I = log(1 + 1/a) - 1/(a + 1).

    Args:
        shape: Shape parameter of the rate g.

    Returns:
        The distribution.

    """

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        x, y, rate = (_gamma(k, n, generator) for k in (1.0, 1.0, shape))
        return x / rate, y / rate

    return Known(f"Pareto {shape:.3g}", math.log1p(1 / shape) - 1 / (shape + 1), draw)


def student(dispersion: _Covariance, x_dim: int, degrees: float) -> Known:
    """Make a multivariate Student-t distribution.

    It has more information than the normal with the same dispersion, because all coordinates share one random scale.
    With h(d) the entropy of d uncorrelated coordinates, the surplus is h(dx) + h(dy) - h(dx + dy), also without
    correlation           (Arellano-Valle et al. 2013; arXiv 2306.11078, app. B).

    Args:
        dispersion: Dispersion matrix of x and y together.
        x_dim: Dimensions of x.
        degrees: Degrees of freedom.

    Returns:
        The distribution.

    """
    gaussian = normal(dispersion, x_dim)
    x_and_y = (x_dim, len(dispersion) - x_dim)
    surplus = sum(_student_entropy(d, degrees) for d in x_and_y) - _student_entropy(sum(x_and_y), degrees)

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        x, y = gaussian.draw(n, generator)
        scale = (degrees / 2 / _gamma(degrees / 2, n, generator)).sqrt()
        return x * scale, y * scale

    name = f"Student-t {x_and_y[0]} x {x_and_y[1]}, {degrees:.3g} degrees"
    return Known(name, gaussian.mutual_information + surplus, draw)


def table(joint: Float[Tensor, "a b"]) -> Known:
    """Make two discrete variables with values 0, 1, ...: I = sum p log p / (p_x p_y).

    Args:
        joint: Joint probabilities, up to a factor.

    Returns:
        The distribution.

    """
    joint = joint.double() / joint.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    information = float((joint.xlogy(joint) - joint.xlogy(independent)).sum())

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        cells = torch.multinomial(joint.flatten(), n, replacement=True, generator=generator).unsqueeze(1)
        return (cells // joint.shape[1]).double(), (cells % joint.shape[1]).double()

    return Known(f"table {joint.shape[0]} x {joint.shape[1]}", information, draw)


def forked_noise(distance: float, noise: float) -> Known:
    """Make noise with two modes: x ~ N(0, 1), y = x +- distance + N(0, noise^2), the sign a fair coin.

    I = h(y) - h(y|x). Both are entropies of a mixture of two normals, by quadrature.

    Args:
        distance: Distance of each mode from x.
        noise: Standard deviation of each mode.

    Returns:
        The distribution.

    """

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        x, error = _normals(n, 1, generator), _normals(n, 1, generator)
        sign = torch.randint(2, (n, 1), generator=generator) * 2 - 1
        return x, x + sign * distance + noise * error

    information = _mixture_entropy(distance, math.hypot(1, noise)) - _mixture_entropy(distance, noise)
    return Known(f"forked noise {distance:.3g}, {noise:.3g}", information, draw)


def sine(frequency: float, noise: float) -> Known:
    """Make a noisy sine: x ~ U[-pi, pi], y = sin(frequency x) + N(0, noise^2).

    I = h(y) - h(noise), by quadrature.

    Args:
        frequency: Frequency, a whole number.
        noise: Standard deviation of the noise.

    Returns:
        The distribution.

    """

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        x = math.pi * (2 * torch.rand(n, 1, generator=generator, dtype=torch.float64) - 1)
        return x, (frequency * x).sin() + noise * _normals(n, 1, generator)

    centers = torch.linspace(-math.pi, math.pi, 2001, dtype=torch.float64)[:-1].sin()
    y = torch.linspace(-1 - 9 * noise, 1 + 9 * noise, 4001, dtype=torch.float64)
    entropy_of_noise = 0.5 * math.log(2 * math.pi * math.e) + math.log(noise)
    information = _entropy(_normal_density(y.unsqueeze(1) - centers, noise).mean(1), y) - entropy_of_noise
    return Known(f"sine {frequency:.3g}, {noise:.3g}", information, draw)


def transformed(known: Known, x: Transformation | None = None, y: Transformation | None = None) -> Known:
    """Transform x, y or both one to one, which preserves the information.

    Args:
        known: The distribution.
        x: Transformation of x; None keeps x.
        y: Transformation of y; None keeps y.

    Returns:
        The distribution of the transformed variables.

    """

    def draw(n: int, generator: torch.Generator) -> tuple[Columns, Columns]:
        a, b = known.draw(n, generator)
        return (x(a) if x else a), (y(b) if y else b)

    names = ", ".join(f"{side} {f.__name__}" for side, f in (("x", x), ("y", y)) if f)
    return Known(f"{known.name} ({names})", known.mutual_information, draw)


def _normals(n: int, dim: int, generator: torch.Generator) -> Columns:
    return torch.randn(n, dim, generator=generator, dtype=torch.float64)


def _equicorrelated(dim: int, rho: float) -> _Covariance:
    return torch.full((2 * dim, 2 * dim), rho, dtype=torch.float64).fill_diagonal_(1.0)


def _normal_information(covariance: _Covariance, x_dim: int) -> float:
    parts = (covariance[:x_dim, :x_dim], covariance[x_dim:, x_dim:], covariance)
    x, y, both = (torch.linalg.slogdet(part).logabsdet for part in parts)
    return float(x + y - both) / 2


def _student_entropy(dim: int, degrees: float) -> float:
    """Entropy of the standard Student-t distribution in dim dimensions, in nats."""
    half, whole = torch.tensor([degrees / 2, (degrees + dim) / 2], dtype=torch.float64)
    volume = dim / 2 * math.log(degrees * math.pi) + half.lgamma() - whole.lgamma()
    return float(volume + whole * (whole.digamma() - half.digamma()))


def _gamma(shape: float, n: int, generator: torch.Generator) -> Float[Tensor, "n 1"]:
    """Gamma variates of unit scale; torch.distributions.Gamma would draw from the global random state."""
    out: Tensor = torch._standard_gamma(torch.full((n, 1), shape, dtype=torch.float64), generator=generator)
    return out


def _gamma_entropy(shape: float) -> float:
    k = torch.tensor(shape, dtype=torch.float64)
    return float(k + k.lgamma() + (1 - k) * k.digamma())


def _normal_density(z: Tensor, scale: float) -> Tensor:
    return (-0.5 * (z / scale).square()).exp() / (scale * math.sqrt(2 * math.pi))


def _entropy(density: Float[Tensor, " k"], at: Float[Tensor, " k"]) -> float:
    return -float(torch.trapezoid(density.xlogy(density), at))


def _mixture_entropy(distance: float, scale: float) -> float:
    """Entropy of an equal mixture of N(-distance, scale^2) and N(distance, scale^2), in nats."""
    y = torch.linspace(-distance - 10 * scale, distance + 10 * scale, 40_001, dtype=torch.float64)
    density = (_normal_density(y - distance, scale) + _normal_density(y + distance, scale)) / 2
    return _entropy(density, y)
