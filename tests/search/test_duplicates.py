"""Groups of duplicates and blank images of an index: what is said of a group holds for all its pairs."""

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from infomax import Index, InfoMax
from infomax.copies.near_duplicates import ImageComparer
from infomax.copies.same_image import SamePair
from infomax.errors import InfoMaxError
from infomax.images.thumbnails import thumbnail
from infomax.kinds.registry import find_kind
from infomax.search import duplicates
from infomax.search.duplicates import DuplicateOptions, find_duplicates
from infomax.search.results import Group, GroupKind
from tests.search.conftest import NewIndex, scene
from tests.search.memory import MemoryStore, rows_of

ALL: tuple[GroupKind, ...] = ("same bytes", "same image", "near")


def names(groups: Sequence[Group]) -> list[list[str]]:
    return sorted(sorted(Path(image.path).name for image in group.images) for group in groups)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def least_of(index: Index, group: Group) -> float:
    images, vectors = index.vectors()
    row = {image.id: vector.astype(np.float64) for image, vector in zip(images, vectors, strict=True)}
    return min(cosine(row[a.id], row[b.id]) for a, b in combinations(group.images, 2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    return tmp_path / "photos"


@pytest.fixture
def built(model: InfoMax, tmp_path: Path, folder: Path) -> Index:
    """An index to be filled from the folder."""
    return Index.create(tmp_path / "photos.index", model, device="cpu")


def save_kinds(folder: Path) -> None:
    """For each of four scenes: the image, equal bytes, and copies of many kinds."""
    for number in range(4):
        image = scene(number, 320, 240)
        image.save(folder / f"{number}_a.png")
        (folder / f"{number}_bytes.png").write_bytes((folder / f"{number}_a.png").read_bytes())
        image.save(folder / f"{number}_q30.jpg", quality=30)
        image.resize((80, 60)).save(folder / f"{number}_small.png")
        image.crop((8, 6, 312, 234)).save(folder / f"{number}_crop.png")
        ImageEnhance.Brightness(image).enhance(1.3).save(folder / f"{number}_bright.png")
        image.convert("L").save(folder / f"{number}_gray.png")
        ImageOps.mirror(image).save(folder / f"{number}_mirrored.png")
        image.rotate(90, expand=True).save(folder / f"{number}_turned.png")
        ImageOps.expand(image, 60, "black").save(folder / f"{number}_framed.png")


FOUND = ["a.png", "bright.png", "bytes.png", "crop.png", "gray.png", "q30.jpg", "small.png"]


def test_copies_of_many_kinds_are_one_group_each(built: Index, folder: Path) -> None:
    save_kinds(folder)
    built.add(folder)
    groups = built.duplicates()
    assert names(groups) == [[f"{number}_{name}" for name in FOUND] for number in range(4)]
    for group in groups:
        assert group.kind == "same image"
        assert group.similarity == pytest.approx(least_of(built, group), abs=1e-6)
        assert group.changes == ("",) * len(FOUND)
    assert names(built.duplicates(kinds=["same bytes"])) == [
        [f"{number}_a.png", f"{number}_bytes.png"] for number in range(4)
    ]


def test_mirrored_turned_and_framed_copies_are_named_as_what_they_are(built: Index, folder: Path) -> None:
    save_kinds(folder)
    built.add(folder)
    groups = built.duplicates(mirrored=True, turned=True, framed=True)
    words = {"mirrored.png": "mirrored", "turned.png": "turned", "framed.png": "framed"}
    assert names(groups) == [sorted(f"{number}_{name}" for name in [*FOUND, *words]) for number in range(4)]
    for group in groups:
        told = {Path(image.path).name[2:]: word for image, word in zip(group.images, group.changes, strict=True)}
        assert {name: word for name, word in told.items() if word} == words


def test_equal_bytes_alone_are_a_group_of_their_own_kind(built: Index, folder: Path) -> None:
    for number in range(3):
        scene(number).save(folder / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "1.png").read_bytes())
    built.add(folder)
    alone: tuple[GroupKind, ...] = ("same bytes",)
    for kinds in (ALL, alone):
        [group] = built.duplicates(kinds=kinds)
        assert (group.kind, group.similarity, group.changes) == ("same bytes", 1.0, ("", ""))
        assert names([group]) == [["1.png", "copy.png"]]
    assert built.duplicates(kinds=["near"]) == []


def test_a_dissolve_is_no_chain(built: Index, folder: Path) -> None:
    start, end = (np.asarray(scene(seed), float) for seed in (1, 2))
    for step in range(21):
        mixed = start * (1 - step / 20) + end * step / 20
        Image.fromarray(mixed.round().astype(np.uint8)).save(folder / f"{step:02d}.png")
    built.add(folder)
    for threshold in (0.5, 0.9, 0.99):
        groups = built.duplicates(threshold, ALL)
        assert groups
        for group in groups:
            steps = [int(Path(image.path).stem) for image in group.images]
            assert max(steps) - min(steps) < 10
            assert group.similarity == pytest.approx(least_of(built, group), abs=1e-6)
        shown = [image.path for group in groups for image in group.images]
        assert len(shown) == len(set(shown))


def test_a_pan_over_a_wide_scene_is_no_chain(built: Index, folder: Path) -> None:
    """Each frame is shifted by a little, so that neighbors are crops of each other and the ends share nothing."""
    wide = scene(7, 640, 120)
    for step in range(25):
        wide.crop((step * 19, 0, step * 19 + 160, 120)).save(folder / f"{step:02d}.png")
    built.add(folder)
    for group in built.duplicates(0.5, ALL):
        steps = [int(Path(image.path).stem) for image in group.images]
        assert max(steps) - min(steps) <= 3


def test_blank_images_are_told_and_grouped_only_by_equal_bytes(built: Index, folder: Path) -> None:
    for number in range(12):
        art = Image.new("RGBA", (60 + number, 60), (0, 0, 0, 0))
        ImageDraw.Draw(art).ellipse((10, 10, 30 + number, 40), outline="white")
        art.save(folder / f"art{number:02d}.png")
        page = Image.new("RGB", (210, 297), "white")
        ImageDraw.Draw(page).line((20, 20 + 9 * number, 60, 30 + 9 * number), fill="black", width=2)
        page.save(folder / f"page{number:02d}.png")
        Image.new("RGB", (50, 40), (20 * number, 255 - 20 * number, 90)).save(folder / f"solid{number:02d}.png")
    (folder / "copy.png").write_bytes((folder / "page03.png").read_bytes())
    scene(0).save(folder / "scene.png")
    built.add(folder)
    [group] = built.duplicates(-1.0, ALL)
    assert (names([group]), group.kind) == ([["copy.png", "page03.png"]], "same bytes")
    blank = [Path(image.path).name for image in built.blank_images()]
    assert blank == sorted(path.name for path in folder.iterdir() if path.name != "scene.png")


def test_files_that_are_gone_are_left_out(built: Index, folder: Path) -> None:
    for number in range(3):
        scene(number).save(folder / f"p{number}.png")
        scene(number).save(folder / f"q{number}.jpg")
    (folder / "z1.png").write_bytes((folder / "p1.png").read_bytes())
    built.add(folder)
    for name in ("p0.png", "p1.png", "p2.png", "q2.jpg"):
        (folder / name).unlink()
    assert names(built.duplicates()) == [["q1.jpg", "z1.png"]]
    gone = built.duplicates(include_gone=True)
    assert names(gone) == [["p0.png", "q0.jpg"], ["p1.png", "q1.jpg", "z1.png"], ["p2.png", "q2.jpg"]]


def test_two_paths_of_one_file_are_no_duplicates(new_index: NewIndex, folder: Path) -> None:
    """The index may hold rows of an older version, which had one for each path."""
    index = new_index()
    for number in range(3):
        scene(number).save(folder / f"{number}.png")
    os.link(folder / "0.png", folder / "hard.png")
    (folder / "link.png").symlink_to(folder / "1.png")
    (folder / "through").symlink_to(folder)
    (folder / "copy.png").write_bytes((folder / "2.png").read_bytes())
    of = {"0.png": 0, "hard.png": 0, "1.png": 1, "link.png": 1, "through/1.png": 1, "2.png": 2, "copy.png": 2}
    of["through/2.png"] = 2
    vectors = np.eye(index.dim, dtype=np.float32)[list(of.values())]
    table = rows_of(
        [str(folder / name) for name in of],
        vectors,
        thumbnails=[thumbnail(folder / name).content for name in of],
        hashes=[f"content {number}" for number in of.values()],
    )
    index._store.upsert(table)
    assert names(index.duplicates(kinds=ALL)) == [["2.png", "copy.png"]]


def test_rows_of_one_table_are_different_images(new_index: NewIndex, tmp_path: Path) -> None:
    index, table = new_index(), tmp_path / "t.parquet"
    table.write_bytes(b"")
    contents = [thumbnail(np.asarray(scene(0))).content] * 2
    paths = [f"{table}#0", f"{table}#1"]
    index._store.upsert(rows_of(paths, np.ones((2, index.dim), np.float32), thumbnails=contents, hashes=["h", "h"]))
    assert [[image.path for image in group.images] for group in index.duplicates()] == [paths]


def test_the_second_time_no_thumbnail_is_read_for_a_miniature(
    built: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        scene(number).save(folder / f"{number}.png")
    built.add(folder)
    assert built.duplicates(kinds=ALL, threshold=0.999) == []
    monkeypatch.setattr(Index, "thumbnails", lambda _, ids: pytest.fail(f"read {ids}"))
    assert built.duplicates(kinds=ALL, threshold=0.999) == []
    assert built.blank_images() == []


def test_a_threshold_that_is_no_cosine_is_refused(built: Index) -> None:
    with pytest.raises(InfoMaxError, match="a cosine lies in"):
        built.duplicates(1.5)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InfoMaxError, match="no kind of duplicates 'alike': choose from 'same bytes'"):
        DuplicateOptions(kinds=["alike"])


def test_an_empty_index_has_no_duplicates(built: Index) -> None:
    assert built.duplicates(kinds=ALL) == []
    assert built.blank_images() == []


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_what_is_said_of_a_group_holds_for_all_its_pairs(data: st.DataObject) -> None:
    """Whatever the pixel test and the vectors say: pairs are drawn at random instead of being compared."""
    n = data.draw(st.integers(2, 12), label="images")
    every = list(combinations(range(n), 2))
    same = data.draw(st.lists(st.sampled_from(every), unique=True), label="same image")
    alike = data.draw(st.lists(st.sampled_from(every), unique=True), label="alike at a glance")
    copies = data.draw(st.lists(st.integers(0, n - 1), max_size=4), label="copies of equal bytes")
    content = [*range(n), *copies]
    random = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    by_content = random.normal(size=(n, 3)).astype(np.float32)
    store = MemoryStore(3)
    paths = [f"array#{row:02d}" for row in range(len(content))]
    store.upsert(rows_of(paths, by_content[content], hashes=[f"h{each}" for each in content]))

    def look(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.array([[(min(p, q), max(p, q)) in alike for q in b] for p in a]).reshape(len(a), len(b))

    found = [SamePair(a, b, float(rank), 0, framed_a=False, framed_b=False) for rank, (a, b) in enumerate(same)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infomax.copies.same_image.SameImageFinder.find", lambda _, **__: found)
        patch.setattr(ImageComparer, "same", lambda _, a, b: look(a, b))
        groups = find_duplicates(store, 3, find_kind("images"), lambda _: {}, DuplicateOptions(0.3, ALL))
    shown = [image.path for group in groups for image in group.images]
    assert len(shown) == len(set(shown))
    for group in groups:
        members = [content[int(image.path.removeprefix("array#"))] for image in group.images]
        for a, b in combinations(sorted(set(members)), 2):
            near = (a, b) in alike and cosine(by_content[a], by_content[b]) >= 0.3 - 1e-6
            assert (a, b) in same if group.kind == "same image" else near or (a, b) in same
        assert (len(set(members)) == 1) == (group.kind == "same bytes")
        cosines = [cosine(by_content[a], by_content[b]) for a, b in combinations(members, 2)]
        assert group.similarity == pytest.approx(min(cosines), abs=1e-5)


def test_the_kinds_by_default() -> None:
    assert duplicates.DEFAULT_KINDS == ("same bytes", "same image")
