"""SOURCE as a user types it: several, globs with and without quotes, text files, tables with odd columns, data sets."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax import Index, InfoMax
from tests.conftest import SMALL, SMALL_RECIPE, Infomax, colored
from tests.images.conftest import noise, put, put_parquet, stored


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of photos, a data set of two splits, a table of two columns of images, and a model."""
    monkeypatch.chdir(tmp_path)
    for number, pixels in enumerate(colored(24)):
        put(Path(f"disk{number % 2}/photos/{number:02}.png"), stored(pixels))
    rows = [stored(pixels) for pixels in colored(20, seed=1)]
    for seed, name in enumerate(("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001")):
        Path("set/data").mkdir(parents=True, exist_ok=True)
        images = [stored(pixels) for pixels in colored(20, seed=2 + seed)]
        put_parquet(Path(f"set/data/{name}.parquet"), [*images], [number % 3 - 1 for number in range(20)], names=True)
    table = {"before": pa.array(rows), "after": pa.array(rows[::-1]), "species": ["cat", "dog"] * 10}
    pq.write_table(pa.table(table), "table.parquet")
    InfoMax(SMALL).fit(colored(40)).save("run")
    return tmp_path


def embedded(infomax: Infomax, *words: object) -> pa.Table:
    ended = infomax("embed", *words, "--model", "run", "--out", "v.parquet")
    assert ended.code == 0, ended.stderr
    return pq.read_table("v.parquet")


def test_several_sources_in_every_command(infomax: Infomax, here: Path) -> None:
    ended = infomax("fit", "disk0", "disk1", *SMALL_RECIPE, "--out", "both")
    assert ended.stdout.splitlines() == [
        "learned 8 features from 24 images; the model is in both",
        "see which images they find alike:  infomax montage disk0 disk1 --model both --out montage.png",
    ]
    assert json.loads(Path("both/config.json").read_text())["data"]["source"] == "disk0, disk1"
    ended = infomax("montage", "disk0", "disk1", "digits:test", "--model", "both", "--out", "montage.png")
    assert ended.code == 0
    words = ("index", "disk1", "disk0", "disk1/photos", "--model", "both", "--index", "i", "--json", "-")
    assert json.loads(infomax(*words).stdout)["added"] == 24
    ended = infomax("index", "disk0", "disk1", "--index", "i", "--prune", "--dry-run")
    assert ended.stdout == "would be added 0, updated 0, unchanged 24, removed 0, skipped 0\n"
    keys = embedded(infomax, "disk0", "disk1")["path"].to_pylist()
    assert keys == [f"disk{disk}/photos/{number:02}.png" for disk in (0, 1) for number in range(disk, 24, 2)]


def test_an_unquoted_glob_is_a_list_of_files(infomax: Infomax, here: Path) -> None:
    shards = sorted(Path("set/data").glob("train-*.parquet"))
    unquoted, quoted = embedded(infomax, *shards), embedded(infomax, "set/data/train-*.parquet")
    assert unquoted.num_rows == 40
    assert unquoted["path"] == quoted["path"]
    files = [*Path("disk0/photos").glob("*.png")][::-1]
    assert embedded(infomax, *files)["path"].to_pylist() == [file.name for file in files]
    assert (
        "'disk0/notes.md' is of no supported kind"
        in infomax(
            *("embed", *files, put(Path("disk0/notes.md"), b"x"), "--model", "run", "--out", "v.parquet")
        ).failure
    )


def test_a_text_file_keeps_its_order(infomax: Infomax, here: Path) -> None:
    names = ["photos/04.png", "photos/00.png", "photos/04.png"]
    Path("disk0/list.txt").write_text("\n".join(names))
    assert embedded(infomax, "disk0/list.txt")["path"].to_pylist() == ["04.png", "00.png", "04.png"]


def test_a_cloned_data_set(infomax: Infomax, here: Path) -> None:
    failure = infomax("embed", "set", "--model", "run", "--out", "v.parquet").failure
    assert failure == (
        "'set' is a data set of 2 splits: give one of them in quotes (test: 'set/data/test-00000-of-00001.parquet', "
        "train: 'set/data/train-*.parquet'), or all of them, 'set/**/*.parquet'"
    )
    Path("set/data/test-00000-of-00001.parquet").unlink()
    assert embedded(infomax, "set").num_rows == embedded(infomax, "set/data").num_rows == 40


def test_columns_are_named(infomax: Infomax, here: Path) -> None:
    assert (
        "has 2 columns of images, before, after: name one, --image-column NAME"
        in infomax(*("fit", "table.parquet", *SMALL_RECIPE, "--out", "r")).failure
    )
    ended = infomax("fit", "table.parquet", *SMALL_RECIPE, "--out", "r", "--image-column", "before")
    assert ended.code == 0
    before, after = (
        embedded(infomax, "table.parquet", "--image-column", name, "--label-column", "species")
        for name in ("before", "after")
    )
    assert before["label"].to_pylist() == ["cat", "dog"] * 10
    vectors = [np.stack(each["vector"].to_numpy()) for each in (before, after)]
    np.testing.assert_allclose(vectors[0], vectors[1][::-1], rtol=1e-4, atol=1e-5)
    words = ("index", "table.parquet", "--image-column", "after", "--label-column", "species")
    assert infomax(*words, "--model", "run", "--index", "i").stdout.startswith("added 20,")
    assert Index("i").count(label="cat") == 10
    assert (
        "holds no parquet files"
        in infomax(*("embed", "disk0", "--label-column", "species", "--model", "run", "--out", "v")).failure
    )


def test_classes_of_minus_one_are_no_labels(infomax: Infomax, here: Path) -> None:
    labels = embedded(infomax, "set/data/test-00000-of-00001.parquet")["label"].to_pylist()
    assert labels == ["", "cat", "dog"] * 6 + ["", "cat"]
    images = [stored(noise(8, 8, seed=seed)) for seed in range(9)]
    hidden = put_parquet(Path("hidden.parquet"), [*images], [-1] * 9, names=True)
    assert "label" not in embedded(infomax, hidden).column_names
    words = ("evaluate", "--model", "run", "--train", "set/data/train-*.parquet", "-k", 3)
    half = infomax(*words, "--test", "set/data/test-*.parquet")
    assert half.stdout.startswith("21 images without a label left out\n26 training and 13 test vectors of 8 numbers\n")
    assert "\n2 labels; " in half.stdout
    assert "no labels in both splits" in infomax(*words, "--test", hidden).stdout
