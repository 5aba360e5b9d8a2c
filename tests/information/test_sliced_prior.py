"""The test along all directions: its mean under the null, agreement with slices, gradients, and what it cannot see."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import hyp1f1
from scipy.stats import chi2
from torch import Tensor

from infomax.information.priors import SlicedGaussianPrior, _slice_mean

NULL = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
DIMENSIONS = [1, 2, 3, 15, 16, 64, 512]
PRIOR = SlicedGaussianPrior()


def value(code: NDArray[np.float64]) -> float:
    z = torch.from_numpy(code)
    return float(PRIOR(z, None, z))


def epps_pulley(x: NDArray[np.float64]) -> float:
    """The statistic of n numbers by its definition: characteristic functions, and the trapezoid rule."""
    t = np.linspace(-8, 8, 129)
    empirical = np.exp(1j * t * x[:, None]).mean(0)
    gap = np.abs(empirical - np.exp(-(t**2) / 2)) ** 2 * np.exp(-(t**2) / 2)
    return float(len(x) * np.trapezoid(gap, t))


def sliced(code: NDArray[np.float64], slices: int = 1024) -> tuple[float, float]:
    """Mean over random directions, and its standard error."""
    directions = np.random.default_rng(1).standard_normal((code.shape[1], slices))
    directions /= np.linalg.norm(directions, axis=0)
    found = [epps_pulley(x) for x in (code @ directions).T]
    return float(np.mean(found)), float(np.std(found) / math.sqrt(slices))


@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_mean_over_directions_is_the_confluent_hypergeometric_function(d: int) -> None:
    """Far out, too, where the mean of exp(-u B) over nodes of B would be nothing but its smallest node."""
    u = np.concatenate([[0.0], np.geomspace(1e-6, 1e4, 60)]) * d
    found = _slice_mean(torch.from_numpy(u), d).numpy()
    np.testing.assert_allclose(found, hyp1f1(0.5, d / 2, -u), rtol=0, atol=1e-7)


@pytest.mark.parametrize("d", DIMENSIONS)
def test_the_value_under_the_null_is_exact_for_any_number_of_codes(d: int) -> None:
    """Of codes from N(0, 1), |z|^2 is chi2: E F(|z|^2 / 4) = sqrt(2/3) and E F(|z - z'|^2 / 2) = 1 / sqrt(3).

    So the bracket is (1 - 1/sqrt(3)) / n on average, whatever n is: the n pairs of a code with itself give F(0) = 1.
    """
    squares = torch.from_numpy(chi2.ppf((np.arange(40_000) + 0.5) / 40_000, d))
    own, pairs = (float(_slice_mean(each, d).mean()) for each in (squares / 4, squares))
    assert own == pytest.approx(math.sqrt(2 / 3), abs=2e-5)
    assert pairs == pytest.approx(1 / math.sqrt(3), abs=2e-5)
    for n in (2, 100, 10_000):
        bracket = 1 / n + (1 - 1 / n) * pairs - math.sqrt(2) * own + 1 / math.sqrt(3)
        assert n * math.sqrt(2 * math.pi) * bracket == pytest.approx(NULL, abs=1e-4 * n)
    assert pytest.approx(NULL) == PRIOR.NULL


@pytest.mark.parametrize(("n", "d"), [(2, 3), (16, 1), (16, 8), (64, 64), (128, 512)])
def test_codes_from_the_prior_read_one_and_a_little(n: int, d: int) -> None:
    """The mean of 100 draws is within 5 standard errors of the null value."""
    draws = np.random.default_rng(0)
    found = [value(draws.standard_normal((n, d))) for _ in range(100)]
    assert abs(np.mean(found) - NULL) < 5 * np.std(found) / math.sqrt(len(found))


CODES = {
    "normal": lambda random, shape: random.standard_normal(shape),
    "moved": lambda random, shape: random.standard_normal(shape) + 0.3,
    "cube": lambda random, shape: random.uniform(-(3**0.5), 3**0.5, shape),
    "far out": lambda random, shape: 10 * random.standard_normal(shape),
}


@pytest.mark.parametrize("d", [8, 64])
@pytest.mark.parametrize("kind", CODES)
def test_it_is_the_mean_over_slices(kind: str, d: int) -> None:
    code = CODES[kind](np.random.default_rng(0), (24, d))
    mean, error = sliced(code)
    assert abs(value(code) - mean) < 4 * error


def test_one_dimension_is_a_single_slice() -> None:
    x = np.random.default_rng(0).standard_exponential(40)
    assert value(x[:, None]) == pytest.approx(epps_pulley(x), abs=1e-9)


def test_directions_do_not_matter() -> None:
    random = np.random.default_rng(0)
    code = random.standard_exponential((40, 6))
    rotation = np.linalg.qr(random.standard_normal((6, 6)))[0]
    assert value(code @ rotation) == pytest.approx(value(code), abs=1e-10)


@pytest.mark.parametrize("d", [1, 2, 5, 16])
def test_gradients(d: int) -> None:
    code = 2 * torch.randn(6, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda z: PRIOR(z, None, z), code.requires_grad_())


@pytest.mark.parametrize("d", [2, 64])
def test_codes_far_out_or_all_alike_still_have_a_finite_gradient(d: int) -> None:
    for code in (torch.zeros(8, d), torch.full((8, d), 1e4), 1e6 * torch.randn(8, d)):
        z = code.requires_grad_()
        found = PRIOR(z, None, z)
        (gradient,) = torch.autograd.grad(found, z)
        assert found.isfinite()
        assert gradient.isfinite().all()


def test_descent_makes_codes_normal() -> None:
    """Codes around 1.5 of spread 0.3 end where the value is less than by chance, with quartiles of -0.67 and 0.67."""
    code = (0.3 * torch.randn(96, 4, generator=torch.Generator().manual_seed(0)) + 1.5).requires_grad_()
    optimizer = torch.optim.Adam([code], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        PRIOR(code, None, code).backward()
        optimizer.step()
    assert PRIOR(code, None, code).item() < NULL
    quartiles = code.detach().quantile(torch.tensor([0.25, 0.5, 0.75]), 0)
    assert (quartiles - torch.tensor([-0.674, 0.0, 0.674])[:, None]).abs().max() < 0.25


def test_precision_of_the_machine_does_not_matter() -> None:
    """The value is a small difference of large means: bfloat16 of autocast must not enter."""
    code = torch.randn(128, 64, generator=torch.Generator().manual_seed(0))
    exact = PRIOR(code.double(), None, code.double()).item()
    with torch.autocast("cpu", torch.bfloat16):
        assert PRIOR(code, None, code).item() == pytest.approx(exact, abs=2e-3)


def dead(code: Tensor, scale: float) -> Tensor:
    alive = code.shape[1] // 2
    return torch.cat([scale * code[:, :alive], torch.zeros_like(code[:, alive:])], 1)


def test_what_it_sees_and_what_it_cannot_see() -> None:
    """In 512 dimensions: scale and clusters clearly; dead numbers only where the rest does not make up for them."""
    generator = torch.Generator().manual_seed(0)
    code = torch.randn(256, 512, generator=generator, dtype=torch.float64)
    clusters = torch.randn(10, 512, generator=generator, dtype=torch.float64)[torch.arange(256) % 10]
    seen = {
        "unscaled": dead(code, 1.0),
        "clusters": (clusters + 0.5 * code) / 1.25**0.5,
        "scaled": dead(code, 2**0.5),
        "cube": 3**0.5 * (2 * torch.rand(256, 512, generator=generator, dtype=torch.float64) - 1),
    }
    found = {name: PRIOR(z, None, z).item() for name, z in seen.items()}
    assert found["unscaled"] > 10
    assert found["clusters"] > 5
    assert found["scaled"] == pytest.approx(NULL, abs=0.3)
    assert found["cube"] == pytest.approx(NULL, abs=0.15)
