"""Vocabularies and counts, against Python's own counters."""

from collections import Counter

import numpy as np
import pytest

from infomax.kinds.text import vocabulary as module
from infomax.kinds.text.common_words import common_words
from infomax.kinds.text.vocabulary import choose_vocabulary, count_words

LAST = np.iinfo(np.int32).max


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TEXTS_AT_ONCE", 7)


def random_words(n: int = 40, width: int = 12, seed: int = 0) -> np.ndarray:
    """Hashes of both signs, with zeros at the ends of the rows."""
    random = np.random.default_rng(seed)
    words = random.integers(-30, 30, (n, width)).astype(np.int32)
    words[words == 0] = 31
    words[np.arange(width) >= random.integers(1, width + 1, n)[:, None]] = 0
    return words


@pytest.mark.parametrize("least", [1, 2, 5])
@pytest.mark.parametrize("size", [3, 20, 100])
def test_the_words_that_most_texts_have(size: int, least: int) -> None:
    words = random_words()
    texts = Counter(word for row in words for word in {*row.tolist()} - {0})
    ranked = sorted((word for word in texts if texts[word] >= least), key=lambda word: (-texts[word], word))[:size]
    found = choose_vocabulary(words, size, least)
    assert found.tolist() == sorted(ranked) + [LAST] * (size - len(ranked))


def test_counts() -> None:
    words = random_words()
    known = choose_vocabulary(words, 20)
    found = count_words(words, known)
    expected = [[row.tolist().count(word) for word in known.tolist()] for row in words]
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.dtype == np.float32
    assert found.has_canonical_format


def test_no_texts() -> None:
    assert count_words(np.zeros((0, 5), np.int32), np.arange(1, 4, dtype=np.int32)).shape == (0, 3)


def test_common_words_by_their_formula() -> None:
    train = np.array([[1, 1, 2], [1, 3, 0], [1, 0, 0]], np.int32)
    test = np.array([[2, 9], [9, 9]], np.int32)
    first, second = common_words(train, test, 2)  # the words 1 and 2
    idf = 1 + np.log(4 / np.array([4, 2]))
    expected = np.array([[(1 + np.log(2)) * idf[0], idf[1]], [idf[0], 0], [idf[0], 0]])
    np.testing.assert_allclose(first, expected / np.linalg.norm(expected, axis=1, keepdims=True), rtol=1e-6)
    np.testing.assert_allclose(second, [[0, 1], [0, 0]], atol=1e-7)
