"""Intervals against the plain bootstrap, maps, and the names and settings of runs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from infomax.errors import InfoMaxError
from infomax.evaluation.comparison import _names, bootstrap_interval, differing, tsne_layout


def test_drawing_counts_is_drawing_images() -> None:
    """Percentiles of 4,000 plain resamplings; they differ from ours by their own scatter of about 0.003."""
    random = np.random.default_rng(0)
    gains = random.choice([-1, 0, 1], 300, p=[0.1, 0.7, 0.2])
    plain = gains[random.integers(0, 300, (4000, 300))].mean(1)
    assert bootstrap_interval(gains) == pytest.approx(np.percentile(plain, (2.5, 97.5)), abs=0.012)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """400 splits of 200 images, right with probability 0.3: 95 % hold the truth, to 3 standard errors."""
    random = np.random.default_rng(1)
    intervals = [bootstrap_interval(random.random(200) < 0.3, seed) for seed in range(400)]
    covered = np.mean([low <= 0.3 <= high for low, high in intervals])
    assert abs(covered - 0.95) < 3 * (0.95 * 0.05 / 400) ** 0.5 + 0.01  # and the percentile interval is a little short


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    first = np.random.default_rng(0).random(1000) < 0.5
    second = first.copy()
    second[np.flatnonzero(~first)[:30]] = True  # 3 points better, and never worse
    low, high = bootstrap_interval(second.astype(int) - first)
    assert 0.015 < low < 0.03 < high < 0.045
    assert bootstrap_interval(first)[1] > bootstrap_interval(second)[0]


RARE = 1 - 0.025 ** (1 / 20)
"""The most that, at 95 %, something can be worth saying of which 20 images showed nothing."""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.ones(20, bool), (1 - RARE, 1)),
        (np.zeros(20, bool), (0, RARE)),
        (np.zeros(20, int), (-RARE, RARE)),
        (np.ones(20, int), (1 - 2 * RARE, 1)),
    ],
    ids=["all right", "all wrong", "no difference", "all gained"],
)
def test_images_that_are_all_alike_leave_room_for_others(
    values: NDArray[np.bool_] | NDArray[np.int64], expected: tuple[float, float]
) -> None:
    """Where all are right the interval is Clopper and Pearson's."""
    assert bootstrap_interval(values) == pytest.approx(expected)
    if values.dtype == bool:
        exact = binomtest(int(values.sum()), 20).proportion_ci(0.95, "exact")
        assert bootstrap_interval(values) == pytest.approx((exact.low, exact.high))


def test_settings_that_differ() -> None:
    assert differing([{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}]) == ["b", "c"]
    assert differing([{"a": "1"}]) == []


def test_runs_are_called_by_as_little_as_tells_them_apart() -> None:
    assert [*_names([Path("/x/a/run"), Path("/x/b/run")])] == ["a/run", "b/run"]
    assert [*_names([Path("/x/a"), Path("/x/b")])] == ["a", "b"]
    with pytest.raises(InfoMaxError, match="the same run is given twice"):
        _names([Path("/x/a"), Path("/x/../x/a")])


def test_a_map_keeps_clusters_together_and_is_that_of_its_seed() -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    vectors = (random.normal(size=(3, 16))[labels] * 5 + random.normal(size=(60, 16))).astype(np.float32)
    found = tsne_layout(vectors)
    assert np.array_equal(found, tsne_layout(vectors))
    distances = np.linalg.norm(found[:, None] - found, axis=2) + np.diag(np.full(60, np.inf))
    assert (labels[distances.argmin(1)] == labels).mean() > 0.95


@pytest.mark.parametrize("shape", [(1, 3), (3, 3), (5, 1), (4, 2)])
def test_a_map_of_hardly_anything(shape: tuple[int, int]) -> None:
    found = tsne_layout(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    assert found.shape == (shape[0], 2)
    assert np.isfinite(found).all()
    assert np.isfinite(tsne_layout(np.zeros((9, 3), np.float32))).all()
