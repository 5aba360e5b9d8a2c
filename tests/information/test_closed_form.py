"""The closed form on tables small enough to be known exactly."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from infomax.information import PEARSON_CHI2, f_divergence
from infomax.information.closed_form import CanonicalDirections, PairMoments, canonical_directions, unwhitened

RANKS = (1, 2, 3, 5)


def random_table(outcomes: int = 6, groups: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A joint table of two samples of one group, p(x, y) = sum_g p(g) p(x|g) p(y|g), and its margin, float64."""
    generator = torch.Generator().manual_seed(seed)
    given = torch.rand(groups, outcomes, generator=generator, dtype=torch.float64) ** 3
    given /= given.sum(1, keepdim=True)
    share = torch.rand(groups, generator=generator, dtype=torch.float64)
    share /= share.sum()
    joint = torch.einsum("g,gx,gy->xy", share, given, given)
    return joint, joint.sum(1)


def moments_of(joint: Tensor, features: Tensor) -> PairMoments:
    """The moments of infinitely many pairs; `features` has one row for each outcome."""
    moments = PairMoments(features.shape[1])
    margin = joint.sum(1)
    moments.first, moments.groups = margin @ features, 1
    moments.single, moments.pair = features.T @ (margin[:, None] * features), features.T @ joint @ features
    return moments


def scores(found: CanonicalDirections, features: Tensor) -> Tensor:
    """T of every pair of outcomes."""
    w = (features - found.mean) @ found.directions
    return 2 * (w * found.correlations) @ w.T


def chi2_of_rank(joint: Tensor, rank: int) -> float:
    """By the definition: the sum of the largest squared singular values of (p(x, y) - p(x) p(y)) / sqrt(p(x) p(y))."""
    margin = joint.sum(1)
    product = margin[:, None] * margin
    return float(torch.linalg.svdvals((joint - product) / product.sqrt())[:rank].square().sum())


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("seed", range(3))
def test_on_a_table_the_bound_is_the_divergence_restricted_to_the_rank(rank: int, seed: int) -> None:
    joint, margin = random_table(seed=seed)
    outcomes = torch.eye(len(joint), dtype=torch.float64)[:, 1:]  # the last indicator follows from the others
    moments = moments_of(joint, outcomes)
    found = canonical_directions(moments, rank)
    exact = chi2_of_rank(joint, rank)
    assert float(found.correlations.square().sum()) == pytest.approx(exact, abs=1e-9)
    assert found.bound_on(moments) == pytest.approx(exact, abs=1e-9)
    table = scores(found, outcomes)
    value = (joint * table).sum() - (margin[:, None] * margin * (table + table.square() / 4)).sum()
    assert float(value) == pytest.approx(exact, abs=1e-9)


def test_at_full_rank_it_is_the_density_ratio_and_the_whole_divergence() -> None:
    joint, margin = random_table()
    outcomes = torch.eye(len(joint), dtype=torch.float64)[:, 1:]
    product = margin[:, None] * margin
    found = canonical_directions(moments_of(joint, outcomes), 5)
    torch.testing.assert_close(scores(found, outcomes), 2 * (joint / product - 1), atol=1e-8, rtol=0)
    assert float(found.correlations.square().sum()) == pytest.approx(
        float(((joint / product - 1) ** 2 * product).sum())
    )


@pytest.mark.parametrize("rank", RANKS)
def test_no_other_critic_of_that_rank_does_better(rank: int) -> None:
    joint, margin = random_table()
    best = chi2_of_rank(joint, rank)
    generator = torch.Generator().manual_seed(1)
    for _ in range(200):
        f, g = (torch.randn(6, rank, generator=generator, dtype=torch.float64) for _ in range(2))
        table = f @ g.T
        on_joint, on_product = (joint * table).sum(), margin[:, None] * margin
        scale = (
            (on_joint - (on_product * table).sum()) / (on_product * table.square()).sum() * 2
        )  # the best of its size
        value = scale * on_joint - (on_product * (scale * table + (scale * table).square() / 4)).sum()
        assert value <= best + 1e-12


def test_the_bound_on_samples_equals_the_bound_of_the_library() -> None:
    """bound_on needs only moments, f_divergence sees every pair: they agree on pairs with replacement."""
    generator = np.random.default_rng(0)
    groups = generator.normal(size=(60, 1, 4)) + generator.normal(size=(60, 3, 4))
    samples = torch.from_numpy(np.tanh(groups)).float()
    moments, others = PairMoments(4), PairMoments(4)
    moments.add(samples[:30])
    others.add(samples[30:])
    found = canonical_directions(moments, 2)
    flat = (samples[30:].reshape(-1, 4) - found.mean) @ found.directions
    table = 2 * (flat * found.correlations) @ flat.T
    same = torch.kron(torch.eye(30), torch.ones(3, 3) - torch.eye(3)).bool()
    positives = table[same]
    negatives = table.flatten().expand(len(positives), -1)  # all pairs: the product of marginals
    expected = f_divergence(positives, negatives, PEARSON_CHI2)
    assert found.bound_on(others) == pytest.approx(float(expected), rel=1e-4)


def test_moments_in_parts_equal_moments_at_once_and_a_loop_over_pairs() -> None:
    samples = torch.randn(20, 4, 3, generator=torch.Generator().manual_seed(0))
    whole, pieces = PairMoments(3), PairMoments(3)
    whole.add(samples)
    for part in torch.split(samples, 7):
        again = PairMoments(3)
        again.load(pieces.state())
        pieces = again
        pieces.add(part)
    pairs = [(a[i], a[j]) for a in samples for i in range(4) for j in range(4) if i != j]
    x, y = (torch.stack(side) for side in zip(*pairs, strict=True))
    mean = samples.reshape(-1, 3).mean(0)
    slow = (mean, torch.cov(samples.reshape(-1, 3).T, correction=0), x.T @ y / len(x) - mean[:, None] * mean)
    for one, two, three in zip(whole.centered(), pieces.centered(), slow, strict=True):
        torch.testing.assert_close(one, two)
        torch.testing.assert_close(one, three, atol=1e-6, rtol=1e-5)


def test_moments_of_chosen_pairs_equal_those_of_each_pair_as_a_group() -> None:
    samples = torch.randn(20, 4, 3, generator=torch.Generator().manual_seed(0)) + torch.arange(4.0)[:, None]
    chosen = [(0, 1), (1, 2), (1, 3)]  # the second draw counts three times
    table = torch.zeros(4, 4)
    for i, j in chosen:
        table[i, j] = table[j, i] = 1
    some, alone = PairMoments(3, pairs=table), PairMoments(3)
    for part in torch.split(samples, 7):
        some.add(part)
    alone.add(torch.cat([samples[:, pair] for pair in chosen]))
    for one, two in zip(some.centered(), alone.centered(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(some.variance, alone.variance)


def test_the_information_of_gaussian_samples_is_the_known_one() -> None:
    generator = torch.Generator().manual_seed(0)
    shared, noise = (torch.randn(40_000, k, 3, generator=generator) for k in (1, 2))
    moments, others = PairMoments(3), PairMoments(3)
    samples = shared * torch.tensor([3.0, 1.0, 0.5]) + noise
    moments.add(samples[:20_000])
    others.add(samples[20_000:])
    r = torch.tensor([0.9, 0.5, 0.2])
    exact = float(-torch.log(1 - r**2).sum() / 2)
    found = canonical_directions(moments, 3)
    assert found.gaussian_information_on(others) == pytest.approx(exact, rel=0.04)
    assert found.truncated(1).gaussian_information_on(others) == pytest.approx(-math.log(1 - 0.81) / 2, rel=0.04)


def test_a_sample_that_is_repeated_exactly_has_finite_information() -> None:
    moments = PairMoments(2)
    moments.add(torch.randn(500, 1, 2, generator=torch.Generator().manual_seed(0)).expand(-1, 2, -1))
    assert 10 < canonical_directions(moments, 2).gaussian_information_on(moments) < 25


def test_independent_samples_have_no_held_out_bound() -> None:
    samples = torch.randn(4000, 2, 5, generator=torch.Generator().manual_seed(0))
    moments, others = PairMoments(5), PairMoments(5)
    moments.add(samples[:2000])
    others.add(samples[2000:])
    assert abs(canonical_directions(moments, 5).bound_on(others)) < 0.01


def test_equal_samples_have_no_directions() -> None:
    moments = PairMoments(3)
    moments.add(torch.full((10, 2, 3), 0.7))
    found = canonical_directions(moments, 2)
    assert found.correlations.shape == (0,)
    assert found.directions.shape == (3, 0)
    assert found.bound_on(moments) == 0
    with pytest.raises(ValueError, match="2 or more"):
        moments.add(torch.zeros(10, 1, 3))


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_directions_are_unwhitened_in_part(whitening: float) -> None:
    """Directions of whitening p are orthonormal in the metric V^p."""
    samples = torch.randn(500, 2, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 3.0, 1.0, 0.5])
    samples[:, 1] += samples[:, 0]
    moments = PairMoments(4)
    moments.add(samples)
    _, covariance, _ = moments.centered()
    directions = unwhitened(canonical_directions(moments, 4).directions, covariance, whitening)
    variances, axes = torch.linalg.eigh(covariance.double())
    metric = (axes * variances**whitening @ axes.T).float()
    torch.testing.assert_close(directions.T @ metric @ directions, torch.eye(4), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("rank", RANKS)
def test_truncated_directions_are_those_of_the_lower_rank(rank: int) -> None:
    joint, _ = random_table()
    moments = moments_of(joint, torch.eye(len(joint), dtype=torch.float64)[:, 1:])
    truncated, wanted = canonical_directions(moments, 5).truncated(rank), canonical_directions(moments, rank)
    torch.testing.assert_close(truncated.correlations, wanted.correlations)
    torch.testing.assert_close(truncated.directions.abs(), wanted.directions.abs())
    assert truncated.bound_on(moments) == pytest.approx(chi2_of_rank(joint, rank), abs=1e-9)
