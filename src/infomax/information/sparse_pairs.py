"""Pair moments of words, without a matrix of all pairs of words.

A sample is one word of a text, written as a vector with a single 1. A group is a text, and a pair is two of its words.
With the words i and j the moments of `infomax.information.closed_form` are then

    V = diag(p),    C = P - p p^T,    P_ij = mean over texts of (c_i c_j - [i = j] c_i) / (N (N - 1))

c are the counts of a text, N their sum and p the marginal of P. The singular values of dP/dQ - 1 are those of
V^(-1/2) C V^(-1/2): the statement of word2vec as a factorization (Levy & Goldberg 2014), for the chi2 divergence. P is
never formed. It is applied to a few functions at a time, at the cost of the counts that are not zero, and the leading
directions are found by subspace iteration.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from jaxtyping import Float

from infomax.information.closed_form import CanonicalDirections, PairMoments

if TYPE_CHECKING:
    from scipy.sparse import csr_array

OVERSAMPLING = 32
"""Directions that are iterated beside those asked for, so that the last of these converge, too."""


@final
class SparsePairs:
    """The moments of pairs of words, as an operator. Each text counts the same, and each pair of its words.

    Memory: the counts that are not zero, twice.

    Args:
        counts: Counts of words, (texts, words). A text of fewer than two words has no pair, and is left out.

    Attributes:
        groups: Texts that have a pair.
        first: Probability of each word, shape (words,), float32.

    """

    def __init__(self, counts: "csr_array") -> None:
        from scipy.sparse import diags_array

        sizes = np.asarray(counts.sum(1), np.float64).ravel()
        chosen = np.flatnonzero(sizes >= 2)
        sizes, self.groups = sizes[chosen], len(chosen)
        self._counts = counts[chosen].astype(np.float32)
        share = 1 / (np.maximum(sizes * (sizes - 1), 1) * max(self.groups, 1))
        self._shares = (diags_array(share.astype(np.float32)) @ self._counts).T.tocsr()
        self._same = np.asarray(self._shares.sum(1), np.float32).ravel()
        self.first: Float[np.ndarray, " words"] = (self._shares @ (sizes - 1).astype(np.float32)).astype(np.float32)

    def pair(self, functions: Float[np.ndarray, "words k"]) -> Float[np.ndarray, "words k"]:
        """Apply P, the second moment between the two words of a pair.

        Args:
            functions: Functions of a word, one a column.

        Returns:
            P times the functions.

        """
        product: Float[np.ndarray, "words k"] = self._shares @ (self._counts @ functions)
        return product - self._same[:, None] * functions

    def projected(self, functions: Float[np.ndarray, "words k"]) -> PairMoments:
        """Compute the moments of some functions of a word, as `PairMoments` sums them up.

        Args:
            functions: The functions, one a column.

        Returns:
            The moments.

        """
        moments = PairMoments(functions.shape[1])
        weighted = self.first[:, None] * functions
        sums = weighted.sum(0), functions.T @ weighted, functions.T @ self.pair(functions)
        for total, each in zip((moments.first, moments.single, moments.pair), sums, strict=True):
            total.copy_(torch.from_numpy(np.asarray(each * self.groups, np.float32)))
        moments.groups = self.groups
        return moments


def word_directions(
    pairs: SparsePairs,
    rank: int,
    *,
    ridge: float = 0.0,
    iterations: int = 4,
    seed: int = 0,
    after_each: Callable[[], None] | None = None,
) -> CanonicalDirections:
    """Solve C w = s (V + ridge / words * 1) w for the directions with the largest correlations s.

    Without a ridge they are those of `canonical_directions` on words as vectors with a single 1, up to what subspace
    iteration leaves (Halko, Martinsson & Tropp 2011). The ridge keeps rare words, whose correlations are noise, from
    coming first. Its unit is the mean probability of a word.

    Args:
        pairs: The moments.
        rank: Most directions to return.
        ridge: Probability that is added to each word, as a multiple of the mean.
        iterations: How often the subspace is multiplied; with 4 it has settled on all collections that were tried.
        seed: Seed of the first subspace.
        after_each: Called after each multiplication: it may stop the work by an exception.

    Returns:
        The directions, `rank` of them or fewer, of correlations above 0. Those of a pair of a word with itself, which
        are negative, never come first.

    """
    words = len(pairs.first)
    scale = np.sqrt(np.float32(1) / np.maximum(pairs.first + np.float32(ridge / words), np.finfo(np.float32).tiny))
    scale = np.where(pairs.first > 0, scale, 0).astype(np.float32)[:, None]

    def multiply(basis: Float[np.ndarray, "words k"]) -> Float[np.ndarray, "words k"]:
        functions = scale * basis
        product = pairs.pair(functions) - pairs.first[:, None] * (pairs.first @ functions)
        return np.asarray(scale * product, np.float32)

    width = min(rank + OVERSAMPLING, words)
    basis = np.random.default_rng(seed).standard_normal((words, width), np.float32)
    for _ in range(iterations):
        basis = np.linalg.qr(multiply(basis))[0]
        if after_each is not None:
            after_each()
    inner = (basis.T @ multiply(basis)).astype(np.float64)
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    kept = np.flatnonzero(values > 0)[::-1][:rank]
    directions = scale * (basis @ vectors[:, kept].astype(np.float32))
    found = (values[kept].astype(np.float32), directions, pairs.first)
    return CanonicalDirections(*(torch.from_numpy(np.ascontiguousarray(each)) for each in found))
