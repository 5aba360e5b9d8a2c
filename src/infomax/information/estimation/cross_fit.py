"""Cross-fitting: one critic for each fold of the samples, trained on the other folds and evaluated on its own."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from infomax.information.ascent import maximize
from infomax.information.bounds import Bound, donsker_varadhan
from infomax.information.critics import Critic
from infomax.information.estimation.closed_forms import GaussianCritic
from infomax.information.estimation.critics import ResidualCritic
from infomax.information.estimation.folds import Fold, bound_of_blocks, guarded_bound, least_log_ratio, scoring_blocks
from infomax.information.pairs import all_pairs, lower_bound
from infomax.information.transformations import Columns

TRAINING_BATCH = 256
TRAINING_STEPS, CHECK_EVERY = 400, 50
PATIENCE = 3  # checks without gain before the training stops
LEARNING_RATE, WARMUP, AVERAGE_DECAY = 1e-2, 0.15, 0.98


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
        folds: The folds.
        closed_forms: For each fold, the critic from which training starts, fitted to its training rows.

    Attributes:
        contradicting: Rows of the held-out samples whose critics are wrong about them, the worst first.

    """

    def __init__(self, x: Columns, y: Columns, folds: list[Fold], closed_forms: Sequence[Critic]) -> None:
        self.x, self.y, self.folds = x, y, folds
        self.critics = [ResidualCritic(x, y, closed_form) for closed_form in closed_forms]
        self._train()
        self.log_partitions = self._log_partitions(self.critics)
        ratios, least = self._log_ratios(self.critics, self.log_partitions), least_log_ratio(len(x))
        self.floor = least if bool((ratios < least).any()) else -math.inf
        self.contradicting = self._contradicting(ratios, least)

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

    def closed_form_bounds(self) -> tuple[float, float]:
        """Evaluate the closed forms alone: their bound on the held-out samples, and on as many training samples."""
        held_out, training = (
            [
                guarded_bound(critic.closed_form, self.x, self.y, rows)
                for critic, rows in zip(self.critics, parts, strict=True)
            ]
            for parts in ([f.held_out for f in self.folds], [f.training_sample for f in self.folds])
        )
        return sum(held_out) / len(held_out), sum(training) / len(training)

    def log_ratios(self) -> Float[Tensor, " n"]:
        """Compute log r of each sample by the critic that was not trained on it, normalized so that E_Q r = 1."""
        return self._log_ratios(self.critics, self.log_partitions).clamp(min=self.floor)

    def _contradicting(self, ratios: Float[Tensor, " n"], least: float) -> list[int]:
        """Rows that no density ratio may have, the worst first; Gaussians say so where a Student-t forgives."""
        gaussians = [GaussianCritic(self.x[fold.training], self.y[fold.training]) for fold in self.folds]
        by_gaussian = self._log_ratios(gaussians, self._log_partitions(gaussians))
        wrong = (ratios < least) | ((by_gaussian < least) & (ratios < least / 4))
        order = by_gaussian.minimum(ratios).argsort().tolist()
        return [row for row in order if wrong[row]]

    @torch.no_grad()
    def _log_ratios(self, critics: Sequence[Critic], log_partitions: list[float]) -> Float[Tensor, " n"]:
        ratios = torch.zeros(len(self.x))
        for fold, critic, log_partition in zip(self.folds, critics, log_partitions, strict=True):
            ratios[fold.held_out] = critic(self.x[fold.held_out], self.y[fold.held_out]) - log_partition
        return ratios

    @torch.no_grad()
    def effective_negatives(self) -> float:
        """Compute Kish's effective number of negatives in a block of each fold, and return the smallest.

        (sum w)^2 / sum w^2 with w = exp v over the negative pairs of the fold's first block.
        """
        numbers = []
        for fold, critic in zip(self.folds, self.critics, strict=True):
            block = scoring_blocks(fold.held_out)[0]
            scores = all_pairs(critic, self.x[block], self.y[block])[1].flatten()
            numbers.append(float((2 * scores.logsumexp(0) - (2 * scores).logsumexp(0)).exp()))
        return min(numbers)

    def held_out_blocks(self) -> list[Int[Tensor, " _"]]:
        """Return the rows of each block of held-out samples, fold by fold."""
        return [block for fold in self.folds for block in scoring_blocks(fold.held_out)]

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
        """The guarded bound of these critics on the held-out samples."""
        bounds = [
            guarded_bound(critic, self.x, self.y, fold.held_out)
            for fold, critic in zip(self.folds, critics, strict=True)
        ]
        return sum(bounds) / len(bounds)

    @torch.no_grad()
    def _log_partitions(self, critics: Sequence[Critic]) -> list[float]:
        """Log E_Q exp v of each critic, on its training samples."""
        return [
            float(critic(self.x[rows], self.y[rows]).mean() - bound_of_blocks(critic, self.x, self.y, rows).mean())
            for critic, rows in zip(critics, (fold.training_sample for fold in self.folds), strict=True)
        ]

    def _bounds(self, rows: list[Int[Tensor, " _"]], bound: Bound, optimum: float) -> list[Float[Tensor, " _"]]:
        return [
            bound_of_blocks(
                *(critic, self.x, self.y, each, bound), shift=log_partition - optimum, floor=self.floor + optimum
            )
            for critic, each, log_partition in zip(self.critics, rows, self.log_partitions, strict=True)
        ]
