"""f-divergences in their variational form.

    D_f(P||Q) = max_v  E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]        (Nowozin et al. 2016, arXiv 1606.00709, eq. 6)

v is the raw score of a critic, g_f the output activation that keeps it in the domain of the convex conjugate f*. The
two are never composed from their parts: f*(g_f(v)) is written out, so that no score, however large, meets log(0) or
inf - inf.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

Elementwise = Callable[[Float[Tensor, "*shape"]], Float[Tensor, "*shape"]]


@dataclass(frozen=True)
class Divergence:
    """One f-divergence, as the four functions of a score that its use needs.

    name: as on the command line.
    gain: v -> g_f(v), averaged over the joint.
    cost: v -> f*(g_f(v)), averaged over the product of marginals.
    optimal_score: log r -> the score v at which the bound is exact, r = dP/dQ.
    log_ratio: its inverse, v -> log r in nats: the pointwise mutual information that an optimal score stands for.
    """

    name: str
    gain: Elementwise
    cost: Elementwise
    optimal_score: Elementwise
    log_ratio: Elementwise


def _identity(v: Tensor) -> Tensor:
    return v


# Binary cross-entropy between true and random pairs, log sigmoid(v) and log(1 - sigmoid(v)): at best 2 JSD - 2 ln 2.
GAN = Divergence(
    name="gan",
    gain=lambda v: -softplus(-v),
    cost=softplus,
    optimal_score=_identity,
    log_ratio=_identity,
)

# The same, shifted so that a critic that tells nothing scores 0. At the optimum 2 JSD <= 2 ln 2.
JENSEN_SHANNON = Divergence(
    name="jensen-shannon",
    gain=lambda v: math.log(2) - softplus(-v),
    cost=lambda v: softplus(v) - math.log(2),
    optimal_score=_identity,
    log_ratio=_identity,
)

DIVERGENCES = {divergence.name: divergence for divergence in (JENSEN_SHANNON, GAN)}
