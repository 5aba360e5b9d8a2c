"""Mutual information of samples, in nats, with a standard error and a word of warning where it cannot be trusted.

Each column is replaced by its normal scores, which leaves the information as it is and tames every tail. The critic is
a closed form, the log ratio of the Gaussian with the same correlations, plus a network that learns what the closed form
lacks. It is trained on some folds and its bound read on the fold held out, so that every sample is held out once. In a
few dimensions nearest neighbours are asked as well what the bound lacks, and believed as far as chance does not explain
it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from infomax.information.bounds import BOUNDS, Bound, donsker_varadhan
from infomax.information.critics import Critic, Separable
from infomax.information.pairs import all_pairs, lower_bound

FEWEST_SAMPLES = 50
FOLDS = 3
BLOCK = 500  # held-out samples whose pairs are scored together
BATCH = 256
STEPS, CHECK_EVERY, PATIENCE = 400, 50, 3
LEARNING_RATE = 1e-2
SEGMENTS = 12  # of the piecewise-linear encoding of a column
NEAREST, FARTHER = 3, 10  # neighbours, two counts of them to extrapolate from
MOST_DIMENSIONS_FOR_NEIGHBOURS = 6
MOST_QUERIES = 20_000
FEWEST_EFFECTIVE_NEGATIVES = 100
NEIGHBOURS_ERR_BY = 0.015  # nats, beyond spread and extrapolation: seen where the information is known
NEAREST_NEIGHBOURS = "nearest-neighbours"

Columns = Float[Tensor, "n _"]  # of x or of y: as many rows, any number of columns
Samples = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]


@dataclass(frozen=True)
class MutualInformation:
    """An estimate of I(X;Y) in nats.

    value: the estimate, at least 0 and at most the ceiling.
    standard_error: value +- 2 standard errors is meant to hold the truth. It joins the spread over held-out blocks with
        half the distance between training and held-out bound, and with what nearest neighbours may be off by.
    bound: what the value is: the name of a held-out lower bound, or "nearest-neighbours" where they had to add to it.
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

    bound: None picks the most accurate, the held-out Donsker-Varadhan bound or nearest neighbours; a name out of
    ESTIMATORS insists on one. Integers and booleans count as ordered numbers whose ties are broken at random, which
    leaves the information as it is. Constant columns carry none and are dropped with a warning.

    The same seed gives the same answer, and the global random state is left alone. Raises ValueError for shapes, types
    or values it cannot use, for fewer than 50 samples, and for an unknown bound.
    """
    _require_known(bound, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y, notes = _prepare(x, y)
        if not (x.shape[1] and y.shape[1]):
            return MutualInformation(0.0, 0.0, bound or donsker_varadhan.name, math.log(len(x)), warnings=notes)
        return _estimate(x, y, bound, folds, notes)


def pointwise_mi(x: Samples, y: Samples, *, folds: int = FOLDS, seed: int = 0) -> Float[np.ndarray, " n"]:
    """Log p(x_i, y_i) / (p(x_i) p(y_i)) in nats, of each pair by a critic that has not been trained on it.

    Arguments, errors and determinism as for estimate_mi.
    """
    _require_known(None, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        x, y, _ = _prepare(x, y)
        ratios = torch.zeros(len(x))
        if x.shape[1] and y.shape[1]:
            for fold in _cross_fit(x, y, folds):
                ratios[fold.held_out] = fold.log_ratio(x[fold.held_out], y[fold.held_out])
        return ratios.double().numpy()


@final
class GaussianCritic(Critic):
    """The log density ratio of the Gaussian that has the correlations R of (x, y), in closed form.

    -1/2 log det R / (det R_xx det R_yy) - 1/2 [x y]^T (R^-1 - diag(R_xx, R_yy)^-1) [x y],

    but for its constant, which no bound used here depends on. Quadratic in x and y, it is a dot product of embeddings.
    """

    def __init__(self, x: Columns, y: Columns) -> None:
        super().__init__()
        d = x.shape[1]
        correlation = torch.corrcoef(torch.cat([x, y], 1).double().T)
        correlation += 1e-6 * torch.eye(len(correlation))  # duplicate columns are no error
        precision = torch.linalg.inv(correlation)
        self.x_form = nn.Buffer((precision[:d, :d] - torch.linalg.inv(correlation[:d, :d])).float())
        self.y_form = nn.Buffer((precision[d:, d:] - torch.linalg.inv(correlation[d:, d:])).float())
        self.cross = nn.Buffer(precision[:d, d:].float())

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Its part in the product, its own term, and 1."""
        own = -0.5 * ((x @ self.x_form) * x).sum(-1, keepdim=True)
        return torch.cat([-(x @ self.cross), own, torch.ones_like(own)], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Itself, 1, and its own term."""
        own = -0.5 * ((y @ self.y_form) * y).sum(-1, keepdim=True)
        return torch.cat([y, torch.ones_like(own), own], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """The dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """One matrix product."""
        return u @ v.mT


@final
class CorrectedCritic(Critic):
    """GaussianCritic plus a network, which starts at nought and so from the Gaussian: still one dot product."""

    def __init__(self, x: Columns, y: Columns) -> None:
        super().__init__()
        self.gaussian = GaussianCritic(x, y)
        x_dim, y_dim = ((1 + SEGMENTS) * z.shape[1] for z in (x, y))
        self.network = Separable(x_dim, y_dim, hidden=64, layers=3, rank=32)
        for parameter in self.network.g[-1].parameters():
            nn.init.zeros_(parameter)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Both embeddings side by side."""
        return torch.cat([self.gaussian.embed_x(x), self.network.embed_x(_encode(x))], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Both embeddings side by side."""
        return torch.cat([self.gaussian.embed_y(y), self.network.embed_y(_encode(y))], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """The dot product, the sum of both."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """One matrix product."""
        return u @ v.mT


def _encode(z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch k"]:
    """Normal scores beside their piecewise-linear encoding, so that a network can turn sharply within a column.

    Segment t of T holds clip(T Phi(z) - t, 0, 1)             (Gorishniy et al. 2022, arXiv 2203.05556, eq. 1)
    """
    steps = torch.special.ndtr(z).unsqueeze(-1) * SEGMENTS - torch.arange(SEGMENTS, device=z.device)
    return torch.cat([z, (steps.clamp(0, 1) - 0.5).flatten(-2)], -1)


@dataclass(frozen=True)
class _Fold:
    """A critic, the samples it was trained on and those it was not."""

    critic: CorrectedCritic
    training: Int[Tensor, " t"]
    held_out: Int[Tensor, " h"]
    log_partition: float = 0.0

    @property
    def training_sample(self) -> Int[Tensor, " h"]:
        """As many of the training samples as are held out, or all."""
        return self.training[: len(self.held_out)]

    def log_ratio(self, x: Columns, y: Columns) -> Float[Tensor, " n"]:
        """Log r of pairs: the scores, normalised so that E_Q exp v = 1."""
        with torch.no_grad():
            out: Tensor = self.critic(x, y) - self.log_partition
        return out


def _cross_fit(x: Columns, y: Columns, folds: int) -> list[_Fold]:
    """One critic for each fold, trained on the others."""
    parts = torch.randperm(len(x)).tensor_split(folds)
    splits = [(torch.cat([*parts[:k], *parts[k + 1 :]]), parts[k]) for k in range(folds)]
    untrained = [_Fold(CorrectedCritic(x[training], y[training]), training, held) for training, held in splits]
    _train(untrained, x, y)
    return [_normalised(fold, x, y) for fold in untrained]


def _train(folds: list[_Fold], x: Columns, y: Columns) -> None:
    """All critics in step, on all pairs of random batches, up to the step whose held-out bound is best over all folds.

    What is kept is the moving average of the weights. The step is one choice made by all samples together, so that the
    held-out bound stays a fair one.
    """
    critics = nn.ModuleList(fold.critic for fold in folds)
    average = AveragedModel(critics, multi_avg_fn=get_ema_multi_avg_fn(0.98))  # type: ignore[no-untyped-call]
    optimiser = torch.optim.AdamW(critics.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=STEPS, pct_start=0.15, cycle_momentum=False
    )
    best, best_value, best_step = _state(average), _held_out_value(folds, critics, x, y), 0
    for step in range(1, STEPS + 1):
        optimiser.zero_grad()
        sum(_loss(fold, x, y) for fold in folds).backward()  # type: ignore[union-attr]
        optimiser.step()
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
    values = [
        _values(critic, x, y, fold.held_out, donsker_varadhan) for fold, critic in zip(folds, critics, strict=True)
    ]
    return float(torch.cat(values).mean())


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


def _normalised(fold: _Fold, x: Columns, y: Columns) -> _Fold:
    """The fold with log E_Q exp v, by its training samples."""
    sample = fold.training_sample
    with torch.no_grad():
        positives = fold.critic(x[sample], y[sample]).mean()
    log_partition = float(positives - _values(fold.critic, x, y, sample, donsker_varadhan).mean())
    return _Fold(fold.critic, fold.training, fold.held_out, log_partition)


def _estimate(x: Columns, y: Columns, bound: str | None, folds: int, notes: tuple[str, ...]) -> MutualInformation:
    """The bound on held-out samples, or what the nearest neighbours say, with what speaks against it."""
    fitted = _cross_fit(x, y, folds)
    by_bound = _by_bound(fitted, x, y, "donsker-varadhan" if bound in (None, NEAREST_NEIGHBOURS) else str(bound))
    chosen = by_bound
    if bound == NEAREST_NEIGHBOURS or (bound is None and x.shape[1] + y.shape[1] <= MOST_DIMENSIONS_FOR_NEIGHBOURS):
        by_neighbours = _by_neighbours(fitted, x, y)
        chosen = by_neighbours if bound is not None else _with_its_slack(by_bound, by_neighbours)
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
class _Reading:
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


def _with_its_slack(bound: _Reading, neighbours: _Reading) -> _Reading:
    """The bound, and as much of what the neighbours find above it as chance does not explain.

    A bound lacks s >= 0, often nothing. Seen as s with standard error sigma, that much is taken as s - sigma^2 / s, and
    as nought up to sigma: almost all of a clear slack, almost nothing of chance. The bound's standard error alone knows
    nothing of slack, and so takes in sigma either way             (James & Stein 1961, in its positive part).
    """
    difference = neighbours.blocks - bound.blocks[: len(neighbours.blocks)]
    slack, error = float(difference.mean()), _standard_error(difference)
    if slack <= error:
        return replace(bound, systematic=math.hypot(bound.systematic, error))
    believed = 1 - (error / slack) ** 2
    return _Reading(
        NEAREST_NEIGHBOURS,
        bound.blocks[: len(neighbours.blocks)] + believed * difference,
        (),
        math.hypot(believed * neighbours.systematic, (1 - believed) * bound.systematic, error),
    )


def _standard_error(blocks: Float[Tensor, " blocks"]) -> float:
    return float(blocks.std() / math.sqrt(len(blocks)))


def _by_bound(folds: list[_Fold], x: Columns, y: Columns, name: str) -> _Reading:
    """The bound on the samples held out; half of what it loses from training to held-out samples is its slack."""
    bound, lift = BOUNDS[name], float(name == "nwj")  # nwj is exact at 1 + log r, the others at log r
    held_out, training = (
        [_values(fold.critic, x, y, samples, bound, fold.log_partition - lift) for fold, samples in pairs]
        for pairs in ([(fold, fold.held_out) for fold in folds], [(fold, fold.training_sample) for fold in folds])
    )
    loss = float(torch.cat(training).mean() - torch.cat(held_out).mean())
    return _Reading(name, torch.cat(held_out), tuple(float(values.mean()) for values in held_out), abs(loss) / 2)


def _by_neighbours(folds: list[_Fold], x: Columns, y: Columns) -> _Reading:
    """Nearest neighbours, extrapolated half the way from FARTHER over NEAREST to none.

    Where the density has an edge the error grows as sqrt k; where it is smooth it is smaller and of either sign. Half
    the extrapolation is applied, and counted as a systematic error beside NEIGHBOURS_ERR_BY.
    """
    blocks = [block for fold in folds for block in _blocks(fold.held_out)][: math.ceil(MOST_QUERIES / BLOCK)]
    near, far = torch.stack([_neighbours(x, y, block) for block in blocks]).unbind(1)
    half = 0.5 / (math.sqrt(FARTHER / NEAREST) - 1) * (near - far)
    return _Reading(NEAREST_NEIGHBOURS, near + half, (), math.hypot(float(half.mean()), NEIGHBOURS_ERR_BY))


def _neighbours(x: Columns, y: Columns, block: Int[Tensor, " b"]) -> Float[Tensor, " 2"]:
    """The information by the k-th neighbour of each sample of the block, for both counts k.

    psi(k) + psi(n) - mean psi(n_x + 1) - mean psi(n_y + 1)  (Kraskov, Stoegbauer & Grassberger 2004, cond-mat/0305641,
    eq. 8), with n_x and n_y the samples nearer than that neighbour in x alone and in y alone.
    """
    distance = torch.maximum(*(torch.cdist(z[block], z, p=math.inf) for z in (x, y)))
    distance[torch.arange(len(block)), block] = math.inf  # nobody is a neighbour of himself
    counts = torch.tensor([NEAREST, FARTHER])
    radii = distance.topk(FARTHER, largest=False).values[:, counts - 1]
    near_x, near_y = (_nearer(z, block, radii).digamma().mean(0) for z in (x, y))
    return counts.digamma() + math.log(len(x)) - 0.5 / len(x) - near_x - near_y


def _nearer(z: Columns, block: Int[Tensor, " b"], radii: Float[Tensor, "b k"]) -> Float[Tensor, "b k"]:
    """How many samples, itself among them, lie nearer to each sample of the block than the radii."""
    if z.shape[1] == 1:  # in one dimension a look into the sorted column replaces all distances
        column, inside = z.flatten().double().sort().values, radii.double() * (1 - 1e-6)  # nearer, not as near
        above = torch.searchsorted(column, z[block] + inside)
        return (above - torch.searchsorted(column, z[block] - inside)).clamp(min=1).float()
    distance = torch.cdist(z[block], z, p=math.inf)
    return torch.stack([(distance < r.unsqueeze(1)).count_nonzero(1) for r in radii.unbind(1)], 1).clamp(min=1).float()


def _doubts(
    chosen: _Reading, by_bound: _Reading, folds: list[_Fold], x: Columns, y: Columns, ceiling: float
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


def _prepare(x: Samples, y: Samples) -> tuple[Columns, Columns, tuple[str, ...]]:
    """Normal scores of both, in float32, and what was dropped, in words."""
    arrays = {"x": _numbers(x, "x"), "y": _numbers(y, "y")}
    if len(arrays["x"]) != len(arrays["y"]):
        raise ValueError(f"x has {len(arrays['x'])} rows and y {len(arrays['y'])}: give as many of both")
    kept = {name: (array != array[0]).any(0) for name, array in arrays.items()}
    notes = tuple(
        f"{name} has {int((~kept[name]).sum())} constant columns, dropped: a constant carries no information"
        for name in arrays
        if not kept[name].all()
    )
    scores = [normal_scores(array[:, kept[name]]) for name, array in arrays.items()]
    return scores[0], scores[1], notes


def _numbers(samples: Samples, name: str) -> Float[Tensor, "n d"]:
    """The samples in float64, (n, d). Raises ValueError, in one line, for what are no samples."""
    array = samples.detach().cpu() if isinstance(samples, Tensor) else np.asarray(samples)
    real = array.dtype.is_complex is False if isinstance(array, Tensor) else array.dtype.kind in "biuf"
    if not real:
        raise ValueError(f"{name} has dtype {array.dtype}: give real numbers")
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {tuple(array.shape)}: give (n,) or (n, columns)")
    if len(array) < FEWEST_SAMPLES:
        raise ValueError(f"{name} has {len(array)} samples: give {FEWEST_SAMPLES} or more")
    numbers = array.double() if isinstance(array, Tensor) else torch.from_numpy(array.astype(np.float64))
    if not numbers.isfinite().all():
        raise ValueError(f"{name} has {int((~numbers.isfinite()).sum())} NaN or infinite values: remove their rows")
    return numbers.reshape(len(numbers), -1)


def normal_scores(columns: Float[Tensor, "n d"]) -> Columns:
    """Each column's ranks as quantiles of N(0, 1), ties broken at random."""
    n = len(columns)
    order = torch.randperm(n)
    ranks = columns.clone()
    ranks[order] = columns[order].argsort(dim=0, stable=True).argsort(dim=0).double()
    scores: Tensor = torch.special.ndtri((ranks + 0.5) / n)
    return scores.float()


ESTIMATORS = ("donsker-varadhan", "nwj", "infonce", "smile", NEAREST_NEIGHBOURS)
