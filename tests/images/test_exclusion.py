"""What is left out of a folder: by default, by pattern, and with a count."""

import subprocess
import sys
from pathlib import Path

import pytest

from infomax.errors import InfoMaxError
from infomax.images import ReadingOptions, load_images
from infomax.images.exclusion import Exclusion
from infomax.images.opening import open_source
from tests.images.conftest import noise, put

SHARED = Path(__file__).parents[3] / "shared" / "cases"


def keys(source: Path | str | list[Path], *patterns: str) -> list[str]:
    return [entry.key for entry in open_source(source, ReadingOptions(patterns)).entries]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the generator in ../shared/cases")
def test_thumbnails_of_a_nas_are_passed_over_and_counted(tmp_path: Path) -> None:
    subprocess.run([sys.executable, SHARED / "nas_thumbnails.py", tmp_path], check=True)
    images = load_images(tmp_path, 8)
    assert images.keys == [f"IMG_{i}.jpg" for i in range(8)]
    assert images.skipped == []
    assert images.census.lines() == ["excluded: 24 in @eaDir, 8 hidden"]
    assert keys(f"{tmp_path}/**/*.jpg") == images.keys
    assert open_source(f"{tmp_path}/**/*.jpg").census().excluded == {"@eaDir": 24}


@pytest.mark.parametrize(
    "folder",
    [
        *("@eaDir", "sub/@EADIR", "#recycle", "@Recycle", "$RECYCLE.BIN", "$Recycle.Bin", "__MACOSX", ".thumbnails"),
        *(".Trash-1000/files", ".@__thumb", "@__thumb", "#snapshot/daily", "lost+found"),
    ],
)
def test_folders_that_systems_keep_are_passed_over(folder: str, tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(4, 4))
    put(tmp_path / folder / "b.png", noise(4, 4))
    source = open_source(tmp_path)
    assert [entry.key for entry in source.entries] == ["a.png"]
    assert sum(source.census().excluded.values()) == 1


def test_an_excluded_folder_can_be_named_itself(tmp_path: Path) -> None:
    put(tmp_path / "@eaDir/a.png", noise(4, 4))
    assert keys(tmp_path / "@eaDir") == ["a.png"]


def test_patterns_name_files_folders_and_paths(tmp_path: Path) -> None:
    for name in ("a.png", "b_copy.png", "thumbs/c.png", "x/thumbs/d.png", "2019/raw/e.png", "2020/raw/f.png"):
        put(tmp_path / name, noise(4, 4))
    assert keys(tmp_path, "*_COPY.*", "thumb*") == ["2019/raw/e.png", "2020/raw/f.png", "a.png"]
    assert keys(tmp_path, "2019/raw", "thumbs/") == ["2020/raw/f.png", "a.png", "b_copy.png"]
    assert "2019/raw/e.png" not in keys(tmp_path, f"{tmp_path}/2019")
    assert keys([tmp_path / "a.png", tmp_path / "b_copy.png"], "*_copy*") == ["a.png"]


def test_a_path_may_be_typed_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "photos/private/a.png", noise(4, 4))
    put(tmp_path / "photos/b.png", noise(4, 4))
    assert keys("photos", "photos/private") == keys(Path("./photos"), "./photos/private/") == ["b.png"]


def test_a_pattern_that_matches_nothing_is_told(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(4, 4))
    census = open_source(tmp_path, ReadingOptions(("thunbs",))).census()
    assert census.lines() == ["excluded: nothing matches 'thunbs'"]


def test_a_pattern_of_other_files_matches_too(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(4, 4))
    put(tmp_path / "b.mov", b"film")
    census = open_source(tmp_path, ReadingOptions(["*.mov"])).census()
    assert census.lines() == ["excluded: 1 in *.mov"]


def test_nothing_left_says_what_was_excluded(tmp_path: Path) -> None:
    put(tmp_path / "@eaDir/a.png", noise(4, 4))
    with pytest.raises(InfoMaxError, match=r"holds no images \(excluded: 1 in @eaDir\)"):
        open_source(tmp_path)


def test_excluding_does_not_decode_the_others_again(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(4, 4))
    put(tmp_path / "b.png", noise(4, 4, seed=1))
    assert load_images(tmp_path, 4).keys == ["a.png", "b.png"]
    assert load_images(tmp_path, 4, options=ReadingOptions(("b*",))).keys == ["a.png"]


def test_photos_that_a_pattern_matches_are_told(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(4, 4))
    put(tmp_path / "b.svg", b"drawing")
    source = open_source(f"{tmp_path}/*")
    assert [entry.key for entry in source.entries] == ["a.png"]
    assert [each.where for each in source.census().unread] == [f"{tmp_path}/b.svg"]
    with pytest.raises(InfoMaxError, match=r"matches no images \(not looked at: 1 \.svg \(convert to PNG\)\)"):
        open_source(f"{tmp_path}/*.svg")


def test_several_sources_have_one_census(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.svg", "a/@eaDir/3.png", "b/4.png", "b/5.mov", "b/@eaDir/6.png"):
        put(tmp_path / name, noise(4, 4, seed=len(name)))
    census = open_source([tmp_path / "a", tmp_path / "b"]).census()
    assert census.lines() == ["not looked at: 1 .svg (convert to PNG), 1 .mov", "excluded: 2 in @eaDir"]


def test_a_lone_text_is_one_pattern(tmp_path: Path) -> None:
    assert ReadingOptions("thumb*").exclude == ReadingOptions(["thumb*"]).exclude == ("thumb*",)
    with pytest.raises(InfoMaxError, match="an empty pattern to exclude"):
        ReadingOptions(("",))


def test_a_file_is_matched_by_the_folders_above_it() -> None:
    exclusion = Exclusion(Path("photos"), ("raw",))
    assert exclusion.match_any("2019/raw/x/a.png") == "raw"
    assert exclusion.match_any("2019/a.png") is None
