"""Files that appear whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import fsync
from pathlib import Path
from typing import IO, Any, Literal
from uuid import uuid4


@contextmanager
def written_atomically(path: Path, mode: Literal["w", "wb"] = "wb") -> Iterator[IO[Any]]:
    """A file to write to, which takes the name `path` only once everything is on the disk.

    Text is UTF-8 with line ends as given; undecodable bytes of file names (surrogate escapes) come out as they were.
    After an exception, KeyboardInterrupt included, `path` is what it was before and the temporary is gone.

    Raises OSError where the folder is missing, read-only or full.
    """
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""} if mode == "w" else {}
    try:
        with naming(path, instead_of=temporary):
            with temporary.open(mode, **text) as file:
                yield file
                file.flush()
                fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def is_unfinished(path: Path) -> bool:
    """Whether a kill in the middle of a write has left this file: a temporary of `written_atomically`."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


@contextmanager
def naming(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """An OSError that names no file, as one from a full disk does not, or the one it stands for, names `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None or error.filename == str(instead_of):
            error.filename = str(path)
        raise
