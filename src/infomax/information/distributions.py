"""Joint distributions whose mutual information is known exactly: what an estimate can be held against.

The choice, and most of the formulas, follow "Beyond Normal" (Czyz et al. 2023, arXiv 2306.11078). Information in nats.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Samples = Float[Tensor, "n _"]
Transformation = Callable[[Samples], Samples]
Covariance = Float[Tensor, "d d"]


@dataclass(frozen=True)
class Known:
    """A joint distribution, its mutual information in nats, and a way to draw from it.

    draw: (n, generator) -> x of shape (n, dx) and y of shape (n, dy), float64.
    """

    name: str
    mutual_information: float
    draw: Callable[[int, torch.Generator], tuple[Samples, Samples]]

    def sample(self, n: int, seed: int = 0) -> tuple[Samples, Samples]:
        """As many pairs as asked for, the same for the same seed."""
        return self.draw(n, torch.Generator().manual_seed(seed))


def normal(covariance: Covariance, x_dim: int, name: str = "normal") -> Known:
    """The multivariate normal of which x is the first x_dim coordinates: I = 1/2 log det S_x det S_y / det S."""
    factor = torch.linalg.cholesky(covariance.double())

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        z = _normals(n, len(factor), generator) @ factor.T
        return z[:, :x_dim], z[:, x_dim:]

    return Known(name, _normal_information(covariance.double(), x_dim), draw)


def bivariate_normal(correlation: float) -> Known:
    """One normal variable a side: I = -1/2 log(1 - rho^2)."""
    covariance = torch.tensor([[1, correlation], [correlation, 1]], dtype=torch.float64)
    return normal(covariance, 1, f"normal, correlation {correlation:.3g}")


def sparse_normal(dim: int, information: float, pairs: int = 2) -> Known:
    """A normal of dim variables a side, `pairs` of them correlated each with its counterpart, the others with none."""
    return normal(sparse_covariance(dim, information, pairs), dim, f"sparse normal {dim} x {dim}")


def sparse_covariance(dim: int, information: float, pairs: int = 2) -> Covariance:
    """The covariance of sparse_normal: unit variances, and the same correlation in each of the pairs."""
    rho = math.sqrt(-math.expm1(-2 * information / pairs))
    covariance = torch.eye(2 * dim, dtype=torch.float64)
    for i in range(pairs):
        covariance[i, dim + i] = covariance[dim + i, i] = rho
    return covariance


def dense_normal(dim: int, information: float) -> Known:
    """A normal of dim variables a side, all equally correlated; the correlation is found by bisection.

    Raises ValueError where no correlation below 1 gives so much.
    """
    low, high = 0.0, 1 - 1e-9
    if _normal_information(_equicorrelated(dim, high), dim) < information:
        raise ValueError(f"{information} nats are more than {dim} equally correlated variables a side can share")
    for _ in range(60):
        middle = (low + high) / 2
        if _normal_information(_equicorrelated(dim, middle), dim) < information:
            low = middle
        else:
            high = middle
    return normal(_equicorrelated(dim, low), dim, f"dense normal {dim} x {dim}")


def mixed_normal(x_dim: int, y_dim: int, information: float, seed: int = 0) -> Known:
    """A normal whose columns are mixtures: on each side a random square matrix, drawn by the seed, mixes the columns.

    Beneath it each of the smaller side's variables is correlated with one of the other's and holds a random share of
    the information. Mixing one to one leaves it as it is, but may hide it in directions of little variance.
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
    """Additive uniform noise: x ~ U[0, 1], y = x + U[-width, width].

    I = width - log(2 width) up to a width of 1/2, 1 / (4 width) from there.
    """

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        x, noise = torch.rand(2, n, 1, generator=generator, dtype=torch.float64)
        return x, x + width * (2 * noise - 1)

    information = width - math.log(2 * width) if width <= 0.5 else 1 / (4 * width)
    return Known(f"uniform noise {width:.3g}", information, draw)


def gamma_noise(shape: float, noise: float) -> Known:
    """Additive noise that is never negative: x ~ Gamma(shape), y = x + Gamma(noise), all of unit scale.

    y ~ Gamma(shape + noise), and I = h(y) - h(noise) with h(Gamma(k)) = k + log Gamma(k) + (1 - k) psi(k).
    """

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        x = _gamma(shape, n, generator)
        return x, x + _gamma(noise, n, generator)

    information = _gamma_entropy(shape + noise) - _gamma_entropy(noise)
    return Known(f"gamma noise {shape:.3g}, {noise:.3g}", information, draw)


def pareto(shape: float) -> Known:
    """Two exponential variables of one random rate, heavy in one tail only: x, y = E_1 / g, E_2 / g, g ~ Gamma(shape).

    Its copula is Clayton's of parameter 1 / shape, turned by 180 degrees. As 1 + x and 1 + x + y have log-means
    psi(a + 1) - psi(a) and psi(a + 2) - psi(a) for the shape a, I = log(1 + 1/a) - 1/(a + 1).
    """

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        x, y, rate = (_gamma(k, n, generator) for k in (1.0, 1.0, shape))
        return x / rate, y / rate

    return Known(f"Pareto {shape:.3g}", math.log1p(1 / shape) - 1 / (shape + 1), draw)


def student(dispersion: Covariance, x_dim: int, degrees: float) -> Known:
    """Multivariate Student-t: the normal's information and, as all coordinates share one scale, some more.

    With h(d) the entropy of d uncorrelated coordinates the surplus is h(dx) + h(dy) - h(dx + dy); it does not
    vanish without correlation           (Arellano-Valle et al. 2013; arXiv 2306.11078, app. B).
    """
    gaussian = normal(dispersion, x_dim)
    x_and_y = (x_dim, len(dispersion) - x_dim)
    surplus = sum(_student_entropy(d, degrees) for d in x_and_y) - _student_entropy(sum(x_and_y), degrees)

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        x, y = gaussian.draw(n, generator)
        scale = (degrees / 2 / _gamma(degrees / 2, n, generator)).sqrt()
        return x * scale, y * scale

    name = f"Student-t {x_and_y[0]} x {x_and_y[1]}, {degrees:.3g} degrees"
    return Known(name, gaussian.mutual_information + surplus, draw)


def table(joint: Float[Tensor, "a b"]) -> Known:
    """Two discrete variables, numbered from 0, by their joint probabilities: I = sum p log p / (p_x p_y)."""
    joint = joint.double() / joint.sum()
    independent = joint.sum(1, keepdim=True) * joint.sum(0)
    information = float((joint.xlogy(joint) - joint.xlogy(independent)).sum())

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        cells = torch.multinomial(joint.flatten(), n, replacement=True, generator=generator).unsqueeze(1)
        return (cells // joint.shape[1]).double(), (cells % joint.shape[1]).double()

    return Known(f"table {joint.shape[0]} x {joint.shape[1]}", information, draw)


def forked_noise(distance: float, noise: float) -> Known:
    """Noise with two modes: x ~ N(0, 1), y = x +- distance, the sign a fair coin, + N(0, noise^2).

    I = h(y) - h(y|x), both of them entropies of a mixture of two normals, by quadrature.
    """

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        x, error = _normals(n, 1, generator), _normals(n, 1, generator)
        sign = torch.randint(2, (n, 1), generator=generator) * 2 - 1
        return x, x + sign * distance + noise * error

    information = _mixture_entropy(distance, math.hypot(1, noise)) - _mixture_entropy(distance, noise)
    return Known(f"forked noise {distance:.3g}, {noise:.3g}", information, draw)


def sine(frequency: float, noise: float) -> Known:
    """A noisy sine of whole frequency: x ~ U[-pi, pi], y = sin(frequency x) + N(0, noise^2).

    I = h(y) - h(noise), by quadrature.
    """

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        x = math.pi * (2 * torch.rand(n, 1, generator=generator, dtype=torch.float64) - 1)
        return x, (frequency * x).sin() + noise * _normals(n, 1, generator)

    centers = torch.linspace(-math.pi, math.pi, 2001, dtype=torch.float64)[:-1].sin()
    y = torch.linspace(-1 - 9 * noise, 1 + 9 * noise, 4001, dtype=torch.float64)
    information = _entropy(_normal_density(y.unsqueeze(1) - centers, noise).mean(1), y) - _normal_entropy(noise)
    return Known(f"sine {frequency:.3g}, {noise:.3g}", information, draw)


def transformed(known: Known, x: Transformation | None = None, y: Transformation | None = None) -> Known:
    """The same with x, y or both transformed one to one, which leaves the information as it is."""

    def draw(n: int, generator: torch.Generator) -> tuple[Samples, Samples]:
        a, b = known.draw(n, generator)
        return (x(a) if x else a), (y(b) if y else b)

    names = ", ".join(f"{side} {f.__name__}" for side, f in (("x", x), ("y", y)) if f)
    return Known(f"{known.name} ({names})", known.mutual_information, draw)


def half_cube(z: Samples) -> Samples:
    """sign(z) |z|^(3/2), which lengthens the tails."""
    return z.sign() * z.abs() ** 1.5


def asinh(z: Samples) -> Samples:
    """The inverse hyperbolic sine, which shortens the tails."""
    return z.asinh()


def normal_cdf(z: Samples) -> Samples:
    """Phi(z), which makes a standard normal uniform on [0, 1]."""
    out: Tensor = torch.special.ndtr(z)
    return out


def swiss_roll(z: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
    """A standard normal rolled up in the plane: t = 3 pi/2 (1 + 2 Phi(z)) -> t (cos t, sin t) / 21."""
    t = 1.5 * math.pi * (1 + 2 * normal_cdf(z))
    return torch.cat([t * t.cos(), t * t.sin()], 1) / 21


def spiral(z: Samples) -> Samples:
    """The points turned in its first two coordinates by |z|^2 radians: each sphere is turned as a whole."""
    angle = z.square().sum(1)
    a, b = z[:, 0], z[:, 1]
    turned = torch.stack([angle.cos() * a - angle.sin() * b, angle.sin() * a + angle.cos() * b], 1)
    return torch.cat([turned, z[:, 2:]], 1)


def _normals(n: int, dim: int, generator: torch.Generator) -> Samples:
    return torch.randn(n, dim, generator=generator, dtype=torch.float64)


def _equicorrelated(dim: int, rho: float) -> Covariance:
    return torch.full((2 * dim, 2 * dim), rho, dtype=torch.float64).fill_diagonal_(1.0)


def _normal_information(covariance: Covariance, x_dim: int) -> float:
    parts = (covariance[:x_dim, :x_dim], covariance[x_dim:, x_dim:], covariance)
    x, y, both = (torch.linalg.slogdet(part).logabsdet for part in parts)
    return float(x + y - both) / 2


def _student_entropy(dim: int, degrees: float) -> float:
    """Entropy of the standard Student-t distribution in dim dimensions, in nats."""
    half, whole = torch.tensor([degrees / 2, (degrees + dim) / 2], dtype=torch.float64)
    volume = dim / 2 * math.log(degrees * math.pi) + half.lgamma() - whole.lgamma()
    return float(volume + whole * (whole.digamma() - half.digamma()))


def _gamma(shape: float, n: int, generator: torch.Generator) -> Float[Tensor, "n 1"]:
    """Gamma variates of unit scale."""
    out: Tensor = torch._standard_gamma(torch.full((n, 1), shape, dtype=torch.float64), generator=generator)
    return out


def _gamma_entropy(shape: float) -> float:
    k = torch.tensor(shape, dtype=torch.float64)
    return float(k + k.lgamma() + (1 - k) * k.digamma())


def _normal_entropy(scale: float) -> float:
    return 0.5 * math.log(2 * math.pi * math.e) + math.log(scale)


def _normal_density(z: Tensor, scale: float) -> Tensor:
    return (-0.5 * (z / scale).square()).exp() / (scale * math.sqrt(2 * math.pi))


def _entropy(density: Float[Tensor, " k"], at: Float[Tensor, " k"]) -> float:
    return -float(torch.trapezoid(density.xlogy(density), at))


def _mixture_entropy(distance: float, scale: float) -> float:
    """Entropy of N(-distance, scale^2) and N(distance, scale^2) in equal parts."""
    y = torch.linspace(-distance - 10 * scale, distance + 10 * scale, 40_001, dtype=torch.float64)
    density = (_normal_density(y - distance, scale) + _normal_density(y + distance, scale)) / 2
    return _entropy(density, y)
