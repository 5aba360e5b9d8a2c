"""Spreading evens out the density of points and keeps neighbors together."""

import numpy as np
import pytest
from numpy.typing import NDArray

from infomax.neighbors.density import GRID_SIDE, cell_index, density, from_grid, to_grid
from infomax.neighbors.spreading import spread


def crowded(count: int = 3000) -> NDArray[np.float32]:
    """Points most of which lie in the middle."""
    random = np.random.default_rng(0)
    return np.clip(0.5 + 0.3 * random.standard_normal((count, 2)) ** 3 / 3, 0, 1).astype(np.float32)


def unevenness(points: NDArray[np.float32]) -> float:
    """Variation of the number of points in 8 x 8 cells, relative to its mean."""
    x, y = points.T.astype(np.float64)
    counts = np.histogram2d(x, y, bins=8, range=[[0.0, 1.0], [0.0, 1.0]])[0]
    return float(counts.std() / counts.mean())


def test_crowded_points_get_more_room() -> None:
    before = crowded()
    after = spread(before)
    assert unevenness(after) < 0.5 * unevenness(before)
    assert after.dtype == np.float32
    assert after.min(0).tolist() == [0, 0]
    assert after.max(0).tolist() == [1, 1]


def test_the_order_along_a_line_stays() -> None:
    line = np.stack([np.linspace(0, 1, 200) ** 3, np.full(200, 0.5)], 1).astype(np.float32)
    after = spread(line)
    assert (np.diff(after[:, 0]) > 0).all()
    assert np.diff(after[:, 0]).max() < np.diff(line[:, 0]).max()


def nearest(points: NDArray[np.float32], row: int) -> set[int]:
    """The eight points nearest to one."""
    return {*np.argsort(((points - points[row]) ** 2).sum(1))[1:9].tolist()}


def test_neighbors_stay_neighbors() -> None:
    before = crowded(500)
    after = spread(before)
    kept = [len(nearest(before, row) & nearest(after, row)) / 8 for row in range(0, 500, 10)]
    assert np.mean(kept) > 0.55  # random places would keep 8 / 499 = 1.6 %


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.full((1, 2), 0.3), np.full((50, 2), 0.3)])
def test_points_in_one_place_lie_in_the_middle(points: NDArray[np.float64]) -> None:
    assert spread(points.astype(np.float32)).tolist() == [[0.5, 0.5]] * len(points)


def test_the_density_counts_points() -> None:
    points = crowded(1000)
    assert density(points, 2.0).sum() == pytest.approx(1000)
    assert from_grid(to_grid(points)) == pytest.approx(points, abs=1e-6)
    assert cell_index(np.array([[0.5, 0.5]])).tolist() == [GRID_SIDE // 2 * GRID_SIDE + GRID_SIDE // 2]
