"""Cards of texts, sketches and copies."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from infomax.kinds.text.cards import SKETCH, TextCard, sketch_of
from infomax.kinds.text.copies import TextCopies
from infomax.kinds.text.words import word_hashes


def card(text: str) -> bytes:
    return TextCard.of(text, word_hashes(text, 512)).content


def copies(texts: list[str | None]) -> TextCopies:
    cards = [None if text is None else card(text) for text in texts]
    return TextCopies(len(texts), lambda rows: [cards[row] for row in rows])


def test_a_card_survives_as_bytes() -> None:
    made = TextCard.of("Two  lines,\nand 知识.", word_hashes("two lines", 8))
    read = TextCard.parse(made.content)
    assert (read.digest, read.beginning) == (made.digest, "Two  lines,\nand 知识.")
    np.testing.assert_array_equal(read.sketch, made.sketch)
    assert read.line == "Two lines, and 知识."
    assert TextCard.parse(card("x" * 5000)).beginning == "x" * 400


def test_a_card_shows_its_lines() -> None:
    with Image.open(BytesIO(TextCard.parse(card("first line\n\nthird line")).drawn())) as image:
        dark = np.asarray(image.convert("L")) < 100
    assert dark.shape == (256, 256)
    lines = dark[14:].reshape(-1, 256)[: 17 * 13].reshape(13, 17, 256).any((1, 2))
    assert lines.tolist() == [True, False, True] + [False] * 10


@pytest.mark.parametrize(("shared", "own"), [(90, 10), (60, 40), (20, 80)])
def test_a_sketch_estimates_the_overlap_of_words(shared: int, own: int) -> None:
    both = [f"w{number}" for number in range(shared)]
    one, other = (sketch_of(word_hashes(" ".join([*both, *(f"{name}{k}" for k in range(own))]), 500)) for name in "ab")
    overlap = shared / (shared + 2 * own)
    assert abs((one == other).mean() - overlap) < 4 * (overlap * (1 - overlap) / SKETCH) ** 0.5
    assert len(one) == SKETCH


def test_a_sketch_knows_no_order_and_no_repeats() -> None:
    np.testing.assert_array_equal(sketch_of(word_hashes("a b c", 9)), sketch_of(word_hashes("c b a a b", 9)))


def test_the_same_words_are_the_same_text() -> None:
    found = copies(["A b, c!", "other", "a B c", None, "a c b", "a b c"]).same(mirrored=True, turned=True, framed=True)
    assert [(pair.a, pair.b) for pair in found] == [(0, 2), (0, 5), (2, 5)]
    assert {pair.change() for pair in found} == {""}


def test_near_texts_share_half_of_their_words() -> None:
    base = [f"w{number}" for number in range(100)]
    texts = [" ".join(base), " ".join(base[:90]), " ".join(base[:20]), "something else"]
    near = copies([*texts, None]).near(np.array([0, 3]), np.array([1, 2, 3, 4]))
    assert near.tolist() == [[True, False, False, False], [False, False, True, False]]
    assert not copies([*texts, None]).blank.any()
