"""The distance that counts, in one place: whatever a store finds in float32 is ranked by this."""

import numpy as np
from jaxtyping import Float

from infomax.evaluation.knn import Metric

DIGITS = 12
"""Decimals of a distance: so many that only rounding is lost, which would tell apart what is equally near."""


def measured(
    vector: Float[np.ndarray, " d"], vectors: Float[np.ndarray, "n d"], metric: Metric
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The exact distances of vectors from one, and their cosines with it, in float64, to DIGITS decimals.

    1 - cosine is half the squared distance of the directions: exactly 0 for equal vectors, and exact near it. A vector
    of zeros has no direction; its cosine with any other is taken as 0.
    """
    x, y = vector.astype(np.float64), vectors.astype(np.float64)
    x_norm, y_norms = np.linalg.norm(x), np.linalg.norm(y, axis=1)
    some = (x_norm > 0) & (y_norms > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.square(x / x_norm - y / y_norms[:, None]).sum(1) / 2
    cosine_distances = np.where(some, np.clip(apart, 0, 2), 1.0)
    distances = cosine_distances if metric == "cosine" else np.sqrt(np.square(x - y).sum(1))
    return distances.round(DIGITS), 1 - cosine_distances.round(DIGITS)
