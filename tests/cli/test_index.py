"""infomax index, as a user runs it: new indexes, updates, full disks, and input that cannot be indexed."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pytest
from PIL import Image

from infomax import Index, InfoMax
from infomax.paths import path_from_here
from tests.cli.conftest import document
from tests.conftest import SMALL, Infomax, colored, no_room

CASES = Path(__file__).parents[3] / "shared" / "cases"


def make_case(name: str, folder: Path) -> None:
    """Make the files of a bug report in a folder."""
    subprocess.run([sys.executable, CASES / f"{name}.py", folder], check=True)


def test_a_folder_is_indexed_and_searched(
    shell: Infomax, infomax: Infomax, tmp_path: Path, photos: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = shell("index", "photos", "--model", run, "--index", "photos.index")
    assert (made.code, made.stderr) == (0, "")
    assert made.stdout == "added 12, updated 0, unchanged 0, removed 0, skipped 0\n"
    monkeypatch.chdir(tmp_path)
    found = infomax("search", "photos/cat/04.png", "--index", "photos.index", "-k", 3, "--json", "-")
    assert (found.code, found.stderr) == (0, "")
    result = document(found.stdout)
    assert (result["query"], result["metric"], result["approximate"]) == ("photos/cat/04.png", "cosine", False)
    query = photos / "cat" / "04.png"
    near = Index.open(tmp_path / "photos.index").search(query, 4)
    assert near[0].image.path == str(query)  # which the command leaves out
    expected = [replace(each, rank=each.rank - 1) for each in near[1:]]
    lines = infomax("search", query, "--index", "photos.index", "-k", 3).stdout.splitlines()
    assert lines[1:] == [
        f"{each.rank:>5}  {each.distance:<7.3f}  {path_from_here(each.image.path)}" for each in expected
    ]
    assert lines[1].split()[2].startswith("photos/")
    assert result["matches"] == [
        {
            "rank": each.rank,
            "path": each.image.path,
            "label": each.image.label,
            "distance": each.distance,
            "similarity": each.similarity,
            "format": "PNG",
            **dict.fromkeys(("taken", "camera", "latitude", "longitude")),
            "gone": False,
        }
        for each in expected
    ]


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
        "moved": 0,
        "same_file": 0,
        "gone": 0,
    }


def test_the_recall_of_approximate_searches_is_told(
    infomax: Infomax, index: Path, photos: Path, tmp_path: Path
) -> None:
    told = infomax("index", photos, "--index", index, "--approximate", "--json", tmp_path / "told.json")
    found = document((tmp_path / "told.json").read_text())["approximate"]
    assert found["recall"] == 1  # exact below 5,000 images
    nearest, measured = f"100.0 % of the {found['k']} nearest", f"measured with {found['queries']} of the index"
    assert f"approximate searches find {nearest}, {measured}, in " in told.stdout


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases beside the repository")
def test_one_file_by_two_paths_has_one_row(infomax: Infomax, tmp_path: Path, run: Path) -> None:
    """A link to a file, a hard link, a folder by itself and through a link; and a true copy, which stays one."""
    make_case("one_file_by_two_paths", tmp_path)
    index, photos = tmp_path / "index", tmp_path / "photos"
    made = infomax("index", photos, "--model", run, "--index", index)
    assert made.stderr == "infomax: 2 paths are the same file as another: listed once\n"
    assert made.stdout.startswith("added 9, updated 0, unchanged 0")
    moved = infomax("index", tmp_path / "elsewhere", "--index", index)
    assert moved.stderr == "infomax: 3 paths are the same file as another: listed once\n"
    assert moved.stdout.startswith("added 0, updated 0, unchanged 0, removed 0, skipped 0, moved 3")
    again = document(infomax("index", photos, "--index", index, "--json", "-").stdout)
    assert (again["added"], again["unchanged"], again["same_file"], again["moved"]) == (0, 6, 5, 0)
    files = [Path(image.path) for image in Index.open(index).page()]
    assert len({(file.stat().st_dev, file.stat().st_ino) for file in files}) == len(files) == 9
    assert all(file == file.resolve() for file in files)
    groups = document(infomax("duplicates", "--index", index, "--threshold", "1", "--json", "-").stdout)["groups"]
    assert [group["paths"] for group in groups] == [[f"{photos}/2024/a4.jpg", f"{photos}/copy.jpg"]]


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases beside the repository")
def test_a_renamed_file_keeps_its_row_and_a_deleted_one_is_left_out(
    infomax: Infomax, tmp_path: Path, run: Path
) -> None:
    photos, index = tmp_path / "photos", tmp_path / "index"
    make_case("renamed_since", photos)
    infomax("index", photos, "--model", run, "--index", index)
    (photos / "p0.jpg").rename(photos / "holiday.jpg")
    (photos / "p1.jpg").unlink()
    before = infomax("search", photos / "holiday.jpg", "--index", index, "-k", 2)
    assert "p0.jpg" not in before.stdout
    assert "left out: its file is gone" in before.stderr
    done = infomax("index", photos, "--index", index)
    assert done.stdout == "added 0, updated 0, unchanged 8, removed 0, skipped 0, moved 1\n"
    assert done.stderr == "infomax: 1 row has lost its file: --prune removes it\n"
    found = infomax("search", photos / "holiday.jpg", "--index", index, "-k", 99)
    assert found.stdout.splitlines()[0].endswith(": 8 matches, by cosine distance")  # the query itself is left out
    with Image.open(photos / "holiday.jpg") as image:
        image.save(tmp_path / "copy.png")
    copied = infomax("search", tmp_path / "copy.png", "--index", index, "-k", 1)
    assert copied.stdout.splitlines()[1].endswith(f"0.000    {photos / 'holiday.jpg'}")
    assert "p0.jpg" not in found.stdout
    assert "p1.jpg" not in found.stdout
    grouped = infomax("duplicates", "--index", index, "--threshold", "-1").stdout
    assert "p0.jpg" not in grouped
    assert "p1.jpg" not in grouped
    assert infomax("index", photos, "--index", index, "--prune").stdout.startswith("added 0, updated 0, unchanged 9")
    assert len(Index.open(index)) == 9


def test_a_folder_that_no_longer_exists_is_pruned(infomax: Infomax, index: Path, photos: Path) -> None:
    other = photos.with_name("photos2")
    other.mkdir()
    Image.fromarray(colored(1, seed=1)[0]).save(other / "a.png")
    infomax("index", other, "--index", index)
    rmtree(photos)
    assert "no such file or folder" in infomax("index", photos, "--index", index).failure
    assert "no such file or folder" in infomax("index", f"{photos}-typo", "--index", index, "--prune").failure
    plan = infomax("index", photos, "--index", index, "--prune", "--dry-run")
    assert plan.stdout == "would be added 0, updated 0, unchanged 0, removed 12, skipped 0\n"
    assert len(Index.open(index)) == 13
    done = infomax("index", photos, "--index", index, "--prune")
    assert done.stdout == "added 0, updated 0, unchanged 0, removed 12, skipped 0\n"
    assert [image.path for image in Index.open(index).page()] == [str(other / "a.png")]


def test_what_was_excluded_once_is_left_out_again(infomax: Infomax, tmp_path: Path, photos: Path, run: Path) -> None:
    index = ("--index", tmp_path / "index")
    made = infomax("index", photos, "--model", run, *index, "--exclude", "0[0-3]*")
    assert made.stdout.startswith("added 8,"), made
    again = infomax("index", photos, *index)
    assert again.stdout == "added 0, updated 0, unchanged 8, removed 0, skipped 0\n"
    assert again.stderr == "infomax: excluded: 4 in 0[0-3]*\n"
    assert infomax("index", photos, *index, "--exclude", "", "--dry-run").code == 2
    assert infomax("index", photos, *index, "--exclude", "").stdout.startswith("added 4, updated 0, unchanged 8,")


def test_a_missing_folder_among_others_is_pruned(infomax: Infomax, index: Path, photos: Path) -> None:
    rmtree(photos / "cat")
    both = (photos / "cat", photos / "dog")
    assert "no such file" in infomax("index", *both, "--index", index).failure
    done = infomax("index", *both, "--index", index, "--prune")
    assert done.stdout == "added 0, updated 0, unchanged 6, removed 6, skipped 0\n"


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
