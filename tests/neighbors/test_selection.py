"""Vectors that stand for many, and what distances mean."""

import numpy as np
import pytest

from infomax.neighbors.distance_scale import SAMPLED_VECTORS, distance_scale
from infomax.neighbors.distances import directions
from infomax.neighbors.selection import diverse_rows, typical_rows


def clusters(*sizes: int, dim: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors in tight clusters around orthogonal directions, shuffled, and the cluster of each."""
    random = np.random.default_rng(seed)
    of = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return (np.eye(dim)[of] + 0.05 * random.standard_normal((len(of), dim))).astype(np.float32), of


def test_diverse_rows_visit_every_cluster_first() -> None:
    vectors, of = clusters(500, 100, 20, 5, 1)
    chosen = diverse_rows(vectors, 5)
    assert sorted(of[chosen]) == [0, 1, 2, 3, 4]
    assert of[chosen[0]] == 0  # the one nearest to the mean


def test_diverse_rows_are_each_the_farthest_from_those_before() -> None:
    vectors = directions(np.random.default_rng(1).standard_normal((60, 8)))
    chosen = diverse_rows(vectors, 12)
    for place in range(1, 12):
        nearest = (vectors @ vectors[chosen[:place]].T).max(1)
        nearest[chosen[:place]] = np.inf
        assert nearest[chosen[place]] == pytest.approx(nearest.min(), abs=1e-6)


def test_typical_rows_are_one_of_each_cluster_the_largest_first() -> None:
    vectors, of = clusters(400, 200, 100, 50)
    assert of[typical_rows(vectors, 4)].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("choose", [diverse_rows, typical_rows])
def test_few_and_equal_vectors(choose: object) -> None:
    assert callable(choose)
    assert sorted(choose(np.eye(3, dtype=np.float32), 10)) == [0, 1, 2]
    assert len(choose(np.zeros((0, 4), np.float32), 5)) == 0
    same = choose(np.ones((7, 4), np.float32), 3)
    assert len(set(same.tolist())) == 3


def test_the_scale_of_orthogonal_clusters() -> None:
    """Two equal clusters: of all pairs a little less than half lie within one, near 0; the others are near 1."""
    vectors, _ = clusters(200, 200, dim=64)
    scale = distance_scale(vectors)
    assert scale.pairs == 400 * 399 // 2
    assert scale.share_within(0.5) == pytest.approx(2 * (200 * 199 / 2) / scale.pairs, abs=0.02)
    assert scale.share_within(2.0) == 1
    assert scale.share_within(0.0) == 1 / scale.pairs


def test_the_scale_of_many_vectors_is_that_of_a_sample() -> None:
    vectors = np.random.default_rng(2).standard_normal((4 * SAMPLED_VECTORS, 32)).astype(np.float32)
    scale = distance_scale(vectors)
    assert scale.pairs == SAMPLED_VECTORS * (SAMPLED_VECTORS - 1) // 2
    unit = directions(vectors)
    expected = np.median(1 - (unit[:500] @ unit[-500:].T))
    assert scale.distances[scale.shares.index(0.5)] == pytest.approx(expected, abs=0.005)
    assert distance_scale(vectors).distances.tolist() == scale.distances.tolist()
    assert distance_scale(vectors[:1]).pairs == 0
    assert distance_scale(vectors[:1]).share_within(0.3) == 1
