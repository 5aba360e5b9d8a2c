"""Words of many scripts, and their hashes."""

from zlib import crc32

import numpy as np
import pytest

from infomax.kinds.text.words import padded, word_hashes, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Café, 1 EURO!\n\nIt's", ["the", "café", "1", "euro", "it", "s"]),
        ("Straße ﬁne Ⅷ", ["strasse", "fine", "viii"]),
        ("cafe\u0301", ["café"]),
        ("知识图谱 v2", ["知识", "识图", "图谱", "v2"]),
        ("日本語のテスト", ["日本", "本語", "語の", "のテ", "テス", "スト"]),
        ("字", ["字"]),
        ("GPU上", ["gpu", "上"]),
        ("ก็ได้", ["ก็", "็ไ", "ได", "ด้"]),
        ("हिन्दी। भाषा", ["हिन्दी", "भाषा"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("Привет, МИР", ["привет", "мир"]),
        ("مَرْحَبًا بكم", ["مَرْحَبًا", "بكم"]),
        ("... !? --", []),
        ("", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert list(words(text)) == expected


def test_hashes_are_crc32_of_the_words_in_order() -> None:
    found = word_hashes("A b a", 10)
    assert found.dtype == np.int32
    assert [int(each) % 2**32 for each in found] == [crc32(b"a"), crc32(b"b"), crc32(b"a")]


def test_only_the_first_words_count() -> None:
    assert word_hashes("one two three", 2).tolist() == word_hashes("one two", 9).tolist()
    assert len(word_hashes("x " * 1000, 5)) == 5
    assert len(word_hashes("." * 1000 + "late", 5)) == 0  # 64 characters for each word are looked at


def test_a_row_ends_in_zeros() -> None:
    assert padded(np.array([5, -7], np.int32), 4).tolist() == [5, -7, 0, 0]
