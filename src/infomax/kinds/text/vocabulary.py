"""Counts of the words of some texts: the vocabulary, and sparse counts over it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int32, Int64

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_TEXTS_AT_ONCE = 4096
_LAST = np.iinfo(np.int32).max  # after the last word of a vocabulary


def choose_vocabulary(words: Int32[np.ndarray, "n width"], size: int, least: int = 2) -> Int32[np.ndarray, " size"]:
    """Choose the words that most texts have.

    Args:
        words: Hashes of the words of each text, and zeros.
        size: Most words to choose.
        least: Texts that a word must be in, at least.

    Returns:
        Hashes of the words in increasing order, then the largest number of 32 bits where there are fewer.

    """
    known, counts = np.empty(0, np.int32), np.empty(0, np.int64)
    for part in _parts(words):
        ordered = np.sort(part, 1)
        first = np.ones(ordered.shape, np.bool_)
        first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
        found, again = np.unique(ordered[first & (ordered != 0)], return_counts=True)
        merged = np.concatenate([known, found])
        known, places = np.unique(merged, return_inverse=True)
        counts = np.bincount(places, np.concatenate([counts, again]), len(known)).astype(np.int64)
    kept = np.flatnonzero(counts >= least)
    best = kept[np.lexsort((known[kept], -counts[kept]))[:size]]
    vocabulary = np.full(size, _LAST, np.int32)
    vocabulary[: len(best)] = np.sort(known[best])
    return vocabulary


def count_words(words: Int32[np.ndarray, "n width"], vocabulary: Int32[np.ndarray, " size"]) -> "csr_array":
    """Count the words of a vocabulary in each text.

    Args:
        words: Hashes of the words of each text, and zeros.
        vocabulary: Hashes of words in increasing order.

    Returns:
        The counts, (n, size), float32, columns in increasing order within a row.

    """
    from scipy.sparse import csr_array, vstack

    parts = [_count(part, vocabulary) for part in _parts(words)]
    empty = csr_array((len(words), len(vocabulary)), dtype=np.float32)
    return vstack(parts, format="csr") if parts else empty


def _count(words: Int32[np.ndarray, "n width"], vocabulary: Int32[np.ndarray, " size"]) -> "csr_array":
    from scipy.sparse import csr_array

    columns: Int64[np.ndarray, "n width"] = np.minimum(np.searchsorted(vocabulary, words), len(vocabulary) - 1)
    known = (vocabulary[columns] == words) & (words != 0)
    keys = np.nonzero(known)[0] * len(vocabulary) + columns[known]
    different, counts = np.unique(keys, return_counts=True)
    rows, places = np.divmod(different, len(vocabulary))
    starts = np.searchsorted(rows, np.arange(len(words) + 1))
    shape = len(words), len(vocabulary)
    return csr_array((counts.astype(np.float32), places.astype(np.int32), starts.astype(np.int32)), shape)


def _parts(words: Int32[np.ndarray, "n width"]) -> Iterator[Int32[np.ndarray, "part width"]]:
    return (words[start : start + _TEXTS_AT_ONCE] for start in range(0, len(words), _TEXTS_AT_ONCE))
