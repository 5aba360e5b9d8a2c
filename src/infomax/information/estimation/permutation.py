"""A test of independence: how often permuted rows depend on each other as much as the rows that were given."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.estimation.preprocessing import normal_scores
from infomax.information.estimation.samples import PairedSamples, Samples, pair_samples
from infomax.information.estimation.series import BlockRows, series_of
from infomax.information.transformations import Columns

_WAVES = 5  # cosines of the ranks of a column
_FEWEST_BLOCKS = 2
_MOST_PAIRS = 10  # columns of a side, up to which products of two columns are looked at, too


def permutation_test(
    x: Samples,
    y: Samples,
    *,
    permutations: int = 999,
    seed: int = 0,
    blocks: BlockRows = None,
    missing: str = "refuse",
) -> float:
    """Test whether the rows of x and y are independent, without an estimate of their information.

    The statistic is the sum of squared covariances between features of x and of y: cosines of the ranks of each column,
    weighted by 1 / frequency, and products of two columns. The p-value (1 + permutations that reach the statistic) /
    (1 + permutations) is uniform for independent rows, whatever their distributions (Phipson & Smyth 2010).

    Args:
        x: Samples, as for estimate_mi.
        y: Samples, as for estimate_mi.
        permutations: Number of permutations.
        seed: Seed of all random numbers.
        blocks: For a series, the rows of a block, or "auto"; whole blocks are then permuted.
        missing: As for estimate_mi.

    Returns:
        The p-value.

    Raises:
        ValueError: As estimate_mi, or no permutations.

    Examples:
        >>> import numpy as np
        >>> generator = np.random.default_rng(0)
        >>> x = generator.normal(size=200)
        >>> permutation_test(x, x**2 + generator.normal(size=200), permutations=99)
        0.01

    """
    if permutations < 1:
        raise ValueError(f"permutations is {permutations}: give 1 or more, 999 say")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pairs = pair_samples(x, y, missing=missing, keep_copies=blocks is not None)
        return permutation_p_value(pairs, permutations, series_of(pairs.x, pairs.y, _FEWEST_BLOCKS, blocks))


def permutation_p_value(pairs: PairedSamples, permutations: int, series: Int[Tensor, " n"] | None = None) -> float:
    """Compute the p-value of the test, with torch's global random numbers.

    Args:
        pairs: The samples.
        permutations: Number of permutations.
        series: The number of each row's block, for a series: then whole blocks of y are permuted, and their order
            within a block stays.

    Returns:
        The p-value, 1 if a side has no columns.

    """
    if pairs.empty:
        return 1.0
    x, y = _features(pairs.x), _features(pairs.y)
    observed = _statistic(x, y)
    as_large = sum(_statistic(x, y[_permutation(len(y), series)]) >= observed * (1 - 1e-9) for _ in range(permutations))
    return (1 + as_large) / (1 + permutations)


def _statistic(x: Float[Tensor, "n p"], y: Float[Tensor, "n q"]) -> float:
    return float((x.T @ y).square().sum())


def _permutation(n: int, series: Int[Tensor, " n"] | None) -> Int[Tensor, " n"]:
    """A random order of the rows, or of the blocks of a series, shifted by a random number of rows."""
    if series is None:
        return torch.randperm(n)
    blocks = torch.split(torch.arange(n), series.bincount().tolist())
    order = torch.cat([blocks[k] for k in torch.randperm(len(blocks)).tolist()])
    return order.roll(int(torch.randint(n, ())))


def _features(columns: Columns) -> Float[Tensor, "n p"]:
    """Cosines of the ranks of each column, weighted by 1 / frequency, and products of pairs of columns; centered."""
    scores = normal_scores(columns)
    ranks = torch.special.ndtr(scores)
    waves = [math.sqrt(2) * (math.pi * k * ranks).cos() / k for k in range(1, _WAVES + 1)]
    d = columns.shape[1]
    if 1 < d <= _MOST_PAIRS:
        i, j = torch.triu_indices(d, d, offset=1)
        waves.append(0.5 * scores[:, i] * scores[:, j])
    features = torch.cat(waves, 1)
    return features - features.mean(0)
