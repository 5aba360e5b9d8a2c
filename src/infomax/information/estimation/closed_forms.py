"""Critics in closed form: log density ratios of a Gaussian and of a Student-t distribution fitted to the samples."""

import math
from copy import copy
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.critics import Critic
from infomax.information.transformations import Columns

_RIDGE = 1e-6  # added to unit variances, so that duplicate columns raise no error
_INNER, _OUTER = -1.5, 2.8  # normal scores of the radius at the first and the last hat function
_SCATTER_STEPS = 30  # of the fixed point for the dispersion of a Student-t distribution
_GRID = torch.linspace(-6, 6, 4097, dtype=torch.float64)  # normal scores at which Student-t quantiles are tabulated


@final
class GaussianCritic(Critic):
    """The log density ratio of a Gaussian in the canonical variables a, b of x and y, in closed form.

    sum over pairs of  rho / (1 - rho^2) a b - 1/2 rho^2 / (1 - rho^2) (a^2 + b^2),

    without its constant, on which no bound used here depends. With all pairs it is the ratio of the Gaussian that has
    the correlations of (x, y). dx dy correlations fitted to n samples cost a held-out bound dx dy / 2n. The k largest
    canonical correlations rho cost only about k (dx + dy - k) / 2n.

    With `radii`, each side is first expanded to its columns times hat functions of its radius. So a canonical variable
    may turn or stretch with the distance from the center.

    Args:
        x: Samples of x, to which the Gaussian is fitted.
        y: Samples of y.
        rank: Number of canonical pairs that are kept. None keeps all.
        radii: Number of hat functions of the radius; 1 takes the columns as they are.

    """

    def __init__(self, x: Columns, y: Columns, rank: int | None = None, radii: int = 1) -> None:
        super().__init__()
        self.radii = radii
        (x_mean, x_root), (y_mean, y_root) = (_whitening(radial(z.double(), radii)) for z in (x, y))
        a, b = ((radial(z.double(), radii) - m) @ r for z, m, r in ((x, x_mean, x_root), (y, y_mean, y_root)))
        u, rho, vh = torch.linalg.svd(a.T @ b / len(a), full_matrices=False)
        rho = rho[:rank].clamp(max=1 - _RIDGE)
        self.x_mean, self.y_mean = nn.Buffer(x_mean.float()), nn.Buffer(y_mean.float())
        self.x_axes, self.y_axes = (
            nn.Buffer((x_root @ u[:, :rank]).float()),
            nn.Buffer((y_root @ vh.T[:, :rank]).float()),
        )
        self.cross = nn.Buffer((rho / (1 - rho.square())).float())
        self.own = nn.Buffer((-0.5 * rho.square() / (1 - rho.square())).float())

    def of_rank(self, rank: int) -> "GaussianCritic":
        """Keep only the largest canonical correlations.

        Args:
            rank: Number of canonical pairs that are kept.

        Returns:
            A critic with views of these pairs.

        """
        out = copy(self)
        out._buffers = dict(self._buffers)
        out.x_axes, out.y_axes = self.x_axes[:, :rank], self.y_axes[:, :rank]
        out.cross, out.own = self.cross[:rank], self.own[:rank]
        return out

    def canonical_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch k"]:
        """Compute the canonical variables of x.

        Args:
            x: Samples.

        Returns:
            The variables, of variance 1, those with the largest correlation first.

        """
        out: Tensor = (radial(x, self.radii) - self.x_mean) @ self.x_axes
        return out

    def canonical_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch k"]:
        """Compute the canonical variables of y.

        Args:
            y: Samples.

        Returns:
            The variables, of variance 1, those with the largest correlation first.

        """
        out: Tensor = (radial(y, self.radii) - self.y_mean) @ self.y_axes
        return out

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Concatenate the factor of b in the cross term, the quadratic term of a, and 1."""
        a = self.canonical_x(x)
        own = a.square() @ self.own.unsqueeze(1)
        return torch.cat([a * self.cross, own, torch.ones_like(own)], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Concatenate b, 1, and the quadratic term of b."""
        b = self.canonical_y(y)
        own = b.square() @ self.own.unsqueeze(1)
        return torch.cat([b, torch.ones_like(own), own], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product."""
        return u @ v.mT


def expanded_columns(columns: int, radii: int) -> int:
    """Count the columns after expansion by `radial`.

    Args:
        columns: Columns before.
        radii: Number of hat functions.

    Returns:
        Columns after.

    """
    return columns if radii == 1 else columns * radii + radii - 1


def radial(z: Float[Tensor, "*batch d"], radii: int) -> Float[Tensor, "*batch k"]:
    """Expand columns to their products with hat functions of the radius, and all but one of these functions.

    The hats are evenly spaced on the normal score of the squared radius (Wilson & Hilferty 1931), as a normal variable
    has it. They lie more to the outside, where the radius itself changes more.

    Args:
        z: Samples.
        radii: Number of hat functions; 1 returns the columns.

    Returns:
        The expanded columns.

    """
    if radii == 1:
        return z
    d = z.shape[-1]
    score = ((z.square().mean(-1, keepdim=True)) ** (1 / 3) - 1 + 2 / (9 * d)) / math.sqrt(2 / (9 * d))
    place = ((score - _INNER) / (_OUTER - _INNER)).clamp(0, 1) * (radii - 1)
    hats = (1 - (place - torch.arange(radii, dtype=z.dtype)).abs()).clamp(min=0)
    return torch.cat([(z.unsqueeze(-1) * hats.unsqueeze(-2)).flatten(-2), hats[..., 1:]], -1)


def _whitening(z: Float[Tensor, "n d"]) -> tuple[Float[Tensor, " d"], Float[Tensor, "d d"]]:
    """The mean, and the matrix that makes centered columns uncorrelated with variance 1."""
    mean, scale = z.mean(0), z.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1.0)  # a column that is constant here
    z = (z - mean) / scale
    values, vectors = torch.linalg.eigh(z.T @ z / len(z))
    return mean, (vectors * (values.clamp(min=0) + _RIDGE).rsqrt()) @ vectors.T / scale.unsqueeze(1)


def _of_rank(matrix: Float[Tensor, "d d"], x_dim: int, rank: int | None) -> Float[Tensor, "d d"]:
    """A dispersion matrix with only its largest canonical correlations; the others become zero."""
    if rank is None:
        return matrix
    (x_root, x_inverse), (y_root, y_inverse) = _roots(matrix[:x_dim, :x_dim]), _roots(matrix[x_dim:, x_dim:])
    u, rho, vh = torch.linalg.svd(x_inverse @ matrix[:x_dim, x_dim:] @ y_inverse)
    cross = x_root @ (u[:, :rank] * rho[:rank]) @ vh[:rank] @ y_root
    out = matrix.clone()
    out[:x_dim, x_dim:], out[x_dim:, :x_dim] = cross, cross.T
    return out


def _roots(matrix: Float[Tensor, "d d"]) -> tuple[Float[Tensor, "d d"], Float[Tensor, "d d"]]:
    """The root of a positive matrix, and its inverse."""
    values, vectors = torch.linalg.eigh(matrix)
    values = values.clamp(min=_RIDGE * values.max())
    return (vectors * values.sqrt()) @ vectors.T, (vectors * values.rsqrt()) @ vectors.T


@final
class StudentCritic(Critic):
    """The log density ratio of the Student-t distribution with the dispersion S of (x, y), in closed form.

    With q = [x y]^T S^-1 [x y], and q_x and q_y likewise for one side, it is without its constant

    - (m + d)/2 log(1 + q/m) + (m + dx)/2 log(1 + q_x/m) + (m + dy)/2 log(1 + q_y/m),   m degrees of freedom.

    The dispersion is the maximum-likelihood one for these degrees (Kent & Tyler 1991, eq. 1.4). With `copula`, columns
    are taken as normal scores and replaced by the quantiles of a Student-t variable: then this is the t copula, for any
    increasing transformation of the columns.

    Args:
        x: Samples of x, to which the dispersion is fitted.
        y: Samples of y.
        degrees: Degrees of freedom, m.
        copula: Whether columns are normal scores, to be replaced by Student-t quantiles.
        rank: Number of canonical correlations that are kept. None keeps all.

    """

    def __init__(self, x: Columns, y: Columns, degrees: float, *, copula: bool = True, rank: int | None = None) -> None:
        super().__init__()
        self.degrees, self.x_dim, self.y_dim = degrees, x.shape[1], y.shape[1]
        self.quantiles = nn.Buffer(_log_quantiles(degrees)) if copula else None
        z = torch.cat([self._stretched(x.double()), self._stretched(y.double())], 1)
        scatter = _of_rank(_scatter(z, degrees), self.x_dim, rank)
        d = self.x_dim
        precision = torch.linalg.inv(scatter)
        self.x_form, self.y_form = (nn.Buffer(part.float()) for part in (precision[:d, :d], precision[d:, d:]))
        self.cross = nn.Buffer(2 * precision[:d, d:].float())
        self.x_own, self.y_own = (
            nn.Buffer(torch.linalg.inv(part).float()) for part in (scatter[:d, :d], scatter[d:, d:])
        )

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Concatenate the factor of y in the cross term, the quadratic term of x, and the log density of x."""
        x = self._stretched(x)
        return torch.cat([x @ self.cross, _quadratic(x, self.x_form), self._own(x, self.x_own)], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Concatenate y, the quadratic term of y, and the log density of y."""
        y = self._stretched(y)
        return torch.cat([y, _quadratic(y, self.y_form), self._own(y, self.y_own)], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Add the three logarithms."""
        return self._ratio((u[..., :-2] * v[..., :-2]).sum(-1) + u[..., -2] + v[..., -2], u[..., -1] + v[..., -1])

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product and a logarithm for each pair."""
        joint = u[..., :-2] @ v[..., :-2].mT + u[..., -2, None] + v[..., -2]
        return self._ratio(joint, u[..., -1, None] + v[..., -1])

    def _ratio(self, joint: Tensor, own: Tensor) -> Tensor:
        """The score from q of both sides and the log densities of each; rounding could make q negative."""
        return own - 0.5 * (self.degrees + self.x_dim + self.y_dim) * (joint.clamp(min=0) / self.degrees).log1p()

    def _own(self, z: Tensor, precision: Float[Tensor, "d d"]) -> Float[Tensor, "*batch 1"]:
        return 0.5 * (self.degrees + z.shape[-1]) * (_quadratic(z, precision) / self.degrees).log1p()

    def _stretched(self, z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Student-t quantiles of normal scores, by linear interpolation of their asinh."""
        if self.quantiles is None:
            return z
        table = self.quantiles.to(z.dtype)
        place = ((z + 6) * ((len(table) - 1) / 12)).clamp(0, len(table) - 1.001)
        left = place.detach().long()
        out: Tensor = torch.lerp(table[left], table[left + 1], place - left).sinh()
        return out


def _quadratic(z: Float[Tensor, "*batch d"], form: Float[Tensor, "d d"]) -> Float[Tensor, "*batch 1"]:
    return ((z @ form) * z).sum(-1, keepdim=True)


def _scatter(z: Float[Tensor, "n d"], degrees: float) -> Float[Tensor, "d d"]:
    """The maximum-likelihood dispersion of a centered Student-t distribution, by its fixed point."""
    scale = z.abs().median(0).values.clamp(min=math.sqrt(_RIDGE))
    z = z / scale
    matrix = torch.eye(z.shape[1], dtype=z.dtype)
    for _ in range(_SCATTER_STEPS):
        weights = (degrees + z.shape[1]) / (degrees + _quadratic(z, torch.linalg.inv(matrix)))
        matrix = (weights * z).T @ z / len(z)
        matrix = matrix + _RIDGE * torch.diag(matrix.diagonal())
    return matrix * scale * scale[:, None]


def _log_quantiles(degrees: float) -> Float[Tensor, " k"]:
    """Asinh of the Student-t quantiles at the normal scores of the grid; exact in both tails by symmetry."""
    from scipy.special import ndtr, stdtrit

    lower = torch.from_numpy(stdtrit(degrees, ndtr(_GRID[: len(_GRID) // 2 + 1].numpy())))
    return torch.cat([lower, -lower[:-1].flip(0)]).asinh()
