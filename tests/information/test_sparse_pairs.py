"""Pairs of words as a sparse operator, against PairMoments on words as vectors with a single 1."""

import numpy as np
import pytest
import torch
from scipy.linalg import eigh
from scipy.sparse import csr_array

from infomax.information.closed_form import PairMoments, canonical_directions
from infomax.information.sparse_pairs import SparsePairs, word_directions

WORDS, LENGTH = 12, 5


def texts(n: int = 300, seed: int = 0) -> np.ndarray:
    """Words of some texts, (n, LENGTH), repeats within a text among them: each text is of one of three topics."""
    random = np.random.default_rng(seed)
    topics = random.dirichlet(np.full(WORDS, 0.4), 3)
    return np.stack([random.choice(WORDS, LENGTH, p=topics[each]) for each in random.integers(0, 3, n)])


def counts_of(words: np.ndarray) -> csr_array:
    return csr_array(np.stack([np.bincount(each, minlength=WORDS) for each in words]).astype(np.float32))


def dense(words: np.ndarray) -> PairMoments:
    """The same moments by the general definition."""
    moments = PairMoments(WORDS)
    moments.add(torch.nn.functional.one_hot(torch.from_numpy(words), WORDS).float())
    return moments


def test_the_moments_are_those_of_words_as_samples() -> None:
    pairs, expected = SparsePairs(counts_of(texts())), dense(texts())
    found = pairs.projected(np.eye(WORDS, dtype=np.float32))
    assert found.groups == expected.groups == 300
    for one, other in zip(found.centered(), expected.centered(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_the_directions_are_those_of_the_closed_form() -> None:
    pairs, moments = SparsePairs(counts_of(texts())), dense(texts())
    found, expected = word_directions(pairs, 3), canonical_directions(moments, 3)
    np.testing.assert_allclose(found.correlations, expected.correlations, atol=1e-4)
    value = found.reduced().bound_on(pairs.projected(found.directions.numpy()))
    assert value == pytest.approx(float(expected.correlations.square().sum()), abs=1e-3)
    scores = [(each.directions * each.correlations) @ each.directions.T for each in (found, expected)]
    center = [score - score @ found.mean[:, None] for score in scores]  # functions of a word count up to a constant
    torch.testing.assert_close(*(each - found.mean @ each for each in center), atol=2e-2, rtol=1e-2)


def test_texts_of_other_lengths_count_the_same_and_single_words_not_at_all() -> None:
    counts = csr_array(np.array([[2, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]], np.float32))
    pairs = SparsePairs(counts)
    assert pairs.groups == 2
    np.testing.assert_allclose(pairs.first, [1 / 3, 1 / 6 + 1 / 4, 1 / 4], atol=1e-6)
    joint = np.array([[1 / 6, 1 / 6, 0], [1 / 6, 0, 1 / 4], [0, 1 / 4, 0]])
    np.testing.assert_allclose(pairs.pair(np.eye(3, dtype=np.float32)), joint, atol=1e-6)


@pytest.mark.parametrize("ridge", [0.0, 0.5, 3.0])
def test_a_ridge_is_a_probability_that_each_word_gets(ridge: float) -> None:
    pairs = SparsePairs(counts_of(texts()))
    p = pairs.first.astype(np.float64)
    joint = pairs.pair(np.eye(WORDS, dtype=np.float32)).astype(np.float64)
    expected = eigh(joint - p[:, None] * p, np.diag(p + ridge / WORDS), eigvals_only=True)[::-1][:3]
    np.testing.assert_allclose(word_directions(pairs, 3, ridge=ridge).correlations, expected, atol=1e-4)


def test_a_word_that_is_nowhere_has_no_vector() -> None:
    counts = csr_array(np.hstack([counts_of(texts()).toarray(), np.zeros((300, 2), np.float32)]))
    found = word_directions(SparsePairs(counts), 3)
    assert not found.directions[-2:].any()
    assert found.directions.isfinite().all()


def test_without_pairs_there_are_no_directions() -> None:
    assert len(word_directions(SparsePairs(csr_array(np.eye(4, dtype=np.float32))), 2).correlations) == 0


def test_the_work_can_be_stopped() -> None:
    calls: list[int] = []

    def after() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        word_directions(SparsePairs(counts_of(texts())), 3, after_each=after)
    assert len(calls) == 2
