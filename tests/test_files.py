"""Atomic writes, lines appended whole, locks, and errors that name the file."""

import errno
import json
import math
import os
from pathlib import Path

import pytest

from infomax.errors import InfoMaxError
from infomax.files import (
    append_lines,
    complete_lines,
    finite_json,
    is_unfinished,
    json_text,
    locked_folder,
    path_in_errors,
    written_atomically,
)
from tests.conftest import no_room


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with written_atomically(path) as file:
        file.write(b"half")
        assert not path.exists()
        (unfinished,) = tmp_path.iterdir()
        assert is_unfinished(unfinished)
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert list(tmp_path.iterdir()) == [path]
    assert not is_unfinished(path)


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit, OSError])
def test_after_a_failure_only_the_old_file_exists(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(failure), written_atomically(path) as file:  # noqa: PT012
        file.write(b"new")
        raise failure
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_and_keeps_line_ends_and_undecodable_bytes(tmp_path: Path) -> None:
    with written_atomically(tmp_path / "file", "w") as file:
        file.write("é\r\n\n" + os.fsdecode(b"\xff"))
    assert (tmp_path / "file").read_bytes() == b"\xc3\xa9\r\n\n\xff"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "missing" / "file", errno.ENOENT),
        (lambda folder: (folder / "taken").mkdir() or folder / "taken", errno.EISDIR),
        (lambda folder: (folder / "plain").touch() or folder / "plain" / "file", errno.ENOTDIR),
    ],
    ids=["no folder", "a folder of that name", "a file for a folder"],
)
def test_an_error_names_the_final_file(tmp_path: Path, make: object, reason: int) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(OSError, match=path.name) as raised, written_atomically(path) as file:
        file.write(b"new")
    assert (raised.value.errno, raised.value.filename) == (reason, str(path))
    assert not any(map(is_unfinished, tmp_path.iterdir()))


def test_path_in_errors_adds_a_name_and_never_replaces_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as raised, path_in_errors(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(OSError, match="elsewhere") as raised, path_in_errors(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "elsewhere")
    assert raised.value.filename == "elsewhere"


def test_json_has_null_in_place_of_numbers_that_are_not_finite() -> None:
    document = {"a": [1.5, math.nan, {"b": -math.inf}], "c": (True, None, "NaN", 2)}
    assert finite_json(document) == ({"a": [1.5, None, {"b": None}], "c": [True, None, "NaN", 2]}, ["a.1", "a.2.b"])
    assert json_text(document) == '{"a": [1.5, null, {"b": null}], "c": [true, null, "NaN", 2]}'
    assert json.loads(json_text({"é": 0.1}, indent=2)) == {"é": 0.1}


def test_lines_are_appended_whole(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    assert complete_lines(file) == []
    append_lines(file, ["one", "two"])
    append_lines(file, ["three"], flush=False)
    assert complete_lines(file) == ["one", "two", "three"]
    file.write_bytes(file.read_bytes() + b"x" * 10_000)  # a killed process got no further
    assert complete_lines(file) == ["one", "two", "three"]
    append_lines(file, ["four"])
    assert file.read_text() == "one\ntwo\nthree\nfour\n"
    file.write_bytes(b"no line end")
    append_lines(file, ["first"])
    assert file.read_text() == "first\n"


def test_lines_that_find_no_room_leave_no_trace(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    append_lines(file, ["one"])
    with no_room(100), pytest.raises(OSError, match="lines"):
        append_lines(file, ["x" * 60, "y" * 60])
    assert complete_lines(file) == ["one"]
    assert file.stat().st_size == 4


def test_a_folder_is_locked_once(tmp_path: Path) -> None:
    with locked_folder(tmp_path, "busy"):
        with pytest.raises(InfoMaxError, match="busy"), locked_folder(tmp_path, "busy"):
            pytest.fail("two hold one lock")
        assert list(tmp_path.iterdir()) == []
    with locked_folder(tmp_path, "busy"):
        assert tmp_path.is_dir()
