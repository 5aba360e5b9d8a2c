"""The estimate of I(X;Z) on distributions whose information is known.

Each tolerance is several times the standard error over seeds, so with a fixed seed only a fault makes a test fail.
"""

import math

import numpy as np
import pytest
import torch

from infomax.errors import InfoMaxError
from infomax.evaluation.proxies.encoded import EncodedInputs
from infomax.evaluation.proxies.mine import estimate_mine


def linear(n: int, seed: int, scale: float = 1.0, dx: int = 8, dz: int = 4) -> tuple[EncodedInputs, float]:
    """X normal, Z = A X + noise of variance 1; I = 1/2 log det(1 + A A^T) nats."""
    a = np.random.default_rng(1).normal(size=(dz, dx)) * scale / math.sqrt(dx)
    x = np.random.default_rng(seed).normal(size=(n, dx)).astype(np.float32)
    z = (x @ a.T).astype(np.float32)
    return EncodedInputs(x, z, np.zeros_like(z)), 0.5 * float(np.linalg.slogdet(np.eye(dz) + a @ a.T)[1])


def test_the_information_of_a_linear_gaussian_channel() -> None:
    (train, truth), (test, _) = linear(4000, 2), linear(2000, 3)
    found = estimate_mine(train, test, steps=300)
    assert found.value == pytest.approx(truth, abs=0.1)  # 1.0 nats
    assert found.value <= found.ceiling == pytest.approx(math.log(2000))
    assert found.at_least == pytest.approx(truth, abs=0.1)  # up to the noise of 2000 rows
    assert found.at_most == pytest.approx(truth, abs=0.1)
    assert found.code == "drawn from the posterior"
    assert found.warnings == ()


def test_independent_codes_have_no_information() -> None:
    (train, _), (test, _) = linear(2000, 2, scale=0.0), linear(1000, 3, scale=0.0)
    found = estimate_mine(train, test, steps=100)
    assert found.value < 0.02
    assert found.at_least < 0.02
    assert found.at_most < 0.02


def test_a_warning_says_when_the_information_exceeds_the_ceiling() -> None:
    (train, truth), (test, _) = linear(2000, 2, scale=40.0), linear(400, 3, scale=40.0)
    found = estimate_mine(train, test, steps=50)
    assert truth > found.ceiling == pytest.approx(math.log(400))
    assert found.value <= found.ceiling
    assert found.at_least <= found.ceiling < found.at_most
    assert found.at_most == pytest.approx(truth, rel=0.05)
    assert any("near the ceiling" in warning for warning in found.warnings)
    assert any("not tight" in warning for warning in found.warnings)


def brightness(n: int, seed: int) -> EncodedInputs:
    """Images of one of four gray levels, and a noisy code of the level."""
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


def test_a_code_without_posterior_gets_known_noise() -> None:
    (train, _), (test, _) = linear(1000, 2), linear(500, 3)
    found = estimate_mine(EncodedInputs(train.inputs, train.mean), EncodedInputs(test.inputs, test.mean), steps=20)
    assert found.code == "the code with noise of 0.1 of its spread"
    assert found.at_most == pytest.approx(-4 * math.log(0.1), abs=1.5)  # four dimensions, ten to one, correlated


def test_the_same_seed_gives_the_same_and_the_global_state_does_not_change() -> None:
    (train, _), (test, _) = linear(200, 2), linear(150, 3)
    before = torch.random.get_rng_state()
    assert estimate_mine(train, test, steps=5) == estimate_mine(train, test, steps=5)
    assert torch.equal(before, torch.random.get_rng_state())


def test_too_few_or_broken_codes_raise_an_error() -> None:
    (good, _), (few, _) = linear(200, 2), linear(50, 3)
    broken = EncodedInputs(
        good.inputs, np.where(np.arange(200)[:, None] == 7, np.nan, good.mean).astype(np.float32), None
    )
    for train, test, said in ((good, few, "50 images to test on"), (broken, good, "NaN or infinity")):
        with pytest.raises(InfoMaxError, match=said):
            estimate_mine(train, test)
