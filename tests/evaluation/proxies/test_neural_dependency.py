"""The neural dependency measure on distributions whose total correlation is known.

Each tolerance is several times the standard error over seeds, so with a fixed seed only a fault makes a test fail.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.evaluation.proxies.neural_dependency import neural_dependency

Rows = NDArray[np.float32]


def correlated(n: int, seed: int, rho: float, d: int) -> tuple[Rows, float]:
    """Equally correlated normals; their total correlation is -1/2 log det R."""
    r = np.full((d, d), rho) + (1 - rho) * np.eye(d)
    z = np.random.default_rng(seed).normal(size=(n, d)) @ np.linalg.cholesky(r).T
    return z.astype(np.float32), -0.5 * float(np.linalg.slogdet(r)[1])


@pytest.mark.parametrize(("rho", "d"), [(0.0, 8), (0.7, 2), (0.5, 8)])
def test_the_dependence_of_normals_is_their_total_correlation(rho: float, d: int) -> None:
    (train, truth), (test, _) = correlated(4000, 0, rho, d), correlated(2000, 1, rho, d)
    found = neural_dependency(train, test, steps=60)
    assert found.value == pytest.approx(truth, abs=0.02 + 0.05 * truth)
    assert found.by_correlations == pytest.approx(found.value, abs=0.02)
    assert found.value == pytest.approx(truth, abs=4 * found.standard_error + 0.01)
    assert found.warnings == ()


def test_increasing_maps_of_each_dimension_change_nothing() -> None:
    (train, _), (test, _) = correlated(1000, 0, 0.7, 2), correlated(500, 1, 0.7, 2)
    bent = [np.stack([np.exp(z[:, 0]), z[:, 1] ** 3], 1).astype(np.float32) for z in (train, test)]
    assert neural_dependency(bent[0], bent[1], steps=20) == neural_dependency(train, test, steps=20)


def one_scale(n: int, seed: int) -> Rows:
    """Three uncorrelated normals that share one scale, 1/2 or 5/2."""
    random = np.random.default_rng(seed)
    scale = np.where(random.integers(0, 2, (n, 1)) == 1, 2.5, 0.5)
    return (random.normal(size=(n, 3)) * scale).astype(np.float32)


def test_dependence_without_correlation_is_found_by_the_discriminator() -> None:
    z = one_scale(400_000, 5).astype(np.float64)

    def log_density(u: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = [-0.5 * (u / s) ** 2 - math.log(s * math.sqrt(2 * math.pi)) for s in (0.5, 2.5)]
        return np.stack([part.sum(-1) for part in parts])

    joint = np.logaddexp(*log_density(z)) - math.log(2)
    alone = sum(np.logaddexp(*log_density(z[:, [i]])) - math.log(2) for i in range(3))
    truth = float((joint - alone).mean())
    found = neural_dependency(one_scale(4000, 0), one_scale(2000, 1), steps=300)
    assert found.by_correlations < 0.02
    assert truth / 3 < found.value < truth + 0.05  # a lower bound, after few steps


def test_dead_dimensions_depend_on_nothing() -> None:
    (train, truth), (test, _) = correlated(1000, 0, 0.7, 2), correlated(500, 1, 0.7, 2)
    wider = [np.concatenate([z, np.zeros((len(z), 2), np.float32)], 1) for z in (train, test)]
    assert neural_dependency(wider[0], wider[1], steps=20).value == pytest.approx(truth, abs=0.1)


def test_the_same_seed_gives_the_same_and_the_global_state_does_not_change() -> None:
    (train, _), (test, _) = correlated(200, 2, 0.5, 4), correlated(150, 3, 0.5, 4)
    before = torch.random.get_rng_state()
    assert neural_dependency(train, test, steps=5) == neural_dependency(train, test, steps=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_too_few_or_broken_codes_raise_an_error() -> None:
    (good, _), (few, _) = correlated(200, 2, 0.5, 4), correlated(50, 3, 0.5, 4)
    broken = np.where(np.arange(200)[:, None] == 7, np.nan, good).astype(np.float32)
    for train, test, said in ((good, few, "50 images to test on"), (broken, good, "NaN or infinity")):
        with pytest.raises(InfoMaxError, match=said):
            neural_dependency(train, test)


def test_a_warning_says_when_codes_are_few_for_their_dimensions() -> None:
    z = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    assert any("few codes: 200 of 20" in warning for warning in neural_dependency(z[:200], z[200:], steps=5).warnings)
