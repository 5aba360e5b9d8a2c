"""Intervals compared with the plain bootstrap, and the names and settings of runs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binomtest

from infomax.errors import InfoMaxError
from infomax.evaluation.comparison import _run_names, bootstrap_interval, differing_settings


def test_resampling_counts_equals_resampling_images() -> None:
    """Percentiles of 4,000 plain resamplings differ from ours by their own spread of about 0.003."""
    random = np.random.default_rng(0)
    gains = random.choice([-1, 0, 1], 300, p=[0.1, 0.7, 0.2])
    plain = gains[random.integers(0, 300, (4000, 300))].mean(1)
    assert bootstrap_interval(gains) == pytest.approx(np.percentile(plain, (2.5, 97.5)), abs=0.012)


def test_the_interval_has_its_nominal_coverage() -> None:
    """Of 400 splits of 200 images with accuracy 0.3, 95 % of intervals hold the truth, to 3 standard errors."""
    random = np.random.default_rng(1)
    intervals = [bootstrap_interval(random.random(200) < 0.3, seed) for seed in range(400)]
    covered = np.mean([low <= 0.3 <= high for low, high in intervals])
    assert abs(covered - 0.95) < 3 * (0.95 * 0.05 / 400) ** 0.5 + 0.01  # the percentile interval is slightly too short


def test_a_paired_difference_has_a_narrower_interval_than_two_runs() -> None:
    first = np.random.default_rng(0).random(1000) < 0.5
    second = first.copy()
    second[np.flatnonzero(~first)[:30]] = True  # 3 points better and never worse
    low, high = bootstrap_interval(second.astype(int) - first)
    assert 0.015 < low < 0.03 < high < 0.045
    assert bootstrap_interval(first)[1] > bootstrap_interval(second)[0]


RARE = 1 - 0.025 ** (1 / 20)
"""Greatest frequency, at 95 %, of an outcome that 20 images did not show."""


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.ones(20, bool), (1 - RARE, 1)),
        (np.zeros(20, bool), (0, RARE)),
        (np.zeros(20, int), (-RARE, RARE)),
        (np.ones(20, int), (1 - 2 * RARE, 1)),
    ],
    ids=["all correct", "all wrong", "no difference", "all gained"],
)
def test_equal_values_leave_room_for_other_images(
    values: NDArray[np.bool_] | NDArray[np.int64], expected: tuple[float, float]
) -> None:
    """When all predictions are correct the interval is that of Clopper and Pearson."""
    assert bootstrap_interval(values) == pytest.approx(expected)
    if values.dtype == bool:
        exact = binomtest(int(values.sum()), 20).proportion_ci(0.95, "exact")
        assert bootstrap_interval(values) == pytest.approx((exact.low, exact.high))


def test_differing_settings() -> None:
    assert differing_settings([{"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}]) == ["b", "c"]
    assert differing_settings([{"a": "1"}]) == []


def test_runs_have_the_shortest_names_that_differ() -> None:
    assert [*_run_names([Path("/x/a/run"), Path("/x/b/run")])] == ["a/run", "b/run"]
    assert [*_run_names([Path("/x/a"), Path("/x/b")])] == ["a", "b"]
    with pytest.raises(InfoMaxError, match="the same run is given twice"):
        _run_names([Path("/x/a"), Path("/x/../x/a")])
