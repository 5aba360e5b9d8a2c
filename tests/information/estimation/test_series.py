"""Series: dependence in time is noticed, and blocks keep neighbors together."""

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from infomax.information import estimate_mi
from infomax.information.estimation.folds import blocked_folds
from infomax.information.estimation.series import inflated_error, is_sorted, series_blocks, variance_inflation

pytestmark = pytest.mark.usefixtures("few_steps")


def autoregression(coefficient: float, n: int, seed: int) -> NDArray[np.float64]:
    noise = np.random.default_rng(seed).normal(size=n)
    for k in range(1, n):
        noise[k] += coefficient * noise[k - 1]
    return noise


def columns(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values).reshape(len(values), -1)


def test_the_inflation_is_that_of_an_autoregression() -> None:
    """1 + 2 sum 0.9^2k = 9.53; its spread at 20,000 rows is a tenth of it."""
    x, y = (columns(autoregression(0.9, 20_000, seed)) for seed in (0, 1))
    assert variance_inflation(x, y) == pytest.approx((1 + 0.81) / (1 - 0.81), rel=0.3)


@pytest.mark.parametrize("kind", ["independent", "equal", "many columns", "one series"])
def test_rows_that_are_no_series_are_not_noticed(kind: str) -> None:
    """Equal columns have equal autocorrelations of chance. A series beside independent rows does no harm."""
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 1000, 30 if kind == "many columns" else 1))
    x = autoregression(0.9, 1000, 0) if kind == "one series" else x
    assert variance_inflation(columns(x), columns(x if kind == "equal" else y)) == 1


SERIES: dict[str, Callable[[np.random.Generator], NDArray[np.float64]]] = {
    "walk": lambda generator: generator.normal(size=(2, 600)).cumsum(1),
    "season": lambda generator: (
        np.sin(np.arange(600) / 9 + np.array([[0.0], [1.0]])) + 0.5 * generator.normal(size=(2, 600))
    ),
    "scale": lambda generator: generator.normal(size=(2, 600)) * np.exp(np.sin(np.arange(600) / 30)),
    "slow": lambda _: np.stack([autoregression(0.95, 600, 2), autoregression(0.95, 600, 3)]),
}


@pytest.mark.parametrize("kind", SERIES)
def test_dependence_in_time_is_said_and_counts_in_the_error(kind: str) -> None:
    x, y = SERIES[kind](np.random.default_rng(1))
    found = estimate_mi(x, y)
    (warning,) = (each for each in found.warnings if each.startswith("rows depend on their neighbors"))
    blocked = estimate_mi(x, y, blocks="auto")
    said = float(re.search(r"rows give (\S+) \+-", warning)[1])  # type: ignore[index]
    assert abs(said - blocked.value) < 0.06  # other folds
    assert found.standard_error >= abs(found.value - said) - 0.01


def test_a_season_of_both_is_dependence_with_and_without_blocks() -> None:
    """Two noisy waves of one season depend on each other: by quadrature over the phase, 0.24 nats."""
    generator = np.random.default_rng(5)
    x, y = np.sin(np.arange(1500) / 9 + np.array([[0.0], [1.0]])) + 0.5 * generator.normal(size=(2, 1500))
    grid, phase = np.linspace(-3.5, 3.5, 281), np.linspace(0, 2 * np.pi, 200, endpoint=False)
    given_phase = [norm.pdf(grid[:, None], np.sin(phase + shift), 0.5) for shift in (0.0, 1.0)]
    joint = given_phase[0] @ given_phase[1].T / len(phase)
    independent = np.outer(*(each.mean(1) for each in given_phase))
    truth = (joint * np.log(joint / independent)).sum() * (grid[1] - grid[0]) ** 2
    found, blocked = estimate_mi(x, y), estimate_mi(x, y, blocks="auto")
    assert any(each.startswith("rows depend on their neighbors") for each in found.warnings)
    for each in (found, blocked):
        assert abs(each.value - truth) < min(0.12, 2 * each.standard_error + 0.02)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_two_random_walks_share_nothing_in_blocks(seed: int) -> None:
    """Without blocks they give about a nat with an error that reaches zero."""
    x, y = np.random.default_rng(seed).normal(size=(2, 1000)).cumsum(1)
    blocked = estimate_mi(x, y, blocks="auto")
    assert blocked.value < max(0.1, 2 * blocked.standard_error)
    found = estimate_mi(x, y)
    assert found.value - 2 * found.standard_error <= 0.05


def test_dependence_of_two_series_is_found_in_blocks() -> None:
    """The second follows the first: 1/2 ln(1 + 1/0.25) = 0.80 nats if the noise is white and x has variance 1."""
    x = autoregression(0.8, 3000, 0) * 0.6
    y = x + 0.5 * np.random.default_rng(9).normal(size=3000)
    found = estimate_mi(x, y, blocks=100)
    assert abs(found.value - 0.80) < 2 * found.standard_error + 0.02


def test_sorted_rows_are_told_from_series() -> None:
    x = np.sort(np.random.default_rng(0).normal(size=400))
    found = estimate_mi(x, x + 0.5 * np.random.default_rng(1).normal(size=400))
    assert any(each.startswith("rows are sorted by a column") for each in found.warnings)
    assert abs(found.value - 0.80) < 2 * found.standard_error + 0.1
    assert is_sorted(-columns(x))
    assert not is_sorted(columns(autoregression(0.9, 100, 0)))


def test_blocks_are_whole_and_each_is_held_out_once() -> None:
    series = series_blocks(103, 3, length=10)
    assert series.bincount().tolist() == [*[10] * 9, 13]
    folds = blocked_folds(series, 3)
    assert sorted(torch.cat([fold.held_out for fold in folds]).tolist()) == list(range(103))
    for fold in folds:
        assert not set(series[fold.held_out].tolist()) & set(series[fold.training].tolist())
        assert len(fold.training) + len(fold.held_out) == 103
    with pytest.raises(ValueError, match="blocks have 60 rows: choose 1 to 34"):
        series_blocks(103, 3, length=60)


def test_the_error_of_few_blocks_is_larger_by_students_quantiles() -> None:
    values = torch.tensor([0.0, 0.0, 1.0, 1.0, 2.0, 2.0])
    error = inflated_error(values, torch.tensor([0, 0, 1, 1, 2, 2]))
    assert error == pytest.approx(1 / 3**0.5 * 4.53 / 2, rel=0.01)
