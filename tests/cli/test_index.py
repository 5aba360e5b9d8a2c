"""infomax index, as a user runs it: new indexes, updates, full disks, and input that cannot be indexed."""

import os
from pathlib import Path

import pytest
from PIL import Image

from infomax import Index, InfoMax
from tests.cli.conftest import document
from tests.conftest import SMALL, Infomax, colored, no_room


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


def test_an_index_is_updated_without_naming_the_model(infomax: Infomax, index: Path, photos: Path) -> None:
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
def test_a_read_only_index_can_be_searched(
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


def test_input_that_cannot_be_indexed(infomax: Infomax, tmp_path: Path, index: Path, photos: Path, run: Path) -> None:
    other = tmp_path / "other"
    InfoMax(SMALL, seed=1).fit(colored(40)).save(other)
    assert "made with another model" in infomax("index", photos, "--model", other, "--index", index).failure
    assert "does not exist" in infomax("index", photos, "--index", tmp_path / "nowhere").failure
    assert "no such file or folder" in infomax("index", tmp_path / "nobody", "--index", index).failure
    assert "not empty" in infomax("index", photos, "--model", run, "--index", photos).failure
    assert infomax("index", photos).code == 2
