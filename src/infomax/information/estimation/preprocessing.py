"""Preprocessing of samples for a critic: validation, removal of constant columns, and a common scale."""

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from infomax.information.transformations import Columns

_FEWEST_SAMPLES = 50
_LEAST_DISTINCT = 0.9  # fraction of distinct values: whitening keeps ties, on which nearest neighbors fail
_LEAST_OWN = 0.99  # fraction of distinct rows with a value of their own, from which on repeated rows are copies
_MOST_COPIES = 20  # of each row on average, and of one row if the samples are few: more are values of a discrete law
_LEAST_VARIANCE = 1e-12  # of a direction, relative to the greatest: less is rounding error of float64

Samples = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]  # as the user gives them: (n,) or (n, d), real


def validate_samples(x: Samples, y: Samples) -> tuple[Columns, Columns, tuple[str, ...]]:
    """Check samples and drop their constant columns.

    Args:
        x: Samples of x, shape (n,) or (n, dx).
        y: Samples of y, shape (n,) or (n, dy).

    Returns:
        x and y in float64, shape (n, columns), and notes in words on dropped columns.

    Raises:
        ValueError: Shapes, types or values that are not samples, or fewer than 50 samples. The message is one line.

    """
    arrays = {"x": _to_float64(x, "x"), "y": _to_float64(y, "y")}
    if len(arrays["x"]) != len(arrays["y"]):
        raise ValueError(f"x has {len(arrays['x'])} rows and y {len(arrays['y'])}: give as many of both")
    kept = {name: (array != array[0]).any(0) for name, array in arrays.items()}
    notes = tuple(
        f"{name} has {int((~kept[name]).sum())} constant columns, dropped: a constant carries no information"
        for name in arrays
        if not kept[name].all()
    )
    return arrays["x"][:, kept["x"]], arrays["y"][:, kept["y"]], notes


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


def distinct_rows(
    x: Float[Tensor, "n dx"], y: Float[Tensor, "n dy"]
) -> tuple[Int[Tensor, " u"], Int[Tensor, " n"], tuple[str, ...]]:
    """Find the copies among samples, such as those of a bootstrap sample.

    A copy in another fold, or as the nearest neighbor, would pass for information. Rows of discrete variables repeat by
    nature, so a repeated row counts as a copy only if its x or its y occurs nowhere else. This must hold for nearly all
    rows, there must be many of them, and no copies of one row may be a large part of the samples.

    Args:
        x: Samples of x.
        y: Samples of y.

    Returns:
        The rows that are left without copies, in order; for each row, its place among them; and a note in words.

    """
    n = len(x)
    both, row_of = _unique(torch.cat([x, y], 1))
    everything = torch.arange(n)
    if len(both) == n:
        return everything, everything, ()
    sides = max(len(_unique(side)[0]) for side in (x, y))
    discrete = sides < _LEAST_OWN * len(both) or len(both) < n / _MOST_COPIES
    if discrete:
        return everything, everything, ()
    counts = row_of.bincount()
    if len(both) < _FEWEST_SAMPLES:
        return everything, everything, (f"{n - len(both)} of {n} rows repeat others: if they are copies, remove them",)
    first = torch.full((len(both),), n).scatter_reduce(0, row_of, everything, "amin")
    atoms = counts > max(_MOST_COPIES, n / _MOST_COPIES)
    kept = ((first[row_of] == everything) | atoms[row_of]).nonzero().flatten()
    place = torch.searchsorted(kept, torch.where(atoms[row_of], everything, first[row_of]))
    if len(kept) == n:
        return everything, everything, ()
    return kept, place, (f"{n - len(kept)} of {n} rows repeat others: each counts once",)


def _unique(rows: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "u d"], Int[Tensor, " n"]]:
    """The distinct rows, sorted, and the place of each row among them."""
    distinct, place = torch.unique(rows, dim=0, return_inverse=True)
    return distinct, place


def _refuse_masked(samples: object, name: str) -> None:
    """Raise ValueError for a masked array with a mask: the numbers under it are no data."""
    parts = samples if isinstance(samples, list | tuple) else [samples]
    masked = sum(int(np.ma.getmaskarray(part).sum()) for part in parts if isinstance(part, np.ma.MaskedArray))
    if masked:
        raise ValueError(f"{name} has {masked} masked values: remove their rows")


def _to_float64(samples: Samples, name: str) -> Float[Tensor, "n d"]:
    """The samples in float64, (n, d). Raises ValueError, in one line, for anything else."""
    _refuse_masked(samples, name)
    array = samples.detach().cpu() if isinstance(samples, Tensor) else np.asarray(samples)
    real = array.dtype.is_complex is False if isinstance(array, Tensor) else array.dtype.kind in "biuf"
    if not real:
        raise ValueError(f"{name} has dtype {array.dtype}: give real numbers")
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {tuple(array.shape)}: give (n,) or (n, columns)")
    if len(array) < _FEWEST_SAMPLES:
        raise ValueError(f"{name} has {len(array)} samples: give {_FEWEST_SAMPLES} or more")
    numbers = array.double() if isinstance(array, Tensor) else torch.from_numpy(array.astype(np.float64))
    if not numbers.isfinite().all():
        raise ValueError(f"{name} has {int((~numbers.isfinite()).sum())} NaN or infinite values: remove their rows")
    return numbers.reshape(len(numbers), -1)
