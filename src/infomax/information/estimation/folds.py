"""Folds of samples: rows to train on and rows held out, at random or by blocks of a series."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.bounds import Bound, donsker_varadhan
from infomax.information.critics import Critic
from infomax.information.pairs import all_pairs
from infomax.information.transformations import Columns

SCORING_BLOCK = 500  # samples whose pairs are scored together when a bound is evaluated


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


def split_rows(n: int, folds: int, series: Int[Tensor, " n"] | None = None) -> list[Fold]:
    """Split rows so that each is held out once, at random or by the blocks of a series.

    Args:
        n: Number of rows.
        folds: Number of folds.
        series: The number of each row's block, for a series.

    Returns:
        The folds.

    """
    return random_folds(n, folds) if series is None else blocked_folds(series, folds)


def random_folds(n: int, folds: int) -> list[Fold]:
    """Split rows at random so that each is held out once.

    Args:
        n: Number of rows.
        folds: Number of folds.

    Returns:
        The folds.

    """
    return _each_held_out([*torch.randperm(n).tensor_split(folds)])


def blocked_folds(blocks: Int[Tensor, " n"], folds: int) -> list[Fold]:
    """Split the blocks of a series at random so that each is held out once. Rows are shuffled within a fold.

    Args:
        blocks: The block of each row, 0 to b - 1.
        folds: Number of folds.

    Returns:
        The folds.

    """
    shuffled = torch.randperm(len(blocks))
    fold_of_block = torch.empty(int(blocks.max()) + 1, dtype=torch.long)
    for k, part in enumerate(torch.randperm(len(fold_of_block)).tensor_split(folds)):
        fold_of_block[part] = k
    fold_of_row = fold_of_block[blocks[shuffled]]
    return _each_held_out([shuffled[fold_of_row == k] for k in range(folds)])


def _each_held_out(parts: list[Int[Tensor, " _"]]) -> list[Fold]:
    return [Fold(torch.cat([*parts[k + 1 :], *parts[:k]]), part) for k, part in enumerate(parts)]


def scoring_blocks(rows: Int[Tensor, " k"]) -> tuple[Int[Tensor, " b"], ...]:
    """Split rows into blocks of about SCORING_BLOCK.

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
    for block in scoring_blocks(rows):
        positives, negatives = all_pairs(critic, x[block], y[block])
        values.append(bound((positives - shift).clamp(min=floor), (negatives - shift).clamp(min=floor)))
    return torch.stack(values)


@torch.no_grad()
def guarded_bound(critic: Critic, x: Columns, y: Columns, rows: Int[Tensor, " k"]) -> float:
    """Evaluate the Donsker-Varadhan bound so that a few wrong rows cannot decide a choice.

    Log density ratios below -2 ln n count as -2 ln n, see `CrossFit`.

    Args:
        critic: The critic.
        x: All samples of x.
        y: All samples of y.
        rows: Row numbers.

    Returns:
        The mean over blocks, in nats.

    """
    values = []
    for block in scoring_blocks(rows):
        u, v = critic.embed_x(x[block]), critic.embed_y(y[block])
        negatives = critic.score_all(u, v).fill_diagonal_(-math.inf)
        log_partition = negatives.logsumexp((0, 1)) - math.log(len(block) * (len(block) - 1))
        values.append((critic.score(u, v) - log_partition).clamp(min=least_log_ratio(len(x))).mean())
    return float(torch.stack(values).mean())


def least_log_ratio(n: int) -> float:
    """Compute the log density ratio below which a held-out sample contradicts its critic, -2 ln n.

    Args:
        n: Number of samples.

    Returns:
        The log ratio in nats.

    """
    return -2 * math.log(n)
