"""Patterns that an index leaves out again."""

from pathlib import Path

import pytest

from infomax.errors import InfoMaxError
from infomax.images import ReadingOptions, open_source
from infomax.images.remembered import RememberedExclusions
from tests.conftest import no_room
from tests.images.conftest import noise, put


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    names = ("a.png", "thumb_a.png", "2019/raw/b.png", "2019/c.png", "2019/thumb_c.png", "2020/raw/d.png")
    for seed, name in enumerate(names):
        put(tmp_path / "photos" / name, noise(8, 8, seed=seed))
    return tmp_path / "photos"


def names(source: Path, file: Path) -> list[str]:
    found = open_source(source, RememberedExclusions(file).applied(source, ReadingOptions()))
    return [entry.key for entry in found.entries]


EXCLUDED = {
    "a name": ("thumb*", ["2019/c.png", "2019/raw/b.png", "2020/raw/d.png", "a.png"]),
    "a path below": ("2019/raw", ["2019/c.png", "2019/thumb_c.png", "2020/raw/d.png", "a.png", "thumb_a.png"]),
    "a path from here": ("photos/2019", ["2020/raw/d.png", "a.png", "thumb_a.png"]),
    "a path from here with a dot": ("./photos/2019/", ["2020/raw/d.png", "a.png", "thumb_a.png"]),
}


@pytest.mark.parametrize("kind", EXCLUDED)
def test_the_same_is_left_out_again_also_from_another_folder(
    kind: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pattern, left = EXCLUDED[kind]
    monkeypatch.chdir(tmp_path)
    RememberedExclusions(tmp_path / "known.json").add("photos", ReadingOptions(exclude=[pattern]))
    assert names(Path("photos"), tmp_path / "known.json") == left
    monkeypatch.chdir(photos)
    assert names(photos, tmp_path / "known.json") == left
    (tmp_path / "link").symlink_to(photos)
    assert names(tmp_path / "link", tmp_path / "known.json") == left


def test_a_folder_within_and_a_folder_around(photos: Path, tmp_path: Path) -> None:
    known = tmp_path / "known.json"
    RememberedExclusions(known).add(str(photos / "2019"), ReadingOptions(exclude=["thumb*", "raw"]))
    assert names(photos / "2019", known) == ["c.png"]
    assert names(photos / "2019" / "raw", known) == ["b.png"]  # what is named itself is meant
    assert names(photos, known) == ["2019/c.png", "2020/raw/d.png", "a.png", "thumb_a.png"]
    assert names(photos / "2020", known) == ["raw/d.png"]


def test_patterns_add_up_until_they_are_forgotten(photos: Path, tmp_path: Path) -> None:
    known = RememberedExclusions(tmp_path / "known.json")
    for pattern in ("thumb*", "2020", "thumb*"):
        known.add([photos], ReadingOptions(exclude=[pattern]))
    again = RememberedExclusions(tmp_path / "known.json").applied([photos], ReadingOptions(exclude=["2020"]))
    assert (again.exclude, again.remembered, again.excluded) == (("2020",), ("thumb*",), ("2020", "thumb*"))
    assert open_source(photos, again).census().lines() == ["excluded: 2 in thumb*, 1 in 2020"]
    (photos / "thumb_a.png").unlink()
    (photos / "2019" / "thumb_c.png").unlink()
    assert open_source(photos, again).census().lines() == ["excluded: 1 in 2020"]  # nothing is said of what is gone
    known.forget()
    assert len(names(photos, tmp_path / "known.json")) == 4


@pytest.mark.parametrize("content", ["", "[]", "{", '{"/a": 3}'])
def test_a_damaged_file_holds_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "known.json").write_text(content)
    assert RememberedExclusions(tmp_path / "known.json").applied(tmp_path, ReadingOptions()) == ReadingOptions()


def test_a_full_disk_is_one_line(photos: Path, tmp_path: Path) -> None:
    known = RememberedExclusions(tmp_path / "known.json")
    with no_room(3), pytest.raises(InfoMaxError, match=r"cannot remember what is excluded in .*: make room there"):
        known.add(photos, ReadingOptions(exclude=["thumb*"]))
