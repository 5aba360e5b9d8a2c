"""Errors of LanceDB, of many types and many lines, as an InfoMaxError of one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from infomax.errors import InfoMaxError
from infomax.forking import is_inherited
from infomax.paths import quoted_path


def refuse_after_fork(place: Path | str) -> None:
    """Refuse to go on in a forked child. LanceDB resets its threads there, but crashes or hangs in some of them.

    Args:
        place: Folder or URL of the index.

    Raises:
        InfoMaxError: This is a forked child, and LanceDB was loaded before the fork.

    """
    if is_inherited("lancedb"):
        raise InfoMaxError(
            f"the index {quoted_path(place)} cannot be read in a forked process, as LanceDB has threads: start "
            "workers with multiprocessing's method 'spawn' or 'forkserver', or open indexes in the workers alone"
        )


def is_conflict(error: Exception) -> bool:
    """Whether a write failed only because another one was committed first.

    Args:
        error: What LanceDB has raised.

    Returns:
        True for a conflict of commits.

    """
    return "conflict" in str(error).lower()


@contextmanager
def unless_contended() -> Iterator[None]:
    """Skip the block silently where another process writes at the same time.

    Yields:
        Nothing.

    """
    try:
        yield
    except RuntimeError as error:
        if not is_conflict(error):
            raise


@contextmanager
def translate_lance_errors(place: Path | str, what: str) -> Iterator[None]:
    """Turn LanceDB's errors into an InfoMaxError of one line.

    Args:
        place: Folder or URL of the index.
        what: The verb: "open", "read" or "write to".

    Yields:
        Nothing.

    Raises:
        InfoMaxError: LanceDB has failed.

    """
    refuse_after_fork(place)
    try:
        yield
    except InfoMaxError:
        raise
    except (RuntimeError, OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        text = str(error)
        raise InfoMaxError(f"cannot {what} the index {quoted_path(place)} ({_reason(text)}): {_remedy(text)}") from None


def _reason(text: str) -> str:
    """The part of LanceDB's message that is useful to a person."""
    for words in ("No space left on device", "File too large", "Permission denied", "Read-only file system"):
        if words.lower() in text.lower():
            return words[0].lower() + words[1:]
    if _is_remote(text):
        return "the object store does not answer, or refuses"
    return text.partition("\n")[0].partition(", /root/")[0][:200]


def _remedy(text: str) -> str:
    """What to do about it."""
    short = text.lower()
    if "no space left" in short or "file too large" in short:
        return "make room there, or choose another place; what is in it already is safe"
    if "permission denied" in short or "read-only" in short:
        return "choose a place that you may write to"
    if _is_remote(text):
        return (
            "check the URL, the credentials and the network, and run the command again; what is in it already is safe"
        )
    return "if it persists, index again into a new folder"


def _is_remote(text: str) -> bool:
    """Whether a message is of a request to an object store."""
    return any(f"Generic {name} error" in text for name in ("S3", "GCS", "MicrosoftAzure"))
