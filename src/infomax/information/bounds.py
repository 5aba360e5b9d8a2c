"""Bounds: pure functions from scores to nats, larger is better.

positives are scores of pairs from the joint P = p(x, y), negatives of pairs from the product of marginals
Q = p(x) p(y), m for each positive. Leading axes (the positions of a feature map, say) are kept: each holds a bound of
its own. The KL bounds (donsker_varadhan, nwj, infonce) are bounds on the mutual information I(X;Y) = KL(P||Q).

Every bound reads its negatives in two steps: each row of m becomes one number, the rows then meet the positives. The
first step can be done for a few rows at a time, which is how `pairs` evaluates more pairs than memory holds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from infomax.information.divergences import JENSEN_SHANNON, KL, Divergence

Positives = Float[Tensor, "*batch n"]
Negatives = Float[Tensor, "*batch n m"]
Rows = Float[Tensor, "*#batch n"]
Nats = Float[Tensor, "*batch"]


@dataclass(frozen=True)
class Bound:
    """One bound, called with positives and negatives.

    name: as on the command line.
    reduce: negatives -> one number a row.
    combine: (positives, reduced rows, m) -> the bound in nats.
    threshold: (reduced rows, m) -> the score that an optimal critic gives a pair as likely under P as under Q, r = 1,
        one a row: above it a pair is taken for a positive, below it for a negative.
    """

    name: str
    reduce: Callable[[Negatives], Rows]
    combine: Callable[[Positives, Rows, int], Nats]
    threshold: Callable[[Rows, int], Rows]

    def __call__(self, positives: Positives, negatives: Negatives) -> Nats:
        """The bound in nats, one for each element of the leading axes."""
        return self.combine(positives, self.reduce(negatives), negatives.shape[-1])


def _log_mean_exp(scores: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    return scores.logsumexp(-1) - math.log(scores.shape[-1])


def _of_divergence(divergence: Divergence) -> Bound:
    """E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]      (Nowozin et al. 2016, arXiv 1606.00709, eq. 6; the article, eq. 11)."""
    return Bound(
        name=divergence.name,
        reduce=lambda negatives: divergence.cost(negatives).mean(-1),
        combine=lambda positives, rows, _: divergence.gain(positives).mean(-1) - rows.mean(-1),
        threshold=lambda rows, _: divergence.optimal_score(rows.new_zeros(rows.shape)),
    )


def _clipped(clip: float) -> Bound:
    """E_P[ v ] - log E_Q[ exp clip(v, -tau, tau) ]       (Song & Ermon 2020, arXiv 1910.06222, eq. 12)."""
    return Bound(
        name="smile",
        reduce=lambda negatives: _log_mean_exp(negatives.clamp(-clip, clip)),
        combine=donsker_varadhan.combine,
        threshold=donsker_varadhan.threshold,
    )


# E_P[ v ] - log E_Q[ exp v ]            (Donsker & Varadhan 1983; Belghazi et al. 2018, arXiv 1801.04062, eq. 10)
donsker_varadhan = Bound(
    name="donsker-varadhan",
    reduce=_log_mean_exp,
    combine=lambda positives, rows, _: positives.mean(-1) - _log_mean_exp(rows),
    threshold=lambda rows, _: _log_mean_exp(rows).unsqueeze(-1).expand_as(rows),  # v = log r + any constant
)

# mean_i [ v_ii - log mean_j exp v_ij ] <= ln(m + 1), the positive among the j   (van den Oord et al. 2018, 1807.03748)
infonce = Bound(
    name="infonce",
    reduce=lambda negatives: negatives.logsumexp(-1),
    combine=lambda positives, rows, m: (positives - positives.logaddexp(rows) + math.log(m + 1)).mean(-1),
    threshold=lambda rows, m: rows - math.log(m),  # v = log r + any function of x
)


def f_divergence(positives: Positives, negatives: Negatives, divergence: Divergence = JENSEN_SHANNON) -> Nats:
    """Variational lower bound on D_f(P||Q), exact at the optimal score.

    E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]        (Nowozin et al. 2016, arXiv 1606.00709, eq. 6; the article, eq. 11)
    """
    return _of_divergence(divergence)(positives, negatives)


def nwj(positives: Positives, negatives: Negatives) -> Nats:
    """f_divergence for KL: linear in Q, so that its mean over batches is a bound too. Exact at v = 1 + log r.

    E_P[ v ] - E_Q[ exp(v - 1) ]              (Nguyen, Wainwright & Jordan 2010, arXiv 0809.0853)
    """
    return f_divergence(positives, negatives, KL)


def smile(positives: Positives, negatives: Negatives, clip: float = 5.0) -> Nats:
    """donsker_varadhan with scores clipped at +-clip (tau) in the partition term: less variance, no bound any more.

    E_P[ v ] - log E_Q[ exp clip(v, -tau, tau) ]          (Song & Ermon 2020, arXiv 1910.06222, eq. 12)
    """
    return _clipped(clip)(positives, negatives)


def of_name(name: str, divergence: Divergence = JENSEN_SHANNON) -> Bound:
    """The bound a command line names, f-divergence with its divergence. Raises ValueError for an unknown name."""
    bounds = {**BOUNDS, "f-divergence": _of_divergence(divergence)}
    if name not in bounds:
        raise ValueError(f"unknown bound {name!r}: choose one of {', '.join(bounds)}")
    return bounds[name]


BOUNDS = {
    "f-divergence": _of_divergence(JENSEN_SHANNON),
    "donsker-varadhan": donsker_varadhan,
    "nwj": _of_divergence(KL),
    "infonce": infonce,
    "smile": _clipped(5.0),
}
