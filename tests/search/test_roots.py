"""A missing file and a missing disk are told apart."""

import os
from pathlib import Path

import pytest

from infomax import InfoMaxError
from infomax.search.roots import NOWHERE, PresenceFilter, Roots


def test_a_file_is_gone_only_where_its_root_is_there(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    (root / "2024").mkdir(parents=True)
    (root / "here.jpg").touch()
    Roots({}).add([f"{root}/", f"{tmp_path}/table.parquet#", "digits#"], tmp_path / "roots.json")
    roots = Roots.read(tmp_path / "roots.json")
    seen = PresenceFilter(roots)
    assert seen.lets_through(f"{root}/here.jpg")
    assert seen.lets_through("digits#3")
    assert not seen.lets_through(f"{root}/gone.jpg")
    assert not seen.lets_through(f"{root}/no/such/folder/gone.jpg")
    assert not seen.lets_through(f"{tmp_path}/table.parquet#3")
    assert (len(seen.left_out), seen.missing_roots) == (3, set())
    root.rename(tmp_path / "away")
    seen = PresenceFilter(roots)
    assert seen.lets_through(f"{root}/here.jpg")
    assert seen.lets_through(f"{root}/2024/other.jpg")
    assert (seen.left_out, seen.missing_roots) == (set(), {str(root)})


def test_a_folder_that_was_never_recorded_is_judged_by_the_file_s_own(tmp_path: Path) -> None:
    assert NOWHERE.missing_root(f"{tmp_path}/gone.jpg") is None
    assert NOWHERE.missing_root(f"{tmp_path}/away/gone.jpg") == f"{tmp_path}/away"
    assert NOWHERE.missing_root(f"{tmp_path}/table.parquet#1") is None


def test_a_mount_point_without_its_disk_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is there, and empty, while the disk is not mounted."""
    disk = tmp_path / "disk"
    (disk / "photos").mkdir(parents=True)
    mounts, ismount = {str(disk)}, os.path.ismount
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) in mounts or ismount(path))
    roots = Roots({})
    roots.add([f"{disk}/photos/"], tmp_path / "roots.json")
    assert roots.unmounted(f"{disk}/photos") is None
    assert roots.missing_root(f"{disk}/photos/gone.jpg") is None
    mounts.clear()
    assert roots.unmounted(f"{disk}/photos") == str(disk)
    assert roots.missing_root(f"{disk}/photos/gone.jpg") == str(disk)
    assert PresenceFilter(roots).lets_through(f"{disk}/photos/gone.jpg")


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"/a": 3}'])
def test_a_damaged_file_of_roots_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "roots.json"
    file.write_text(content)
    assert Roots.read(file).missing_root(f"{tmp_path}/gone.jpg") is None


def test_roots_that_cannot_be_written_are_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(InfoMaxError, match="cannot write to the index"):
        Roots({}).add([f"{tmp_path}/"], tmp_path / "nowhere" / "roots.json")
