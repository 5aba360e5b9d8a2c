"""Texts as rows of hashes: encodings, what cannot be read, and digests that know no case."""

from pathlib import Path

import numpy as np
import pytest

from infomax.decoding.broken import BrokenImage
from infomax.errors import InfoMaxError
from infomax.kinds.text import loading
from infomax.kinds.text.content import read_text
from infomax.kinds.text.loading import load_texts, text_hashes, words_digest
from infomax.kinds.text.opening import open_texts
from infomax.kinds.text.words import word_hashes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_text("Zwölf Boxkämpfer „jagen“ €5", encoding)
    assert read_text(tmp_path / "a.txt", 8) == "Zwölf Boxkämpfer „jagen“ €5"


def test_a_long_file_is_cut_between_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x" + "ö" * 1000, "utf-8")
    found = read_text(tmp_path / "a.txt", 2)  # 512 bytes: the last one is half an ö
    assert found == "x" + "ö" * 255


@pytest.mark.parametrize(
    ("data", "reason"), [(b"a\0b", "zero bytes"), (b" \n.", "no word"), (7, "a int, no text"), (Path("no"), "no such")]
)
def test_what_is_no_text(data: object, reason: str) -> None:
    with pytest.raises(BrokenImage, match=reason):
        text_hashes(data, 8)


def test_rows_are_as_long_as_the_longest_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_ROWS_AT_ONCE", 2)
    texts = ["a b c", "d", "e f", "g h i j", "k"]
    found = load_texts(open_texts(texts), 3)
    assert found.words.shape == (5, 3)
    expected = [[*word_hashes(text, 3), 0, 0][:3] for text in texts]
    np.testing.assert_array_equal(found.words, expected)
    np.testing.assert_array_equal(found.examples, found.words)


def test_the_digest_knows_no_case_and_no_punctuation() -> None:
    found = load_texts(open_texts(["Hello, World!", "hello world", "world hello"]), 8)
    one, two, three = (each.tobytes() for each in found.contents)
    assert one == two == words_digest(word_hashes("HELLO world", 8))
    assert one != three


def test_some_texts() -> None:
    found = load_texts(open_texts(["a b", "c", "d e"]), 8)
    some = found.select(np.array([0, 2]))
    assert (some.keys, some.rows, some.labels) == (["item#0", "item#2"], [0, 2], None)
    np.testing.assert_array_equal(some.words, found.words[[0, 2]])
    np.testing.assert_array_equal(some.contents, found.contents[[0, 2]])
    assert found.select(np.arange(3)) is found


def test_nothing_to_read() -> None:
    with pytest.raises(InfoMaxError, match="none of its 2 texts can be read"):
        load_texts(open_texts(["?", "!"]), 8)


def test_the_cache_may_be_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert len(load_texts(open_texts(["a", "b"]), 8, cache=tmp_path / "file").words) == 2
