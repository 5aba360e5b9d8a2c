"""Nothing in a folder is left out in silence: every file is an image, has a reason, or is counted."""

import subprocess
import sys
from pathlib import Path

import pytest

from infomax.decoding.formats import image_extensions
from infomax.errors import InfoMaxError
from infomax.images import load_images
from infomax.images.census import Census, Skipped, census_lines, count_left_out, extension_of
from infomax.images.opening import open_source
from tests.images.conftest import noise, put, stored

SHARED = Path(__file__).parents[3] / "shared" / "cases"


@pytest.fixture
def no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no extra were installed."""
    monkeypatch.setattr("infomax.decoding.formats._is_installed", lambda _: False)
    known = image_extensions.__wrapped__()
    for module in ("decoding.formats", "images.folder", "images.opening"):
        monkeypatch.setattr(f"infomax.{module}.image_extensions", lambda: known)


@pytest.mark.usefixtures("no_extras")
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the generator in ../shared/cases")
def test_a_phone_folder_is_counted_and_listed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SHARED / "phone_folder.py", tmp_path], check=True)
    images = load_images(tmp_path, 8)
    assert images.keys == ["DSCF0006.MPO", *(f"IMG_{i:04}.JPG" for i in range(6))]
    assert {each.where: each.reason for each in images.skipped} == {
        "IMG_0010.HEIC": "not looked at: pip install 'infomax[heif]'",
        "IMG_0011.HEIC": "not looked at: pip install 'infomax[heif]'",
        "IMG_0012.HEIC": "not looked at: pip install 'infomax[heif]'",
        "IMG_0013.jxl": "not looked at: pip install 'infomax[jxl]'",
        "IMG_0014.CR2": "not looked at: pip install 'infomax[raw]'",
        "IMG_0015.dng": "not looked at: pip install 'infomax[raw]'",
    }
    assert images.census.lines() == [
        "not looked at: 3 .heic (pip install 'infomax[heif]'), 1 .cr2 (pip install 'infomax[raw]'), "
        "1 .dng (pip install 'infomax[raw]'), 1 .jxl (pip install 'infomax[jxl]'), 1 .mov, 1 .txt"
    ]


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        *(("a.hif", "infomax[heif]"), ("b.NEF", "infomax[raw]"), ("c.ARW", "infomax[raw]"), ("d.svg", "PNG")),
        *(("e.pdf", "PNG"), ("f.dcm", "TIFF"), ("g.czi", "TIFF"), ("sub/h.exr", "PNG")),
    ],
)
def test_other_photos_and_drawings_are_listed(name: str, remedy: str, tmp_path: Path) -> None:
    put(tmp_path / "z.png", noise(4, 4))
    put(tmp_path / name, b"content")
    images = load_images(tmp_path, 4)
    assert images.keys == ["z.png"]
    (skipped,) = images.skipped
    assert skipped.where == name
    assert remedy in skipped.reason


@pytest.mark.usefixtures("no_extras")
def test_a_folder_of_such_photos_alone_says_what_to_install(tmp_path: Path) -> None:
    for i in range(3):
        put(tmp_path / f"{i}.heic", b"content")
    with pytest.raises(InfoMaxError, match=r"3 \.heic \(pip install 'infomax\[heif\]'\)"):
        open_source(tmp_path)
    with pytest.raises(InfoMaxError, match=r"0\.heic' is of no supported kind here: pip install 'infomax\[heif\]'"):
        open_source(tmp_path / "0.heic")


def test_every_file_is_an_image_or_counted(tmp_path: Path) -> None:
    names = ["a.png", "b.txt", "c", "d.svg", ".e.png", "@eaDir/f.png", "g.mov", "h.tar.gz", "i.png", "x/j.jpeg"]
    for name in names:
        put(tmp_path / name, stored(noise(4, 4)))
    source = open_source(tmp_path)
    census = source.census()
    assert [entry.key for entry in source.entries] == ["a.png", "i.png", "x/j.jpeg"]
    counted = len(census.unread) + sum(census.others.values()) + sum(census.excluded.values())
    assert len(source.entries) + counted == len(names)
    assert census.others == {".txt": 1, "": 1, ".mov": 1, ".gz": 1}


def test_many_kinds_are_summed_up() -> None:
    others = {f".k{i}": 20 - i for i in range(10)}
    (line,) = census_lines({"unread": {}, "others": others, "excluded": {}})
    assert line.startswith("not looked at: 20 .k0, 19 .k1,")
    assert line.endswith("23 of 2 other kinds")


def test_two_censuses_add_up() -> None:
    first = Census([Skipped("a.svg", "convert")], {".txt": 1}, {"@eaDir": 2, "x*": 0})
    both = first + Census([], {".txt": 2, ".mov": 1}, {"@eaDir": 1})
    assert (both.others, both.excluded) == ({".txt": 3, ".mov": 1}, {"@eaDir": 3, "x*": 0})
    assert [each.where for each in both.unread] == ["a.svg"]


def test_too_large_is_not_broken() -> None:
    skipped = [Skipped("a", "too large: 9 x 9 pixels"), Skipped("b", "damaged"), Skipped("c.svg", "not looked at")]
    counts = count_left_out(skipped, Census(skipped[2:], {".mov": 3}, {}))
    assert (counts["broken"], counts["too_large"], counts["unread"], counts["others"]) == (
        1,
        1,
        {".svg": 1},
        {".mov": 3},
    )


def test_extensions() -> None:
    assert [extension_of(name) for name in ("a.JPG", "x/b.tar.gz", "c", ".hidden", "d.", "x.y/e")] == [
        *(".jpg", ".gz", "", "", "", ""),
    ]
