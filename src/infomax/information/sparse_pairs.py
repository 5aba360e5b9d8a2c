"""The optimum of the Pearson chi2 bound for words, without a table of all pairs of words.

A text d has a vector x_d >= 0 of its words: counts, or weighted ones. Draw a word i with a probability in proportion to
x_d, and let its features be the vector that is |x_d|_1 at i and 0 elsewhere: x_d on average. Two words that are drawn
from one text, independently of each other, are a pair. In `infomax.information.closed_form` the moments are then

    mean = E x,    V + mean mean^T = diag(E |x|_1 x),    C = E x x^T - mean mean^T

over the texts. If x are frequencies, the singular values of dP/dQ - 1 are those of V^(-1/2) C V^(-1/2): correspondence
analysis, and for the chi2 divergence what word2vec is for another one (Levy & Goldberg 2014). With a ridge much larger
than V the directions are those of C alone: latent semantic analysis of centered vectors.

E x x^T is never formed. It is applied to some functions at a time, at the cost of the numbers that are not zero, and
the leading directions are found by subspace iteration (Halko, Martinsson & Tropp 2011).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float

from infomax.information.closed_form import CanonicalDirections, PairMoments

if TYPE_CHECKING:
    from scipy.sparse import csr_array

OVERSAMPLING = 32
"""Directions that are iterated beside those asked for, so that the last of these settle, too."""

ITERATIONS = 4
"""How often the subspace is multiplied; more of them changed no accuracy."""


@final
class SparsePairs:
    """The moments of pairs of words, as an operator; each text counts the same.

    Memory: the numbers that are not zero, twice.

    Args:
        texts: The vectors of the texts, (n, words), none of them negative. A text without words counts, too.

    Attributes:
        groups: Number of texts.
        first: Mean vector, shape (words,), float32.
        single: Second moments of the features of one word, the diagonal alone, for there is nothing else.

    """

    def __init__(self, texts: "csr_array") -> None:
        self.groups = texts.shape[0]
        self._rows = texts.astype(np.float32)
        self._columns = self._rows.T.tocsr()
        share = np.float32(1 / max(self.groups, 1))
        sizes = np.asarray(self._rows.sum(1), np.float32).ravel()
        self.first: Float[np.ndarray, " words"] = np.asarray(self._columns.sum(1), np.float32).ravel() * share
        self.single: Float[np.ndarray, " words"] = np.asarray(self._columns @ sizes, np.float32) * share

    def covariance(self, functions: Float[np.ndarray, "words k"]) -> Float[np.ndarray, "words k"]:
        """Apply C, the covariance between the two words of a pair.

        Args:
            functions: Functions of a word, one a column.

        Returns:
            C times the functions.

        """
        product: Float[np.ndarray, "words k"] = (self._columns @ (self._rows @ functions)) / max(self.groups, 1)
        covariance: Float[np.ndarray, "words k"] = product - self.first[:, None] * (self.first @ functions)
        return covariance

    def projected(self, functions: Float[np.ndarray, "words k"]) -> PairMoments:
        """Compute the moments of some functions of a word, as `PairMoments` sums them up.

        Args:
            functions: The functions, one a column.

        Returns:
            The moments.

        """
        moments, values = PairMoments(functions.shape[1]), self._rows @ functions
        single = functions.T @ (self.single[:, None] * functions)
        sums = values.sum(0), single * self.groups, values.T @ values
        for total, each in zip((moments.first, moments.single, moments.pair), sums, strict=True):
            total.copy_(torch.from_numpy(np.asarray(each, np.float32)))
        moments.groups = self.groups
        return moments


class Subspace(NamedTuple):
    """How far a subspace iteration has come.

    Attributes:
        done: Multiplications so far.
        basis: Orthonormal columns, shape (words, k).

    """

    done: int
    basis: Float[np.ndarray, "words k"]


def word_directions(
    pairs: SparsePairs,
    rank: int,
    *,
    ridge: float = 0.0,
    seed: int = 0,
    begun: Subspace | None = None,
    after_each: Callable[[Subspace], None] | None = None,
) -> CanonicalDirections:
    """Solve C w = s (V + mean mean^T + ridge * v * 1) w for the directions with the largest correlations s.

    v is the mean of V's diagonal. Without a ridge these are the directions of `canonical_directions`, up to what the
    iteration leaves: a function whose correlation is not 0 has the mean 0. The ridge keeps rare words, whose
    correlations are noise, from coming first.

    Args:
        pairs: The moments.
        rank: Most directions to return.
        ridge: Added second moment, as a multiple of the mean one.
        seed: Seed of the first subspace.
        begun: An iteration to go on with; None to begin.
        after_each: Told after each multiplication how far it is: it may stop the work by an exception.

    Returns:
        The directions, `rank` of them or fewer.

    """
    words = len(pairs.first)
    variance = pairs.single + np.float32(ridge) * pairs.single.mean(dtype=np.float32)
    scale = np.where(pairs.single > 0, 1 / np.sqrt(np.maximum(variance, np.finfo(np.float32).tiny)), 0)[:, None]

    def multiply(basis: Float[np.ndarray, "words k"]) -> Float[np.ndarray, "words k"]:
        return np.asarray(scale * pairs.covariance(scale * basis), np.float32)

    scale = scale.astype(np.float32)
    if begun is None:
        drawn = np.random.default_rng(seed).standard_normal((words, min(rank + OVERSAMPLING, words)), np.float32)
        begun = Subspace(0, drawn)
    done, basis = begun
    while done < ITERATIONS:
        done, basis = done + 1, np.linalg.qr(multiply(basis))[0]
        if after_each is not None:
            after_each(Subspace(done, basis))
    inner = (basis.T @ multiply(basis)).astype(np.float64)
    values, vectors = np.linalg.eigh((inner + inner.T) / 2)
    removed = float(np.square(scale[:, 0] * pairs.first).sum())  # what the mean takes away, to within rounding
    kept = np.flatnonzero(values > 1e-6 * max(values.max(initial=0), removed))[::-1][:rank]
    directions = scale * (basis @ vectors[:, kept].astype(np.float32))
    found = (values[kept].astype(np.float32), directions, pairs.first)
    return CanonicalDirections(*(torch.from_numpy(np.ascontiguousarray(each)) for each in found))
