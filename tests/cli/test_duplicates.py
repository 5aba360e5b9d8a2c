"""infomax duplicates, as a user runs it."""

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infomax.cleaning.wording import size_of
from tests.cli.conftest import document
from tests.conftest import Infomax


def test_copies_and_near_copies_are_grouped(infomax: Infomax, index: Path, photos: Path) -> None:
    copy = photos / "dog" / "copy.png"
    copy.write_bytes((photos / "cat" / "00.png").read_bytes())
    infomax("index", photos, "--index", index)
    found = document(infomax("duplicates", "--index", index, "--threshold", "1", "--json", "-").stdout)
    assert [str(photos / "cat" / "00.png"), str(copy)] in [group["paths"] for group in found["groups"]]
    assert str(copy) in infomax("duplicates", "--index", index).stdout
    levels = np.random.default_rng(0).integers(0, 256, (6, 6), np.uint8)
    spots = Image.fromarray(levels).resize((64, 64), Image.Resampling.BICUBIC)
    spots.save(photos / "cat" / "spots.png")
    spots.point(lambda level: level * 0.8).resize((50, 50)).save(photos / "dog" / "darker.jpg")
    infomax("index", photos, "--index", index)
    found = document(infomax("duplicates", "--index", index, "--threshold", "-1", "--json", "-").stdout)
    assert sorted(sorted(Path(path).name for path in group["paths"]) for group in found["groups"]) == [
        ["00.png", "copy.png"],
        ["darker.jpg", "spots.png"],
    ]


def test_without_duplicates_there_is_no_figure(infomax: Infomax, index: Path, tmp_path: Path) -> None:
    found = infomax("duplicates", "--index", index, "--figure", tmp_path / "groups.png")
    assert (found.code, found.stderr) == (0, "")
    assert found.stdout.splitlines()[0] == "0 groups; 0 images beside the best ones, 0 B"
    assert found.stdout.splitlines()[-1] == "there is no group to draw, so there is no figure"
    assert not (tmp_path / "groups.png").exists()


def test_a_threshold_that_is_no_cosine(infomax: Infomax, index: Path) -> None:
    assert "a cosine lies in" in infomax("duplicates", "--index", index, "--threshold", 2).failure


@pytest.fixture
def copies(infomax: Infomax, index: Path, photos: Path) -> Path:
    """The images, with a copy of the first in each folder, and a larger one of the second."""
    (photos / "dog" / "copy.png").write_bytes((photos / "cat" / "00.png").read_bytes())
    (photos / "cat" / "copy.png").write_bytes((photos / "cat" / "00.png").read_bytes())
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        os.utime(path, (1_700_000_000, 1_700_000_000 + 60 * number))
    infomax("index", photos, "--index", index)
    return photos


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_group_is_listed_with_sizes_formats_and_dates(
    infomax: Infomax, index: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copies.parent)
    lines = infomax("duplicates", "--index", index).stdout.splitlines()
    assert "3 images, same" in lines[0]
    date = datetime.fromtimestamp(1_700_000_000).astimezone().strftime("%Y-%m-%d %H:%M")
    size = size_of((copies / "cat" / "00.png").stat().st_size)
    assert lines[1].split() == ["best", "8", "x", "8", *size.split(), "PNG", *date.split(), "photos/cat/00.png"]
    assert [line.split()[-1] for line in lines[2:4]] == ["photos/cat/copy.png", "photos/dog/copy.png"]
    assert not any(line.startswith("  best") for line in lines[2:4])
    assert lines[4].startswith("1 group; 2 images beside the best ones")
    monkeypatch.chdir(copies / "cat")
    lines = infomax("duplicates", "--index", index).stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["00.png", "copy.png", str(copies / "dog" / "copy.png")]
    [group] = document(infomax("duplicates", "--index", index, "--json", "-").stdout)["groups"]
    assert group["paths"] == [str(copies / name) for name in ("cat/00.png", "cat/copy.png", "dog/copy.png")]
    assert group["best"] == group["paths"][0]
    assert group["surplus"] == group["paths"][1:]
    assert group["images"][0] == {
        "path": group["paths"][0],
        "width": 8,
        "height": 8,
        "size": (copies / "cat" / "00.png").stat().st_size,
        "mtime": 1_700_000_000,
        "format": "PNG",
        "change": "",
    }


def test_duplicates_are_moved_and_moved_back_as_a_user_does(
    shell: Infomax, infomax: Infomax, tmp_path: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths, and another process for what moves files."""
    monkeypatch.chdir(tmp_path)
    before = files(copies)
    words = ("duplicates", "--index", "index", "--keep", "best", "--move-to", "trash")
    planned = infomax(*words, "--dry-run", "--figure", "groups.png")
    assert planned.code == 0, planned
    target = f"trash/{(copies / 'cat' / 'copy.png').relative_to('/')}"
    assert f"would move photos/cat/copy.png to {target}" in planned.stdout.splitlines()
    assert "would move 2 images of 1 group" in planned.stdout
    assert (files(copies), (tmp_path / "trash").exists()) == (before, False)
    with Image.open(tmp_path / "groups.png") as figure:
        assert figure.width > 3 * 128
    moved = shell(*words)
    assert moved.code == 0, moved
    assert "moved 2 images of 1 group" in moved.stdout
    assert moved.stdout.splitlines()[-1] == "to move everything back: infomax duplicates --undo trash"
    assert (tmp_path / target).read_bytes() == (copies / "cat" / "00.png").read_bytes()
    assert not (copies / "dog" / "copy.png").exists()
    assert "0 groups" in infomax("duplicates", "--index", "index").stdout
    assert "moved 0 images" in infomax(*words).stdout
    back = shell("duplicates", "--undo", "trash")
    assert (back.code, back.stdout) == (0, "moved back 2 files from trash\n")
    assert files(copies) == before
    assert "1 group" in infomax("duplicates", "--index", "index").stdout


def test_what_stays_is_told_and_ends_with_one(infomax: Infomax, index: Path, copies: Path, tmp_path: Path) -> None:
    (copies / "dog" / "copy.png").write_bytes(b"other")
    words = ("duplicates", "--index", index, "--keep", "best", "--move-to", tmp_path / "trash")
    moved = infomax(*words)
    assert moved.code == 1
    assert "moved 1 image of 1 group" in moved.stdout
    told = f"infomax: {copies / 'dog' / 'copy.png'} has changed since it was indexed: run infomax index again\n"
    assert moved.stderr == told
    (copies / "cat" / "copy.png").write_bytes(b"mine")
    back = infomax("duplicates", "--undo", tmp_path / "trash", "--json", "-")
    assert back.code == 1
    assert "exists again" in back.stderr
    assert (copies / "cat" / "copy.png").read_bytes() == b"mine"
    said = document(back.stdout)
    assert (said["moves"], [each["failed"] for each in said["left"]]) == ([], [True])


def test_moves_are_in_the_json_document(infomax: Infomax, index: Path, copies: Path, tmp_path: Path) -> None:
    words = ("duplicates", "--index", index, "--keep", "best", "--move-to", tmp_path / "trash", "--json", "-")
    said = document(infomax(*words, "--dry-run").stdout)
    assert said["dry_run"] is True
    assert [each["from"] for each in said["moves"]] == [str(copies / "cat/copy.png"), str(copies / "dog/copy.png")]
    done = document(infomax(*words).stdout)
    assert (done["moves"], done["left"], done["dry_run"]) == (said["moves"], [], False)
    assert len(done["groups"]) == 1
    assert all(Path(each["to"]).read_bytes() for each in done["moves"])


def test_images_to_keep_are_remembered(
    infomax: Infomax, index: Path, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(copies)
    kept = infomax("duplicates", "--index", index, "--keep-both", "cat/00.png", "cat/copy.png")
    assert kept.code == 0, kept
    assert kept.stdout.splitlines()[0].endswith("keep cat/00.png  cat/copy.png")
    assert kept.stdout.splitlines()[1] == "1 decision"
    [group] = document(infomax("duplicates", "--index", index, "--json", "-").stdout)["groups"]
    assert [Path(path).name for path in group["paths"]] == ["00.png", "copy.png"]
    assert group["paths"][1] == str(copies / "dog" / "copy.png")
    infomax("duplicates", "--index", index, "--keep-both", "cat/00.png", "cat/copy.png", "dog/copy.png")
    assert "0 groups" in infomax("duplicates", "--index", index).stdout
    listed = document(infomax("duplicates", "--index", index, "--decisions", "--json", "-").stdout)["decisions"]
    assert [len(each["paths"]) for each in listed] == [2, 3]
    assert infomax("duplicates", "--index", index, "--forget", listed[0]["id"]).stdout.endswith("1 forgotten\n")
    assert infomax("duplicates", "--index", index, "--forget", "all").stdout == "0 decisions, 1 forgotten\n"
    assert "1 group" in infomax("duplicates", "--index", index).stdout
    assert "no image" in infomax("duplicates", "--index", index, "--keep-both", "cat/00.png", "nowhere.png").failure
    assert "two images or more" in infomax("duplicates", "--index", index, "--keep-both", "cat/00.png").failure


def test_reference_folders_and_folders_by_themselves(
    infomax: Infomax, index: Path, copies: Path, tmp_path: Path
) -> None:
    def groups(*words: object) -> list[list[str]]:
        said = document(infomax("duplicates", "--index", index, "--json", "-", *words).stdout)
        return [[str(Path(path).relative_to(copies)) for path in group["surplus"]] for group in said["groups"]]

    assert groups("--reference", copies / "dog") == [["cat/00.png", "cat/copy.png"]]
    assert groups("--reference", copies / "cat", "--reference", copies / "dog") == []
    assert groups("--not-within-folder") == [["dog/copy.png"]]
    assert "does not exist" in infomax("duplicates", "--index", index, "--reference", tmp_path / "no").failure


@pytest.mark.parametrize(
    "words",
    [
        ["--move-to", "trash"],
        ["--keep", "best"],
        ["--keep", "first", "--move-to", "trash"],
        ["--dry-run"],
        ["a.png"],
        ["--undo", "trash", "--keep", "best", "--move-to", "trash"],
        ["--kinds", "alike"],
    ],
)
def test_options_that_do_not_go_together(infomax: Infomax, index: Path, tmp_path: Path, words: list[str]) -> None:
    ended = infomax("duplicates", "--index", index, *words)
    assert (ended.code, ended.stdout) == (2, "")
    assert not Path("trash").exists()


def test_the_index_or_a_folder_to_undo_is_named(infomax: Infomax, tmp_path: Path) -> None:
    assert infomax("duplicates").code == 2
    assert "has no undo file" in infomax("duplicates", "--undo", tmp_path).failure


def test_what_was_renamed_since_is_neither_kept_nor_moved(
    infomax: Infomax, index: Path, copies: Path, tmp_path: Path
) -> None:
    """The best has another name now, and its old row is still there: the new name is the one to keep."""
    (copies / "cat" / "00.png").rename(copies / "cat" / "holiday.png")
    infomax("index", copies, "--index", index)
    [group] = document(infomax("duplicates", "--index", index, "--json", "-").stdout)["groups"]
    assert [Path(path).name for path in group["paths"]] == ["copy.png", "holiday.png", "copy.png"]
    assert group["gone"] == []
    moved = infomax("duplicates", "--index", index, "--keep", "best", "--move-to", tmp_path / "trash")
    assert moved.code == 0, moved
    assert (copies / "cat" / "holiday.png").exists()
    assert len(list((tmp_path / "trash").rglob("*.png"))) == 2
