"""What every kind of source offers: a cheap list of its images, and their content on demand."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from numpy.typing import NDArray

from infomax.images.decoding import BrokenImage


class Entry(NamedTuple):
    """One image of a source: `key` says which, `version` changes when its content may have changed."""

    key: str
    version: str


class Content(NamedTuple):
    """What lies at an entry: the image as found (or why there is none), and its label where the source has one."""

    data: bytes | Path | NDArray[Any] | BrokenImage
    label: str | None


@runtime_checkable
class Source(Protocol):
    """A collection of images, listed but not yet read."""

    @property
    def name(self) -> str:
        """The source as an error message calls it."""

    @property
    def identity(self) -> str | None:
        """What its prepared images are filed under; None where it lies in memory and needs no cache."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All images, in an order that depends on the content of the source alone."""

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """The contents of the wanted entries (increasing positions), read piece by piece as they are consumed.

        Raises InfoMaxError where the source as a whole turns out to be damaged.
        """


def file_version(path: Path) -> str:
    """Size in bytes and time of the last change of the file at `path`, or "absent"."""
    try:
        status = path.stat()
    except OSError:
        return "absent"
    return f"{status.st_size}:{status.st_mtime_ns}"


def relative_names(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    """The folder that all paths share, and their names relative to it, each once, in the order given."""
    absolute = list(dict.fromkeys(path.parent.resolve() / path.name for path in paths))
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    return root, [path.relative_to(root).as_posix() for path in absolute]
