"""The optimum of the Pearson chi2 bound for a critic of finite rank, without gradient descent.

Two draws x, y from one group (two places of one image, two views of it, two words of one text) come from the joint
distribution P; draws from different groups come from the product of marginals Q. For a critic T(x, y) = f(x)^T g(y) the
bound of the Pearson divergence, E_P T - E_Q (T + T^2 / 4), is a concave quadratic form of the matrix f g^T. Over
functions f = g that are linear in given features a, its maximum of rank d is reached at

    T = 2 sum_k value_k w_k(x) w_k(y),    C w_k = value_k V w_k,    w_k^T V w_k = 1,    k = 1 .. d

where V is the covariance of a single draw and C that between the two draws of a pair. The bound there is
sum_k value_k^2: the chi2 divergence of P from Q as far as these features and this rank can see it. The values are the
singular values of the density ratio dP/dQ less 1; with features that tell all outcomes apart they are so exactly, and
w_k are the maximal correlation functions (Hirschfeld 1935, Gebelein 1941, Renyi 1959; for the article's reading, where
negative sampling factorizes the matrix of pointwise information, Levy & Goldberg 2014; with the sparse codes of patches
as features it is the form of the sparse manifold transform, arXiv 2209.15261). docs/mathematics.md has the derivation.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor


@final
class PairMoments:
    """Sums of first and second moments of draws and of pairs of draws, added up group by group in one pass.

    dim: of a feature. Memory: two dim x dim matrices of float32, however many groups there are.
    pairs: which ordered pairs of the draws of a group are pairs, 1 or 0, alike in both orders, none of a draw with
    itself; by default all others are. A draw counts as often as it is in a pair.
    """

    def __init__(self, dim: int, device: torch.device | None = None, pairs: Float[Tensor, "k k"] | None = None) -> None:
        self.first = torch.zeros(dim, device=device)
        self.single = torch.zeros(dim, dim, device=device)
        self.pair = torch.zeros(dim, dim, device=device)
        self.groups, self.pairs = 0, pairs

    def add(self, draws: Float[Tensor, "groups k dim"]) -> None:
        """Count groups of k >= 2 draws each.

        Products are taken in float32: rounded to bfloat16, a covariance of few groups is no longer a covariance.
        """
        groups, k, dim = draws.shape
        if k < 2:
            raise ValueError(f"{k} draw of a group makes no pair: give 2 or more")
        flat = draws.reshape(groups * k, dim)
        if self.pairs is None:
            total = draws.sum(1)
            single, both = flat.mT @ flat / k, total.mT @ total / k
            first, pair = total.sum(0) / k, (both - single) / (k - 1)
        else:
            pairs = self.pairs / self.pairs.sum()
            counted = pairs.sum(1, keepdim=True) * draws
            first, single = counted.sum((0, 1)), counted.reshape(flat.shape).mT @ flat
            pair = (pairs @ draws).reshape(flat.shape).mT @ flat
        self.first += first
        self.single += single
        self.pair += pair
        self.groups += groups

    def centered(self) -> tuple[Float[Tensor, " dim"], Float[Tensor, "dim dim"], Float[Tensor, "dim dim"]]:
        """Mean, covariance V of a draw, and covariance C between the two draws of a pair."""
        mean = self.first / self.groups
        outer = mean[:, None] * mean
        return mean, self.single / self.groups - outer, self.pair / self.groups - outer

    @property
    def variance(self) -> Float[Tensor, ""]:
        """The mean variance of a feature over single draws."""
        return (self.single.diagonal() / self.groups - (self.first / self.groups).square()).mean()

    def state(self) -> dict[str, Tensor | int]:
        """What `of_state` takes: enough to go on from here."""
        return {"first": self.first, "single": self.single, "pair": self.pair, "groups": self.groups}

    def load(self, state: dict[str, Tensor | int]) -> None:
        """Go on from a state."""
        for name in ("first", "single", "pair"):
            getattr(self, name).copy_(state[name])
        self.groups = int(state["groups"])


@final
@dataclass(frozen=True)
class CanonicalDirections:
    """The optimal critic of rank d: T(x, y) = 2 sum_k values_k w_k(x - mean) w_k(y - mean).

    values: largest first. weights: w_k as columns, each of variance 1 over single draws, less where there was a ridge.
    """

    correlations: Float[Tensor, " d"]
    directions: Float[Tensor, "dim d"]
    mean: Float[Tensor, " dim"]

    def bound_on(self, moments: PairMoments) -> float:
        """The Pearson chi2 bound that this critic reaches on draws with these moments.

        On the draws that it was made from, without a ridge, the sum of the squared values; honest on other ones.
        """
        held_out, single, pair = moments.centered()
        shift = (held_out - self.mean).double() @ self.directions.double()
        w, values = self.directions.double(), self.correlations.double()
        single, pair = w.T @ single.double() @ w, w.T @ pair.double() @ w
        outer = shift[:, None] * shift
        second = single + outer  # E_Q of T is 2 shift^T values shift; of T^2 / 4, |values^(1/2) second values^(1/2)|^2
        on_joint = 2 * (values * (pair + outer).diagonal()).sum()
        on_product = 2 * (values * shift.square()).sum() + (values[:, None] * second * values * second).sum()
        return float(on_joint - on_product)


def canonical_directions(
    moments: PairMoments, rank: int, *, ridge: float = 0.0, variance: Float[Tensor, ""] | None = None
) -> CanonicalDirections:
    """The leading directions C w = value (V + ridge * variance * 1) w, as many as are positive, `rank` at most.

    The ridge keeps directions of tiny variance, whose values are noise, from leading. It is measured by `variance`, the
    mean variance of a feature where none is given; features that are solved in parts share that of the whole. Where the
    draws do not differ at all there are no directions.
    """
    from scipy.linalg import eigh

    mean, single, pair = (each.cpu() for each in moments.centered())
    epsilon = torch.finfo(single.dtype).eps
    own = moments.variance.cpu()
    dim, device = len(mean), moments.first.device
    if not own > epsilon * (own + mean.square().mean()):
        return CanonicalDirections(mean.new_zeros(0).to(device), mean.new_zeros(dim, 0).to(device), mean.to(device))
    common = own if variance is None else variance.cpu()
    single = single + torch.maximum(ridge * common, dim * epsilon * own) * torch.eye(dim)
    leading = (dim - min(rank, dim), dim - 1)
    # in float64: where values lie close, float32 would turn their directions into one another
    moments_of_both = (each.double().numpy() for each in (pair, single))
    found = eigh(*moments_of_both, subset_by_index=leading, driver="gvx", overwrite_a=True, overwrite_b=True)
    values, weights = (torch.from_numpy(each).to(pair.dtype).flip(-1) for each in found)
    positive = int((values > 0).sum())
    return CanonicalDirections(values[:positive].to(device), weights[:, :positive].to(device), mean.to(device))
