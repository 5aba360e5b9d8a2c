"""The exact values, computed by other methods than in distributions.py."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from infomax.information import distributions as known
from infomax.information import transformations
from infomax.information.distributions import Known

HALF = torch.tensor([[1.0, 0.5], [0.5, 1.0]])
ALL = [
    known.bivariate_normal(0.75),
    known.dense_normal(2, 0.5),
    known.dense_normal(50, 1.0),
    known.sparse_normal(5, 1.0),
    known.mixed_normal(2, 4, 1.5),
    known.uniform_noise(0.1),
    known.gamma_noise(2.0, 1.0),
    known.pareto(0.5),
    known.student(HALF, 1, 2.0),
    known.table(torch.tensor([[0.4, 0.1], [0.1, 0.4]])),
    known.forked_noise(1.5, 0.2),
    known.sine(4.0, 0.2),
    known.transformed(known.bivariate_normal(0.5), transformations.swiss_roll, transformations.normal_cdf),
    known.transformed(known.sparse_normal(3, 1.0), transformations.spiral, transformations.half_cube),
]


@pytest.mark.parametrize("task", ALL, ids=lambda task: task.name)
def test_samples_are_pairs_and_the_seed_decides(task: Known) -> None:
    x, y = task.sample(20, seed=1)
    assert x.ndim == y.ndim == 2
    assert len(x) == len(y) == 20
    assert x.isfinite().all()
    assert y.isfinite().all()
    assert torch.equal(x, task.sample(20, seed=1)[0])
    assert not torch.equal(x, task.sample(20, seed=2)[0])


def integrated(joint: stats.rv_continuous, reach: float) -> float:
    """The information of a symmetric joint density on the plane, by two-dimensional quadrature."""
    grid = np.tan(np.linspace(-math.atan(reach), math.atan(reach), 1601))
    p = joint(np.stack(np.meshgrid(grid, grid, indexing="ij"), -1))
    marginal = integrate.trapezoid(p, grid, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / np.outer(marginal, marginal)), 0.0)
    return float(integrate.trapezoid(integrate.trapezoid(terms, grid, axis=1), grid))


def test_normal_by_quadrature() -> None:
    density = stats.multivariate_normal([0, 0], HALF.numpy()).pdf
    assert abs(known.bivariate_normal(0.5).mutual_information - integrated(density, 9.0)) < 1e-5


@pytest.mark.parametrize("degrees", [3.0, 5.0])
def test_student_by_quadrature(degrees: float) -> None:
    density = stats.multivariate_t([0, 0], HALF.numpy(), degrees).pdf
    assert abs(known.student(HALF, 1, degrees).mutual_information - integrated(density, 2000.0)) < 1e-3


@pytest.mark.parametrize(
    ("correlation", "degrees", "published"), [(0.75, 1.0, 0.637), (0.0, 1.0, 0.224), (0.75, 2.0, 0.49)]
)
def test_student_as_published(correlation: float, degrees: float, published: float) -> None:
    """Beyond Normal, section 3: the surplus of one degree of freedom is 0.22, of two 0.077."""
    dispersion = torch.tensor([[1, correlation], [correlation, 1]])
    assert abs(known.student(dispersion, 1, degrees).mutual_information - published) < 0.05


@pytest.mark.parametrize("width", [0.1, 0.5, 0.75, 2.0])
def test_uniform_noise_by_quadrature(width: float) -> None:
    """I = h(y) - log(2 width), the density of y a trapezium."""
    y = np.linspace(-width, 1 + width, 400_001)
    density = (np.clip(y + width, 0, 1) - np.clip(y - width, 0, 1)) / (2 * width)
    entropy = -integrate.trapezoid(np.where(density > 0, density * np.log(np.maximum(density, 1e-300)), 0), y)
    assert abs(known.uniform_noise(width).mutual_information - (entropy - math.log(2 * width))) < 1e-6


def test_uniform_noise_as_published() -> None:
    """Beyond Normal, table of its tasks: 1.7 at 0.1 and 0.3 at 0.75."""
    assert round(known.uniform_noise(0.1).mutual_information, 1) == 1.7
    assert round(known.uniform_noise(0.75).mutual_information, 1) == 0.3


def test_table_by_hand() -> None:
    joint = torch.tensor([[0.5, 0.0], [0.0, 0.5]])
    assert abs(known.table(joint).mutual_information - math.log(2)) < 1e-12
    assert abs(known.table(torch.full((2, 3), 1 / 6, dtype=torch.float64)).mutual_information) < 1e-12


def test_forked_noise_by_random_log_ratios() -> None:
    """The mean of log p(y|x) / p(y) over 100,000 pairs, within 4.5 sigma (fails 7 times in a million)."""
    task = known.forked_noise(1.5, 0.2)
    x, y = (part.numpy().ravel() for part in task.sample(100_000))
    given_x = (stats.norm.pdf(y, x - 1.5, 0.2) + stats.norm.pdf(y, x + 1.5, 0.2)) / 2
    alone = (stats.norm.pdf(y, -1.5, math.hypot(1, 0.2)) + stats.norm.pdf(y, 1.5, math.hypot(1, 0.2))) / 2
    ratios = np.log(given_x / alone)
    assert abs(ratios.mean() - task.mutual_information) < 4.5 * ratios.std() / math.sqrt(len(ratios))


@pytest.mark.parametrize(("shape", "noise"), [(2.0, 1.0), (0.5, 3.0)])
def test_gamma_noise_by_scipy(shape: float, noise: float) -> None:
    wanted = stats.gamma(shape + noise).entropy() - stats.gamma(noise).entropy()
    assert abs(known.gamma_noise(shape, noise).mutual_information - wanted) < 1e-9


@pytest.mark.parametrize("shape", [0.5, 2.0])
def test_pareto_by_random_log_ratios(shape: float) -> None:
    """By the density shape (shape + 1) (1 + x + y)^-(shape + 2) (fails 7 times in a million)."""
    task = known.pareto(shape)
    x, y = (part.numpy().ravel() for part in task.sample(100_000))
    alone = stats.lomax(shape).logpdf(x) + stats.lomax(shape).logpdf(y)
    ratios = np.log(shape * (shape + 1)) - (shape + 2) * np.log1p(x + y) - alone
    assert abs(ratios.mean() - task.mutual_information) < 4.5 * ratios.std() / math.sqrt(len(ratios))


def test_sine_by_random_log_ratios() -> None:
    """The same, with the density of y from its own 2000 centers (fails 7 times in a million)."""
    task = known.sine(2.0, 0.3)
    x, y = (part.numpy().ravel() for part in task.sample(5_000))
    centers = np.sin(np.random.default_rng(0).permutation(np.linspace(0, 2 * math.pi, 1000, endpoint=False)))
    alone = stats.norm.pdf(y[:, None], centers, 0.3).mean(1)
    ratios = stats.norm.logpdf(y, np.sin(2 * x), 0.3) - np.log(alone)
    assert abs(ratios.mean() - task.mutual_information) < 4.5 * ratios.std() / math.sqrt(len(ratios))


def test_normals_have_the_requested_information() -> None:
    assert abs(known.sparse_normal(7, 1.5, pairs=3).mutual_information - 1.5) < 1e-12
    assert abs(known.dense_normal(50, 1.0).mutual_information - 1.0) < 1e-9
    assert abs(known.mixed_normal(3, 7, 2.5, seed=1).mutual_information - 2.5) < 1e-9
    with pytest.raises(ValueError, match="more than 1 equally correlated variables"):
        known.dense_normal(1, 50.0)


def test_sampled_normals_have_their_covariance() -> None:
    """100,000 samples: each correlation within 0.02 of its own, 6 sigma."""
    covariance = known.sparse_covariance(3, 1.0)
    x, y = known.normal(covariance, 3).sample(100_000)
    assert (torch.corrcoef(torch.cat([x, y], 1).T) - covariance).abs().max() < 0.02


@pytest.mark.parametrize("f", [transformations.half_cube, transformations.asinh, transformations.normal_cdf])
def test_monotone_transformations_keep_order(f: transformations.Transformation) -> None:
    z = torch.linspace(-4, 4, 101, dtype=torch.float64).unsqueeze(1)
    assert (f(z).diff(dim=0) > 0).all()


def test_rolls_and_spirals_are_invertible() -> None:
    z = torch.linspace(-3, 3, 101, dtype=torch.float64).unsqueeze(1)
    radius = 21 * transformations.swiss_roll(z).norm(dim=1, keepdim=True)  # t itself
    torch.testing.assert_close((radius / (1.5 * math.pi) - 1) / 2, transformations.normal_cdf(z))
    points = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    turned = transformations.spiral(points)
    torch.testing.assert_close(turned.norm(dim=1), points.norm(dim=1))
    assert torch.equal(turned[:, 2], points[:, 2])
    found = turned[:, 0] * points[:, 0] + turned[:, 1] * points[:, 1]
    wanted = points[:, :2].square().sum(1) * points.square().sum(1).cos()
    torch.testing.assert_close(found, wanted)
