"""Exact distances in float64: the single definition by which all search results are ranked."""

from typing import Literal

import numpy as np
from jaxtyping import Float

Metric = Literal["cosine", "euclidean"]
"""How vectors are compared: 1 - cosine similarity, or Euclidean distance."""

DIGITS = 12
"""Decimals of a distance. Fewer digits than float64 has make equally near vectors equal despite rounding."""


def exact_distances(
    vector: Float[np.ndarray, " d"], vectors: Float[np.ndarray, "n d"], metric: Metric
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Compute exact distances and cosines of vectors to one vector, in float64, rounded to 12 decimals.

    1 - cosine is computed as half the squared distance of the unit vectors, which is exactly 0 for equal vectors and
    accurate near 0. A vector of zeros has no direction; its cosine with any other is taken as 0.

    Args:
        vector: The query, shape (d,).
        vectors: Vectors to compare with it, shape (n, d).
        metric: "cosine" or "euclidean".

    Returns:
        Distances by the metric, and cosines, both of shape (n,) and float64.

    Examples:
        >>> import numpy as np
        >>> exact_distances(np.array([3.0, 4.0]), np.array([[0.0, 0.0], [6.0, 8.0]]), "euclidean")
        (array([5., 5.]), array([0., 1.]))

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


def directions(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Scale vectors to length 1, in float32. Vectors of zeros stay.

    Args:
        vectors: Vectors, shape (n, d).

    Returns:
        Unit vectors, shape (n, d), float32.

    Examples:
        >>> directions(np.array([[3, 4], [0, 0]], np.float64)).tolist()
        [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]

    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Float[np.ndarray, "n d"] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
    return unit
