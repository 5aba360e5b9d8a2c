"""The encoder of texts, against its definition written word by word."""

from collections import Counter

import numpy as np
import pytest
import torch

from infomax.errors import InfoMaxError
from infomax.information.closed_form import CanonicalDirections
from infomax.kinds.text.encoder import TextEncoder
from infomax.kinds.text.words import padded, word_hashes

TEXTS = ["a b b c", "c d", "a a a a d b", "unknown words", "c"]
LEARNED = TEXTS[:3]


def words_of(texts: list[str]) -> torch.Tensor:
    return torch.from_numpy(np.stack([padded(word_hashes(text, 8), 8) for text in texts]))


def fitted() -> TextEncoder:
    encoder = TextEncoder(4, 3, least=1)
    encoder.prepare(words_of(LEARNED))
    draw = torch.rand(4, 2, generator=torch.Generator().manual_seed(0))
    encoder.use_directions(CanonicalDirections(torch.tensor([0.8, 0.2]), draw, torch.tensor([0.1, 0.2, 0.3, 0.4])), 0.5)
    return encoder


def test_a_text_is_a_unit_vector_of_weighted_words() -> None:
    encoder = fitted()
    texts_with = Counter(word for text in LEARNED for word in {*text.split()})
    found = encoder.weighted(words_of(TEXTS).numpy()).toarray()
    for text, row in zip(TEXTS, found, strict=True):
        expected = np.zeros(4)
        for word, count in Counter(text.split()).items():
            if word in texts_with:
                place = encoder.vocabulary.tolist().index(int(word_hashes(word, 1)[0]))
                expected[place] = (1 + np.log(count)) * (1 + np.log(4 / (1 + texts_with[word])))
        np.testing.assert_allclose(row, expected / max(float(np.linalg.norm(expected)), 1e-9), atol=1e-6)


def test_a_code_is_linear_in_it() -> None:
    encoder = fitted()
    rows = torch.from_numpy(encoder.weighted(words_of(TEXTS).numpy()).toarray())
    expected = (rows - torch.tensor([0.1, 0.2, 0.3, 0.4])) @ encoder.vectors
    torch.testing.assert_close(encoder(words_of(TEXTS)).mean, expected)


def test_the_vectors_are_weighted_directions() -> None:
    encoder = fitted()
    assert not encoder.vectors[:, 2].any()
    draw = torch.rand(4, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.vectors[:, :2], draw * torch.tensor([1.0, 0.5]))  # (0.2 / 0.8) ** 0.5


def test_a_code_does_not_depend_on_the_batch_nor_on_the_padding() -> None:
    encoder = fitted()
    together = encoder(words_of(TEXTS)).mean
    for row, text in enumerate(TEXTS):
        alone = torch.from_numpy(word_hashes(text, 8))[None]
        torch.testing.assert_close(encoder(alone).mean[0], together[row])


def test_a_text_encoder_cannot_be_exported() -> None:
    with pytest.raises(InfoMaxError, match="a model of text cannot be exported"):
        fitted().exportable()
