"""Files that appear whole or not at all, and errors that name them."""

import errno
import os
from pathlib import Path

import pytest

from infomax.files import is_unfinished, naming, written_atomically


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
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
def test_after_a_failure_the_old_file_is_there_and_nothing_else(tmp_path: Path, failure: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(failure), written_atomically(path) as file:  # noqa: PT012
        file.write(b"new")
        raise failure
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_is_utf8_as_given_and_bytes_of_names_survive(tmp_path: Path) -> None:
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
def test_an_error_names_the_file_that_was_wanted(tmp_path: Path, make: object, reason: int) -> None:
    assert callable(make)
    path = make(tmp_path)
    with pytest.raises(OSError, match=path.name) as raised, written_atomically(path) as file:
        file.write(b"new")
    assert (raised.value.errno, raised.value.filename) == (reason, str(path))
    assert not any(map(is_unfinished, tmp_path.iterdir()))


def test_naming_adds_a_name_and_never_replaces_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space") as raised, naming(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert raised.value.filename == str(tmp_path)
    with pytest.raises(OSError, match="elsewhere") as raised, naming(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "elsewhere")
    assert raised.value.filename == "elsewhere"
