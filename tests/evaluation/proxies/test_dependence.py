"""The two estimates against worlds whose information is known.

Each tolerance is several of the standard errors that other seeds showed, so a fixed seed fails by a fault alone.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.evaluation import pace
from infomax.evaluation.proxies.dependence import EncodedInputs, estimate_mine, neural_dependency

Rows = NDArray[np.float32]


def linear(n: int, seed: int, scale: float = 1.0, dx: int = 8, dz: int = 4) -> tuple[EncodedInputs, float]:
    """X normal, Z = A X + noise of variance 1; I = 1/2 log det(1 + A A^T) nats."""
    a = np.random.default_rng(1).normal(size=(dz, dx)) * scale / math.sqrt(dx)
    x = np.random.default_rng(seed).normal(size=(n, dx)).astype(np.float32)
    z = (x @ a.T).astype(np.float32)
    return EncodedInputs(x, z, np.zeros_like(z)), 0.5 * float(np.linalg.slogdet(np.eye(dz) + a @ a.T)[1])


def test_the_information_of_a_linear_gaussian_world() -> None:
    (train, truth), (test, _) = linear(4000, 2), linear(2000, 3)
    found = estimate_mine(train, test, steps=300)
    assert found.value == pytest.approx(truth, abs=0.1)  # 1.0 nats
    assert found.value <= found.ceiling == pytest.approx(math.log(2000))
    assert found.at_least == pytest.approx(truth, abs=0.1)  # but for the noise of 2000 rows
    assert found.at_most == pytest.approx(truth, abs=0.1)
    assert found.code == "drawn from the posterior"
    assert found.warnings == ()


def test_no_information_is_none() -> None:
    (train, _), (test, _) = linear(2000, 2, scale=0.0), linear(1000, 3, scale=0.0)
    found = estimate_mine(train, test, steps=100)
    assert found.value < 0.02
    assert found.at_least < 0.02
    assert found.at_most < 0.02


def test_more_than_the_images_can_show_is_said() -> None:
    (train, truth), (test, _) = linear(2000, 2, scale=40.0), linear(400, 3, scale=40.0)
    found = estimate_mine(train, test, steps=50)
    assert truth > found.ceiling == pytest.approx(math.log(400))
    assert found.value <= found.ceiling
    assert found.at_least <= found.ceiling < found.at_most
    assert found.at_most == pytest.approx(truth, rel=0.05)
    assert any("near the ceiling" in warning for warning in found.warnings)
    assert any("not tight" in warning for warning in found.warnings)


def brightness(n: int, seed: int) -> EncodedInputs:
    """Images of one gray of four, and a code that tells which, blurred."""
    level = np.random.default_rng(seed).integers(0, 4, n)
    images = np.broadcast_to((level * 80)[:, None, None, None], (n, 8, 8, 3)).astype(np.uint8)
    return EncodedInputs(images, level[:, None].astype(np.float32), np.full((n, 1), 2 * math.log(0.5), np.float32))


def test_images_through_the_convolutions() -> None:
    z = np.linspace(-4, 7, 4001)
    likelihood = np.exp(-2 * (z[:, None] - np.arange(4)) ** 2) / (0.5 * math.sqrt(2 * math.pi))
    marginal = likelihood.mean(1)
    ratio = np.log(np.maximum(likelihood, 1e-300) / marginal[:, None])
    truth = float((likelihood * ratio).mean(1).sum() * (z[1] - z[0]))
    found = estimate_mine(brightness(2000, 0), brightness(1000, 1), steps=200)
    assert found.value == pytest.approx(truth, abs=0.1)  # 0.86 nats
    assert found.at_least - 0.05 < truth < found.at_most + 0.05


def test_a_code_without_posterior_is_read_through_a_known_blur() -> None:
    (train, _), (test, _) = linear(1000, 2), linear(500, 3)
    found = estimate_mine(EncodedInputs(train.inputs, train.mean), EncodedInputs(test.inputs, test.mean), steps=20)
    assert found.code == "the code with noise of 0.1 of its spread"
    assert found.at_most == pytest.approx(-4 * math.log(0.1), abs=1.5)  # four dimensions, ten to one, correlated


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


def test_it_is_the_same_under_any_increasing_map_of_each_dimension() -> None:
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


def test_the_same_seed_gives_the_same_and_leaves_the_global_state_alone() -> None:
    (train, _), (test, _) = linear(200, 2), linear(150, 3)
    before = torch.random.get_rng_state()
    assert estimate_mine(train, test, steps=5) == estimate_mine(train, test, steps=5)
    assert neural_dependency(train.mean, test.mean, steps=5) == neural_dependency(train.mean, test.mean, steps=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_too_few_or_broken_codes_are_refused() -> None:
    (good, _), (few, _) = linear(200, 2), linear(50, 3)
    broken = EncodedInputs(
        good.inputs, np.where(np.arange(200)[:, None] == 7, np.nan, good.mean).astype(np.float32), None
    )
    for train, test, said in ((good, few, "50 images to test on"), (broken, good, "NaN or infinity")):
        with pytest.raises(InfoMaxError, match=said):
            estimate_mine(train, test)
        with pytest.raises(InfoMaxError, match=said):
            neural_dependency(train.mean, test.mean)


def test_few_codes_for_many_dimensions_are_said() -> None:
    z = np.random.default_rng(0).normal(size=(300, 20)).astype(np.float32)
    assert any("few codes: 200 of 20" in warning for warning in neural_dependency(z[:200], z[200:], steps=5).warnings)


def test_long_work_says_how_long_it_will_take(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(pace.timed_steps("mine", 30, shown=True)) == list(range(1, 31))
    assert capfd.readouterr().err == "infomax: mine takes about 0 seconds more\n"
    assert list(pace.timed_steps("mine", 30, shown=False)) == list(range(1, 31))
    assert capfd.readouterr().err == ""
