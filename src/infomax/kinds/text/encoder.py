"""Encoder of texts in closed form: a unit vector of weighted words, and its projection to the code."""

from typing import TYPE_CHECKING, final

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from infomax.errors import InfoMaxError
from infomax.information.closed_form import CanonicalDirections
from infomax.kinds.text.vocabulary import choose_vocabulary, count_words
from infomax.representation.encoders import Encoder, Representation

if TYPE_CHECKING:
    from scipy.sparse import csr_array


@final
class TextEncoder(Encoder):
    """Words -> a unit vector of weighted words -> code, a linear function of it.

    A word that is in a text c times has the weight (1 + log c) (1 + log((1 + n) / (1 + m))), if m of n texts have it.
    Words that are not in the vocabulary count nothing. A text of such words alone has the code of the vector 0.

    Args:
        vocabulary: Words that have a vector, at most.
        dim: Numbers in the code.
        least: Texts that a word must be in, at least, to have a vector.

    """

    vocabulary: Tensor
    rarity: Tensor
    vectors: Tensor
    mean: Tensor

    def __init__(self, vocabulary: int, dim: int, least: int = 2) -> None:
        super().__init__()
        self.channels, self.dim, self._least = dim, dim, least
        self.register_buffer("vocabulary", torch.arange(1, vocabulary + 1, dtype=torch.int32))
        self.register_buffer("rarity", torch.ones(vocabulary))
        self.register_buffer("vectors", torch.randn(vocabulary, dim) / dim**0.5)
        self.register_buffer("mean", torch.zeros(dim))

    def prepare(self, images: Int32[Tensor, "n words"]) -> None:
        """Choose the vocabulary, and count how rare its words are.

        Args:
            images: Hashes of the words of some texts, and zeros.

        """
        words = images.cpu().numpy()
        chosen = choose_vocabulary(words, len(self.vocabulary), self._least)
        self.vocabulary.copy_(torch.from_numpy(chosen))
        texts = np.diff(count_words(words, chosen).tocsc().indptr)
        self.rarity.copy_(torch.from_numpy(1 + np.log((1 + len(words)) / (1 + texts))))

    def use_directions(self, found: CanonicalDirections, power: float) -> None:
        """Make canonical directions of words the word vectors.

        Args:
            found: The directions, at least one, and at most as many as the code has numbers.
            power: Each is weighted by its correlation, of which the largest counts as 1, to this power.

        """
        weights = (found.correlations / found.correlations[0]) ** power
        self.vectors.zero_()[:, : len(weights)] = found.directions * weights
        self.mean.copy_(found.mean @ self.vectors)

    def weighted(self, words: Int32[np.ndarray, "n words"]) -> "csr_array":
        """Weight the words of each text, to a vector of unit length.

        Args:
            words: Hashes of the words, and zeros.

        Returns:
            The vectors, (n, vocabulary), float32; 0 where no word is known.

        """
        found = count_words(words, self.vocabulary.cpu().numpy())
        weights = (1 + np.log(found.data)) * self.rarity.cpu().numpy()[found.indices]
        rows = np.repeat(np.arange(len(words)), np.diff(found.indptr))
        lengths = np.sqrt(np.bincount(rows, weights.astype(np.float64) ** 2, len(words)))
        found.data = (weights / lengths[rows]).astype(np.float32)
        return found

    def forward(self, images: Int32[Tensor, "n words"]) -> Representation:
        """Represent a batch of texts."""
        found = self.weighted(images.cpu().numpy())
        columns, starts = (torch.from_numpy(each).long().to(images.device) for each in (found.indices, found.indptr))
        weights = torch.from_numpy(found.data).to(self.vectors)
        code: Float[Tensor, "n dim"] = embedding_bag(
            columns, self.vectors, starts[:-1], mode="sum", per_sample_weights=weights
        )
        return Representation((code - self.mean)[:, None], code - self.mean, None, (1, 1))

    def exportable(self) -> nn.Module:
        """Refuse: a text is hashed outside of the encoder, which no exported file would do."""
        raise InfoMaxError("a model of text cannot be exported: save it, and load it with infomax")
