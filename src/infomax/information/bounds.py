"""Bounds: pure functions from scores to nats, larger is better.

positives are scores of pairs from the joint P = p(x, y), negatives of pairs from the product of marginals
Q = p(x) p(y). Leading axes (the positions of a feature map, say) are kept: each holds a bound
of its own.
"""

from jaxtyping import Float
from torch import Tensor

from infomax.information.divergences import JENSEN_SHANNON, Divergence

Positives = Float[Tensor, "*batch n"]
Negatives = Float[Tensor, "*batch n m"]
Bound = Float[Tensor, "*batch"]


def f_divergence(positives: Positives, negatives: Negatives, divergence: Divergence = JENSEN_SHANNON) -> Bound:
    """Variational lower bound on D_f(P||Q), exact at the optimal score.

    E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]        (Nowozin et al. 2016, arXiv 1606.00709, eq. 6; the article, eq. 11)
    """
    return divergence.gain(positives).mean(-1) - divergence.cost(negatives).mean((-2, -1))
