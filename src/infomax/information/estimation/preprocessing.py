"""Samples as a critic takes them: checked, without constants, each column on a common scale."""

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

FEWEST_SAMPLES = 50
LEAST_DISTINCT = 0.9  # share of a column's values: whitening keeps ties, which nearest neighbors cannot bear
LEAST_VARIANCE = 1e-12  # of a direction, beside the greatest: less is the rounding of float64

Columns = Float[Tensor, "n _"]  # of x or of y: as many rows, any number of columns
Samples = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."]


def validate_samples(x: Samples, y: Samples) -> tuple[Columns, Columns, tuple[str, ...]]:
    """Both sides in float64, (n, d), without their constant columns, and what was dropped, in words.

    Raises ValueError, in one line, for shapes, types or values that are no samples, and for fewer than 50 of them.
    """
    arrays = {"x": _numbers(x, "x"), "y": _numbers(y, "y")}
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
    """What may stand for the columns one to one: their normal scores and, of values that hardly repeat, whitened ones.

    Normal scores tame every tail and break every tie. But a rank is off by chance, and where columns are mixtures of
    the same variables that blurs the directions of least variance: mixtures of normals are better as they are.
    """
    scores = normal_scores(columns)
    distinct = min(len(column.unique()) for column in columns.T)
    return (scores, whitened(columns)) if distinct >= LEAST_DISTINCT * len(columns) else (scores,)


def normal_scores(columns: Float[Tensor, "n d"]) -> Columns:
    """Each column's ranks as quantiles of N(0, 1), ties broken at random: the same for any monotone transformation."""
    n = len(columns)
    order = torch.randperm(n)
    ranks = columns.clone()
    ranks[order] = columns[order].argsort(dim=0, stable=True).argsort(dim=0).double()
    scores: Tensor = torch.special.ndtri((ranks + 0.5) / n)
    return scores.float()


def whitened(columns: Float[Tensor, "n d"]) -> Columns:
    """Mean 0, variance 1 and no correlation, by the root R^-1/2 of the correlation, which stays nearest to the columns.

    Directions that repeat others, as duplicate columns make them, become zero.
    """
    z = columns / columns.abs().amax(0)  # squares of the largest and smallest doubles would leave their range
    z = z - z.mean(0)
    z = z / z.abs().amax(0)
    z = z / z.std(0)
    variances, directions = torch.linalg.eigh(z.T @ z / (len(z) - 1))
    shrink = torch.where(variances > LEAST_VARIANCE * variances.max(), variances.abs().rsqrt(), 0.0)
    white: Tensor = (z @ (directions * shrink)) @ directions.T
    return white.float()


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
