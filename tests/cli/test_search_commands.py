"""infomax index, search, duplicates and outliers, as a user meets them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest
from PIL import Image

from infomax import Index, InfoMax
from tests.conftest import SMALL, Infomax, colored, environment, no_room


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted") / "run"
    InfoMax(SMALL).fit(colored(40)).save(folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, pixels in enumerate(colored(12)):
        file = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return tmp_path / "photos"


@pytest.fixture
def index(tmp_path: Path, photos: Path, run: Path) -> Path:
    return Index.create(tmp_path / "index", run).add(photos).path


def document(text: str) -> Any:
    return json.loads(text)


def test_a_folder_is_indexed_and_searched(shell: Infomax, tmp_path: Path, photos: Path, run: Path) -> None:
    made = shell("index", "photos", "--model", run, "--index", "photos.index")
    assert (made.code, made.stderr) == (0, "")
    assert made.stdout == "added 12, updated 0, unchanged 0, removed 0, skipped 0\n"
    found = shell("search", "photos/cat/04.png", "--index", "photos.index", "-k", 3, "--json", "-")
    assert (found.code, found.stderr) == (0, "")
    result = document(found.stdout)
    assert (result["query"], result["metric"], result["approximate"]) == ("photos/cat/04.png", "cosine", False)
    expected = Index.open(tmp_path / "photos.index").search(photos / "cat" / "04.png", 3)
    assert result["matches"] == [
        {
            "rank": each.rank,
            "path": each.image.path,
            "label": each.image.label,
            "distance": each.distance,
            "similarity": each.similarity,
        }
        for each in expected
    ]
    assert result["matches"][0]["path"] == str(photos / "cat" / "04.png")


def test_an_index_is_brought_up_to_date_without_naming_the_model(infomax: Infomax, index: Path, photos: Path) -> None:
    (photos / "cat" / "00.png").unlink()
    (photos / "dog" / "text.png").write_text("text")
    Image.fromarray(colored(1, seed=1)[0]).save(photos / "new.png")
    plan = infomax("index", photos, "--index", index, "--prune", "--dry-run")
    assert plan.stdout == "would be added 2, updated 0, unchanged 11, removed 1, skipped 0\n"
    done = infomax("index", photos, "--index", index, "--prune")
    assert done.stdout == "added 1, updated 0, unchanged 11, removed 1, skipped 1\n"
    assert done.stderr == f"infomax: skipped 1 broken image: {index}/skipped.csv\n"
    again = infomax("index", photos, "--index", index, "--json", "-")
    assert document(again.stdout) == {
        "index": str(index),
        "dry_run": False,
        "added": 0,
        "updated": 0,
        "unchanged": 12,
        "removed": 0,
        "skipped": 1,
    }


def test_a_dry_run_of_a_new_index_makes_none(infomax: Infomax, tmp_path: Path, photos: Path, run: Path) -> None:
    plan = infomax("index", photos, "--model", run, "--index", tmp_path / "new", "--dry-run")
    assert plan.stdout == "would be added 12, updated 0, unchanged 0, removed 0, skipped 0\n"
    assert not (tmp_path / "new").exists()
    assert "give --model RUN" in infomax("index", photos, "--index", tmp_path / "new", "--dry-run").failure


def test_several_images_and_stdin(tmp_path: Path, index: Path, photos: Path, cache: Path) -> None:
    file = photos / "dog" / "01.png"
    command = ["search", str(file), "-", "--index", str(index), "-k", "2", "--metric", "euclidean", "--json", "-"]
    ended = subprocess.run(
        [sys.executable, "-m", "infomax", *command],
        input=(photos / "cat" / "02.png").read_bytes(),
        capture_output=True,
        env=environment(cache),
        check=True,
    )
    one, two = document(ended.stdout.decode())
    assert (one["query"], two["query"], two["metric"]) == (str(file), "-", "euclidean")
    assert one["matches"][0]["path"] == str(file)
    assert two["matches"][0]["path"] == str(photos / "cat" / "02.png")
    assert len(two["matches"]) == 2


def test_a_table_a_figure_and_a_file(infomax: Infomax, tmp_path: Path, index: Path, photos: Path) -> None:
    file, figure, out = photos / "dog" / "01.png", tmp_path / "grid.png", tmp_path / "found.json"
    (photos / "cat" / "00.png").unlink()
    found = infomax(*("search", file, "--index", index, "-k", 99, "--approximate", "--figure", figure, "--json", out))
    lines = found.stdout.splitlines()
    assert lines[0] == f"{file}: 12 matches, by approximate search, cosine distance"
    assert lines[1].split() == ["1", "0.000000", str(file), "dog"]
    assert len(lines) == 14
    assert lines[-1] == f"the figure is {figure}"
    with Image.open(figure) as image:
        assert image.width > 12 * 80
    assert [each["rank"] for each in document(out.read_text())["matches"]] == list(range(1, 13))


def test_filters(infomax: Infomax, index: Path, photos: Path) -> None:
    file = photos / "dog" / "01.png"
    for words in (("--label", "cat"), ("--folder", photos / "cat")):
        found = document(infomax("search", file, "--index", index, *words, "--json", "-").stdout)
        assert [each["label"] for each in found["matches"]] == ["cat"] * 6
    none = infomax("search", file, "--index", index, "--label", "x' OR '1'='1", "--json", "-")
    assert document(none.stdout)["matches"] == []
    assert none.stderr == f"infomax: {index} holds no images of that folder or label\n"


def test_duplicates_and_outliers(infomax: Infomax, index: Path, photos: Path) -> None:
    copy = photos / "dog" / "copy.png"
    copy.write_bytes((photos / "cat" / "00.png").read_bytes())
    infomax("index", photos, "--index", index)
    found = document(infomax("duplicates", "--index", index, "--threshold", "1", "--json", "-").stdout)
    assert [str(photos / "cat" / "00.png"), str(copy)] in [group["paths"] for group in found["groups"]]
    assert str(copy) in infomax("duplicates", "--index", index).stdout
    ring = Image.radial_gradient("L").resize((64, 64))
    ring.save(photos / "cat" / "ring.png")
    ring.point(lambda level: level * 0.8).resize((50, 50)).save(photos / "dog" / "darker.jpg")
    infomax("index", photos, "--index", index)
    found = document(infomax("duplicates", "--index", index, "--threshold", "-1", "--json", "-").stdout)
    assert sorted(sorted(Path(path).name for path in group["paths"]) for group in found["groups"]) == [
        ["00.png", "copy.png"],
        ["darker.jpg", "ring.png"],
    ]
    odd = infomax("outliers", "--index", index, "-n", 3)
    assert [line.split()[0] for line in odd.stdout.splitlines()] == ["1", "2", "3"]
    odd = document(infomax("outliers", "--index", index, "-n", 3, "-k", 2, "--json", "-").stdout)
    assert [each["rank"] for each in odd["outliers"]] == [1, 2, 3]


def test_what_cannot_be_done_is_one_line(
    infomax: Infomax, tmp_path: Path, index: Path, photos: Path, run: Path
) -> None:
    file = photos / "cat" / "00.png"
    other = tmp_path / "other"
    InfoMax(SMALL, seed=1).fit(colored(40)).save(other)
    assert "does not exist: make one" in infomax("search", file, "--index", tmp_path / "nowhere").failure
    assert "holds no index" in infomax("search", file, "--index", photos).failure
    assert "no such file" in infomax("search", "nobody.png", "--index", index).failure
    assert "not an image" in infomax("search", index / "index.json", "--index", index).failure
    assert "made with another model" in infomax("index", photos, "--model", other, "--index", index).failure
    assert "does not exist" in infomax("index", photos, "--index", tmp_path / "nowhere").failure
    assert "no such file or folder" in infomax("index", tmp_path / "nobody", "--index", index).failure
    assert "not empty" in infomax("index", photos, "--model", run, "--index", photos).failure
    assert "a cosine lies in" in infomax("duplicates", "--index", index, "--threshold", 2).failure
    nothing = infomax("search", file, "--index", index, "--label", "none", "--figure", tmp_path / "f.png")
    assert (nothing.code, nothing.stdout) == (1, "")
    for words in (("search", file, "--index", index, "-k", 0), ("search", "--index", index), ("index", photos)):
        assert infomax(*words).code == 2


def rewritten(index: Path, **entries: object) -> None:
    card = index / "index.json"
    card.write_text(json.dumps(document(card.read_text()) | entries))


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda index: (index / "index.json").unlink(), "holds no index"),
        (lambda index: os.truncate(index / "index.json", 20), "index.json' is damaged"),
        (lambda index: rmtree(index / "images.lance"), "lacks its table images.lance"),
        (lambda index: rmtree(index / "images.lance" / "data"), "cannot read the index"),
        (lambda index: os.truncate(index / "model" / "model.safetensors", 2000), "model.safetensors is damaged"),
        (lambda index: rewritten(index, dim=9), "has vectors of 8 numbers, and its model gives 9"),
        (lambda index: rewritten(index, model="0"), "is not the model this index was made with"),
    ],
)
def test_an_index_that_is_half_written_or_does_not_fit_is_one_line(
    infomax: Infomax, index: Path, photos: Path, break_it: Callable[[Path], object], why: str
) -> None:
    break_it(index)
    assert why in infomax("search", photos / "cat" / "00.png", "--index", index).failure


def test_a_full_disk_costs_nothing_that_was_committed(infomax: Infomax, index: Path, photos: Path, run: Path) -> None:
    Image.fromarray(colored(1, seed=1)[0]).save(photos / "new.png")
    with no_room(2000):
        told = infomax("index", photos, "--index", index).failure
        made = infomax("index", photos, "--model", run, "--index", index.with_name("other")).failure
    assert "file too large): make room there" in told
    assert "make room there" in made
    assert not index.with_name("other").exists()
    found = infomax("search", photos / "new.png", "--index", index, "-k", 99, "--json", "-")
    assert len(document(found.stdout)["matches"]) == 12
    assert infomax("index", photos, "--index", index).stdout.startswith("added 1, updated 0, unchanged 12")


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_what_may_not_be_written_can_be_searched(
    infomax: Infomax, tmp_path: Path, index: Path, photos: Path, run: Path
) -> None:
    Image.fromarray(colored(1, seed=1)[0]).save(photos / "new.png")
    for folder in (tmp_path, *tmp_path.parents, run, *run.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    os.seteuid(65534)
    try:
        found = infomax("search", photos / "new.png", "--index", index, "-k", 99, "--json", "-")
        told = infomax("index", photos, "--index", index).failure
        made = infomax("index", photos, "--model", run, "--index", tmp_path / "other").failure
    finally:
        os.seteuid(0)
    assert len(document(found.stdout)["matches"]) == 12
    assert "permission denied): choose a place that you may write to" in told
    assert "Permission denied" in made
    assert len(Index.open(index)) == 12


def test_a_image_deleted_since_it_was_indexed_is_found_and_drawn(
    infomax: Infomax, tmp_path: Path, index: Path, photos: Path
) -> None:
    gone, query = photos / "cat" / "00.png", tmp_path / "query.png"
    query.write_bytes(gone.read_bytes())
    gone.unlink()
    found = infomax("search", query, "--index", index, "-k", 1, "--json", "-", "--figure", tmp_path / "grid.png")
    assert [each["path"] for each in document(found.stdout)["matches"]] == [str(gone)]
    assert "no such file" in infomax("search", gone, "--index", index).failure
    with Image.open(tmp_path / "grid.png") as image:
        assert image.width > 2 * 80
