"""Clusters of points around known centers are found, and always the same ones."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_mutual_info_score

from infomax.neighbors.clusters import (
    MOST_CLUSTERS,
    _peaks,
    cluster_count,
    find_clusters,
    merge_by_ward,
    representatives,
)
from infomax.neighbors.density import GRID_SIDE
from infomax.neighbors.projection import lay_out

Points = NDArray[np.float32]


def blobs(count: int, centers: int, seed: int = 0) -> tuple[Points, NDArray[np.int64]]:
    """Points close to centers on a square grid in the plane, and the center of each."""
    random = np.random.default_rng(seed)
    side = int(np.ceil(centers**0.5))
    which = random.integers(0, centers, count)
    places = (np.stack([which // side, which % side], 1) + 0.5) / side
    return (places + random.normal(0, 0.03 / side, (count, 2))).astype(np.float32), which


def test_separate_groups_are_the_clusters() -> None:
    points, which = blobs(900, 12)
    found = find_clusters(points, points)
    assert cluster_count(900) == 12
    assert adjusted_mutual_info_score(which, found) == pytest.approx(1)
    sizes = np.bincount(found)
    assert sizes.tolist() == sorted(sizes, reverse=True)


def test_the_same_points_give_the_same_clusters() -> None:
    points = np.random.default_rng(0).uniform(0, 1, (3000, 2)).astype(np.float32)
    found = find_clusters(points, points)
    assert np.array_equal(found, find_clusters(points.copy(), points.copy()))
    assert 12 <= len(np.unique(found)) <= MOST_CLUSTERS


def test_digits_agree_with_their_labels() -> None:
    """600 digits of scikit-learn by their pixels: ten labels, ten clusters."""
    digits = load_digits()
    layout = lay_out(digits.data[:600].astype(np.float32))
    found = find_clusters(layout.positions, layout.components)
    assert len(np.unique(found)) == 10
    assert adjusted_mutual_info_score(digits.target[:600], found) > 0.7


@pytest.mark.parametrize("count", [0, 1, 39])
def test_small_collections_have_no_clusters(count: int) -> None:
    points = np.random.default_rng(0).uniform(0, 1, (count, 2)).astype(np.float32)
    assert find_clusters(points, points).tolist() == [-1] * count


def test_equal_points_have_no_parts() -> None:
    points = np.full((100, 2), 0.5, np.float32)
    assert find_clusters(points, points).tolist() == [-1] * 100


def test_a_few_points_apart_are_no_cluster() -> None:
    """Two halves, and two pairs of points apart from both."""
    random = np.random.default_rng(1)
    halves = np.r_[random.normal(0.25, 0.03, (60, 2)), random.normal(0.75, 0.03, (60, 2))]
    points = np.r_[halves, [[0.05, 0.95], [0.051, 0.951], [0.95, 0.05], [0.951, 0.051]]].astype(np.float32)
    found = find_clusters(points, points)
    assert set(found[-4:].tolist()) == {-1}
    assert min(np.bincount(found[found >= 0])) >= 5


@pytest.mark.parametrize(("points", "count"), [(40, 3), (900, 12), (2573, 20), (10_000, 24), (1_000_000, 24)])
def test_the_number_of_clusters(points: int, count: int) -> None:
    assert cluster_count(points) == count


def test_each_cell_belongs_to_the_peak_above_it() -> None:
    row, column = np.mgrid[:GRID_SIDE, :GRID_SIDE]
    heights = np.maximum(50 - np.hypot(row - 30, column - 30), 40 - np.hypot(row - 90, column - 100))
    peaks = _peaks(heights).reshape(GRID_SIDE, GRID_SIDE)
    assert peaks[30, 30] == peaks[10, 50] == 30 * GRID_SIDE + 30
    assert peaks[90, 100] == peaks[127, 127] == 90 * GRID_SIDE + 100
    assert len(np.unique(peaks)) == 2


def test_merging_adds_the_least_variance() -> None:
    """Ward's cost of a pair is (a b / (a + b)) distance^2: two points at distance 1 before two groups of 9 at 0.5."""
    groups = np.repeat([0, 1, 2, 3], [1, 1, 9, 9])
    features = np.repeat([0.0, 1.0, 10.0, 10.5], [1, 1, 9, 9])[:, None]
    merged = merge_by_ward(groups, features, 3)  # costs 0.5 and 4.5 / 4 = 1.125
    assert merged.tolist() == [0] * 2 + [2] * 9 + [3] * 9
    assert merge_by_ward(groups, features, 2).tolist() == [0] * 2 + [2] * 18
    assert len(set(merge_by_ward(groups, features, 1).tolist())) == 1


def test_representatives_are_central_and_differ() -> None:
    features = np.array([[0.0], [0.1], [-0.1], [1.0], [-1.0], [50.0]])
    assert representatives(features, np.arange(5), 3).tolist() == [0, 1, 2]  # the half nearest to the mean, 0
    assert representatives(features, np.array([5])).tolist() == [5]
    line = np.linspace(-1, 1, 41)[:, None]
    chosen = representatives(line, np.arange(41), 3)
    assert chosen[0] == 20
    assert sorted(chosen[1:]) == [10, 30]  # the ends of the half nearest to the mean
