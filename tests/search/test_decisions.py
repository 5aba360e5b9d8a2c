"""Reviewed decisions: who is no longer reported together, and what is remembered by whom."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from infomax.errors import InfoMaxError
from infomax.search.decisions import Decisions
from infomax.search.results import Group, IndexedImage
from tests.conftest import colored
from tests.search.conftest import NewIndex, save

# a path and the content behind it: paths with the same letter hold the same bytes
A, A2, A3, A4, B, B2, C = ("1/a", "2/a", "3/a", "4/a", "1/b", "2/b", "1/c")


def group(*paths: str, changes: tuple[str, ...] = ()) -> Group:
    images = tuple(IndexedImage(path, path, None, 1, 1, 1, None) for path in sorted(paths))
    return Group(images, 0.9, "same image", changes)


def hashes(ids: object) -> dict[str, str]:
    return {each: each[-1] for each in ids}  # type: ignore[attr-defined]


def contents(*paths: str) -> list[tuple[str, str]]:
    return [(path, path[-1]) for path in paths]


def parts(decisions: Decisions, *paths: str) -> list[set[str]]:
    return [{image.path for image in each.images} for each in decisions.separate([group(*paths)], hashes)]


@pytest.fixture
def decisions(tmp_path: Path) -> Decisions:
    return Decisions(tmp_path / "decisions.jsonl")


@pytest.mark.parametrize(
    ("kept", "found", "expected"),
    [
        ([], [A, B], [{A, B}]),
        ([[A, B]], [A, B], []),
        ([[A, B]], [A, C], [{A, C}]),
        ([[A, B]], [A, A2], [{A, A2}]),
        ([[A, B]], [A3, B2], []),  # both renamed
        ([[A, B]], [A, B, A2], [{A, A2}]),  # a new copy of one of them
        ([[A, B]], [A, A2, B, B2], [{A, A2}, {B, B2}]),
        ([[A, B]], [A, B, C], [{A, C}]),  # a new image
        ([[A, B, C]], [A, B, C], []),
        ([[A, B], [B, C]], [A, B, C], [{A, C}]),
        ([[A, B], [B, C], [A, C]], [A, B, C], []),
        ([[A, A2]], [A, A2], []),  # equal bytes, both to be kept
        ([[A, A2]], [A, A3], []),  # one of them renamed
        ([[A, A2]], [A, A2, A3], [{A, A3}]),
        ([[A2, A3]], [A, A2, A3], [{A, A2}]),  # those that were decided stay apart
        ([[A, A2]], [A, A2, A3, A4], [{A, A3, A4}]),
        ([[A, A2, A3]], [A, A2, A3], []),
        ([[A, A2, B]], [A, A2, B], []),
        ([[A, A2, B]], [A, A2, A3, B, B2], [{A, A3}, {B, B2}]),
    ],
)
def test_images_to_be_kept_are_not_reported_together(
    decisions: Decisions, kept: list[list[str]], found: list[str], expected: list[set[str]]
) -> None:
    for paths in kept:
        decisions.keep(contents(*paths))
    assert parts(decisions, *found) == expected


def test_what_was_said_of_a_group_holds_for_its_parts(decisions: Decisions) -> None:
    decisions.keep(contents(A, B))
    found = group(A, B, B2, C, changes=("", "mirrored", "framed", "mirrored"))
    [first, second] = decisions.separate([found], hashes)
    assert [image.path for image in first.images] == [A, C]
    assert (first.kind, first.similarity, first.changes) == ("same image", 0.9, ("", "framed"))
    assert [image.path for image in second.images] == [B, B2]
    assert (second.kind, second.changes) == ("same bytes", ("", ""))


def test_decisions_are_listed_and_forgotten(decisions: Decisions) -> None:
    assert list(decisions) == []
    first, second = decisions.keep(contents(B, A)), decisions.keep(contents(C, A))
    assert decisions.keep(contents(A2, B)) == first  # the same contents
    assert [(each.paths, each.hashes) for each in decisions] == [((A, B), ("a", "b")), ((A, C), ("a", "c"))]
    assert list(decisions) == [first, second]
    assert decisions.forget(first.id) == 1
    assert list(decisions) == [second]
    assert parts(decisions, A, B) == [{A, B}]
    with pytest.raises(InfoMaxError, match="no decision"):
        decisions.forget(first.id)
    decisions.keep(contents(A, B))
    assert decisions.forget() == 2
    assert len(decisions) == 0
    with pytest.raises(InfoMaxError, match="two images or more"):
        decisions.keep(contents(A))


def test_a_torn_line_counts_for_nobody_and_a_damaged_one_is_told(decisions: Decisions) -> None:
    first = decisions.keep(contents(A, B))
    whole = decisions.file.read_bytes()
    for end in range(1, len(whole)):
        decisions.file.write_bytes(whole + whole[:end].replace(b"\n", b""))
        assert list(decisions) == [first]
    second = decisions.keep(contents(A, C))
    assert list(decisions) == [first, second]
    for bad in ("{", "3", json.dumps({"id": "x"})):
        decisions.file.write_bytes(whole + bad.encode() + b"\n")
        with pytest.raises(InfoMaxError, match=r"line 2 of .* is damaged"):
            list(decisions)


def keep_some(file: Path, worker: int) -> None:
    for number in range(20):
        Decisions(file).keep([("x", f"{worker} {number} x"), ("y", f"{worker} {number} y")])


def test_two_writers_at_once_both_keep_their_decisions(decisions: Decisions) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(keep_some, [decisions.file] * 2, range(2)))
    kept = {content for each in decisions for content in each.hashes}
    assert kept == {f"{worker} {number} {end}" for worker in range(2) for number in range(20) for end in "xy"}


def test_an_index_remembers_by_content(new_index: NewIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index, folder = new_index(), tmp_path / "photos"
    pixels = colored(3, 24)
    for number, each in enumerate(pixels):
        save(folder / f"{number}.png", each)
    index.add(folder)
    monkeypatch.chdir(tmp_path)
    kept = index.keep_both(["photos/0.png", folder / "1.png", "photos/../photos/0.png"])
    assert kept.paths == (str(folder / "0.png"), str(folder / "1.png"))
    assert list(index.decisions) == [kept]
    (folder / "1.png").rename(folder / "renamed.png")
    index.synchronize(folder)
    images = {Path(each.path).name: each for each in index.page()}

    def together(*names: str) -> bool:
        found = Group(tuple(images[name] for name in names), 1.0, "near")
        return index.decisions.separate([found], index.hashes) == [found]

    assert not together("0.png", "renamed.png")
    assert together("0.png", "2.png")
    save(folder / "renamed.png", pixels[2])
    index.synchronize(folder)
    assert together("0.png", "renamed.png")  # it has other content now
    with pytest.raises(InfoMaxError, match=r"no image 'photos/9\.png' in the index"):
        index.keep_both(["photos/0.png", "photos/9.png"])
