"""Effective rank, where it is known."""

import numpy as np
import pytest
import torch

from infomax.neighbors.spectrum import effective_rank


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_equal_singular_values_count_the_directions(rank: int) -> None:
    """Vectors +-e_i: their mean is 0, and all their singular values are equal."""
    axes = torch.eye(8, dtype=torch.float64)[:rank]
    vectors = torch.cat([axes, -axes])
    assert effective_rank(vectors) == pytest.approx(rank, abs=1e-9)
    assert effective_rank(3 * vectors + 7) == pytest.approx(rank, abs=1e-9)


def test_it_is_the_exponential_of_the_entropy_of_the_singular_values() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 6)) * [4, 3, 2, 1, 0.5, 0.1] + 2
    shares = np.linalg.svd(vectors - vectors.mean(0), compute_uv=False)
    shares = shares / shares.sum()
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert effective_rank(torch.from_numpy(vectors)) == pytest.approx(expected, abs=1e-9)
    assert 1 < expected < 6


def test_equal_vectors_have_rank_zero() -> None:
    assert effective_rank(torch.ones(9, 4)) == 0
