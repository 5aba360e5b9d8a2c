"""The encoder of texts, against its definition written word by word."""

import numpy as np
import pytest
import torch

from infomax.errors import InfoMaxError
from infomax.information.closed_form import CanonicalDirections
from infomax.kinds.text.encoder import TextEncoder
from infomax.kinds.text.words import padded, word_hashes

TEXTS = ["a b b c", "c d", "a a a a d b", "unknown words", "c"]


def words_of(texts: list[str]) -> torch.Tensor:
    return torch.from_numpy(np.stack([padded(word_hashes(text, 8), 8) for text in texts]))


def fitted() -> TextEncoder:
    encoder = TextEncoder(4, 3, 2, least=1)
    encoder.prepare(words_of(TEXTS[:3]))
    generator = torch.Generator().manual_seed(0)
    draw = torch.rand(4, 2, generator=generator)
    encoder.use_directions(CanonicalDirections(torch.tensor([0.8, 0.3]), draw, torch.tensor([0.1, 0.2, 0.3, 0.4])), 0.5)
    return encoder


def test_a_text_is_the_unit_mean_of_its_words() -> None:
    encoder = fitted()
    vectors = dict(zip(encoder.vocabulary.tolist(), encoder.vectors, strict=True))
    mean = torch.tensor([0.1, 0.2, 0.3, 0.4]) @ encoder.vectors
    found = encoder.features(words_of(TEXTS))
    for text, feature in zip(TEXTS, found, strict=True):
        hashes = word_hashes(text, 8).tolist()
        counts = {word: 1 + np.log(hashes.count(word)) for word in hashes if word in vectors}
        if not counts:
            assert not feature.any()
            continue
        total = sum((weight * vectors[word] for word, weight in counts.items()), torch.zeros(3))
        expected = total / sum(counts.values()) - mean
        torch.testing.assert_close(feature, expected / expected.norm())


def test_the_vectors_are_weighted_directions() -> None:
    encoder = fitted()
    assert not encoder.vectors[:, 2].any()
    draw = torch.rand(4, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder.vectors[:, :2], draw * torch.tensor([0.8, 0.3]) ** 0.5)


def test_a_code_does_not_depend_on_the_batch_nor_on_the_padding() -> None:
    encoder = fitted()
    together = encoder(words_of(TEXTS)).mean
    for row, text in enumerate(TEXTS):
        alone = torch.from_numpy(word_hashes(text, 8))[None]
        torch.testing.assert_close(encoder(alone).mean[0], together[row])


def test_halves_share_no_word_and_lose_none() -> None:
    encoder = TextEncoder(200, 200, 2, least=1)
    texts = words_of([" ".join(f"w{number}" for number in range(8))] * 50)
    encoder.prepare(texts)
    encoder.vectors.copy_(torch.eye(200))
    halves = encoder.word_halves(texts, torch.Generator().manual_seed(0)) > 0
    assert halves.shape == (50, 2, 200)
    assert not (halves[:, 0] & halves[:, 1]).any()
    assert ((halves[:, 0] | halves[:, 1]).sum(1) == 8).all()
    sizes = halves[:, 0].sum(1).float()
    assert 3 < sizes.mean() < 5  # 4 on average; 50 draws of 8 words miss this once in 10 ** 6
    assert len({tuple(row.tolist()) for row in halves[:, 0]}) > 20  # each text is dealt out anew


def test_equal_words_stay_together() -> None:
    encoder = TextEncoder(4, 4, 2, least=1)
    texts = words_of(["a a a b b b"] * 40)
    encoder.prepare(texts)
    encoder.vectors.copy_(torch.eye(4))
    halves = encoder.word_halves(texts, torch.Generator().manual_seed(1)) > 0
    assert not (halves[:, 0] & halves[:, 1]).any()


def test_a_text_encoder_cannot_be_exported() -> None:
    with pytest.raises(InfoMaxError, match="a model of text cannot be exported"):
        fitted().exportable()
