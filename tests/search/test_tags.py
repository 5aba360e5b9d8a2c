"""Tags of images: a file that is only appended to, names, and rows that move."""

from pathlib import Path

import numpy as np
import pytest

from infomax import InfoMaxError
from infomax.search.ordering import walk
from infomax.search.tags import HIDDEN, LONGEST_TAG, TRASHED, Tags, valid_tag


def test_changes_add_up(tmp_path: Path) -> None:
    tags = Tags(tmp_path / "tags.jsonl")
    assert (tags.entries(), tags.version) == ({}, None)
    tags.add("sea", {"a": "1", "b": "2"})
    tags.add("sky", {"a": "1"})
    tags.remove("sea", ["a"])
    tags.add("sea", {})  # no change, and no line
    assert tags.entries() == {"sea": {"b": "2"}, "sky": {"a": "1"}}
    assert Tags(tags.file).entries() == tags.entries()
    assert len(tags.file.read_text().splitlines()) == 3


def test_what_a_killed_process_left_of_a_line_counts_for_nobody(tmp_path: Path) -> None:
    tags = Tags(tmp_path / "tags.jsonl")
    tags.add("sea", {"a": "1"})
    with tags.file.open("a") as file:
        file.write('{"add": "sky", "ima')
    assert tags.entries() == {"sea": {"a": "1"}}
    tags.add("sky", {"b": "2"})
    assert tags.entries() == {"sea": {"a": "1"}, "sky": {"b": "2"}}


@pytest.mark.parametrize("line", ["nonsense", '{"add": "sea"}', "[]", '{"remove": 3, "images": 4}', "7"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "tags.jsonl"
    Tags(file).add("sea", {"a": "1"})
    file.write_text(f"{file.read_text()}{line}\n")
    with pytest.raises(InfoMaxError, match=r"line 2 of .*tags.jsonl.* is damaged"):
        Tags(file).entries()


@pytest.mark.parametrize("name", ["", "   ", "x" * (LONGEST_TAG + 1), "a\x00b", HIDDEN, TRASHED, "a\u2028b\x1b"])
def test_names_that_are_no_tags(name: str) -> None:
    with pytest.raises(InfoMaxError, match="give 1 to 100"):
        valid_tag(name)


def test_names_that_are_tags() -> None:
    assert valid_tag("  my \n holiday ") == "my holiday"
    assert valid_tag("été 2024 🌊") == "été 2024 🌊"


def test_the_walk_goes_from_cell_to_neighboring_cell() -> None:
    side = 16
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), -1).reshape(-1, 2)
    steps = np.diff(grid[walk((grid + 0.5) / side)], axis=0)
    assert (np.abs(steps).sum(1) == 1).all()
