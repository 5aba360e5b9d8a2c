"""The distance that counts, in one place: whatever a store finds in float32 is ranked by this."""

import numpy as np
from jaxtyping import Float

from infomax.neighbors.knn import Metric

DIGITS = 12
"""Decimals of a distance: so many that only rounding is lost, which would tell apart what is equally near."""


def exact_distances(
    vector: Float[np.ndarray, " d"], vectors: Float[np.ndarray, "n d"], metric: Metric
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The exact distances of vectors from one, and their cosines with it, in float64, to DIGITS decimals.

    1 - cosine is half the squared distance of the directions: exactly 0 for equal vectors, and exact near it. A vector
    of zeros has no direction; its cosine with any other is taken as 0.
    """
    x, y = vector.astype(np.float64), vectors.astype(np.float64)
    length, lengths = np.sqrt(np.vecdot(x, x)), np.sqrt(np.vecdot(y, y))
    turned = x / (length or 1) - y / np.where(lengths, lengths, 1)[:, None]
    apart = np.vecdot(turned, turned) / 2
    apart[(lengths == 0) | (length == 0)] = 1
    apart = apart.round(DIGITS)
    if metric == "cosine":
        return apart, 1 - apart
    moved = x - y
    return np.sqrt(np.vecdot(moved, moved)).round(DIGITS), 1 - apart
