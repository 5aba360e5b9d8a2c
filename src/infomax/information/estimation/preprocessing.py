"""Preprocessing of samples for a critic: transformations one to one to a common scale."""

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information.transformations import Columns

_LEAST_DISTINCT = 0.9  # fraction of distinct values: whitening keeps ties, on which nearest neighbors fail
_LEAST_VARIANCE = 1e-12  # of a direction, relative to the greatest: less is rounding error of float64


def candidate_transforms(columns: Float[Tensor, "n d"]) -> tuple[Columns, ...]:
    """Transform columns one to one in the ways a critic may read them: as normal scores, and whitened.

    Normal scores shorten every tail and break every tie. But ranks are noisy. Where columns are mixtures of the same
    variables, this noise blurs the directions of least variance, so mixtures of normals are better whitened.

    Args:
        columns: Samples without constant columns.

    Returns:
        Normal scores, and whitened columns if their values hardly repeat.

    """
    scores = normal_scores(columns)
    distinct = min(len(column.unique()) for column in columns.T)
    return (scores, whitened(columns)) if distinct >= _LEAST_DISTINCT * len(columns) else (scores,)


def normal_scores(columns: Float[Tensor, "n d"]) -> Columns:
    """Replace each column by its ranks, as quantiles of N(0, 1). Ties are broken at random.

    The scores are the same for any increasing transformation of a column.

    Args:
        columns: Samples.

    Returns:
        Normal scores, float32.

    """
    n = len(columns)
    order = torch.randperm(n)
    ranks = columns.clone()
    ranks[order] = columns[order].argsort(dim=0, stable=True).argsort(dim=0).double()
    scores: Tensor = torch.special.ndtri((ranks + 0.5) / n)
    return scores.float()


def whitened(columns: Float[Tensor, "n d"]) -> Columns:
    """Transform columns linearly to mean 0, variance 1 and no correlation.

    The root R^-1/2 of the correlation matrix does this and stays nearest to the columns. Redundant directions, such as
    those of duplicate columns, become zero.

    Args:
        columns: Samples without constant columns.

    Returns:
        Whitened columns, float32.

    """
    z = columns / columns.abs().amax(0)  # squares of the largest and smallest float64 numbers would leave their range
    z = z - z.mean(0)
    z = z / z.abs().amax(0)
    z = z / z.std(0)
    variances, directions = torch.linalg.eigh(z.T @ z / (len(z) - 1))
    shrink = torch.where(variances > _LEAST_VARIANCE * variances.max(), variances.abs().rsqrt(), 0.0)
    white: Tensor = (z @ (directions * shrink)) @ directions.T
    return white.float()
