"""Lower bounds on divergences: pure functions from scores to nats, larger is better.

positives are scores of pairs from the joint P = p(x, y). negatives are scores of pairs from the product of marginals
Q = p(x) p(y), m of them for each positive. Leading axes (for example the positions of a feature map) are kept, and each
of their elements gets its own bound. The KL bounds (donsker_varadhan, nwj, infonce) are bounds on the mutual
information I(X;Y) = KL(P||Q).

Every bound reads its negatives in two steps: it reduces each row of m scores to one number, then it combines these
numbers with the positives. The first step can be done a few rows at a time. That is how `pairs` evaluates more pairs
than memory holds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from infomax.information.divergences import JENSEN_SHANNON, KL, Divergence

_Positives = Float[Tensor, "*batch n"]
_Negatives = Float[Tensor, "*batch n m"]
_Rows = Float[Tensor, "*#batch n"]
_Nats = Float[Tensor, "*batch"]


@dataclass(frozen=True)
class Bound:
    """A bound that is called with positives and negatives.

    Attributes:
        name: Name on the command line.
        reduce: Negatives -> one number for each row.
        combine: (positives, reduced rows, m) -> the bound in nats.
        threshold: (reduced rows, m) -> for each row the score that an optimal critic gives a pair with density ratio
            r = 1, as likely under P as under Q. A pair above this score is classified as a positive, a pair below as a
            negative.

    """

    name: str
    reduce: Callable[[_Negatives], _Rows]
    combine: Callable[[_Positives, _Rows, int], _Nats]
    threshold: Callable[[_Rows, int], _Rows]

    def __call__(self, positives: _Positives, negatives: _Negatives) -> _Nats:
        """Evaluate the bound, in nats, for each element of the leading axes."""
        return self.combine(positives, self.reduce(negatives), negatives.shape[-1])


def _log_mean_exp(scores: Float[Tensor, "*batch k"]) -> Float[Tensor, "*batch"]:
    return scores.logsumexp(-1) - math.log(scores.shape[-1])


def _of_divergence(divergence: Divergence) -> Bound:
    """E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]             (Nowozin et al. 2016, arXiv 1606.00709, eq. 6; Su 2018, eq. 11)."""
    return Bound(
        name=divergence.name,
        reduce=lambda negatives: divergence.cost(negatives).mean(-1),
        combine=lambda positives, rows, _: divergence.gain(positives).mean(-1) - rows.mean(-1),
        threshold=lambda rows, _: divergence.optimal_score(rows.new_zeros(rows.shape)),
    )


def _clipped(clip: float) -> Bound:
    """E_P[ v ] - log E_Q[ exp clip(v, -tau, tau) ]                  (Song & Ermon 2020, arXiv 1910.06222, eq. 12)."""
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


def f_divergence(positives: _Positives, negatives: _Negatives, divergence: Divergence = JENSEN_SHANNON) -> _Nats:
    """Evaluate the variational lower bound on D_f(P||Q), which is exact at the optimal score.

    E_P[ g_f(v) ] - E_Q[ f*(g_f(v)) ]        (Nowozin et al. 2016, arXiv 1606.00709, eq. 6; Su 2018, eq. 11)

    Args:
        positives: Scores of pairs from P, shape (..., n).
        negatives: Scores of pairs from Q, shape (..., n, m).
        divergence: The f-divergence.

    Returns:
        The bound in nats, shape (...).

    Examples:
        >>> import torch
        >>> positives, negatives = torch.tensor([2.0, 1.0]), torch.tensor([[-2.0], [0.0]])
        >>> round(f_divergence(positives, negatives).item(), 2)
        0.76

    """
    return _of_divergence(divergence)(positives, negatives)


def nwj(positives: _Positives, negatives: _Negatives) -> _Nats:
    """Evaluate the f-divergence bound for KL.

    The bound is linear in Q, so its mean over batches is a bound too. It is exact at v = 1 + log r.

    E_P[ v ] - E_Q[ exp(v - 1) ]              (Nguyen, Wainwright & Jordan 2010, arXiv 0809.0853)

    Args:
        positives: Scores of pairs from P, shape (..., n).
        negatives: Scores of pairs from Q, shape (..., n, m).

    Returns:
        The bound in nats, shape (...).

    """
    return f_divergence(positives, negatives, KL)


def smile(positives: _Positives, negatives: _Negatives, clip: float = 5.0) -> _Nats:
    """Evaluate donsker_varadhan with clipped scores in the partition function.

    Clipping lowers the variance, but the result is no longer a bound.

    E_P[ v ] - log E_Q[ exp clip(v, -tau, tau) ]          (Song & Ermon 2020, arXiv 1910.06222, eq. 12)

    Args:
        positives: Scores of pairs from P, shape (..., n).
        negatives: Scores of pairs from Q, shape (..., n, m).
        clip: Largest absolute score, tau.

    Returns:
        The estimate in nats, shape (...).

    """
    return _clipped(clip)(positives, negatives)


def of_name(name: str, divergence: Divergence = JENSEN_SHANNON) -> Bound:
    """Find a bound by its name on the command line.

    Args:
        name: A key of BOUNDS.
        divergence: The divergence of the bound "f-divergence"; other bounds ignore it.

    Returns:
        The bound.

    Raises:
        ValueError: No bound has this name.

    """
    bounds = {**BOUNDS, "f-divergence": _of_divergence(divergence)}
    if name not in bounds:
        raise ValueError(f"unknown bound {name!r}: choose one of {', '.join(bounds)}")
    return bounds[name]


# All bounds by the name on the command line.
BOUNDS = {
    "f-divergence": _of_divergence(JENSEN_SHANNON),
    "donsker-varadhan": donsker_varadhan,
    "nwj": _of_divergence(KL),
    "infonce": infonce,
    "smile": _clipped(5.0),
}
