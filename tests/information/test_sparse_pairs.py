"""Pairs of words as a sparse operator, against dense moments and against tables of which the divergence is known."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.sparse import csr_array

from infomax.information.closed_form import canonical_directions
from infomax.information.sparse_pairs import ITERATIONS, SparsePairs, Subspace, word_directions
from tests.information.test_closed_form import chi2_of_rank, moments_of

WORDS = 12


def frequencies(n: int = 40, seed: int = 0) -> np.ndarray:
    """How often each word is drawn in some texts: rows of sum 1, some of them 0 in places."""
    random = np.random.default_rng(seed)
    drawn = random.dirichlet(np.full(WORDS, 0.3), n)
    drawn[drawn < 0.02] = 0
    rows: np.ndarray = drawn / drawn.sum(1, keepdims=True)
    return rows.astype(np.float32)


def weighted(n: int = 40, seed: int = 0) -> np.ndarray:
    """The same as vectors of any weights, one of them of no word at all."""
    rows: np.ndarray = frequencies(n, seed) * np.random.default_rng(seed).uniform(0.5, 3, (n, WORDS)).astype(np.float32)
    rows[3] = 0
    return rows


def joint_of(rows: np.ndarray) -> torch.Tensor:
    """The joint table of two words of a text, by its definition."""
    return torch.from_numpy(np.mean([np.outer(row, row) for row in rows.astype(np.float64)], 0))


@pytest.mark.parametrize("rank", [1, 3, 6])
def test_for_frequencies_the_bound_is_the_divergence_restricted_to_the_rank(rank: int) -> None:
    rows = frequencies()
    pairs = SparsePairs(csr_array(rows))
    found = word_directions(pairs, rank)
    exact = chi2_of_rank(joint_of(rows), rank)
    assert float(found.correlations.square().sum()) == pytest.approx(exact, rel=1e-4)
    assert found.reduced().bound_on(pairs.projected(found.directions.numpy())) == pytest.approx(exact, rel=1e-4)


def test_the_directions_are_those_of_the_dense_closed_form() -> None:
    rows = frequencies()
    dense = canonical_directions(moments_of(joint_of(rows).float(), torch.eye(WORDS)), 4)
    found = word_directions(SparsePairs(csr_array(rows)), 4)
    torch.testing.assert_close(found.correlations, dense.correlations, atol=1e-4, rtol=1e-3)
    scores = [(each.directions * each.correlations) @ each.directions.T for each in (found, dense)]
    p = torch.from_numpy(rows.mean(0))
    centered = [score - (score @ p)[:, None] - p @ score + p @ score @ p for score in scores]
    torch.testing.assert_close(*centered, atol=5e-3, rtol=5e-3)


def test_the_moments_of_weighted_texts_by_their_definition() -> None:
    rows = weighted()
    pairs, functions = SparsePairs(csr_array(rows)), np.random.default_rng(1).standard_normal((WORDS, 3), np.float32)
    mean, single, pair = pairs.projected(functions).centered()
    center = rows.mean(0)
    second = np.mean([np.diag(row.sum() * row) for row in rows], 0)  # of the vector that is |x| at the word drawn
    joint = joint_of(rows).numpy()
    np.testing.assert_allclose(mean, center @ functions, atol=1e-5)
    outer = np.outer(center, center)
    np.testing.assert_allclose(single, functions.T @ (second - outer) @ functions, atol=1e-4)
    np.testing.assert_allclose(pair, functions.T @ (joint - outer) @ functions, atol=1e-4)
    np.testing.assert_allclose(pairs.covariance(functions), (joint - outer) @ functions, atol=1e-5)
    assert pairs.groups == 40


@pytest.mark.parametrize("ridge", [0.0, 0.5, 1000.0])
def test_a_ridge_is_added_to_the_second_moments(ridge: float) -> None:
    pairs = SparsePairs(csr_array(weighted()))
    covariance = pairs.covariance(np.eye(WORDS, dtype=np.float32)).astype(np.float64)
    second = np.diag(pairs.single + ridge * pairs.single.mean()).astype(np.float64)
    values, vectors = eigh(covariance, second, subset_by_index=[WORDS - 3, WORDS - 1])
    found = word_directions(pairs, 3, ridge=ridge)
    np.testing.assert_allclose(found.correlations, values[::-1], rtol=2e-3)
    overlaps = np.abs(np.diag(found.directions.numpy().T @ second @ vectors[:, ::-1]))
    np.testing.assert_allclose(overlaps, 1, atol=2e-2)


def test_a_large_ridge_is_latent_semantic_analysis_of_centered_texts() -> None:
    rows = weighted()
    axes = np.linalg.svd(rows - rows.mean(0))[2][:3]
    found = word_directions(SparsePairs(csr_array(rows)), 3, ridge=1e6).directions.numpy()
    cosines = np.abs(np.sum(axes.T * found, 0)) / np.linalg.norm(found, axis=0)
    np.testing.assert_allclose(cosines, 1, atol=1e-2)


def test_a_word_that_is_nowhere_has_no_vector() -> None:
    rows = np.hstack([frequencies(), np.zeros((40, 2), np.float32)])
    found = word_directions(SparsePairs(csr_array(rows)), 3)
    assert not found.directions[-2:].any()
    assert found.directions.isfinite().all()


@pytest.mark.parametrize("rows", [np.zeros((4, 3)), np.full((5, 3), 1 / 3), np.zeros((0, 3))])
def test_texts_that_are_all_alike_have_no_directions(rows: np.ndarray) -> None:
    assert len(word_directions(SparsePairs(csr_array(rows.astype(np.float32))), 2).correlations) == 0


def test_the_work_goes_on_where_it_was_stopped() -> None:
    pairs, seen = SparsePairs(csr_array(frequencies())), list[Subspace]()
    whole = word_directions(pairs, 3, after_each=seen.append)
    assert [each.done for each in seen] == list(range(1, ITERATIONS + 1))
    again = word_directions(pairs, 3, begun=seen[1])
    assert torch.equal(whole.directions, again.directions)
