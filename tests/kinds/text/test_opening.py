"""Sources of texts: each gives the same collection."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax.decoding.options import ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.source import Source
from infomax.kinds.text.loading import load_texts
from infomax.kinds.text.opening import open_texts

TEXTS = ["A cat sat.", 'Dogs bark, "loudly"\nall night.', "知识图谱", "four words are here", "Zwölf Boxkämpfer"]
LABELS = ["animal", "animal", "other", "other", "other"]


def folder(where: Path) -> Any:
    for number, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True)):
        file = where / "notes" / label / f"deep/{number}{('.txt', '.md')[number % 2]}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return where / "notes"


def files(where: Path) -> Any:
    return sorted(folder(where).rglob("*.*"), key=lambda path: path.stem)


def parquet(where: Path) -> Any:
    table = pa.table({"id": ["a"] * 5, "text": TEXTS, "label": LABELS})
    pq.write_table(table, where / "a.parquet", row_group_size=2)
    return where / "a.parquet"


def jsonl(where: Path) -> Any:
    lines = [json.dumps({"content": text, "label": label}) for text, label in zip(TEXTS, LABELS, strict=True)]
    (where / "a.jsonl").write_text("\n".join([*lines, "", ""]), "utf-8")
    return str(where / "a.jsonl")


def comma_separated(where: Path) -> Any:
    with (where / "a.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("label", "Text"), *zip(LABELS, TEXTS, strict=True)])
    return where / "a.csv"


def in_memory(where: Path) -> Any:
    return TEXTS


def two_tables(where: Path) -> Any:
    for name, part in (("a", slice(0, 2)), ("b", slice(2, 5))):
        pq.write_table(pa.table({"body": TEXTS[part], "class": LABELS[part]}), where / f"{name}.parquet")
    return str(where / "?.parquet")


OPENED = [folder, files, parquet, jsonl, comma_separated, in_memory, two_tables]


@pytest.mark.parametrize("kind", OPENED)
def test_every_source_gives_the_same_collection(kind: Callable[[Path], Any], tmp_path: Path) -> None:
    source = open_texts(kind(tmp_path))
    assert isinstance(source, Source)
    found = load_texts(source, 16)
    assert found.fingerprint == load_texts(open_texts(TEXTS), 16).fingerprint
    assert found.words.shape == (5, 5)
    assert not found.words.flags.writeable
    assert found.labels == (None if kind is in_memory else LABELS)
    assert (found.rows, found.skipped) == ([0, 1, 2, 3, 4], [])
    assert len(set(found.keys)) == len(set(source.paths())) == 5


@pytest.mark.parametrize("kind", OPENED)
def test_every_source_reads_the_wanted_entries(kind: Callable[[Path], Any], tmp_path: Path) -> None:
    source = open_texts(kind(tmp_path))
    everything = list(source.read(range(5)))
    assert list(source.read([1, 4])) == [everything[1], everything[4]]
    assert list(source.read([])) == []


def test_names_on_a_command_line_are_files(tmp_path: Path) -> None:
    file = str(jsonl(tmp_path))
    assert len(open_texts([file], named=True).entries) == 5
    assert len(open_texts([file]).entries) == 1  # a text that reads like a path


def test_a_folder_says_what_it_passes_over(tmp_path: Path) -> None:
    root = folder(tmp_path)
    (root / "cat.jpg").write_bytes(b"")
    (root / ".hidden.txt").write_text("no")
    (root / "drafts").mkdir()
    (root / "drafts" / "x.txt").write_text("no")
    source = open_texts(root, ReadingOptions(exclude=("drafts",)))
    assert len(source.entries) == 5
    assert source.census().counts() == {"unread": {}, "others": {".jpg": 1}, "excluded": {"drafts": 1, ".*": 1}}
    jsonl(root)
    assert len(open_texts(root, ReadingOptions(exclude=("drafts",))).entries) == 10  # tables are read, too


def test_a_row_without_text_is_left_out_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "one word"}\n{"text": null}\n{"text": "?!"}\n"a text alone"\n')
    found = load_texts(open_texts(tmp_path / "a.jsonl"), 8)
    assert [(each.where, each.reason) for each in found.skipped] == [
        ("a.jsonl#1", "the row holds no text"),
        ("a.jsonl#2", "holds no word"),
    ]
    assert found.rows == [0, 3]


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ({"a": ["x"], "b": ["y"]}, {}, "has 2 columns of text and none of a usual name, only a: string, b: string"),
        ({"n": [1]}, {}, "has 0 columns of text"),
        ({"a": ["x"]}, {"text_column": "c"}, "has no column 'c' of texts, only a: string"),
        ({"text": ["x"]}, {"label_column": "c"}, "has no column 'c' for labels"),
        ({"text": []}, {}, "holds no rows"),
    ],
)
def test_tables_that_will_not_do(tmp_path: Path, content: Any, options: Any, reason: str) -> None:
    pq.write_table(pa.table(content), tmp_path / "a.parquet")
    with pytest.raises(InfoMaxError, match=reason) as raised:
        open_texts(tmp_path / "a.parquet", ReadingOptions(**options))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"te', "is damaged"),
        ("a.jsonl", b"[1, 2]\n", "line 1 is neither an object nor a text"),
        ("a.parquet", b"PAR1", "is damaged"),
        ("a.png", b"", "is of no supported kind"),
    ],
)
def test_files_that_will_not_do(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InfoMaxError, match=reason):
        open_texts(tmp_path / name)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ([], "no texts given"),
        (7, "a int is no source of texts"),
        (["a", Path("b")], "a list of PosixPath, str"),
        ("no/such/folder", "no such file or folder"),
        ("no/such/*.txt", "no file matches"),
    ],
)
def test_sources_that_will_not_do(source: Any, reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason):
        open_texts(source)


def test_a_folder_without_texts(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"")
    with pytest.raises(InfoMaxError, match=r"holds no texts \(not looked at: 1 \.jpg\): give a folder or a file"):
        open_texts(tmp_path)
