"""What a distance means in a collection: how often two images that are paired at random are as near."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from infomax.neighbors.distances import directions

SHARES = (0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, *(step / 50 for step in range(1, 51)))
"""Shares of random pairs at which the scale is kept."""

SAMPLED_VECTORS = 1500
"""Vectors that are paired with each other; a million pairs."""


@dataclass(frozen=True)
class DistanceScale:
    """Distances of random pairs of a collection, by cosine.

    Attributes:
        shares: Shares of the pairs, increasing from 0 to 1.
        distances: The distance that this share of the pairs does not exceed, shape (s,).
        pairs: Number of pairs that were measured.

    """

    shares: tuple[float, ...]
    distances: Float[np.ndarray, " s"]
    pairs: int

    def share_within(self, distance: float) -> float:
        """The share of random pairs that are as near as this or nearer, by interpolation; at least one of the pairs.

        Args:
            distance: Cosine distance, in 0..2.

        Returns:
            A share, in 0..1.

        """
        if not self.pairs:
            return 1.0
        return max(float(np.interp(distance, self.distances, self.shares)), 1 / self.pairs)


def sampled_rows(count: int, seed: int = 0) -> Int[np.ndarray, " k"]:
    """Choose the vectors that are paired, so that only they need to be read.

    Args:
        count: Number of vectors.
        seed: Seed of the choice.

    Returns:
        Rows in order, at most SAMPLED_VECTORS of them.

    """
    if count <= SAMPLED_VECTORS:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, SAMPLED_VECTORS, replace=False))


def distance_scale(vectors: Float[np.ndarray, "n d"], seed: int = 0) -> DistanceScale:
    """Measure the distances of random pairs of a collection.

    Args:
        vectors: Vectors, shape (n, d). Of more than SAMPLED_VECTORS a random part is taken.
        seed: Seed of the choice.

    Returns:
        The scale; without pairs where there are fewer than two vectors.

    """
    unit = directions(vectors[sampled_rows(len(vectors), seed)])
    pairs = 1 - (unit @ unit.T)[np.triu_indices(len(unit), 1)]
    if not len(pairs):
        return DistanceScale(SHARES, np.zeros(len(SHARES)), 0)
    return DistanceScale(SHARES, np.maximum(np.quantile(pairs, SHARES), 0), len(pairs))
