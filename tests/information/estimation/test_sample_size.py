"""The bound by sample size: parts that double, and whether the last doubling still showed more."""

import numpy as np
import pytest

from infomax.information import SampleSizeCurve, bound_by_sample_size
from infomax.information import distributions as known

pytestmark = pytest.mark.usefixtures("no_steps")


def test_parts_double_up_to_all_samples() -> None:
    """A normal pair is read in full from few samples: no part shows more than 3 standard errors beyond the truth."""
    task = known.bivariate_normal(0.8)
    curve = bound_by_sample_size(*task.sample(1204))
    assert curve.sizes == (150, 301, 602, 1204)
    assert len(curve.bounds) == len(curve.errors) == 4
    for bound, error in zip(curve.bounds, curve.errors, strict=True):
        assert 0.3 < bound < task.mutual_information + 3 * error
    assert abs(curve.bounds[-1] - task.mutual_information) < 0.06
    assert curve.errors[-1] < 0.06


def test_many_columns_need_more_samples() -> None:
    """A quarter of 240 samples hardly shows the pairs of 5 x 5 columns."""
    curve = bound_by_sample_size(*known.sparse_normal(5, 1.0, pairs=3).sample(240))
    assert curve.sizes == (60, 120, 240)
    assert curve.bounds[0] < 0.5 < curve.bounds[-1]


@pytest.mark.parametrize(
    ("bounds", "error", "rises"),
    [((0.3, 0.4), 0.05, True), ((0.3, 0.4), 0.2, False), ((0.4, 0.405), 0.001, False), ((0.4, 0.3), 0.01, False)],
)
def test_a_rise_is_more_than_chance_and_a_trifle(bounds: tuple[float, float], error: float, rises: bool) -> None:
    curve = SampleSizeCurve((100, 200), bounds, (error, error))
    assert curve.rise == pytest.approx(bounds[1] - bounds[0])
    assert curve.still_rises is rises


def test_few_samples_are_one_part_and_constants_carry_nothing() -> None:
    x = np.random.default_rng(0).normal(size=90)
    curve = bound_by_sample_size(x, x + 1e-3 * x**2)
    assert curve.sizes == (90,)
    assert not curve.still_rises
    holes = np.where(np.arange(90) < 20, np.nan, np.ones(90))
    assert bound_by_sample_size(holes, x, missing="drop") == SampleSizeCurve((70,), (0.0,), (0.0,))
    with pytest.raises(ValueError, match="x has 20 NaN or infinite values"):
        bound_by_sample_size(holes, x)
