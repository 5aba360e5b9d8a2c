"""Noisy channels: how much they let pass, and which codes make use of all of it, by numerical integration."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax.information.channels import NOISE_CHANNELS, GaussianChannel, UniformChannel

STEP = 1e-3
GRID = np.arange(-12, 12, STEP)


def entropy(density: NDArray[np.float64]) -> float:
    inside = density[density > 0]
    return float(-(inside * np.log(inside)).sum() * STEP)


def passed(code: NDArray[np.float64], noise: NDArray[np.float64]) -> float:
    """I(X; f(X) + Z) of one number, in nats, from the densities of f(X) and Z on the grid."""
    return entropy(np.convolve(code, noise) * STEP) - entropy(noise)


def normal(scale: float) -> NDArray[np.float64]:
    return np.exp(-((GRID / scale) ** 2) / 2) / (scale * math.sqrt(2 * math.pi))


def uniform(low: float, high: float) -> NDArray[np.float64]:
    inside = ((low < GRID) & (high > GRID)).astype(np.float64)
    density: NDArray[np.float64] = inside / (inside.sum() * STEP)
    return density


def atoms(*places: float) -> NDArray[np.float64]:
    density = np.zeros_like(GRID)
    for place in places:
        density[round((place - GRID[0]) / STEP)] += 1 / (len(places) * STEP)
    return density


OTHERS: dict[str, Callable[[], NDArray[np.float64]]] = {
    "uniform": lambda: uniform(-math.sqrt(3), math.sqrt(3)),
    "two points": lambda: atoms(-1, 1),
    "three points": lambda: atoms(-math.sqrt(1.5), 0, math.sqrt(1.5)),
}


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_normal_codes_alone_fill_the_gaussian_channel(noise: float) -> None:
    most = GaussianChannel(noise).capacity(1)
    assert passed(normal(1.0), normal(noise)) == pytest.approx(most, abs=1e-4)
    for code in OTHERS.values():  # all of mean 0 and variance 1
        assert passed(code(), normal(noise)) < most - 0.002


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_a_lattice_fills_the_uniform_channel_and_the_cube_nearly_does(levels: int) -> None:
    """Levels at the distance of twice the noise leave no gap and do not overlap: exactly log of their number."""
    noise = 0.5 / (levels - 1)
    channel = UniformChannel(noise)
    assert channel.capacity(1) == pytest.approx(math.log(levels))
    drawn = uniform(-noise, noise)
    assert passed(atoms(*np.linspace(0, 1, levels)), drawn) == pytest.approx(math.log(levels), abs=5e-3)
    cube = passed(uniform(0, 1), drawn)
    assert cube == pytest.approx(noise - math.log(2 * noise), abs=5e-3)
    assert 0 < channel.capacity(1) - cube < noise


@pytest.mark.parametrize("name", NOISE_CHANNELS)
def test_numbers_of_a_code_add_up(name: str) -> None:
    channel = NOISE_CHANNELS[name](0.2)
    assert channel.capacity(7) == pytest.approx(7 * channel.capacity(1))


def test_codes_are_limited() -> None:
    code = 5 * torch.randn(64, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 2
    standard = GaussianChannel(0.1).limit(code).numpy()
    np.testing.assert_allclose(standard, (code.numpy() - code.numpy().mean(0)) / code.numpy().std(0), rtol=1e-5)
    np.testing.assert_allclose(UniformChannel(0.1).limit(code).numpy(), 1 / (1 + np.exp(-code.numpy())))


def test_a_number_that_is_dead_stays_dead() -> None:
    assert GaussianChannel(0.1).limit(torch.ones(8, 2)).abs().max() == 0


@pytest.mark.parametrize("name", NOISE_CHANNELS)
def test_the_noise_is_of_its_size_and_from_the_generator(name: str) -> None:
    code = torch.zeros(4000, 2)
    one, again = (NOISE_CHANNELS[name](0.25).transmit(code, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, again)
    spread = 0.25 if name == "noise-gaussian" else 0.25 / math.sqrt(3)
    assert one.std(0).tolist() == pytest.approx([spread] * 2, rel=0.05)  # 2 in 10^5 draws are further off
    assert name == "noise-gaussian" or one.abs().max() <= 0.25
