"""Writes that survive a kill: files that appear complete or not at all, lines that are appended whole, locks."""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from os import fsync
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias
from uuid import uuid4

from infomax.errors import InfoMaxError

AppendLines: TypeAlias = Callable[[Path, Sequence[str]], None]
"""Appends lines to a file, all or none, as `append_lines` does."""


@contextmanager
def written_atomically(path: Path, mode: Literal["w", "wb"] = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that is renamed to `path` once all of its content is on the disk.

    If an exception occurs, KeyboardInterrupt included, `path` stays as it was and the temporary file is removed.

    Args:
        path: File to write. Its folder must exist.
        mode: "wb" for bytes, "w" for text. Text is written as UTF-8 with line ends as given. Undecodable bytes of file
            names (surrogate escapes) are written as the bytes they were.

    Yields:
        The open temporary file.

    Raises:
        OSError: The folder is missing, read-only or full. The error names `path`, not the temporary file.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     with written_atomically(path, "w") as file:
        ...         _ = file.write("done")
        ...     path.read_text()
        'done'

    """
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    text: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""} if mode == "w" else {}
    try:
        with path_in_errors(path, instead_of=temporary):
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
    """Whether a file is a temporary file of `written_atomically`, which a killed process leaves behind.

    Args:
        path: File to check. Only its name matters.

    Returns:
        True for the name of a temporary file.

    """
    return path.name.startswith(".") and path.name.endswith(".tmp")


@contextmanager
def path_in_errors(path: Path, instead_of: Path | None = None) -> Iterator[None]:
    """Add a file name to every OSError that has none. For example, the error of a full disk names no file.

    Args:
        path: File name to add.
        instead_of: File whose name in an OSError is replaced by `path`. All other names are kept.

    Yields:
        Nothing.

    Raises:
        OSError: Any OSError of the block, with the file name added.

    """
    try:
        yield
    except OSError as error:
        if error.filename is None or error.filename == str(instead_of):
            error.filename = str(path)
        raise


def finite_json(document: object) -> tuple[Any, list[str]]:
    """Replace NaN and infinity, for which JSON has no words, by None.

    Args:
        document: Mappings, lists, tuples, texts, numbers, booleans and None.

    Returns:
        The document in which each such number is None, and where these numbers were: keys and positions with dots.

    Examples:
        >>> finite_json({"mine": {"value": 1.5, "standard_error": math.nan}})
        ({'mine': {'value': 1.5, 'standard_error': None}}, ['mine.standard_error'])

    """
    replaced: list[str] = []

    def finite(value: object, place: tuple[str, ...]) -> object:
        if isinstance(value, Mapping):
            return {name: finite(each, (*place, str(name))) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [finite(each, (*place, str(number))) for number, each in enumerate(value)]
        if isinstance(value, float) and not math.isfinite(value):
            replaced.append(".".join(place))
            return None
        return value

    return finite(document, ()), replaced


def json_text(document: object, indent: int | None = None) -> str:
    """Write a document as JSON that every reader accepts: null stands for NaN and infinity.

    Args:
        document: Mappings, lists, tuples, texts, numbers, booleans and None.
        indent: Spaces of a level; None for one line.

    Returns:
        The text, without a line break at its end.

    """
    return json.dumps(finite_json(document)[0], indent=indent, allow_nan=False)


def append_lines(path: Path, lines: Sequence[str], *, flush: bool = True) -> None:
    """Append lines to a file, all or none. Several processes may append at once.

    A killed process may leave the start of a line at the end. That line counted for nobody, so the next call cuts it
    off.

    Args:
        path: File to append to, made if it does not exist. Its folder must exist.
        lines: Lines without line ends.
        flush: Whether to wait until the lines are on the disk.

    Raises:
        OSError: The file cannot be written. Then it holds none of the lines.

    """
    is_new = not path.exists()
    with path_in_errors(path), path.open("a+b", buffering=0) as file, _locked_file(file):
        end = _end_of_last_line(file)
        file.truncate(end)
        try:
            left = memoryview("".join(f"{line}\n" for line in lines).encode())
            while left:
                left = left[file.write(left) or 0 :]
            if flush:
                fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise
    if is_new:
        sync_folder(path.parent)


def complete_lines(path: Path) -> list[str]:
    """Read the lines of a file that `append_lines` writes, without what a killed process left of a line.

    Args:
        path: File to read.

    Returns:
        The lines, without line ends; none where there is no file.

    Raises:
        OSError: The file cannot be read.

    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content.decode("utf-8", "replace").split("\n")[:-1]


def sync_folder(path: Path) -> None:
    """Wait until new and renamed files of a folder are on the disk, where the system can tell.

    Args:
        path: The folder.

    """
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def locked_folder(path: Path, refusal: str) -> Iterator[None]:
    """Keep other processes from locking a folder while the context lasts.

    The kernel locks the folder itself and unlocks it when the process ends, however it ends: no file is left behind.
    Windows and some network file systems lock no folders; there nobody is kept out.

    Args:
        path: The folder.
        refusal: What to say if another process has locked it.

    Yields:
        Nothing.

    Raises:
        InfoMaxError: Another process has locked the folder.

    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    folder = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InfoMaxError(refusal) from None
        yield
    finally:
        os.close(folder)


@contextmanager
def _locked_file(file: IO[bytes]) -> Iterator[None]:
    """Wait for other processes to release an open file, then hold it, where the system can."""
    if sys.platform != "win32":
        import fcntl

        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed
    yield


def _end_of_last_line(file: IO[bytes]) -> int:
    """Length of a file up to its last line end, in bytes."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - 4096)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
