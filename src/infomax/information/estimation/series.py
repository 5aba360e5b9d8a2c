"""Rows in the order of time: how far they depend on their neighbors, and the blocks that respect it."""

import math
import operator
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.estimation.preprocessing import normal_scores
from infomax.information.transformations import Columns

BlockRows = int | Literal["auto"] | None  # rows of a block of a series; None for rows that are no series

_LAGS = 0.25  # longest lag that is looked at, as a fraction of the rows
_MOST_COLUMNS = 20  # of a side whose autocorrelation is computed
_CHANCE = 4.0  # standard errors of an autocorrelation that are left to chance
_LEAST_INFLATION = 1.3
_COVERED = 0.97725  # of a normal distribution, below two standard errors
_SHORTEST_BLOCK, _LENGTHS_OF_A_BLOCK = 10, 10  # rows, and the rows for each row that inflates the variance


def variance_inflation(x: Columns, y: Columns) -> float:
    """Compute by how much dependence in time inflates the variance of a correlation of x and y.

    1 + 2 sum over lags r_x r_y, with the autocorrelations of independent series (Bartlett 1935). It is 1 for rows that
    are independent, and for a series beside independent rows, which does no harm. Scores and their absolute values are
    looked at, so that series whose scale alone is a series are noticed, too. The pair of columns with the largest value
    counts.

    Args:
        x: Samples of x in the order of time.
        y: Samples of y.

    Returns:
        The inflation; 1 if it is small.

    """
    lags = max(1, int(len(x) * _LAGS))
    inflation = 1 + 2 * float((_autocorrelations(x, lags) @ _autocorrelations(y, lags).T).max())
    return inflation if inflation > _LEAST_INFLATION else 1.0


def _autocorrelations(columns: Columns, lags: int) -> Float[Tensor, "d lags"]:
    """Autocorrelations of normal scores and of their absolute values at lags 1 to `lags`, those of chance set to 0."""
    scores = normal_scores(columns[:, :_MOST_COLUMNS]).double()
    z = torch.cat([scores, scores.abs()], 1)
    z = (z - z.mean(0)) / z.std(0)
    spectrum = torch.fft.rfft(z, n=2 * len(z), dim=0).abs().square()
    correlations = torch.fft.irfft(spectrum, n=2 * len(z), dim=0) / len(z)
    return torch.where(correlations.abs() > _CHANCE / math.sqrt(len(z)), correlations, 0.0)[1 : lags + 1].T


def is_sorted(columns: Columns) -> bool:
    """Tell whether a column rises or falls all the way, as after sorting.

    Args:
        columns: Samples without constant columns.

    Returns:
        Whether one does.

    """
    steps = columns.diff(dim=0)
    return bool(((steps >= 0).all(0) | (steps <= 0).all(0)).any())


def series_of(x: Columns, y: Columns, folds: int, blocks: BlockRows) -> Int[Tensor, " n"] | None:
    """Cut samples into blocks, if they are a series.

    Args:
        x: Samples of x in the order of time, without constant columns.
        y: Samples of y.
        folds: Number of folds, each of which holds out whole blocks.
        blocks: Rows of a block, "auto", or None for rows that are no series.

    Returns:
        The number of each row's block, or None.

    Raises:
        ValueError: Blocks that are no number of rows, or too long.

    """
    if blocks is None:
        return None
    if blocks == "auto":
        inflation = variance_inflation(x, y) if x.shape[1] and y.shape[1] else 1.0
        return series_blocks(len(x), folds, inflation=inflation)
    try:
        length = operator.index(blocks)
    except TypeError:
        raise ValueError(f"blocks is {blocks!r}: give the rows of a block, or auto") from None
    return series_blocks(len(x), folds, length=length)


def series_blocks(n: int, folds: int, *, length: int | None = None, inflation: float = 1.0) -> Int[Tensor, " n"]:
    """Cut a series into blocks of neighboring rows.

    Args:
        n: Number of rows.
        folds: Number of folds, each of which holds out whole blocks.
        length: Rows of a block; None chooses by the inflation.
        inflation: The inflation of variance by dependence in time.

    Returns:
        The number of each row's block.

    Raises:
        ValueError: Blocks shorter than a row, or fewer than folds.

    """
    longest = n // folds
    if length is None:
        length = min(longest, max(_SHORTEST_BLOCK, math.ceil(_LENGTHS_OF_A_BLOCK * inflation)))
    if not 1 <= length <= longest:
        raise ValueError(f"blocks have {length} rows: choose 1 to {longest}, for a block in each fold")
    return (torch.arange(n) // length).clamp(max=n // length - 1)


def inflated_error(values: Float[Tensor, " n"], series: Int[Tensor, " n"]) -> float:
    """Compute the standard error of a mean over a series, from the spread of its blocks.

    With few blocks it is larger, as the quantiles of Student's t are: twice it covers as much as for many blocks.

    Args:
        values: A value for each row.
        series: The number of each row's block.

    Returns:
        The standard error.

    """
    from scipy.special import stdtrit

    counts = series.bincount()
    means = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, series, values.double()) / counts
    return float(means.std() / math.sqrt(len(counts)) * stdtrit(len(counts) - 1, _COVERED) / 2)
