"""The command line on texts, as a user runs it: fit, embed, index, search, duplicates, evaluate."""

import json
from pathlib import Path

import pytest

from infomax.embeddings import read_embeddings
from tests.cli.conftest import document
from tests.conftest import Infomax
from tests.kinds.text.conftest import topical

SMALL = ["--set", "vocabulary=200", "--set", "dim=6", "--set", "size=32"]


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """Texts of four topics, a folder each, two of them the same but for case, and one that is broken."""
    for number, (text, topic) in enumerate(zip(*topical(80), strict=True)):
        file = tmp_path / "notes" / topic / f"{number:02d}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    first = min((tmp_path / "notes").rglob("*.md"))
    (tmp_path / "notes" / "copy.txt").write_text(first.read_text("utf-8").upper(), "utf-8")
    (tmp_path / "notes" / "broken.txt").write_bytes(b"\0")
    return tmp_path / "notes"


def test_from_a_folder_to_matches(infomax: Infomax, notes: Path, tmp_path: Path) -> None:
    run, index = tmp_path / "run", tmp_path / "notes.index"
    fitted = infomax("fit", notes, "--kind", "text", "--out", run, *SMALL)
    assert fitted.code == 0, fitted.stderr
    assert fitted.stdout.splitlines()[0] == f"learned 6 features from 81 texts; the model is in {run}"
    assert f"infomax: skipped 1 broken text: {run / 'skipped.csv'}" in fitted.stderr.splitlines()
    assert f"infomax index {notes} --model {run}" in fitted.stdout

    indexed = infomax("index", notes, "--model", run, "--index", index, "--json", "-")
    assert (document(indexed.stdout)["added"], document(indexed.stdout)["skipped"]) == (81, 1)

    words = "topic2word1 topic2word5 topic2word9 word3"
    found = infomax("search", words, "--index", index, "-k", 5)
    lines = found.stdout.splitlines()
    assert lines[0] == f"{words}: 5 matches, by cosine distance"
    assert all("/topic 2/" in line for line in lines[1::2])
    assert all(line.startswith(" " * 14) and "word" in line for line in lines[2::2])
    file = next((notes / "topic 1").iterdir())
    matches = document(infomax("search", file, "--index", index, "--json", "-").stdout)["matches"]
    assert str(file) not in [each["path"] for each in matches]
    assert matches[0]["text"] == " ".join(Path(matches[0]["path"]).read_text("utf-8").split())[:400]

    groups = infomax("duplicates", "--index", index)
    assert groups.stdout.splitlines()[0] == "2 texts, same text"
    assert "24 words" in groups.stdout
    assert groups.stdout.splitlines()[-1].startswith("1 group; 1 text beside the best ones")

    again = infomax("index", notes, "--index", index, "--json", "-")
    assert document(again.stdout)["unchanged"] == 81


def test_embed_and_evaluate_a_table(infomax: Infomax, tmp_path: Path) -> None:
    table, run = tmp_path / "texts.jsonl", tmp_path / "run"
    rows = [{"said": text, "note": "x", "topic": topic} for text, topic in zip(*topical(200), strict=True)]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = ["--text-column", "said", "--label-column", "topic"]
    told = infomax("fit", table, "--recipe", "spectral-text", "--out", run, *SMALL)
    assert "has 3 columns of text and none of a usual name" in told.failure
    assert "--text-column NAME" in told.failure
    assert infomax("fit", table, "--recipe", "spectral-text", "--out", run, *SMALL, *columns).code == 0
    assert infomax("embed", table, "--model", run, "--out", tmp_path / "v.parquet", *columns).code == 0
    vectors = read_embeddings(tmp_path / "v.parquet")
    assert vectors.vectors.shape == (200, 6)
    assert vectors.labels == [row["topic"] for row in rows]
    assert vectors.paths is not None
    assert vectors.paths[7] == "texts.jsonl#7"
    shown = infomax("evaluate", table, "--model", run, *columns)
    assert "common words" in shown.stdout
    figures = document(infomax("evaluate", table, "--model", run, *columns, "--json", "-").stdout)
    assert figures["knn"]["cosine"] > 0.8  # by chance 0.25


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            ("fit", "{notes}", "--kind", "music", "--out", "{run}"),
            "no kind of data 'music': choose one of images",
        ),
        (("fit", "{notes}", "--out", "{run}"), "holds no images"),
        (("fit", "{notes}", "--kind", "text", "--recipe", "dim-cifar10", "--out", "{run}"), "learns from images"),
        (("fit", "{notes}/nothing", "--kind", "text", "--out", "{run}"), "no such file or folder"),
    ],
)
def test_what_will_not_do(infomax: Infomax, notes: Path, tmp_path: Path, words: tuple[str, ...], reason: str) -> None:
    given = [word.format(notes=notes, run=tmp_path / "run") for word in words]
    assert reason in infomax(*given).failure


def test_what_needs_images_says_so(infomax: Infomax, notes: Path, tmp_path: Path) -> None:
    run, index = tmp_path / "run", tmp_path / "index"
    assert infomax("fit", notes, "--kind", "text", "--out", run, *SMALL).code == 0
    assert "cannot be exported" in infomax("export", "--model", run, "--out", tmp_path / "model.onnx").failure
    assert "holds no images" in infomax("montage", notes, "--model", run, "--out", tmp_path / "m.png").failure
    assert "--proxies is for models of images" in infomax("evaluate", notes, "--model", run, "--proxies").stderr
    assert infomax("index", notes, "--model", run, "--index", index).code == 0
    empty = infomax("search", "?!", "--index", index)
    assert "'?!' cannot be searched with (holds no word): give a text with words in it" in empty.failure
