"""Mutual information of samples, in nats, with a standard error and warnings if it cannot be trusted.

Examples:
    >>> generator = np.random.default_rng(0)
    >>> x = generator.normal(size=200)
    >>> y = x + generator.normal(size=200)
    >>> estimate = estimate_mi(x, y, folds=2)  # the truth is ln(2) / 2 = 0.35 nats
    >>> abs(estimate.value - 0.35) < 2 * estimate.standard_error
    True

How it works:

1. Each side is transformed one to one to a common scale, which preserves the information and shortens every tail.
2. The critic is a closed form, the log ratio of a Gaussian or of a Student-t distribution, plus a network that learns
   what the closed form misses. It is trained on some folds and its bound is read on the fold held out. Each sample is
   held out once. Scale and form are those with the highest held-out bound.
3. What the closed form lost by being fitted to finitely many samples is added.
4. In a few dimensions, nearest neighbors estimate how much the bound misses. Their difference counts as far as chance
   does not explain it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.bounds import donsker_varadhan
from infomax.information.estimation.closed_forms import GaussianCritic
from infomax.information.estimation.cross_fit import CrossFit
from infomax.information.estimation.folds import scoring_blocks, split_rows
from infomax.information.estimation.permutation import permutation_p_value
from infomax.information.estimation.reading import (
    NEAREST_NEIGHBORS,
    Reading,
    add_fitting_loss,
    add_slack,
    by_bound,
    by_ksg,
    doubt_by_neighbors,
    doubt_gain,
    error_of_mean,
)
from infomax.information.estimation.samples import Kinds, PairedSamples, Samples, pair_samples
from infomax.information.estimation.selection import choose_forms
from infomax.information.estimation.series import (
    BlockRows,
    inflated_error,
    is_sorted,
    series_blocks,
    series_of,
    variance_inflation,
)
from infomax.information.transformations import Columns

DEFAULT_FOLDS = 3
MOST_DIMENSIONS_FOR_NEIGHBORS = 6
_FEWEST_EFFECTIVE_NEGATIVES = 100
_ROWS_NAMED = 5

# What `bound` may be in estimate_mi.
ESTIMATORS = ("donsker-varadhan", "nwj", "infonce", "smile", NEAREST_NEIGHBORS)


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of I(X;Y) in nats.

    Attributes:
        value: The estimate, at least 0 and at most the ceiling.
        standard_error: Value +- 2 standard errors is meant to contain the truth. The standard error combines the spread
            over held-out blocks; half the distance between training and held-out bound, as far as it was not added; and
            the possible error of nearest neighbors or, in too many dimensions for them, all that the network added to
            the closed form.
        bound: What the value is: the name of the held-out lower bound it started from, or "nearest-neighbors" if they
            added to it.
        ceiling: The most that this many samples can show: ln n, for InfoNCE ln of the samples scored together.
        lower_bound: The held-out bound of the critic, whatever the value is.
        folds: That bound on each fold.
        warnings: Reasons not to trust the value, in words; empty if there are none.
        p_value: The probability that independent columns depend on each other as much as these, by permutation of the
            rows of y; None if it was not asked for.
        x_kinds: Kind of each column of x: continuous, discrete, categorical, mixed or censored.
        y_kinds: Kind of each column of y.

    """

    value: float
    standard_error: float
    bound: str
    ceiling: float
    lower_bound: float = 0.0
    folds: tuple[float, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    p_value: float | None = None
    x_kinds: tuple[str, ...] = ()
    y_kinds: tuple[str, ...] = ()

    @property
    def normalized(self) -> float:
        """The value on the scale of a correlation: sqrt(1 - exp(-2 I)), |rho| of a normal pair (Linfoot 1957)."""
        return math.sqrt(-math.expm1(-2 * self.value))


def estimate_mi(
    x: Samples,
    y: Samples,
    *,
    bound: str | None = None,
    folds: int = DEFAULT_FOLDS,
    seed: int = 0,
    blocks: BlockRows = None,
    permutations: int = 0,
    missing: str = "refuse",
    x_kind: Kinds = None,
    y_kind: Kinds = None,
) -> MutualInformation:
    """Estimate the mutual information of the rows of x and y, in nats.

    Integers and booleans count as ordered numbers. Their ties are broken at random, which preserves the information.
    Constant columns carry no information and are dropped with a warning, and so are copies of rows. The same seed gives
    the same answer; the global random state does not change.

    Args:
        x: Samples, array or tensor of shape (n,) or (n, dx), n >= 50.
        y: Samples, array or tensor of shape (n,) or (n, dy).
        bound: One of ESTIMATORS. None picks the most accurate.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.
        blocks: For a series, the rows of a block, or "auto". Neighboring rows are then held out together.
        permutations: Number of permutations for a p-value; 0 for none.
        missing: Whether rows with NaN, infinite or masked values raise an error or are dropped: "refuse" or "drop".
        x_kind: Kind of the columns of x, one or one for each; None decides by dtype and values.
        y_kind: Kind of the columns of y.

    Returns:
        The estimate.

    Raises:
        ValueError: Unusable shapes, types or values, fewer than 50 samples, or an unknown choice.

    """
    validate_choices(bound, folds, permutations)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pairs = pair_samples(x, y, missing=missing, x_kind=x_kind, y_kind=y_kind, keep_copies=blocks is not None)
        found = _estimate(pairs, bound, folds, blocks)
        if permutations:
            series = series_of(pairs.x, pairs.y, folds, blocks)
            found = replace(found, p_value=permutation_p_value(pairs, permutations, series))
        return replace(found, x_kinds=pairs.kinds[0], y_kinds=pairs.kinds[1])


def pointwise_mi(
    x: Samples,
    y: Samples,
    *,
    folds: int = DEFAULT_FOLDS,
    seed: int = 0,
    blocks: BlockRows = None,
    missing: str = "refuse",
    x_kind: Kinds = None,
    y_kind: Kinds = None,
) -> Float[np.ndarray, " n"]:
    """Estimate log p(x_i, y_i) / (p(x_i) p(y_i)) of each pair, by a critic that was not trained on it.

    Args:
        x: Samples, as for estimate_mi.
        y: Samples, as for estimate_mi.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.
        blocks: As for estimate_mi.
        missing: As for estimate_mi.
        x_kind: As for estimate_mi.
        y_kind: As for estimate_mi.

    Returns:
        The pointwise mutual information of each pair, in nats; NaN for rows that were dropped as missing.

    Raises:
        ValueError: As estimate_mi.

    Examples:
        >>> generator = np.random.default_rng(0)
        >>> x = generator.normal(size=200)
        >>> values = pointwise_mi(x, x + generator.normal(size=200), folds=2)
        >>> values.shape
        (200,)
        >>> bool(abs(values.mean() - 0.35) < 0.1)  # the truth is ln(2) / 2 = 0.35 nats
        True

    """
    validate_choices(None, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pairs = pair_samples(x, y, missing=missing, x_kind=x_kind, y_kind=y_kind, keep_copies=blocks is not None)
        ratios = torch.zeros(len(pairs.rows), dtype=torch.float64)
        if not pairs.empty:
            series = series_of(pairs.x, pairs.y, folds, blocks)
            ratios = cross_fit(pairs.x, pairs.y, folds, series).log_ratios().double()
        return torch.where(pairs.place < 0, math.nan, ratios[pairs.place.clamp(min=0)]).numpy()


def validate_choices(bound: str | None, folds: int, permutations: int = 0) -> None:
    """Check the name of a bound and the numbers of folds and permutations.

    Args:
        bound: One of ESTIMATORS, or None.
        folds: Number of folds.
        permutations: Number of permutations; 0 for none.

    Raises:
        ValueError: No such bound, too few or too many folds, or fewer permutations than none.

    """
    if bound is not None and bound not in ESTIMATORS:
        raise ValueError(f"unknown bound {bound!r}: choose one of {', '.join(ESTIMATORS)}")
    if folds not in range(2, 11):
        raise ValueError(f"folds is {folds!r}: choose 2 to 10")
    if permutations < 0:
        raise ValueError(f"permutations is {permutations}: give 1 or more, 999 say, or 0 for none")


def cross_fit(x: Columns, y: Columns, folds: int, series: Int[Tensor, " n"] | None = None) -> CrossFit:
    """Train critics on the scale, and from the closed form, that serve these samples best.

    Args:
        x: Samples of x in float64, without constant columns.
        y: Samples of y.
        folds: Number of folds.
        series: The number of each row's block, for a series.

    Returns:
        The trained critics.

    """
    splits = split_rows(len(x), folds, series)
    choice = choose_forms(x, y, splits)
    return CrossFit(choice.x, choice.y, splits, choice.critics(splits))


def _estimate(pairs: PairedSamples, bound: str | None, folds: int, blocks: BlockRows) -> MutualInformation:
    """The estimate; without blocks, rows that depend on their neighbors in time are noticed."""
    if pairs.empty:
        name = bound or donsker_varadhan.name
        return MutualInformation(0.0, 0.0, name, math.log(len(pairs.rows)), warnings=pairs.notes)
    series = series_of(pairs.x, pairs.y, folds, blocks)
    found = _read(cross_fit(pairs.x, pairs.y, folds, series), bound, pairs, series)
    inflation = variance_inflation(pairs.x, pairs.y) if blocks is None else 1.0
    if inflation == 1:
        return found
    if is_sorted(pairs.x) or is_sorted(pairs.y):
        warning = "rows are sorted by a column: this is right for samples that were sorted, not for a series in time"
        return replace(found, warnings=(*found.warnings, warning))
    series = series_blocks(len(pairs.rows), folds, inflation=inflation)
    blocked = _read(cross_fit(pairs.x, pairs.y, folds, series), bound, pairs, series)
    length = int(series.bincount()[0])
    warning = (
        f"rows depend on their neighbors, as in a series: blocks of {length} rows give {blocked.value:.2f} +- "
        f"{blocked.standard_error:.2f} nats; take these (blocks), or shuffle rows that are no series"
    )
    error = math.hypot(blocked.standard_error, found.value - blocked.value)
    return replace(
        found,
        standard_error=min(max(found.standard_error, error), found.ceiling),
        warnings=(*found.warnings, warning),
    )


def _read(
    fit: CrossFit, bound: str | None, pairs: PairedSamples, series: Int[Tensor, " n"] | None
) -> MutualInformation:
    """The chosen reading and the reasons not to trust it."""
    n = len(fit.x)
    held_out = by_bound(fit, donsker_varadhan.name if bound in (None, NEAREST_NEIGHBORS) else str(bound))
    if bound == NEAREST_NEIGHBORS:
        chosen = by_ksg(fit.x, fit.y, fit.held_out_blocks())
    else:
        chosen = held_out if bound is not None else _most_accurate(fit, held_out, neighbors=series is None)
    # no estimate can scatter less than the mean of the log ratios does; that of the blocks is known less exactly
    ratios = fit.log_ratios()
    chance = error_of_mean(ratios) if series is None else inflated_error(ratios, series)
    error = math.hypot(chosen.systematic, max(error_of_mean(chosen.blocks), chance))
    ceiling = math.log(len(scoring_blocks(fit.folds[0].held_out)[0]) if chosen.name == "infonce" else n)
    odd = _odd_rows(pairs.rows[fit.contradicting])
    return MutualInformation(
        value=min(max(0.0, chosen.value), ceiling),
        standard_error=min(error, ceiling),
        bound=chosen.name,
        ceiling=ceiling,
        lower_bound=min(max(0.0, held_out.value), math.log(n)),
        folds=tuple(min(max(0.0, value), math.log(n)) for value in held_out.fold_values),
        warnings=(*pairs.notes, *odd, *_warnings(fit, chosen, held_out, ceiling)),
    )


def _most_accurate(fit: CrossFit, held_out: Reading, *, neighbors: bool) -> Reading:
    """The held-out bound, and what it misses by fitting, by its form, or by what neighbors show.

    In a series, the nearest neighbors are those in time, so they are not read.
    """
    dims = fit.x.shape[1] + fit.y.shape[1]
    closed_form, closed_form_training = fit.closed_form_bounds()
    fitted = add_fitting_loss(held_out, closed_form, closed_form_training)
    if neighbors and dims <= MOST_DIMENSIONS_FOR_NEIGHBORS:
        return add_slack(fitted, by_ksg(fit.x, fit.y, fit.held_out_blocks()))
    forms = [critic.closed_form for critic in fit.critics]
    bent = any(not isinstance(form, GaussianCritic) or form.radii > 1 for form in forms)
    unseen = dims / (2 * len(fit.x))  # one canonical pair with less costs more than it adds
    doubted = doubt_gain(fitted, max(0.0, held_out.value - closed_form) + unseen, bent=bent)
    return doubt_by_neighbors(doubted, fit) if neighbors else doubted


def _odd_rows(rows: Int[Tensor, " r"]) -> Iterator[str]:
    """Which rows contradict the relation that the other rows have."""
    if len(rows):
        first = ", ".join(map(str, rows[:_ROWS_NAMED].tolist())) + (", ..." if len(rows) > _ROWS_NAMED else "")
        which = "1 row contradicts" if len(rows) == 1 else f"{len(rows)} rows contradict"
        yield f"{which} the relation of the others (counted from 0, the worst first: {first}): check for errors"


def _warnings(fit: CrossFit, chosen: Reading, held_out: Reading, ceiling: float) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    n, dims = len(fit.x), fit.x.shape[1] + fit.y.shape[1]
    if n < 100 * dims:
        yield f"few samples: {n} for {dims} columns; take {100 * dims} or more"
    if chosen.value > ceiling - 1:
        yield f"near the ceiling: {ceiling:.2f} nats is the most that can be shown here, the truth may be far above"
    effective = fit.effective_negatives()
    is_bound = chosen.name == held_out.name
    if effective < _FEWEST_EFFECTIVE_NEGATIVES and is_bound:
        yield f"unstable partition function: it rests on about {effective:.0f} of a block's negative pairs"
    values = torch.tensor(held_out.fold_values)
    if is_bound and float(values.std()) > 4 * math.sqrt(len(values)) * error_of_mean(held_out.blocks):
        yield f"the folds disagree: {', '.join(f'{value:.2f}' for value in values)} nats"
    gap = chosen.value - held_out.value
    if gap > 0.1:
        yield f"the critic is not tight: its held-out bound is {gap:.2f} nats lower; pointwise values share that error"
    if chosen.systematic > 0.1:
        yield f"systematic error of about {chosen.systematic:.2f} nats: more samples would help"
