"""f-divergences in their variational form.

    D_f(P||Q) = max_v  E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]        (Nowozin et al. 2016, arXiv 1606.00709, eq. 6)

v is the raw score of a critic. g_f is the output activation that keeps it in the domain of the convex conjugate f*. The
code never composes the two functions from their parts. It writes f*(g_f(v)) out, so that no score, however large, leads
to log(0) or inf - inf. Where the exact value is outside the range of the number type (exp of 10,000), the result is an
infinity, never NaN.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

_Elementwise = Callable[[Float[Tensor, "*shape"]], Float[Tensor, "*shape"]]


@dataclass(frozen=True)
class Divergence:
    """An f-divergence, as the elementwise functions of a score that its bound needs.

    Attributes:
        name: Name on the command line.
        gain: v -> g_f(v), averaged over the joint distribution.
        cost: v -> f*(g_f(v)), averaged over the product of marginals.
        optimal_score: log r -> the score v at which the bound is exact, with r = dP/dQ.
        log_ratio: The inverse, v -> log r in nats: the pointwise mutual information that an optimal score stands for.
        upper_limit: The largest value of the divergence; None if it is unbounded.

    """

    name: str
    gain: _Elementwise
    cost: _Elementwise
    optimal_score: _Elementwise
    log_ratio: _Elementwise
    upper_limit: float | None


def _identity(v: Tensor) -> Tensor:
    return v


def _toward_infinity(log_r: Tensor) -> Tensor:
    """sign(log r) * inf, and 0 where log r is 0."""
    return torch.where(log_r == 0, log_r, torch.full_like(log_r, math.inf).copysign(log_r))


# KL(P||Q) = E_P log r, the mutual information itself. f*(t) = exp(t - 1).
KL = Divergence(
    name="kl",
    gain=_identity,
    cost=lambda v: (v - 1).exp(),
    optimal_score=lambda log_r: 1 + log_r,
    log_ratio=lambda v: v - 1,
    upper_limit=None,
)

# KL(Q||P) = -E_Q log r. f*(t) = -1 - log(-t), at t = -exp(-v).
REVERSE_KL = Divergence(
    name="reverse-kl",
    gain=lambda v: -(-v).exp(),
    cost=lambda v: v - 1,
    optimal_score=_identity,
    log_ratio=_identity,
    upper_limit=None,
)

# Twice the Jensen-Shannon divergence. f*(t) = -log(2 - exp t): binary cross-entropy, shifted so that a constant critic
# at v = 0 gives a bound of 0.
JENSEN_SHANNON = Divergence(
    name="jensen-shannon",
    gain=lambda v: math.log(2) + logsigmoid(v),
    cost=lambda v: -math.log(2) - logsigmoid(-v),
    optimal_score=_identity,
    log_ratio=_identity,
    upper_limit=2 * math.log(2),
)

# Binary cross-entropy between true and random pairs, log sigmoid(v) and log(1 - sigmoid(v)): at best 2 JSD - 2 ln 2.
GAN = Divergence(
    name="gan",
    gain=logsigmoid,
    cost=lambda v: -logsigmoid(-v),
    optimal_score=_identity,
    log_ratio=_identity,
    upper_limit=0.0,
)

# The integral of (sqrt p - sqrt q)^2. f*(t) = t / (1 - t), at t = 1 - exp(-v).
SQUARED_HELLINGER = Divergence(
    name="squared-hellinger",
    gain=lambda v: -(-v).expm1(),
    cost=lambda v: v.expm1(),
    optimal_score=lambda log_r: log_r / 2,
    log_ratio=lambda v: 2 * v,
    upper_limit=2.0,
)

# E_Q (r - 1)^2. f*(t) = t^2 / 4 + t. A score below -2 would mean a negative density ratio. It is read as a ratio of 0,
# whose logarithm is -inf.
PEARSON_CHI2 = Divergence(
    name="pearson-chi2",
    gain=_identity,
    cost=lambda v: v.square() / 4 + v,
    optimal_score=lambda log_r: 2 * log_r.expm1(),
    log_ratio=lambda v: (v / 2).clamp(min=-1).log1p(),
    upper_limit=None,
)

# Half the integral of |p - q|. f*(t) = t on |t| <= 1/2. The optimal score is infinite and shows only whether p or q is
# larger. So log_ratio cannot give nats; it gives the sign of log r instead: -1, 0 or 1.
TOTAL_VARIATION = Divergence(
    name="total-variation",
    gain=lambda v: v.tanh() / 2,
    cost=lambda v: v.tanh() / 2,
    optimal_score=_toward_infinity,
    log_ratio=torch.sign,
    upper_limit=1.0,
)

# All divergences by the name on the command line.
DIVERGENCES = {
    divergence.name: divergence
    for divergence in (JENSEN_SHANNON, GAN, KL, REVERSE_KL, SQUARED_HELLINGER, PEARSON_CHI2, TOTAL_VARIATION)
}
