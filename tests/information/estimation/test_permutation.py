"""The permutation test: uniform under independence, small under dependence that a correlation does not see."""

import numpy as np
import pytest
from scipy.stats import kstest

from infomax.information import estimate_mi, permutation_test
from infomax.information.estimation import cross_fit


@pytest.mark.parametrize("kind", ["normal", "two columns and a count"])
def test_p_values_are_uniform_under_independence(kind: str) -> None:
    """200 draws of a fixed seed; another seed fails once in a hundred."""
    generator = np.random.default_rng(0)
    values = []
    for seed in range(200):
        x = generator.normal(size=60) if kind == "normal" else generator.standard_t(1, size=(60, 2))
        y = generator.normal(size=60) if kind == "normal" else generator.poisson(2, 60)
        values.append(permutation_test(x, y, permutations=99, seed=seed))
    assert kstest(values, "uniform").pvalue > 0.01
    assert min(values) < 0.05 < 0.95 < max(values)


@pytest.mark.parametrize("kind", ["parabola", "sine", "scale", "exclusive or"])
def test_dependence_without_correlation_is_found(kind: str) -> None:
    generator = np.random.default_rng(0)
    x, noise = generator.uniform(-1, 1, (2, 300))
    y = {
        "parabola": x**2 + 0.3 * noise,
        "sine": np.sin(2 * np.pi * x) + noise,
        "scale": np.exp(x) * noise,
        "exclusive or": x * np.sign(noise) + 0.1 * generator.normal(size=300),
    }[kind]
    x = np.stack([x, np.sign(noise)], 1) if kind == "exclusive or" else x
    assert permutation_test(x, y, permutations=199) == pytest.approx(1 / 200)


def test_the_estimate_reports_the_p_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 2)
    x = np.random.default_rng(0).normal(size=100)
    assert estimate_mi(x, x**2, permutations=99).p_value == pytest.approx(0.01)
    assert estimate_mi(x, x**2).p_value is None
    assert estimate_mi(x, np.ones(100), permutations=99).p_value == 1
    with pytest.raises(ValueError, match="permutations is 0: give 1 or more"):
        permutation_test(x, x, permutations=0)


def test_a_series_is_permuted_by_blocks() -> None:
    """Rows of two slow series depend on each other by chance; single permuted rows would call it dependence."""
    generator = np.random.default_rng(4)
    small_by_rows, small_by_blocks, small_by_auto = 0, 0, 0
    for _ in range(20):
        x, y = generator.normal(size=(2, 400)).cumsum(1)
        small_by_rows += permutation_test(x, y, permutations=39) < 0.05
        small_by_blocks += permutation_test(x, y, permutations=39, blocks=100) < 0.05
        small_by_auto += permutation_test(x, y, permutations=39, blocks="auto") < 0.05
    assert small_by_rows > 15
    assert small_by_blocks < 10
    assert small_by_auto < 10
