"""The optimum of the Pearson chi2 bound for a critic of finite rank, without gradient descent.

Take two samples x, y of one group: two places of one image, two views of it, two words of one text. Such pairs follow
the joint distribution P; samples of different groups follow the product of marginals Q. For a critic T(x, y) =
f(x)^T g(y) the bound of the Pearson divergence, E_P T - E_Q (T + T^2 / 4), is a concave quadratic form of the matrix
f g^T. Over functions f = g that are linear in given features a, its maximum of rank d is reached at

    T = 2 sum_k s_k w_k(x) w_k(y),    C w_k = s_k V w_k,    w_k^T V w_k = 1,    k = 1 .. d

V is the covariance of a single sample and C the covariance between the two samples of a pair. s_k are the canonical
correlations and w_k the canonical directions. The bound there is sum_k s_k^2: the chi2 divergence of P from Q as far as
these features and this rank show it. The correlations are singular values of dP/dQ - 1. They are exactly those if the
features distinguish all outcomes; then w_k are the maximal correlation functions (Hirschfeld 1935, Gebelein 1941, Renyi
1959). In the reading of Su (2018), negative sampling factorizes the matrix of pointwise information (Levy & Goldberg
2014). With sparse codes of patches as features this is the form of the sparse manifold transform (arXiv 2209.15261).
docs/mathematics.md has the derivation.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information.lapack import generalized_eigh, gram

CERTAIN = 1e-9  # less than 1 by which a correlation is finite information


@final
class PairMoments:
    """First and second moments of samples and of pairs of samples, summed up group by group in one pass.

    A sample counts as often as it is in a pair. Memory: two dim x dim matrices of float32, for any number of groups,
    and a third while groups are added. Both are symmetric, and only their lower triangles are kept up to date.

    Args:
        dim: Number of features of a sample.
        device: Device of the sums.
        pairs: Which ordered pairs of the k samples of a group count, 1 or 0. The matrix must be symmetric with a zero
            diagonal. None counts all pairs of two different samples.

    """

    def __init__(self, dim: int, device: torch.device | None = None, pairs: Float[Tensor, "k k"] | None = None) -> None:
        self.first = torch.zeros(dim, device=device)
        self.single = torch.zeros(dim, dim, device=device)
        self.pair = torch.zeros(dim, dim, device=device)
        self.groups, self.pairs = 0, pairs
        self._products: Tensor | None = None  # room for those of a few groups

    def add(self, samples: Float[Tensor, "groups k dim"]) -> None:
        """Add groups of k samples each.

        Products are computed in float32: rounded to bfloat16, the covariance of a few groups is no longer a covariance.

        Args:
            samples: Features of the samples.

        Raises:
            ValueError: k < 2, so there are no pairs.

        """
        groups, k, dim = samples.shape
        if k < 2:
            raise ValueError(f"{k} sample in a group makes no pair: give 2 or more")
        flat = samples.reshape(groups * k, dim)
        if self.pairs is None:
            total = samples.sum(1)
            self.first += total.sum(0) / k
            products = self._products = torch.empty_like(self.single) if self._products is None else self._products
            self.single.add_(gram(flat, out=products), alpha=1 / k)
            self.pair.sub_(products, alpha=1 / (k * (k - 1)))
            self.pair.add_(gram(total, out=products), alpha=1 / (k * (k - 1)))
        else:
            pairs = self.pairs / self.pairs.sum()
            weighted = pairs.sum(1, keepdim=True) * samples
            self.first += weighted.sum((0, 1))
            self.single += weighted.reshape(flat.shape).mT @ flat
            self.pair += (pairs @ samples).reshape(flat.shape).mT @ flat
        self.groups += groups

    def centered(self) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim dim"], Float[Tensor, "dim dim"]]:
        """Compute the central moments.

        Returns:
            The mean, the covariance V of a sample, and the covariance C between the two samples of a pair.

        """
        mean = self.first / self.groups
        outer = mean[:, None] * mean
        single, pair = (each.tril() + each.tril(-1).mT for each in (self.single, self.pair))
        return mean, single / self.groups - outer, pair / self.groups - outer

    @property
    def variance(self) -> Float[Tensor, ""]:
        """The variance of a feature over single samples, averaged over features."""
        return (self.single.diagonal() / self.groups - (self.first / self.groups).square()).mean()

    def state(self) -> dict[str, Tensor | int]:
        """Return the sums so far, for `load`."""
        return {"first": self.first, "single": self.single, "pair": self.pair, "groups": self.groups}

    def load(self, state: dict[str, Tensor | int]) -> None:
        """Continue from the sums of another object.

        Args:
            state: The result of `state`.

        """
        for name in ("first", "single", "pair"):
            getattr(self, name).copy_(state[name])
        self.groups = int(state["groups"])


@final
@dataclass(frozen=True)
class CanonicalDirections:
    """The optimal critic of rank d: T(x, y) = 2 sum_k s_k w_k^T (x - mean) w_k^T (y - mean).

    Attributes:
        correlations: Canonical correlations s_k, largest first.
        directions: Canonical directions w_k as columns. Each has variance 1 over single samples, or less with a ridge.
        mean: Mean of a sample.

    """

    correlations: Float[Tensor, " d"]
    directions: Float[Tensor, "dim d"]
    mean: Float[Tensor, " dim"]

    def truncated(self, rank: int) -> "CanonicalDirections":
        """Keep the directions with the largest correlations: the optimal critic of a lower rank.

        Args:
            rank: Number of directions to keep. All are kept if there are fewer.

        Returns:
            The truncated critic.

        """
        return CanonicalDirections(self.correlations[:rank], self.directions[:, :rank], self.mean)

    def reduced(self) -> "CanonicalDirections":
        """Write the same critic in terms of its own functions w_k^T x, for moments of those."""
        return CanonicalDirections(self.correlations, torch.eye(len(self.correlations)), self.mean @ self.directions)

    def bound_on(self, moments: PairMoments) -> float:
        """Evaluate the Pearson chi2 bound of this critic on samples with the given moments.

        On the samples that the critic was computed from, without a ridge, this is the sum of the squared correlations.
        On other samples it is an honest held-out bound.

        Args:
            moments: Moments of the samples.

        Returns:
            The bound, at most the chi2 divergence of those samples.

        """
        mean, single, pair = moments.centered()
        shift = (mean - self.mean).double() @ self.directions.double()
        w, s = self.directions.double(), self.correlations.double()
        single, pair = w.T @ single.double() @ w, w.T @ pair.double() @ w
        outer = shift[:, None] * shift
        second = single + outer  # E_Q of T is 2 shift^T s shift; E_Q of T^2 / 4 is |s^(1/2) second s^(1/2)|^2
        on_joint = 2 * (s * (pair + outer).diagonal()).sum()
        on_product = 2 * (s * shift.square()).sum() + (s[:, None] * second * s * second).sum()
        return float(on_joint - on_product)

    def gaussian_information_on(self, moments: PairMoments) -> float:
        """Compute the mutual information of the functions of two samples, as if they were Gaussian and independent.

        A pair of Gaussian variables of correlation r shares -log(1 - r^2) / 2 nats. Strong correlations weigh more
        here than in the Pearson bound.

        Args:
            moments: Moments of the samples; the correlation of each function is taken from them.

        Returns:
            The sum over the functions, in nats.

        """
        _, single, pair = (each.double() for each in moments.centered())
        w = self.directions.double()
        variances, covariances = ((w * (each @ w)).sum(0) for each in (single, pair))
        correlations = (covariances / variances).clamp(-1 + CERTAIN, 1 - CERTAIN)
        return float(-torch.log1p(-correlations.square()).sum() / 2)


def unwhitened(
    directions: Float[Tensor, "dim d"], covariance: Float[Tensor, "dim dim"], whitening: float
) -> Float[Tensor, "dim d"]:
    """Give canonical directions back a part of the variance that whitening took.

    Directions are V^(-1/2) u with orthonormal u: they ask after V^(-1/2) x, whose numbers all have variance 1. With
    less whitening they become V^(-whitening/2) u. Then what varies much in x keeps some of its weight in the distances
    between codes.

    Args:
        directions: Canonical directions as columns.
        covariance: The covariance V, with the ridge that they were solved with.
        whitening: 1 changes nothing, 0 takes whitening back altogether.

    Returns:
        The directions V^((1 - whitening) / 2) w.

    Examples:
        >>> unwhitened(torch.eye(2), torch.diag(torch.tensor([16.0, 1.0])), whitening=0.5)
        tensor([[2., 0.],
                [0., 1.]])

    """
    variances, axes = torch.linalg.eigh(covariance.double())
    scales = variances.clamp(min=0) ** ((1 - whitening) / 2)
    found: Tensor = axes @ (scales[:, None] * (axes.mT @ directions.double()))
    return found.to(directions.dtype)


def canonical_directions(
    moments: PairMoments, rank: int, *, ridge: float = 0.0, variance: Float[Tensor, ""] | None = None
) -> CanonicalDirections:
    """Solve C w = s (V + ridge * variance * 1) w for the directions with the largest correlations s.

    Only positive correlations count. If all samples are equal there are no directions. The ridge keeps directions of
    tiny variance, whose correlations are noise, from coming first.

    Args:
        moments: Moments of the samples.
        rank: Most directions to return.
        ridge: Added variance, as a multiple of `variance`.
        variance: Unit of the ridge. By default the mean variance of these features; features that are solved in parts
            share the variance of the whole.

    Returns:
        The directions, `rank` of them or fewer.

    Examples:
        >>> generator = torch.Generator().manual_seed(0)
        >>> shared, noise = (torch.randn(5000, k, 3, generator=generator) for k in (1, 2))
        >>> moments = PairMoments(dim=3)
        >>> moments.add(shared * torch.tensor([3.0, 1.0, 0.0]) + noise)
        >>> [round(s, 1) for s in canonical_directions(moments, rank=2).correlations.tolist()]
        [0.9, 0.5]

    """
    mean, single, pair = (each.cpu() for each in moments.centered())
    epsilon = torch.finfo(single.dtype).eps
    own_variance = moments.variance.cpu()
    dim, device = len(mean), moments.first.device
    if not own_variance > epsilon * (own_variance + mean.square().mean()):
        return CanonicalDirections(mean.new_zeros(0).to(device), mean.new_zeros(dim, 0).to(device), mean.to(device))
    unit = own_variance if variance is None else variance.cpu()
    single = single + torch.maximum(ridge * unit, dim * epsilon * own_variance) * torch.eye(dim)
    # in float64, because float32 would mix the directions of nearly equal correlations
    solution = generalized_eigh(pair.double().numpy(), single.double().numpy(), min(rank, dim))
    correlations, directions = (torch.from_numpy(each).to(pair.dtype).flip(-1) for each in solution)
    positive = int((correlations > 0).sum())
    return CanonicalDirections(correlations[:positive].to(device), directions[:, :positive].to(device), mean.to(device))
