"""Conditional mutual information of samples: what y says about x that z does not say."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from infomax.information.bounds import donsker_varadhan
from infomax.information.estimation.closed_forms import GaussianCritic
from infomax.information.estimation.critics import OnColumns
from infomax.information.estimation.cross_fit import CrossFit
from infomax.information.estimation.estimate import (
    DEFAULT_FOLDS,
    MOST_DIMENSIONS_FOR_NEIGHBORS,
    MutualInformation,
    validate_choices,
)
from infomax.information.estimation.folds import Fold, split_rows
from infomax.information.estimation.preprocessing import candidate_transforms
from infomax.information.estimation.reading import Reading, add_fitting_loss, add_slack, by_bound, by_ksg, doubt_gain
from infomax.information.estimation.samples import PairedSamples, Samples, pair_samples
from infomax.information.estimation.selection import choose_closed_form, held_out_bound
from infomax.information.estimation.series import BlockRows, series_of
from infomax.information.transformations import Columns

_TRIFLE = 0.01  # nats that networks may add to closed forms that suffice


def conditional_mi(
    x: Samples,
    y: Samples,
    z: Samples,
    *,
    folds: int = DEFAULT_FOLDS,
    seed: int = 0,
    blocks: BlockRows = None,
    missing: str = "refuse",
) -> MutualInformation:
    """Estimate the information of x and y given z: I(X;Y|Z) = I(X;Y,Z) - I(X;Z), in nats.

    Both terms are read on the same folds. The critic of (y, z) may start from that of z.

    Args:
        x: Samples, array or tensor of shape (n,) or (n, dx), n >= 50.
        y: Samples, array or tensor of shape (n,) or (n, dy).
        z: Samples, array or tensor of shape (n,) or (n, dz).
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.
        blocks: For a series, the rows of a block, or "auto".
        missing: Whether rows with missing values raise an error or are dropped: "refuse" or "drop".

    Returns:
        The estimate. Its lower_bound is the difference of two held-out bounds, which is no bound itself.

    Raises:
        ValueError: As estimate_mi.

    """
    validate_choices(None, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        beside, first = _side_by_side(y, z)
        pairs = pair_samples(x, beside, missing=missing, keep_copies=blocks is not None, y_name="y with z")
        of_y = sum(column < first for column in pairs.columns[1])
        if not (pairs.x.shape[1] and of_y):
            return MutualInformation(0.0, 0.0, donsker_varadhan.name, math.log(len(pairs.rows)), warnings=pairs.notes)
        series = series_of(pairs.x, pairs.y, folds, blocks)
        reading = _read(pairs, of_y, split_rows(len(pairs.rows), folds, series), neighbors=series is None)
        ceiling = math.log(len(pairs.rows))
        return MutualInformation(
            value=min(max(0.0, reading.value), ceiling),
            standard_error=min(reading.standard_error, ceiling),
            bound=reading.name,
            ceiling=ceiling,
            lower_bound=min(max(0.0, sum(reading.fold_values) / folds), ceiling),
            folds=reading.fold_values,
            warnings=(*pairs.notes, *_warnings(pairs, reading)),
        )


def _side_by_side(y: Samples, z: Samples) -> tuple[Samples, int]:
    """The columns of y, then those of z, in one masked array; and the number of those of y."""
    columns: list[np.ma.MaskedArray[Any, Any]] = []
    for name, side in (("y", y), ("z", z)):
        array: np.ma.MaskedArray[Any, Any] = np.ma.asarray(
            side.detach().cpu().numpy() if isinstance(side, torch.Tensor) else side
        )
        if array.ndim not in (1, 2):
            raise ValueError(f"{name} has shape {array.shape}: give (n,) or (n, columns)")
        columns.append(array.reshape(len(array), -1))
    if len(columns[0]) != len(columns[1]):
        raise ValueError(f"y has {len(columns[0])} rows and z {len(columns[1])}: give as many of both")
    joined: np.ma.MaskedArray[Any, Any] = np.ma.concatenate(columns, 1)  # type: ignore[no-untyped-call]
    return joined, columns[0].shape[1]


def _read(pairs: PairedSamples, of_y: int, folds: list[Fold], *, neighbors: bool) -> Reading:
    """The difference of what y and z, and what z alone say about x."""
    x, y, z = _scales(pairs.x, pairs.y[:, :of_y], pairs.y[:, of_y:], folds)
    both = torch.cat([y, z], 1)
    if not z.shape[1]:
        return _reading(CrossFit(x, y, folds, choose_closed_form(x, y, folds, copula=None).critics(folds)))
    alone = CrossFit(x, z, folds, choose_closed_form(x, z, folds, copula=None).critics(folds))
    start = choose_closed_form(x, both, folds, copula=None).critics(folds)
    known = [OnColumns(critic, of_y) for critic in alone.critics]
    if held_out_bound(known, x, both, folds) > held_out_bound(start, x, both, folds):
        start = list(known)
    together = CrossFit(x, both, folds, start)
    a, b = _reading(alone), _reading(together)
    fold_values = tuple(second - first for first, second in zip(a.fold_values, b.fold_values, strict=True))
    difference = Reading(b.name, b.blocks - a.blocks, fold_values, math.hypot(a.systematic, b.systematic))
    gain = sum(max(0.0, bound - fit.closed_form_bounds()[0]) for fit, bound in ((alone, a.value), (together, b.value)))
    if not neighbors or sum(side.shape[1] for side in (x, y, z)) > MOST_DIMENSIONS_FOR_NEIGHBORS:
        return doubt_gain(difference, gain)
    by_neighbors = by_ksg(x, y, together.held_out_blocks(), z)
    excess = difference.value - by_neighbors.value
    if gain < _TRIFLE or excess < 0:
        return add_slack(difference, by_neighbors)
    # the critic of z may have missed what y shows once more: the neighbors do not count it twice
    systematic = math.hypot(by_neighbors.systematic, excess / 2)
    return replace(by_neighbors, fold_values=fold_values, systematic=systematic)


def _reading(fit: CrossFit) -> Reading:
    """The held-out bound, and what the closed form lost by fitting."""
    return add_fitting_loss(by_bound(fit, donsker_varadhan.name), *fit.closed_form_bounds())


def _scales(x: Columns, y: Columns, z: Columns, folds: list[Fold]) -> tuple[Columns, Columns, Columns]:
    """Each side on the scale on which a Gaussian of all has the highest held-out bound."""

    def bound(sides: tuple[Columns, Columns, Columns]) -> float:
        both = torch.cat(sides[1:], 1)
        critics = [GaussianCritic(sides[0][fold.training], both[fold.training]) for fold in folds]
        return held_out_bound(critics, sides[0], both, folds)

    xs, ys, zs = (candidate_transforms(side) if side.shape[1] else (side.float(),) for side in (x, y, z))
    return max(itertools.product(xs, ys, zs), key=bound)


def _warnings(pairs: PairedSamples, reading: Reading) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    n, dims = len(pairs.rows), pairs.x.shape[1] + pairs.y.shape[1]
    if n < 100 * dims:
        yield f"few samples: {n} for {dims} columns; take {100 * dims} or more"
    if reading.systematic > 0.1:
        yield f"systematic error of about {reading.systematic:.2f} nats: more samples would help"
