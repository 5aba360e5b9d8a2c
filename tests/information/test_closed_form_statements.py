"""Statements of docs/mathematics.md on the closed form beyond tables: normal variables and patches of images."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from torch import Tensor

from infomax.information.closed_form import PairMoments, canonical_directions


def hermite(z: Tensor, degree: int) -> Tensor:
    """The probabilists' Hermite polynomials of degrees 1 to `degree`, each of variance 1 under N(0, 1)."""
    columns = [torch.ones_like(z), z]
    for k in range(1, degree):
        columns.append(z * columns[k] - k * columns[k - 1])
    return torch.stack([column / math.sqrt(math.factorial(k)) for k, column in enumerate(columns)], -1)[..., 1:]


def normal_moments(rho: float, degree: int) -> tuple[PairMoments, Tensor]:
    """The moments of all pairs of a bivariate normal, by quadrature, with z, z^2 - 1 and so on mixed at random."""
    nodes, weights = (torch.from_numpy(part) for part in np.polynomial.hermite_e.hermegauss(40))
    weights = weights / weights.sum()
    x, noise = (part.flatten() for part in torch.meshgrid(nodes, nodes, indexing="ij"))
    y, weight = rho * x + math.sqrt(1 - rho**2) * noise, torch.outer(weights, weights).flatten()
    mix = torch.randn(degree, degree, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    of_x, of_y = (hermite(z, degree) @ mix + 1 for z in (x, y))
    moments = PairMoments(degree)
    moments.first, moments.groups = weight @ of_x, 1
    moments.single, moments.pair = of_x.T @ (weight[:, None] * of_x), of_x.T @ (weight[:, None] * of_y)
    return moments, mix


@pytest.mark.parametrize("rho", [0.3, 0.8])
def test_a_normal_has_the_powers_of_its_correlation_and_hermite_polynomials(rho: float) -> None:
    """s_k = rho^k; polynomials up to a degree miss the geometric tail of chi2 = rho^2 / (1 - rho^2)."""
    degree = 5
    moments, mix = normal_moments(rho, degree)
    found = canonical_directions(moments, degree)
    powers = rho ** torch.arange(1, degree + 1, dtype=torch.float64)
    torch.testing.assert_close(found.correlations, powers, atol=1e-7, rtol=0)
    torch.testing.assert_close((mix @ found.directions).abs(), torch.eye(degree).double(), atol=1e-6, rtol=0)
    chi2 = rho**2 / (1 - rho**2)
    assert found.bound_on(moments) == pytest.approx(chi2 * (1 - rho ** (2 * degree)), abs=1e-7)


def images(count: int = 40, patches: int = 6, dim: int = 4) -> Tensor:
    """Codes of patches, (count, patches, dim): not centered, of unequal variance, similar within an image."""
    generator = torch.Generator().manual_seed(1)
    shared, own = (torch.randn(count, k, dim, generator=generator, dtype=torch.float64) for k in (1, patches))
    return (shared * torch.tensor([2.0, 1.0, 0.5, 0.1]) + own).tanh() + 0.3


def with_replacement(codes: Tensor) -> PairMoments:
    """The moments of two patches of one image, drawn with replacement: second moments of the images' means."""
    count, patches, dim = codes.shape
    moments, means, flat = PairMoments(dim), codes.mean(1), codes.flatten(0, 1)
    moments.first, moments.groups = means.sum(0), count
    moments.single, moments.pair = flat.T @ flat / patches, means.T @ means
    return moments


def test_patches_are_an_eigenproblem_of_variance_between_images() -> None:
    """C w = lambda V w; lambda is the share of variance between images, and two patches differ by 2 (1 - lambda)."""
    codes = images()
    dim = codes.shape[-1]
    found = canonical_directions(with_replacement(codes), dim)
    centered = codes - codes.mean((0, 1))
    v = np.cov(centered.flatten(0, 1).T.numpy(), bias=True)
    c = np.cov(centered.mean(1).T.numpy(), bias=True)
    np.testing.assert_allclose(found.correlations, eigh(c, v, eigvals_only=True)[::-1], atol=1e-9)
    w = centered @ found.directions
    torch.testing.assert_close(w.flatten(0, 1).var(0, correction=0), torch.ones(dim).double(), atol=1e-9, rtol=0)
    torch.testing.assert_close(w.mean(1).var(0, correction=0), found.correlations, atol=1e-9, rtol=0)
    assert ((found.correlations > 0) & (found.correlations < 1)).all()
    differences = (w[:, :, None] - w[:, None]).square().mean((0, 1, 2))
    torch.testing.assert_close(differences, 2 * (1 - found.correlations), atol=1e-9, rtol=0)


def test_the_critic_of_patches_has_the_sum_of_squared_correlations_as_bound() -> None:
    """E_P T - E_Q (T + T^2 / 4) over every pair of patches is sum lambda^2; no other matrix M of that rank has more."""
    codes = images()
    count, patches, dim = codes.shape
    centered = (codes - codes.mean((0, 1))).flatten(0, 1)
    same = torch.kron(torch.eye(count), torch.ones(patches, patches)).double()
    joint, product = same / same.sum(), torch.full_like(same, 1 / same.numel())

    def value(matrix: Tensor) -> float:
        table = centered @ matrix @ centered.T
        return float((joint * table).sum() - (product * (table + table.square() / 4)).sum())

    generator = torch.Generator().manual_seed(2)
    for rank in range(1, dim + 1):
        found = canonical_directions(with_replacement(codes), rank)
        f, g = found.directions, 2 * found.correlations * found.directions
        best = float(found.correlations.square().sum())
        assert value(f @ g.T) == pytest.approx(best, abs=1e-9)
        for _ in range(20):
            left, right = 0.1 * torch.randn(2, dim, rank, generator=generator, dtype=torch.float64)
            assert value((f + left) @ (g + right).T) < best


def test_a_code_that_is_not_centered_has_a_constant_with_correlation_one() -> None:
    """The trivial solution: with a constant among the codes and without subtracting the mean, lambda = 1."""
    codes = images()
    with_one = torch.cat([codes, torch.ones_like(codes[..., :1])], -1)
    flat, means = with_one.flatten(0, 1), with_one.mean(1)
    values, weights = eigh((means.T @ means / len(means)).numpy(), (flat.T @ flat / len(flat)).numpy())
    assert values[-1] == pytest.approx(1)
    np.testing.assert_allclose(np.abs(weights[:, -1]), [0, 0, 0, 0, 1], atol=1e-9)
    np.testing.assert_allclose(
        values[:-1][::-1], canonical_directions(with_replacement(codes), 4).correlations, atol=1e-9
    )
