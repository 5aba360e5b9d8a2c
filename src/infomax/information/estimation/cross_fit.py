"""Cross-fitting: one critic for each fold of the samples, trained on the other folds and evaluated on its own."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from infomax.information.ascent import maximize
from infomax.information.bounds import Bound, donsker_varadhan
from infomax.information.critics import Critic
from infomax.information.estimation.critics import ResidualCritic
from infomax.information.pairs import all_pairs, lower_bound
from infomax.information.transformations import Columns

SCORING_BLOCK = 500  # samples whose pairs are scored together when a bound is evaluated
TRAINING_BATCH = 256
TRAINING_STEPS, CHECK_EVERY = 400, 50
PATIENCE = 3  # checks without gain before the training stops
LEARNING_RATE, WARMUP, AVERAGE_DECAY = 1e-2, 0.15, 0.98


@dataclass(frozen=True)
class Fold:
    """A split of the samples into those to train on and those held out.

    Attributes:
        training: Rows to train on. The fold that is held out next comes first.
        held_out: Rows held out.

    """

    training: Int[Tensor, " t"]
    held_out: Int[Tensor, " h"]

    @property
    def training_sample(self) -> Int[Tensor, " h"]:
        """As many training rows as are held out; over all folds, this is every row once."""
        return self.training[: len(self.held_out)]


def random_folds(n: int, folds: int) -> list[Fold]:
    """Split rows at random so that each is held out once.

    Args:
        n: Number of rows.
        folds: Number of folds.

    Returns:
        The folds.

    """
    parts = torch.randperm(n).tensor_split(folds)
    return [Fold(torch.cat([*parts[k + 1 :], *parts[:k]]), parts[k]) for k in range(folds)]


def blocks_of(rows: Int[Tensor, " k"]) -> tuple[Int[Tensor, " b"], ...]:
    """Split rows into blocks of about BLOCK.

    Args:
        rows: Row numbers.

    Returns:
        The blocks.

    """
    return rows.tensor_split(math.ceil(len(rows) / SCORING_BLOCK))


@torch.no_grad()
def bound_of_blocks(
    critic: Critic,
    x: Columns,
    y: Columns,
    rows: Int[Tensor, " k"],
    bound: Bound = donsker_varadhan,
    *,
    shift: float = 0.0,
    floor: float = -math.inf,
) -> Float[Tensor, " blocks"]:
    """Evaluate a bound over all pairs within each block of rows.

    Args:
        critic: The critic.
        x: All samples of x.
        y: All samples of y.
        rows: Row numbers.
        bound: The bound.
        shift: Number subtracted from all scores.
        floor: Lower scores count as this one.

    Returns:
        The bound in nats for each block.

    """
    values = []
    for block in blocks_of(rows):
        positives, negatives = all_pairs(critic, x[block], y[block])
        values.append(bound((positives - shift).clamp(min=floor), (negatives - shift).clamp(min=floor)))
    return torch.stack(values)


@final
class CrossFit:
    """Critics of x and y that are trained on some folds and evaluated on the fold held out.

    The critics are trained at construction, with torch's global random numbers.

    A density ratio r is at most c with probability E_Q[r; r <= c] <= c. So it falls below 1 / n^2 on any of n samples
    with a probability of at most 1 / n. A held-out sample with less shows that its critic is wrong about it: a typing
    error among samples that otherwise agree, say. All ratios then count as 1 / n^2 at least, which is a critic, too.
    Otherwise a single sample could take hundreds of nats from the mean.

    Args:
        x: Samples of x, float32.
        y: Samples of y, float32.
        folds: Number of folds.

    Attributes:
        contradicting: Rows of the held-out samples whose critics are wrong about them, the worst first.

    """

    def __init__(self, x: Columns, y: Columns, folds: int) -> None:
        self.x, self.y = x, y
        self.folds = random_folds(len(x), folds)
        self.critics = [ResidualCritic(x[fold.training], y[fold.training]) for fold in self.folds]
        self._train()
        self.log_partitions = [self._log_partition(k) for k in range(folds)]
        least, ratios = -2 * math.log(len(x)), self._log_ratios()
        self.contradicting = [row for row in ratios.argsort().tolist() if ratios[row] < least]
        self.floor = least if self.contradicting else -math.inf

    def held_out_bounds(self, bound: Bound, optimum: float = 0.0) -> list[Float[Tensor, " _"]]:
        """Evaluate a bound on the held-out samples of each fold, at normalized scores.

        Args:
            bound: The bound.
            optimum: The score at which the bound is exact for a density ratio of 1. It is added to all scores.

        Returns:
            The bound in nats for each block of each fold.

        """
        return self._bounds([fold.held_out for fold in self.folds], bound, optimum)

    def training_bounds(self, bound: Bound, optimum: float = 0.0) -> list[Float[Tensor, " _"]]:
        """Evaluate a bound on as many training samples of each fold, at normalized scores.

        Args:
            bound: The bound.
            optimum: As in `held_out_bounds`.

        Returns:
            The bound in nats for each block of each fold.

        """
        return self._bounds([fold.training_sample for fold in self.folds], bound, optimum)

    def gaussian_bound(self) -> float:
        """Evaluate the Donsker-Varadhan bound of the closed-form Gaussians alone on the held-out samples."""
        return self._held_out_mean(critic.gaussian for critic in self.critics)

    def log_ratios(self) -> Float[Tensor, " n"]:
        """Compute log r of each sample by the critic that was not trained on it, normalized so that E_Q r = 1."""
        return self._log_ratios().clamp(min=self.floor)

    @torch.no_grad()
    def _log_ratios(self) -> Float[Tensor, " n"]:
        ratios = torch.zeros(len(self.x))
        for fold, critic, log_partition in zip(self.folds, self.critics, self.log_partitions, strict=True):
            ratios[fold.held_out] = critic(self.x[fold.held_out], self.y[fold.held_out]) - log_partition
        return ratios

    @torch.no_grad()
    def effective_negatives(self) -> float:
        """Compute Kish's effective number of negatives in a block of each fold, and return the smallest.

        (sum w)^2 / sum w^2 with w = exp v over the negative pairs of the fold's first block.
        """
        numbers = []
        for fold, critic in zip(self.folds, self.critics, strict=True):
            block = blocks_of(fold.held_out)[0]
            scores = all_pairs(critic, self.x[block], self.y[block])[1].flatten()
            numbers.append(float((2 * scores.logsumexp(0) - (2 * scores).logsumexp(0)).exp()))
        return min(numbers)

    def held_out_blocks(self) -> list[Int[Tensor, " b"]]:
        """Return the rows of each block of held-out samples, fold by fold."""
        return [block for fold in self.folds for block in blocks_of(fold.held_out)]

    def _train(self) -> None:
        """Train all critics in step, up to the step whose held-out bound is best over all folds.

        The moving average of the weights is kept. All samples together choose one step, so the held-out bound stays
        fair.
        """
        maximize(
            nn.ModuleList(self.critics),
            self._batch_bound,
            steps=TRAINING_STEPS,
            learning_rate=LEARNING_RATE,
            warmup=WARMUP,
            validate=self._held_out_mean,
            check_every=CHECK_EVERY,
            patience=PATIENCE,
            average_decay=AVERAGE_DECAY,
        )

    def _batch_bound(self, critics: Iterable[Any]) -> Float[Tensor, ""]:
        """The sum over critics of the bound on a random batch of the training samples."""
        bounds = []
        for fold, critic in zip(self.folds, critics, strict=True):
            batch = fold.training[torch.randperm(len(fold.training))[:TRAINING_BATCH]]
            bounds.append(lower_bound(critic, self.x[batch], self.y[batch], all_pairs, donsker_varadhan))
        return torch.stack(bounds).sum()

    def _held_out_mean(self, critics: Iterable[Any]) -> float:
        """The Donsker-Varadhan bound of these critics on the held-out samples."""
        values = [
            bound_of_blocks(critic, self.x, self.y, fold.held_out)
            for fold, critic in zip(self.folds, critics, strict=True)
        ]
        return float(torch.cat(values).mean())

    def _log_partition(self, k: int) -> float:
        """Log E_Q exp v of the k-th critic, on its training samples."""
        critic, rows = self.critics[k], self.folds[k].training_sample
        with torch.no_grad():
            positives = critic(self.x[rows], self.y[rows]).mean()
        return float(positives - bound_of_blocks(critic, self.x, self.y, rows).mean())

    def _bounds(self, rows: list[Int[Tensor, " _"]], bound: Bound, optimum: float) -> list[Float[Tensor, " _"]]:
        return [
            bound_of_blocks(
                *(critic, self.x, self.y, each, bound), shift=log_partition - optimum, floor=self.floor + optimum
            )
            for critic, each, log_partition in zip(self.critics, rows, self.log_partitions, strict=True)
        ]
