"""Several sources as one: folders on two disks, parquet files beside a folder, a collection and its sub-collections."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from infomax.images.census import Census
from infomax.images.folder import ImageFiles
from infomax.images.source import Content, Entry, Source

T = TypeVar("T")

_NAMED = 4  # sources that are named in messages, at most


@dataclass(frozen=True)
class SeveralSources:
    """The images of several sources, one source after the other. An image that several of them hold counts once.

    A key is a path relative to the folder that all files share; images without a file keep their path as the key.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache; None if a part is in memory.
        entries: One entry per image.
        parts: The sources.
        kept: For each part the positions of its images, increasing. Those that an earlier part holds are left out.

    """

    name: str
    identity: str | None
    entries: Sequence[Entry]
    parts: Sequence[Source]
    kept: Sequence[Sequence[int]]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read one part after the other."""
        rows, start = np.asarray(wanted, np.int64), 0
        for part, kept in zip(self.parts, self.kept, strict=True):
            first, last = np.searchsorted(rows, (start, start + len(kept)))
            positions = [kept[row - start] for row in rows[first:last].tolist()]
            if positions:
                name = _folder_name(part)
                for content in part.read(positions):
                    yield content if name is None else content._replace(folder=name)
            start += len(kept)

    def paths(self) -> list[str]:
        """Paths as each part gives them."""
        parts = zip(self.parts, self.kept, strict=True)
        return [path for part, kept in parts for path in _chosen(part.paths(), kept)]

    def labels(self) -> list[str | None] | None:
        """Labels of all parts, if listing gives them for every part."""
        found: list[str | None] = []
        for part, kept in zip(self.parts, self.kept, strict=True):
            labels = part.labels()
            if labels is None:
                return None
            found += _chosen(labels, kept)
        return found

    def roots(self) -> list[str] | None:
        """Roots of all parts, if every part knows its own."""
        found: list[str] = []
        for part in self.parts:
            roots = part.roots()
            if roots is None:
                return None
            found += roots
        return list(dict.fromkeys(found))

    def unreadable_roots(self) -> list[str]:
        """Unreadable roots of all parts."""
        return [root for part in self.parts for root in part.unreadable_roots()]

    def census(self) -> Census:
        """What was passed over in all parts."""
        return sum((part.census() for part in self.parts), Census())

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because the parts are not one array."""
        return None


def combined(parts: Sequence[Source]) -> Source:
    """Put several sources together.

    Args:
        parts: At least one open source.

    Returns:
        One source of all their images.

    """
    if len(parts) == 1:
        return parts[0]
    identities = [part.identity for part in parts]
    known = [identity for identity in identities if identity is not None]
    identity = "\n".join(["several", *known]) if len(known) == len(parts) else None
    names = [part.name for part in parts[:_NAMED]]
    more = [f"{len(parts) - _NAMED} more"] if len(parts) > _NAMED else []
    return _without_repeats(parts, ", ".join(names + more), identity)


def without_repeats(source: Source) -> Source:
    """Leave out images that are named a second time: an index has one row for each.

    Args:
        source: An open source.

    Returns:
        The source itself if there are no repeats.

    """
    paths = source.paths()
    return source if len(set(paths)) == len(paths) else _without_repeats([source], source.name, source.identity)


def _without_repeats(parts: Sequence[Source], name: str, identity: str | None) -> SeveralSources:
    """List each path once, at its first place."""
    seen: set[str] = set()
    kept: list[list[int]] = []
    paths: list[str] = []
    versions: list[str] = []
    for part in parts:
        kept.append([])
        for position, (path, entry) in enumerate(zip(part.paths(), part.entries, strict=True)):
            if path not in seen:
                seen.add(path)
                kept[-1].append(position)
                paths.append(path)
                versions.append(entry.version)
    entries = [Entry(key, version) for key, version in zip(_keys(paths), versions, strict=True)]
    return SeveralSources(name, identity, entries, parts, kept)


def _keys(paths: Sequence[str]) -> list[str]:
    """Paths relative to the folder that all files share."""
    folders = {os.path.dirname(path) for path in paths if path.startswith("/")}  # noqa: PTH120
    root = os.path.commonpath(folders).rstrip("/") + "/" if folders else ""
    return [path.removeprefix(root) if path.startswith("/") else path for path in paths]


def _chosen(values: Sequence[T], positions: Sequence[int]) -> list[T]:
    return [values[position] for position in positions]


def _folder_name(part: Source) -> str | None:
    """Name of a folder without sub-folders: what tells its images from those of the other sources. None for others."""
    is_flat = isinstance(part, ImageFiles) and part.whole_folder and not any("/" in entry.key for entry in part.entries)
    return part.root.resolve().name if is_flat and isinstance(part, ImageFiles) else None
