"""Several sources as one: keys that tell them apart, each image once, and everything that a source must know."""

from pathlib import Path

import numpy as np
import pytest

from infomax.errors import InfoMaxError
from infomax.images import load_images, open_source
from infomax.images.several import without_repeats
from tests.images.conftest import noise, put, put_parquet, stored


@pytest.fixture
def years(tmp_path: Path) -> Path:
    """Two folders with files of the same names, flat and nested, and a table beside them."""
    for seed, name in enumerate(("2019/1.png", "2019/2.png", "2020/sea/1.png", "2020/sky/1.png", "2020/1.png")):
        put(tmp_path / name, noise(8, 8, seed=seed))
    put_parquet(tmp_path / "t.parquet", [stored(noise(8, 8, seed=5)), stored(noise(8, 8, seed=6))], [1, -1], names=True)
    return tmp_path


def test_folders_with_the_same_names_are_told_apart(years: Path) -> None:
    images = load_images([years / "2019", years / "2020"], 8)
    assert images.keys == ["2019/1.png", "2019/2.png", "2020/1.png", "2020/sea/1.png", "2020/sky/1.png"]
    assert images.labels == ["2019", "2019", "", "sea", "sky"]
    assert np.array_equal(images.pixels[[0, 3]], [noise(8, 8), noise(8, 8, seed=2)])


def test_an_image_that_two_sources_hold_counts_once(years: Path) -> None:
    source = open_source([years / "2020/sea", years / "2020", years / "2020/sky", years / "2020/1.png"])
    assert source.paths() == [f"{years}/2020/{name}" for name in ("sea/1.png", "1.png", "sky/1.png")]
    assert [entry.key for entry in source.entries] == ["sea/1.png", "1.png", "sky/1.png"]
    assert [content.data for content in source.read([0, 2])] == [years / "2020/sea/1.png", years / "2020/sky/1.png"]


def test_sources_of_all_kinds_are_put_together(years: Path) -> None:
    np.save(years / "a.npy", noise(8, 8)[None])
    given = [years / "2019", "digits:test", years / "t.parquet", str(years / "20*/*.png"), noise(8, 8), years / "a.npy"]
    source = open_source(given)
    assert len(source.entries) == 2 + 450 + 2 + 1 + 1 + 1
    assert len({entry.key for entry in source.entries}) == len(set(source.paths())) == len(source.entries)
    images = load_images(source, 8)
    assert images.keys[1:4] == ["2019/2.png", "digits#1347", "digits#1348"]
    assert images.keys[-5:] == ["t.parquet#0", "t.parquet#1", "2020/1.png", source.paths()[-2], "a.npy#0"]
    assert images.labels is not None
    assert images.labels[452:454] == ["dog", ""]
    assert source.roots() is None  # a pattern does not tell where its files were
    assert source.identity is None  # an image is in memory


def test_several_sources_are_cached_and_notice_changes(years: Path) -> None:
    given = [years / "2019", years / "t.parquet"]
    assert open_source(given).roots() == [f"{years}/2019/", f"{years}/t.parquet#"]
    first = load_images(given, 8)
    put(years / "2019/1.png", noise(9, 9))
    put(years / "2019/0.png", noise(9, 9, seed=9))
    again = load_images(given, 8)
    assert again.keys == ["2019/0.png", *first.keys]
    assert np.array_equal(again.pixels[2:], first.pixels[1:])
    assert not np.array_equal(again.pixels[1], first.pixels[0])


def test_repeats_are_left_out_for_an_index_only(years: Path) -> None:
    file = years / "2019/1.png"
    source = open_source([file, years / "2019/2.png", file])
    assert len(source.entries) == 3
    assert without_repeats(source).paths() == [str(file), str(years / "2019/2.png")]
    folder = open_source(years / "2020")
    assert without_repeats(folder) is folder


def test_a_source_that_cannot_be_opened_is_named(years: Path) -> None:
    (years / "empty").mkdir()
    with pytest.raises(InfoMaxError, match="empty' is an empty folder"):
        open_source([years / "2019", years / "empty"])
    with pytest.raises(InfoMaxError, match=r"no such file: 'nothing' \(1 of 2 are missing\)"):
        open_source([years / "2019", "nothing"])
    with pytest.raises(InfoMaxError, match="no file matches"):
        open_source([years / "2019", "nothing*"])


def test_a_text_file_of_paths(
    years: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    lines = ["\ufeff2020/sky/1.png", "", "# the first year", "2019/2.png", str(years / "2019/1.png"), "2019/2.png"]
    text = years / "list.txt"
    text.write_text("\r\n".join(lines), "utf-8")
    assert load_images(text, 8).keys == ["2020/sky/1.png", "2019/2.png", "2019/1.png", "2019/2.png"]
    assert load_images([text, years / "t.parquet"], 8).keys == [
        *("2020/sky/1.png", "2019/2.png", "2019/1.png", "t.parquet#0", "t.parquet#1")
    ]
    text.write_text("2019\nt.parquet\n")
    assert len(load_images(text, 8).pixels) == 4
    for content, message in (
        ("", "names no images"),
        ("# only a remark\n", "names no images"),
        ("2019/1.png\n2019/3.png", "no such file: .*2019/3.png"),
        ("list.txt\n", "a list again"),
        ("some words\n", "list.txt' is of no supported kind: a text file must name images, .*some words' is none"),
    ):
        text.write_text(content)
        with pytest.raises(InfoMaxError, match=message):
            load_images(text, 8)
