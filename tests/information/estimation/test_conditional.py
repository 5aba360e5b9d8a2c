"""Conditional information: nothing along a chain, the partial correlation of normals."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from infomax.information import conditional_mi
from infomax.information.estimation import cross_fit

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_fit, "TRAINING_STEPS", 40)
    monkeypatch.setattr(cross_fit, "CHECK_EVERY", 20)


def normal_chain(generator: np.random.Generator, n: int) -> Triple:
    x, y, z = generator.normal(size=(3, n))
    return x + z, y + z, z


def bent_chain(generator: np.random.Generator, n: int) -> Triple:
    x, y, z = generator.normal(size=(3, n))
    return z**2 + 0.3 * x, np.sin(2 * z) + 0.3 * y, z


def chain_of_columns(generator: np.random.Generator, n: int) -> Triple:
    x, y, z = generator.normal(size=(3, n, 3))
    return z @ generator.normal(size=(3, 3)) + x, np.tanh(z @ generator.normal(size=(3, 3))) + 0.5 * y, z


@pytest.mark.parametrize("chain", [normal_chain, bent_chain, chain_of_columns])
def test_a_chain_has_no_conditional_information(chain: Callable[[np.random.Generator, int], Triple]) -> None:
    """X - Z - Y: what y says about x, z says already."""
    found = conditional_mi(*chain(np.random.default_rng(0), 2000))
    assert found.value < 0.02
    assert found.value - 2 * found.standard_error <= 0


def test_normals_have_the_information_of_their_partial_correlation() -> None:
    """Given z, x and y = x + z + e share 1/2 ln 2; without z they would share more."""
    x, e, z = np.random.default_rng(0).normal(size=(3, 3000))
    found = conditional_mi(x + z, x + 2 * z + e, z)
    assert abs(found.value - math.log(2) / 2) < 2.5 * found.standard_error
    assert found.standard_error < 0.06


def test_a_common_effect_makes_causes_depend() -> None:
    """Independent coins x and y with their exclusive or: ln 2 nats given z, none without."""
    x, y = np.random.default_rng(0).integers(0, 2, (2, 1500))
    found = conditional_mi(x, y, x ^ y)
    assert found.value > 0.3
    assert found.value <= math.log(2) + 2 * found.standard_error


def test_bad_input_and_what_carries_nothing() -> None:
    fine = np.random.default_rng(0).normal(size=100)
    assert conditional_mi(fine, np.ones(100), fine).value == 0
    with pytest.raises(ValueError, match="y has 100 rows and z 99: give as many of both"):
        conditional_mi(fine, fine, fine[:-1])
    with pytest.raises(ValueError, match="y with z has 2 NaN or infinite values: remove their rows"):
        conditional_mi(fine, fine, np.where(np.arange(100) < 2, np.nan, fine))
