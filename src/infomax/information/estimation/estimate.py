"""Mutual information of samples, in nats, with a standard error and a word of warning where it cannot be trusted.

Each side is put on a common scale, one to one, which leaves the information as it is and tames every tail. The critic
is a closed form, the log ratio of the Gaussian with the same correlations, plus a network that learns what the closed
form lacks. It is trained on some folds and its bound read on the fold held out, so that every sample is held out once.
In a few dimensions nearest neighbors are asked as well what the bound lacks, and believed as far as chance does not
explain it.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from infomax.information.bounds import BOUNDS, Bound, donsker_varadhan
from infomax.information.critics import Critic
from infomax.information.estimation.critics import GaussianCritic, ResidualCritic
from infomax.information.estimation.ksg import FARTHER, NEAREST, ksg
from infomax.information.estimation.preprocessing import (
    Columns,
    Samples,
    candidate_transforms,
    normal_scores,
    validate_samples,
)
from infomax.information.pairs import all_pairs, lower_bound

FOLDS = 3
BLOCK = 500  # held-out samples whose pairs are scored together
BATCH = 256
STEPS, CHECK_EVERY, PATIENCE = 400, 50, 3
LEARNING_RATE = 1e-2
MOST_DIMENSIONS_FOR_NEIGHBORS = 6
MOST_QUERIES = 20_000
FEWEST_EFFECTIVE_NEGATIVES = 100
NEIGHBORS_ERR_BY = 0.015  # nats, beyond spread and extrapolation: seen where the information is known
NEAREST_NEIGHBORS = "nearest-neighbors"


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of I(X;Y) in nats.

    value: the estimate, at least 0 and at most the ceiling.
    standard_error: value +- 2 standard errors is meant to hold the truth. It joins the spread over held-out blocks with
        half the distance between training and held-out bound, and with what nearest neighbors may be off by or, in
        more dimensions than they see, with all that the network added to the closed form.
    bound: what the value is: the name of a held-out lower bound, or "nearest-neighbors" where they had to add to it.
    ceiling: the most that this many samples can show: ln n, for InfoNCE ln of the samples scored together.
    lower_bound: the critic's bound on the samples held out, whatever the value is.
    folds: that bound on each fold.
    warnings: in words, why the value may not be trusted; empty where nothing speaks against it.
    """

    value: float
    standard_error: float
    bound: str
    ceiling: float
    lower_bound: float = 0.0
    folds: tuple[float, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def estimate_mi(
    x: Samples, y: Samples, *, bound: str | None = None, folds: int = FOLDS, seed: int = 0
) -> MutualInformation:
    """The mutual information of the rows of x and y, arrays or tensors of shape (n,) or (n, d).

    bound: None picks the most accurate, the held-out Donsker-Varadhan bound or nearest neighbors; a name out of
    ESTIMATORS insists on one. Integers and booleans count as ordered numbers whose ties are broken at random, which
    leaves the information as it is. Constant columns carry none and are dropped with a warning.

    The same seed gives the same answer, and the global random state is left alone. Raises ValueError for shapes, types
    or values it cannot use, for fewer than 50 samples, and for an unknown bound.
    """
    _require_known(bound, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y, notes = validate_samples(x, y)
        if not (x.shape[1] and y.shape[1]):
            return MutualInformation(0.0, 0.0, bound or donsker_varadhan.name, math.log(len(x)), warnings=notes)
        return _estimate(*_formed(x, y, folds), bound, folds, notes)


def pointwise_mi(x: Samples, y: Samples, *, folds: int = FOLDS, seed: int = 0) -> Float[np.ndarray, " n"]:
    """Log p(x_i, y_i) / (p(x_i) p(y_i)) in nats, of each pair by a critic that has not been trained on it.

    Arguments, errors and determinism as for estimate_mi.
    """
    _require_known(None, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y, _ = validate_samples(x, y)
        ratios = torch.zeros(len(x))
        if x.shape[1] and y.shape[1]:
            x, y = _formed(x, y, folds)
            for fold in _cross_fit(x, y, folds):
                ratios[fold.held_out] = fold.log_ratio(x[fold.held_out], y[fold.held_out])
        return ratios.double().numpy()


def _formed(x: Columns, y: Columns, folds: int) -> tuple[Columns, Columns]:
    """Both sides in those of their forms in which the Gaussian has the highest bound on the samples held out.

    One column a side is no mixture, and stays what its ranks are: any monotone transformation gives the same answer.
    """
    if x.shape[1] == y.shape[1] == 1:
        return normal_scores(x), normal_scores(y)
    choices = itertools.product(candidate_transforms(x), candidate_transforms(y))
    splits = _splits(len(x), folds)

    def value(choice: tuple[Columns, Columns]) -> float:
        critics = [GaussianCritic(*(z[training] for z in choice)) for training, _ in splits]
        return float(_held_out_blocks([held_out for _, held_out in splits], critics, *choice).mean())

    return max(choices, key=value)


@dataclass(frozen=True)
class _Fold:
    """A critic, the samples it was trained on and those it was not."""

    critic: ResidualCritic
    training: Int[Tensor, " t"]
    held_out: Int[Tensor, " h"]
    log_partition: float = 0.0

    @property
    def training_sample(self) -> Int[Tensor, " h"]:
        """As many of the training samples as are held out, the next fold: over all folds, every sample once."""
        return self.training[: len(self.held_out)]

    def log_ratio(self, x: Columns, y: Columns) -> Float[Tensor, " n"]:
        """Log r of pairs: the scores, normalized so that E_Q exp v = 1."""
        with torch.no_grad():
            out: Tensor = self.critic(x, y) - self.log_partition
        return out


def _cross_fit(x: Columns, y: Columns, folds: int) -> list[_Fold]:
    """One critic for each fold, trained on the others."""
    splits = _splits(len(x), folds)
    untrained = [_Fold(ResidualCritic(x[training], y[training]), training, held) for training, held in splits]
    _train(untrained, x, y)
    return [_normalized(fold, x, y) for fold in untrained]


def _splits(n: int, folds: int) -> list[tuple[Int[Tensor, " _"], Int[Tensor, " _"]]]:
    """Samples to train on and samples to hold out; the former begin with the fold that is held out next."""
    parts = torch.randperm(n).tensor_split(folds)
    return [(torch.cat([*parts[k + 1 :], *parts[:k]]), parts[k]) for k in range(folds)]


def _train(folds: list[_Fold], x: Columns, y: Columns) -> None:
    """All critics in step, on all pairs of random batches, up to the step whose held-out bound is best over all folds.

    What is kept is the moving average of the weights. The step is one choice made by all samples together, so that the
    held-out bound stays a fair one.
    """
    critics = nn.ModuleList(fold.critic for fold in folds)
    average = AveragedModel(critics, multi_avg_fn=get_ema_multi_avg_fn(0.98))  # type: ignore[no-untyped-call]
    optimizer = torch.optim.AdamW(critics.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=STEPS, pct_start=0.15, cycle_momentum=False
    )
    best, best_value, best_step = _state(average), _held_out_value(folds, critics, x, y), 0
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        sum(_loss(fold, x, y) for fold in folds).backward()  # type: ignore[union-attr]
        optimizer.step()
        schedule.step()
        average.update_parameters(critics)
        if step % CHECK_EVERY == 0:
            value = _held_out_value(folds, average.module, x, y)
            if value > best_value:
                best, best_value, best_step = _state(average), value, step
            if step - best_step >= PATIENCE * CHECK_EVERY:
                break
    critics.load_state_dict(best)


def _loss(fold: _Fold, x: Columns, y: Columns) -> Float[Tensor, ""]:
    """Minus the bound on a random batch of the training samples."""
    batch = fold.training[torch.randperm(len(fold.training))[:BATCH]]
    return -lower_bound(fold.critic, x[batch], y[batch], all_pairs, donsker_varadhan)


def _state(average: AveragedModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in average.module.state_dict().items()}


def _held_out_value(folds: list[_Fold], critics: Any, x: Columns, y: Columns) -> float:
    """The bound on the samples held out, by these critics."""
    return float(_held_out_blocks([fold.held_out for fold in folds], critics, x, y).mean())


def _held_out_blocks(
    held_out: list[Int[Tensor, " _"]], critics: Any, x: Columns, y: Columns
) -> Float[Tensor, " blocks"]:
    """The Donsker-Varadhan bound on each block of the samples held out from each critic."""
    each = zip(critics, held_out, strict=True)
    return torch.cat([_values(critic, x, y, samples, donsker_varadhan) for critic, samples in each])


def _blocks(samples: Int[Tensor, " k"]) -> tuple[Int[Tensor, " b"], ...]:
    """The samples in blocks of about BLOCK."""
    return samples.tensor_split(math.ceil(len(samples) / BLOCK))


@torch.no_grad()
def _values(
    critic: Critic, x: Columns, y: Columns, samples: Int[Tensor, " k"], bound: Bound, shift: float = 0.0
) -> Float[Tensor, " blocks"]:
    """The bound over all pairs of each block of samples, at the critic's scores less the shift."""
    scores = (all_pairs(critic, x[block], y[block]) for block in _blocks(samples))
    return torch.stack([bound(positives - shift, negatives - shift) for positives, negatives in scores])


def _normalized(fold: _Fold, x: Columns, y: Columns) -> _Fold:
    """The fold with log E_Q exp v, by its training samples."""
    sample = fold.training_sample
    with torch.no_grad():
        positives = fold.critic(x[sample], y[sample]).mean()
    log_partition = float(positives - _values(fold.critic, x, y, sample, donsker_varadhan).mean())
    return _Fold(fold.critic, fold.training, fold.held_out, log_partition)


def _estimate(x: Columns, y: Columns, bound: str | None, folds: int, notes: tuple[str, ...]) -> MutualInformation:
    """The bound on held-out samples, or what the nearest neighbors say, with what speaks against it."""
    fitted = _cross_fit(x, y, folds)
    by_bound = _by_bound(fitted, x, y, "donsker-varadhan" if bound in (None, NEAREST_NEIGHBORS) else str(bound))
    if bound == NEAREST_NEIGHBORS:
        chosen = _by_ksg(fitted, x, y)
    elif bound is not None:
        chosen = by_bound
    elif x.shape[1] + y.shape[1] <= MOST_DIMENSIONS_FOR_NEIGHBORS:
        chosen = _with_its_slack(by_bound, _by_ksg(fitted, x, y))
    else:
        chosen = _with_its_gain(by_bound, fitted, x, y)
    ceiling = math.log(len(_blocks(fitted[0].held_out)[0]) if chosen.name == "infonce" else len(x))
    return MutualInformation(
        value=min(max(0.0, chosen.value), ceiling),
        standard_error=chosen.standard_error,
        bound=chosen.name,
        ceiling=ceiling,
        lower_bound=min(max(0.0, by_bound.value), math.log(len(x))),
        folds=by_bound.fold_values,
        warnings=(*notes, *_doubts(chosen, by_bound, fitted, x, y, ceiling)),
    )


@dataclass(frozen=True)
class _Estimate:
    """One way to read the information: a value for each held-out block, and how far it may be off systematically."""

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


def _with_its_slack(bound: _Estimate, neighbors: _Estimate) -> _Estimate:
    """The bound, and as much of what the neighbors find above it as chance does not explain.

    A bound lacks s >= 0, often nothing. Seen as s with standard error sigma, that much is taken as s - sigma^2 / s, and
    as zero up to sigma: almost all of a clear slack, almost nothing of chance (James & Stein 1961, in its positive
    part). What was seen and not taken may be there all the same, and is a systematic error.
    """
    difference = neighbors.blocks - bound.blocks[: len(neighbors.blocks)]
    slack, error = max(0.0, float(difference.mean())), _standard_error(difference)
    believed = 1 - (error / slack) ** 2 if slack > error else 0.0
    doubted = (1 - believed) * math.hypot(bound.systematic, slack)
    systematic = math.hypot(believed * neighbors.systematic, doubted, error)
    if not believed:
        return replace(bound, systematic=systematic)
    blocks = bound.blocks[: len(neighbors.blocks)] + believed * difference
    return _Estimate(NEAREST_NEIGHBORS, blocks, (), systematic)


def _with_its_gain(bound: _Estimate, folds: list[_Fold], x: Columns, y: Columns) -> _Estimate:
    """The bound, as much in doubt as the network has added to the closed form.

    Of normal variables that is nothing, and nothing is missing. Otherwise the network has found some of what there is
    to be found beyond the closed form, and as much again may be missing.
    """
    gaussian = _held_out_blocks([fold.held_out for fold in folds], [fold.critic.gaussian for fold in folds], x, y)
    gain = max(0.0, bound.value - float(gaussian.mean()))
    return replace(bound, systematic=math.hypot(bound.systematic, gain))


def _standard_error(blocks: Float[Tensor, " blocks"]) -> float:
    return float(blocks.std() / math.sqrt(len(blocks)))


def _by_bound(folds: list[_Fold], x: Columns, y: Columns, name: str) -> _Estimate:
    """The bound on the samples held out; half of what it loses from training to held-out samples is its slack."""
    bound, lift = BOUNDS[name], float(name == "nwj")  # nwj is exact at 1 + log r, the others at log r
    held_out, training = (
        [_values(fold.critic, x, y, samples, bound, fold.log_partition - lift) for fold, samples in pairs]
        for pairs in ([(fold, fold.held_out) for fold in folds], [(fold, fold.training_sample) for fold in folds])
    )
    loss = float(torch.cat(training).mean() - torch.cat(held_out).mean())
    return _Estimate(name, torch.cat(held_out), tuple(float(values.mean()) for values in held_out), abs(loss) / 2)


def _by_ksg(folds: list[_Fold], x: Columns, y: Columns) -> _Estimate:
    """Nearest neighbors, extrapolated half the way from FARTHER over NEAREST to none.

    Where the density has an edge the error grows as sqrt k on the plane; where it is smooth it is smaller and of either
    sign. Half the extrapolation is applied, and counted as a systematic error beside NEIGHBORS_ERR_BY. In more
    dimensions an edge would ask for k^(1/d); of smooth densities that finds slack which is not there.
    """
    blocks = [block for fold in folds for block in _blocks(fold.held_out)][: math.ceil(MOST_QUERIES / BLOCK)]
    near, far = torch.stack([ksg(x, y, block) for block in blocks]).unbind(1)
    half = 0.5 / (math.sqrt(FARTHER / NEAREST) - 1) * (near - far)
    return _Estimate(NEAREST_NEIGHBORS, near + half, (), math.hypot(float(half.mean()), NEIGHBORS_ERR_BY))


def _doubts(
    chosen: _Estimate, by_bound: _Estimate, folds: list[_Fold], x: Columns, y: Columns, ceiling: float
) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    n, dims = len(x), x.shape[1] + y.shape[1]
    if n < 100 * dims:
        yield f"few samples: {n} for {dims} columns; take {100 * dims} or more"
    if chosen.value > ceiling - 1:
        yield f"near the ceiling: {ceiling:.2f} nats is the most that can be shown here, the truth may be far above"
    effective = _effective_negatives(folds, x, y)
    by_the_bound = chosen.name == by_bound.name
    if effective < FEWEST_EFFECTIVE_NEGATIVES and by_the_bound:
        yield f"unstable partition function: it rests on about {effective:.0f} of a block's negative pairs"
    values = torch.tensor(by_bound.fold_values)
    if by_the_bound and float(values.std()) > 4 * math.sqrt(len(values)) * _standard_error(by_bound.blocks):
        yield f"the folds disagree: {', '.join(f'{value:.2f}' for value in values)} nats"
    gap = chosen.value - by_bound.value
    if gap > 0.1:
        yield f"the critic is not tight: its held-out bound is {gap:.2f} nats lower; pointwise values share that error"
    if chosen.systematic > 0.1:
        yield f"systematic error of about {chosen.systematic:.2f} nats: more samples would help"


@torch.no_grad()
def _effective_negatives(folds: list[_Fold], x: Columns, y: Columns) -> float:
    """Kish's effective number of negatives, (sum w)^2 / sum w^2 with w = exp v, in a block: the least over folds."""
    return min(
        float((2 * scores.logsumexp(0) - (2 * scores).logsumexp(0)).exp())
        for fold in folds
        for block in _blocks(fold.held_out)[:1]
        for scores in [all_pairs(fold.critic, x[block], y[block])[1].flatten()]
    )


def _require_known(bound: str | None, folds: int) -> None:
    if bound is not None and bound not in ESTIMATORS:
        raise ValueError(f"unknown bound {bound!r}: choose one of {', '.join(ESTIMATORS)}")
    if not 2 <= folds <= 10:
        raise ValueError(f"folds is {folds}: choose 2 to 10")


ESTIMATORS = ("donsker-varadhan", "nwj", "infonce", "smile", NEAREST_NEIGHBORS)
