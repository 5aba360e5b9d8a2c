"""Files of rows on a real disk: there, gone, renamed to odd names, or not to be examined."""

import os
from pathlib import Path

import pytest

from infomax.paths import printable
from infomax.search.presence import file_key, gone_among, is_gone


def test_a_file_is_there_until_it_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    file.touch()
    assert not is_gone(str(file))
    assert file_key(str(file)) == (file.stat().st_dev, file.stat().st_ino)
    file.unlink()
    assert is_gone(str(file))
    assert file_key(str(file)) is None
    assert is_gone(f"{file}/below.jpg")


def test_a_row_of_a_table_is_there_as_long_as_the_table(tmp_path: Path) -> None:
    table = tmp_path / "a.parquet"
    table.touch()
    assert not is_gone(f"{table}#3")
    assert file_key(f"{table}#3") == file_key(f"{table}#4") == file_key(str(table))
    table.unlink()
    assert is_gone(f"{table}#3")


def test_a_number_sign_in_a_name_is_no_row(tmp_path: Path) -> None:
    file = tmp_path / "track#3"
    file.touch()
    assert not is_gone(str(file))
    assert is_gone(str(tmp_path / "track#4"))


@pytest.mark.parametrize("path", ["digits#3", "array#0", "relative.jpg"])
def test_a_row_without_a_file_is_never_gone(path: str) -> None:
    assert not is_gone(path)
    assert file_key(path) is None
    assert gone_among([path]) == set()


def test_a_name_that_is_no_unicode_is_found(tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    Path(os.fsdecode(file)).touch()
    row = printable(os.fsdecode(file))
    assert row.endswith("caf\\udce9.jpg")
    assert not is_gone(row)
    Path(os.fsdecode(file)).unlink()
    assert is_gone(row)


def test_a_link_to_nothing_is_gone_and_a_link_is_its_target(tmp_path: Path) -> None:
    target, link = tmp_path / "a.jpg", tmp_path / "link.jpg"
    target.touch()
    link.symlink_to(target)
    assert file_key(str(link)) == file_key(str(target))
    target.unlink()
    assert is_gone(str(link))


def test_a_file_that_cannot_be_examined_is_not_called_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "stat", closed)
    assert not is_gone("/closed/a.jpg")
    assert file_key("/closed/a.jpg") is None


def test_many_files_are_judged_as_one_by_one(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / f"{number:02d}.jpg").touch()
    (tmp_path / "table.npy").touch()
    (tmp_path / "dead.jpg").symlink_to("nowhere")
    (tmp_path / "03.jpg").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))
    rows = [
        *(str(tmp_path / f"{number:02d}.jpg") for number in range(30)),
        *(f"{tmp_path}/{name}#{row}" for name in ("table.npy", "gone.npy") for row in range(9)),
        *(f"{tmp_path}/{name}" for name in ("dead.jpg", "\\udcff.jpg", "no/such/folder.jpg")),
        "digits#7",
    ]
    assert gone_among(rows) == {row for row in rows if is_gone(row)}
    assert len(gone_among(rows)) == 11 + 9 + 2
