"""Mutual information of samples, in nats, with a standard error and warnings if it cannot be trusted.

1. Each side is transformed one to one to a common scale, which preserves the information and shortens every tail.
2. The critic is a closed form, the log ratio of the Gaussian with the same correlations, plus a network that learns
   what the closed form misses. It is trained on some folds and its bound is read on the fold held out. Each sample is
   held out once.
3. In a few dimensions, nearest neighbors estimate how much the bound misses. Their difference counts as far as chance
   does not explain it.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.bounds import BOUNDS, donsker_varadhan
from infomax.information.estimation.critics import GaussianCritic
from infomax.information.estimation.cross_fit import (
    SCORING_BLOCK,
    CrossFit,
    Fold,
    blocks_of,
    bound_of_blocks,
    random_folds,
)
from infomax.information.estimation.ksg import FARTHER, NEAREST, ksg
from infomax.information.estimation.preprocessing import (
    Samples,
    candidate_transforms,
    distinct_rows,
    normal_scores,
    validate_samples,
)
from infomax.information.transformations import Columns

_FOLDS = 3
_MOST_DIMENSIONS_FOR_NEIGHBORS = 6
_MOST_QUERIES = 20_000  # samples whose nearest neighbors are searched
_FEWEST_EFFECTIVE_NEGATIVES = 100
_ROWS_NAMED = 5
_KSG_ERROR = 0.015  # nats beyond spread and extrapolation, as seen on distributions with known information
_NEAREST_NEIGHBORS = "nearest-neighbors"

# What `bound` may be in estimate_mi.
ESTIMATORS = ("donsker-varadhan", "nwj", "infonce", "smile", _NEAREST_NEIGHBORS)


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of I(X;Y) in nats.

    Attributes:
        value: The estimate, at least 0 and at most the ceiling.
        standard_error: Value +- 2 standard errors is meant to contain the truth. The standard error combines three
            parts: the spread over held-out blocks; half the distance between training and held-out bound; and the
            possible error of nearest neighbors or, in too many dimensions for them, all that the network added to the
            closed form.
        bound: What the value is: the name of a held-out lower bound, or "nearest-neighbors" if they added to it.
        ceiling: The most that this many samples can show: ln n, for InfoNCE ln of the samples scored together.
        lower_bound: The held-out bound of the critic, whatever the value is.
        folds: That bound on each fold.
        warnings: Reasons not to trust the value, in words; empty if there are none.

    """

    value: float
    standard_error: float
    bound: str
    ceiling: float
    lower_bound: float = 0.0
    folds: tuple[float, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def estimate_mi(
    x: Samples, y: Samples, *, bound: str | None = None, folds: int = _FOLDS, seed: int = 0
) -> MutualInformation:
    """Estimate the mutual information of the rows of x and y.

    Integers and booleans count as ordered numbers. Their ties are broken at random, which preserves the information.
    Constant columns carry no information and are dropped with a warning, and so are copies of rows. The same seed gives
    the same answer; the global random state does not change.

    Args:
        x: Samples, array or tensor of shape (n,) or (n, dx), n >= 50.
        y: Samples, array or tensor of shape (n,) or (n, dy).
        bound: One of ESTIMATORS. None picks the most accurate: the held-out Donsker-Varadhan bound or nearest
            neighbors.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.

    Returns:
        The estimate, in nats.

    Raises:
        ValueError: Unusable shapes, types or values, fewer than 50 samples, or an unknown bound.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> x = generator.normal(size=200)
        >>> y = x + generator.normal(size=200)
        >>> estimate = estimate_mi(x, y, folds=2)  # the truth is ln(2) / 2 = 0.35 nats
        >>> abs(estimate.value - 0.35) < 2 * estimate.standard_error
        True

    """
    _validate_choices(bound, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y, notes = validate_samples(x, y)
        if not (x.shape[1] and y.shape[1]):
            return MutualInformation(0.0, 0.0, bound or donsker_varadhan.name, math.log(len(x)), warnings=notes)
        kept, _, copies = distinct_rows(x, y)
        fit = CrossFit(*_choose_transforms(x[kept], y[kept], folds), folds)
        return _estimate(fit, bound, (*notes, *copies), kept)


def pointwise_mi(x: Samples, y: Samples, *, folds: int = _FOLDS, seed: int = 0) -> Float[np.ndarray, " n"]:
    """Estimate log p(x_i, y_i) / (p(x_i) p(y_i)) of each pair, by a critic that was not trained on it.

    Args:
        x: Samples, as for estimate_mi.
        y: Samples, as for estimate_mi.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.

    Returns:
        The pointwise mutual information of each pair, in nats.

    Raises:
        ValueError: As estimate_mi.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> x = generator.normal(size=200)
        >>> values = pointwise_mi(x, x + generator.normal(size=200), folds=2)
        >>> values.shape
        (200,)
        >>> bool(abs(values.mean() - 0.35) < 0.1)  # the truth is ln(2) / 2 = 0.35 nats
        True

    """
    _validate_choices(None, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y, _ = validate_samples(x, y)
        if not (x.shape[1] and y.shape[1]):
            return np.zeros(len(x))
        kept, place, _ = distinct_rows(x, y)
        return CrossFit(*_choose_transforms(x[kept], y[kept], folds), folds).log_ratios().double()[place].numpy()


def _validate_choices(bound: str | None, folds: int) -> None:
    if bound is not None and bound not in ESTIMATORS:
        raise ValueError(f"unknown bound {bound!r}: choose one of {', '.join(ESTIMATORS)}")
    if not 2 <= folds <= 10:
        raise ValueError(f"folds is {folds}: choose 2 to 10")


def _choose_transforms(x: Columns, y: Columns, folds: int) -> tuple[Columns, Columns]:
    """Transform both sides so that the Gaussian has the highest bound on held-out samples.

    A single column on each side is not a mixture, so its normal scores are kept: then any monotone transformation of
    the column gives the same answer.
    """
    if x.shape[1] == y.shape[1] == 1:
        return normal_scores(x), normal_scores(y)
    candidates = list(itertools.product(candidate_transforms(x), candidate_transforms(y)))
    splits = random_folds(len(x), folds)
    return max(candidates, key=lambda sides: _gaussian_bound(sides[0], sides[1], splits))


def _gaussian_bound(x: Columns, y: Columns, folds: list[Fold]) -> float:
    """The held-out Donsker-Varadhan bound of Gaussian critics."""
    values = []
    for fold in folds:
        critic = GaussianCritic(x[fold.training], y[fold.training])
        values.append(bound_of_blocks(critic, x, y, fold.held_out))
    return float(torch.cat(values).mean())


def _estimate(fit: CrossFit, bound: str | None, notes: tuple[str, ...], kept: Int[Tensor, " n"]) -> MutualInformation:
    """The chosen estimate and the reasons not to trust it. `kept` are the rows of the user that are left."""
    n = len(fit.x)
    by_bound = _by_bound(fit, "donsker-varadhan" if bound in (None, _NEAREST_NEIGHBORS) else str(bound))
    if bound == _NEAREST_NEIGHBORS:
        chosen = _by_ksg(fit)
    elif bound is not None:
        chosen = by_bound
    elif fit.x.shape[1] + fit.y.shape[1] <= _MOST_DIMENSIONS_FOR_NEIGHBORS:
        chosen = _add_slack(by_bound, _by_ksg(fit))
    else:
        gaussian_bound = fit.gaussian_bound()
        chosen = _doubt_gain(by_bound, max(0.0, gaussian_bound) if fit.contradicting else gaussian_bound)
    ceiling = math.log(len(blocks_of(fit.folds[0].held_out)[0]) if chosen.name == "infonce" else n)
    return MutualInformation(
        value=min(max(0.0, chosen.value), ceiling),
        standard_error=min(chosen.standard_error, ceiling),
        bound=chosen.name,
        ceiling=ceiling,
        lower_bound=min(max(0.0, by_bound.value), math.log(n)),
        folds=tuple(min(max(0.0, value), math.log(n)) for value in by_bound.fold_values),
        warnings=(*notes, *_odd_rows(kept[fit.contradicting]), *_warnings(fit, chosen, by_bound, ceiling)),
    )


@dataclass(frozen=True)
class _Estimate:
    """A value for each held-out block, the means of the folds, and the possible systematic error, in nats."""

    name: str
    blocks: Float[Tensor, " blocks"]
    fold_values: tuple[float, ...]
    systematic: float

    @property
    def value(self) -> float:
        return float(self.blocks.mean())

    @property
    def standard_error(self) -> float:
        return math.hypot(_standard_error(self.blocks), self.systematic)


def _standard_error(blocks: Float[Tensor, " blocks"]) -> float:
    return float(blocks.std() / math.sqrt(len(blocks)))


def _by_bound(fit: CrossFit, name: str) -> _Estimate:
    """The bound on held-out samples. Half of its loss from training to held-out samples is a systematic error."""
    bound, optimum = BOUNDS[name], float(name == "nwj")  # nwj is exact at 1 + log r, the others at log r
    # n samples show no more than ln n (McAllester & Stratos 2020), and information is never negative
    most, least = math.log(len(fit.x)), 0.0 if fit.contradicting else -math.inf
    held_out, training = (
        [each.clamp(least, most) for each in bounds(bound, optimum)]
        for bounds in (fit.held_out_bounds, fit.training_bounds)
    )
    loss = float(torch.cat(training).mean() - torch.cat(held_out).mean())
    return _Estimate(name, torch.cat(held_out), tuple(float(each.mean()) for each in held_out), abs(loss) / 2)


def _by_ksg(fit: CrossFit) -> _Estimate:
    """Nearest neighbors, extrapolated half of the way from FARTHER over NEAREST to 0 neighbors.

    Where the density has an edge, the error grows as sqrt k on the plane. Where the density is smooth, the error is
    smaller and of either sign. So half of the extrapolation is applied, and it counts as a systematic error in addition
    to _KSG_ERROR. In more dimensions an edge would ask for k^(1/d), but for smooth densities that finds slack that does
    not exist.
    """
    blocks = fit.held_out_blocks()[: math.ceil(_MOST_QUERIES / SCORING_BLOCK)]
    near, far = torch.stack([ksg(fit.x, fit.y, block) for block in blocks]).unbind(1)
    half = 0.5 / (math.sqrt(FARTHER / NEAREST) - 1) * (near - far)
    return _Estimate(_NEAREST_NEIGHBORS, near + half, (), math.hypot(float(half.mean()), _KSG_ERROR))


def _add_slack(bound: _Estimate, neighbors: _Estimate) -> _Estimate:
    """Add to the bound as much of the neighbors' difference as chance does not explain.

    A bound misses s >= 0, often nothing. An observed s with standard error sigma counts as s - sigma^2 / s, and as zero
    up to sigma: almost all of a clear slack, almost nothing of chance (James & Stein 1961, positive part). The rest of
    the observed slack may be real. It is a systematic error.
    """
    difference = neighbors.blocks - bound.blocks[: len(neighbors.blocks)]
    slack, error = max(0.0, float(difference.mean())), _standard_error(difference)
    believed = 1 - (error / slack) ** 2 if slack > error else 0.0
    doubted = (1 - believed) * math.hypot(bound.systematic, slack)
    systematic = math.hypot(believed * neighbors.systematic, doubted, error)
    if not believed:
        return replace(bound, systematic=systematic)
    blocks = bound.blocks[: len(neighbors.blocks)] + believed * difference
    return _Estimate(_NEAREST_NEIGHBORS, blocks, (), systematic)


def _doubt_gain(bound: _Estimate, gaussian_bound: float) -> _Estimate:
    """Add what the network gained over the closed form to the systematic error.

    For normal variables the gain is zero, and nothing is missing. Otherwise the network has found some information
    beyond the closed form, and the same amount again may be missing.
    """
    gain = max(0.0, bound.value - gaussian_bound)
    return replace(bound, systematic=math.hypot(bound.systematic, gain))


def _odd_rows(rows: Int[Tensor, " r"]) -> Iterator[str]:
    """Which rows contradict the relation that the other rows have."""
    if len(rows):
        first = ", ".join(map(str, rows[:_ROWS_NAMED].tolist())) + (", ..." if len(rows) > _ROWS_NAMED else "")
        which = "1 row contradicts" if len(rows) == 1 else f"{len(rows)} rows contradict"
        yield f"{which} the relation of the others (counted from 0, the worst first: {first}): check for errors"


def _warnings(fit: CrossFit, chosen: _Estimate, by_bound: _Estimate, ceiling: float) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    n, dims = len(fit.x), fit.x.shape[1] + fit.y.shape[1]
    if n < 100 * dims:
        yield f"few samples: {n} for {dims} columns; take {100 * dims} or more"
    if chosen.value > ceiling - 1:
        yield f"near the ceiling: {ceiling:.2f} nats is the most that can be shown here, the truth may be far above"
    effective = fit.effective_negatives()
    is_bound = chosen.name == by_bound.name
    if effective < _FEWEST_EFFECTIVE_NEGATIVES and is_bound:
        yield f"unstable partition function: it rests on about {effective:.0f} of a block's negative pairs"
    values = torch.tensor(by_bound.fold_values)
    if is_bound and float(values.std()) > 4 * math.sqrt(len(values)) * _standard_error(by_bound.blocks):
        yield f"the folds disagree: {', '.join(f'{value:.2f}' for value in values)} nats"
    gap = chosen.value - by_bound.value
    if gap > 0.1:
        yield f"the critic is not tight: its held-out bound is {gap:.2f} nats lower; pointwise values share that error"
    if chosen.systematic > 0.1:
        yield f"systematic error of about {chosen.systematic:.2f} nats: more samples would help"
