"""Rows of folders and files that no longer exist."""

import os
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from infomax import Index, InfoMax, InfoMaxError
from tests.conftest import colored


@pytest.fixture
def index(model: InfoMax, tmp_path: Path, photos: Path) -> Index:
    np.save(tmp_path / "table.npy", colored(4))
    return Index.create(tmp_path / "index", model).add(photos).add(tmp_path / "table.npy")


def test_only_rows_below_the_missing_folder_are_removed(index: Index, photos: Path) -> None:
    rmtree(photos / "cat")
    assert index.synchronize(photos / "cat", prune=True, dry_run=True).removed == 15
    assert len(index) == 35
    assert index.synchronize(photos / "cat", prune=True).removed == 15
    assert len(index) == 20
    assert index.count(folder=photos) == 16


def test_a_missing_table_is_pruned(index: Index, tmp_path: Path) -> None:
    (tmp_path / "table.npy").unlink()
    with pytest.raises(InfoMaxError, match="no such file or folder"):
        index.synchronize(tmp_path / "table.npy")
    assert index.synchronize(tmp_path / "table.npy", prune=True).removed == 4
    assert len(index) == 31


@pytest.mark.parametrize("name", ["phot", "photos2", "photos/ca", "table"])
def test_a_typing_error_removes_nothing(index: Index, tmp_path: Path, name: str) -> None:
    with pytest.raises(InfoMaxError, match="no such file or folder"):
        index.synchronize(tmp_path / name, prune=True)
    assert len(index) == 35


def test_a_missing_folder_among_several_is_pruned_and_the_others_are_updated(
    index: Index, tmp_path: Path, photos: Path
) -> None:
    rmtree(photos / "cat")
    (photos / "dog" / "01.png").unlink()
    sources = [photos / "cat", photos / "dog", tmp_path / "table.npy"]
    with pytest.raises(InfoMaxError, match="no such file"):
        index.synchronize(sources)
    plan = index.synchronize(sources, prune=True, dry_run=True)
    assert (plan.removed, plan.unchanged, len(index)) == (16, 18, 35)
    assert index.synchronize(sources, prune=True).removed == 16
    assert len(index) == 19
    with pytest.raises(InfoMaxError, match="no such file"):
        index.synchronize([photos / "dgo", photos / "dog"], prune=True)
    assert len(index) == 19


def test_a_folder_that_was_renamed_among_several_keeps_its_rows(index: Index, photos: Path) -> None:
    before = {image.id for image in index.page(limit=99)}
    (photos / "cat").rename(photos / "puma")
    changes = index.synchronize([photos / "cat", photos / "puma", photos / "dog"], prune=True)
    assert (changes.moved, changes.added, changes.removed, changes.unchanged) == (15, 0, 0, 15)
    assert len(index) == 35
    assert len(before & {image.id for image in index.page(limit=99)}) == 20


def test_a_missing_folder_is_named_relatively_or_through_a_link(
    index: Index, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    rmtree(photos)
    monkeypatch.chdir(tmp_path)
    assert index.synchronize("photos", prune=True, dry_run=True).removed == 31
    assert index.synchronize(tmp_path / "link" / "photos", prune=True).removed == 31


def test_a_disk_that_is_not_mounted_is_not_pruned_unasked(
    model: InfoMax, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts, ismount = {str(tmp_path)}, os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in mounts or ismount(path))
    index = Index.create(tmp_path / "index", model).add(photos)
    away = photos.rename(tmp_path / "away")
    mounts.clear()
    with pytest.raises(InfoMaxError, match="not mounted: mount it, or give --unmounted to remove its 31 rows"):
        index.synchronize(photos, prune=True)
    assert len(index.search(away / "30.png", 99)) == len(index) == 31
    assert index.synchronize(photos, prune=True, unmounted=True).removed == 31
    assert len(index) == 0
