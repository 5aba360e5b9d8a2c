"""Atomic writes: a file appears complete or not at all."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from os import fsync
from pathlib import Path
from typing import IO, Any, Literal
from uuid import uuid4


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

    Example:
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

    Example:
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
