"""Encoder of texts in closed form: word vectors, their mean over a text, and a projection of it to the code."""

from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32
from torch import Tensor, nn
from torch.nn.functional import embedding_bag, normalize

from infomax.errors import InfoMaxError
from infomax.information.closed_form import CanonicalDirections
from infomax.kinds.text.vocabulary import choose_vocabulary, count_words
from infomax.representation.encoders import Encoder, Representation
from infomax.representation.encoders.projections import CodeProjection


@final
class TextEncoder(Encoder):
    """Words -> word vectors -> unit mean over the different words of a text -> code.

    A word that is in a text c times counts 1 + log(c). Words that are not in the vocabulary count nothing. A text of
    such words alone has the features 0.

    Args:
        vocabulary: Words that have a vector, at most.
        channels: Numbers of a word vector.
        dim: Numbers in the code.
        least: Texts that a word must be in, at least, to have a vector.

    """

    vocabulary: Tensor
    vectors: Tensor
    mean: Tensor

    def __init__(self, vocabulary: int, channels: int, dim: int, least: int = 2) -> None:
        super().__init__()
        self.channels, self.dim, self._least = channels, dim, least
        self.register_buffer("vocabulary", torch.arange(1, vocabulary + 1, dtype=torch.int32))
        self.register_buffer("vectors", torch.randn(vocabulary, channels) / channels**0.5)
        self.register_buffer("mean", torch.zeros(channels))
        self.code_projection = CodeProjection(channels, dim)

    def prepare(self, images: Int32[Tensor, "n words"]) -> None:
        """Choose the vocabulary.

        Args:
            images: Hashes of the words of some texts, and zeros.

        """
        chosen = choose_vocabulary(images.cpu().numpy(), len(self.vocabulary), self._least)
        self.vocabulary.copy_(torch.from_numpy(chosen))

    def use_directions(self, found: CanonicalDirections, power: float) -> None:
        """Make canonical directions of words the word vectors.

        Args:
            found: The directions, at most as many as there are channels.
            power: Each is weighted by its correlation to this power.

        """
        self.vectors.zero_()[:, : len(found.correlations)] = found.directions * found.correlations**power
        self.mean.copy_(found.mean @ self.vectors)

    def features(
        self, words: Int32[Tensor, "n words"], kept: Bool[Tensor, "n words"] | None = None
    ) -> Float[Tensor, "n channels"]:
        """Average the word vectors of each text, less the mean of all words, to unit length.

        Args:
            words: Hashes of the words, and zeros.
            kept: Which words count; None for all.

        Returns:
            The features; 0 where no word is known.

        """
        given = words if kept is None else words * kept
        counts = count_words(given.cpu().numpy(), self.vocabulary.cpu().numpy())
        weights = torch.from_numpy(1 + np.log(counts.data)).to(self.vectors)
        columns, starts = (torch.from_numpy(each).long().to(words.device) for each in (counts.indices, counts.indptr))
        texts = torch.repeat_interleave(torch.arange(len(words), device=words.device), starts.diff())
        sums = torch.zeros(len(words), device=words.device).index_add_(0, texts, weights)[:, None]
        total = embedding_bag(columns, self.vectors, starts[:-1], mode="sum", per_sample_weights=weights)
        return normalize(torch.where(sums > 0, total / sums.clamp_min(1) - self.mean, 0), dim=-1)

    def word_halves(self, words: Int32[Tensor, "n words"], generator: torch.Generator) -> Float[Tensor, "n 2 channels"]:
        """Deal the different words of each text out to two halves, at random.

        Args:
            words: Hashes of the words, and zeros.
            generator: Draws.

        Returns:
            The features of both halves.

        """
        drawn = torch.randint(0, 2**31, (len(words), 1), generator=generator, device=words.device)
        mixed = (words.long() * (2 * drawn + 1)) & 0xFFFFFFFF  # an odd factor for each text: equal words stay together
        first = mixed >= 2**31
        return torch.stack([self.features(words, first), self.features(words, ~first)], 1)

    def forward(self, images: Int32[Tensor, "n words"]) -> Representation:
        """Represent a batch of texts."""
        found = self.features(images)
        return Representation(found[:, None], self.code_projection(found), None, (1, 1))

    def exportable(self) -> nn.Module:
        """Refuse: a text is hashed outside of the encoder, which no exported file would do."""
        raise InfoMaxError("a model of text cannot be exported: save it, and load it with infomax")
