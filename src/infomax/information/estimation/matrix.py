"""Mutual information of all pairs of columns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from torch import Tensor

from infomax.information.estimation.estimate import DEFAULT_FOLDS, MutualInformation, estimate_mi
from infomax.information.estimation.samples import Samples
from infomax.information.estimation.series import BlockRows


@dataclass(frozen=True)
class MutualInformationMatrix:
    """Estimates of I(X_i;X_j) of all pairs of columns, in nats.

    Attributes:
        values: The estimates, symmetric. The diagonal is NaN: a column says everything about itself.
        standard_errors: Their standard errors, likewise.
        estimates: The estimate of each pair (i, j), i < j, with its warnings.

    """

    values: Float[np.ndarray, "d d"]
    standard_errors: Float[np.ndarray, "d d"]
    estimates: dict[tuple[int, int], MutualInformation]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The warnings of all pairs, with the numbers of their columns, from 0."""
        return tuple(
            f"columns {i} and {j}: {warning}" for (i, j), each in self.estimates.items() for warning in each.warnings
        )


def mutual_info_matrix(
    x: Samples,
    *,
    folds: int = DEFAULT_FOLDS,
    seed: int = 0,
    blocks: BlockRows = None,
    missing: str = "refuse",
) -> MutualInformationMatrix:
    """Estimate the mutual information of each pair of columns.

    Each pair takes as long as `estimate_mi` of two columns, and d columns have d (d - 1) / 2 pairs.

    Args:
        x: Samples, shape (n, d), n >= 50.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.
        blocks: As for estimate_mi.
        missing: As for estimate_mi; rows are dropped for each pair of columns by itself.

    Returns:
        The matrix.

    Raises:
        ValueError: As estimate_mi, or x is not two-dimensional.

    """
    columns = [*_columns(x)]
    d = len(columns)
    estimates = {
        (i, j): estimate_mi(columns[i], columns[j], folds=folds, seed=seed, blocks=blocks, missing=missing)
        for i in range(d)
        for j in range(i + 1, d)
    }
    values, errors = np.full((2, d, d), np.nan)
    for (i, j), each in estimates.items():
        values[i, j] = values[j, i] = each.value
        errors[i, j] = errors[j, i] = each.standard_error
    return MutualInformationMatrix(values, errors, estimates)


def _columns(x: Samples) -> Iterator[Samples]:
    """The columns of a table, one by one, masks kept."""
    table: Any = x if isinstance(x, np.ndarray | Tensor) else np.ma.asarray(x)
    if table.ndim != 2:
        raise ValueError(f"x has shape {tuple(table.shape)}: give (n, columns)")
    return (table[:, k] for k in range(table.shape[1]))
