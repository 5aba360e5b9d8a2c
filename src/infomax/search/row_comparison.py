"""Compare the images that a source lists with the rows of a store.

One image has one row, by whatever paths it can be reached, and a renamed file keeps its row:

    paths of a source -> one path a file -> rows of the same path, of the same file, and of files that are gone
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt64

from infomax.images.source import Source
from infomax.paths import printable
from infomax.search.identity import identities, preference, repeats
from infomax.search.presence import gone_among
from infomax.search.roots import Roots
from infomax.search.stores.store import Store

FEW = 100
"""Files that are read again in any case, if their inodes have changed."""


@dataclass(frozen=True)
class Listing:
    """Images of a source under the names that an index stores.

    Attributes:
        source: The source.
        paths: Path of each image, the key of its row.
        labels: Label of each image, or None if labels are only known after reading.
        roots: Prefixes of all paths that the source may ever have had, or None if they are unknown.
        keys: Identity of each image, shape (n, 3), as `identities` gives it.

    """

    source: Source
    paths: Sequence[str]
    labels: Sequence[str | None] | None
    roots: Sequence[str] | None
    keys: UInt64[np.ndarray, "n 3"]

    def inode(self, position: int) -> int | None:
        """Inode of the file of an image.

        Args:
            position: Position of the image.

        Returns:
            The inode; None where there is no file.

        """
        return int(self.keys[position, 1]) or None

    def size(self, position: int) -> int | None:
        """Size of the content of an image.

        Args:
            position: Position of the image.

        Returns:
            The size in bytes; None where only reading tells it, as for an image in a file of many.

        """
        size, colon, _ = self.source.entries[position].version.partition(":")
        return int(size) if colon and not self.keys[position, 2] else None


def list_images(source: Source) -> Listing:
    """List the images of a source.

    Args:
        source: An open source.

    Returns:
        The listing.

    """
    labels = source.labels()
    if labels is not None:
        labels = [None if label is None else printable(label) for label in labels]
    paths = source.paths()
    return Listing(source, paths, labels, source.roots(), identities(paths))


@dataclass(frozen=True)
class LostRow:
    """A row whose path no longer serves, though its content may be found again under another path.

    Attributes:
        path: Path of the row.
        moves: Whether the row follows its content. False where its whole folder is missing: what was found may be a
            copy of what is on an unplugged disk.

    """

    path: str
    moves: bool


@dataclass(frozen=True)
class RowComparison:
    """Differences between a listing and the rows of a store.

    Attributes:
        unchanged: Number of images whose row matches the listing.
        changed: Positions of the other images: they are new or may have changed.
        hashes: Content hash in the row of each image that may have changed, by path.
        vanished: Paths of rows below the source's roots whose image is not listed any more.
        same_file: Number of paths, listed or in the index, that lead to the same image as a better one.
        superseded: Paths of the rows of such paths.
        lost: Rows that are superseded or whose file is gone, by content hash.

    """

    unchanged: int
    changed: Sequence[int]
    hashes: dict[str, str]
    vanished: Sequence[str]
    same_file: int
    superseded: Sequence[str]
    lost: dict[str, list[LostRow]]


def compare_rows(store: Store, listing: Listing, roots: Roots) -> RowComparison:
    """Find the images that need a new row, and the rows that have lost their image.

    A row matches if version and label are the same. An image without a version, or whose file has another inode, may
    have changed. An image below a root that cannot be read has not vanished.

    Args:
        store: Rows of the index.
        listing: Images of a source.
        roots: Folders that were indexed before.

    Returns:
        The differences.

    """
    entries, labels = listing.source.entries, listing.labels
    prefixes, unreadable = tuple(listing.roots or ()), tuple(listing.source.unreadable_roots())
    positions = {path: position for position, path in enumerate(listing.paths)}
    inodes = set(listing.keys[:, 1].tolist())
    is_unchanged = [False] * len(entries)
    hashes, replaced = dict[str, str](), dict[int, str]()
    vanished, linked = list[str](), list[str]()  # linked rows may be of the same file as a path of the listing
    for path, version, label, content_hash, inode in _scan(store, ["path", "version", "label", "hash", "inode"]):
        position = positions.get(path)
        if position is None:
            if path.startswith(prefixes) and not path.startswith(unreadable):
                vanished.append(path)
            if inode in inodes:
                linked.append(path)
        elif version and (version, label) == (entries[position].version, labels[position] if labels else label):
            is_unchanged[position] = True
            if inode not in (None, listing.inode(position)):
                replaced[position] = content_hash
        else:
            hashes[path] = content_hash
    for position in _not_renumbered(replaced.keys(), listing, is_unchanged):
        is_unchanged[position], hashes[listing.paths[position]] = False, replaced[position]
    dropped, superseded = _one_path_a_file(listing, linked)
    same_file = len(dropped) + len(superseded)
    superseded |= {listing.paths[place] for place in dropped if is_unchanged[place] or listing.paths[place] in hashes}
    changed = [place for place in range(len(entries)) if place not in dropped and not is_unchanged[place]]
    return RowComparison(
        unchanged=len(entries) - len(dropped) - len(changed),
        changed=changed,
        hashes=hashes,
        vanished=[path for path in vanished if path not in superseded],
        same_file=same_file,
        superseded=sorted(superseded),
        lost=_lost_rows(store, listing, changed, positions.keys() - superseded, superseded, roots),
    )


def _not_renumbered(replaced: Collection[int], listing: Listing, matches: Sequence[bool]) -> list[int]:
    """Files that replaced others of the same size and time: few of a disk. Some disks number all files anew at times.

    Args:
        replaced: Positions of files that match their rows and have another inode.
        listing: Images of a source.
        matches: Which images match their rows.

    Returns:
        Positions of the files whose content must be compared.

    """
    disks = listing.keys[:, 0].tolist()
    others = Counter(disks[position] for position in replaced)
    every = Counter(disk for disk, is_match in zip(disks, matches, strict=True) if is_match)
    return [each for each in replaced if others[disks[each]] <= max(FEW, every[disks[each]] // 2)]


def _scan(store: Store, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """The rows of a store, one at a time."""
    for rows in store.scan(columns):
        yield from zip(*(rows.column(name).to_pylist() for name in columns), strict=True)


def _one_path_a_file(listing: Listing, linked: Sequence[str]) -> tuple[set[int], set[str]]:
    """Choose one path for each file, among those listed and those of other rows.

    Args:
        listing: Images of a source.
        linked: Paths of other rows, which may lead to the same files.

    Returns:
        Positions in the listing, and paths of the other rows, that are not chosen.

    """
    dropped = set(repeats(listing.paths, listing.keys))
    places = {tuple(key): place for place, key in enumerate(listing.keys.tolist()) if place not in dropped and key[1]}
    rows: dict[int, list[str]] = defaultdict(list)
    for path, key in zip(linked, identities(linked).tolist(), strict=True) if linked else ():
        if tuple(key) in places:
            rows[places[tuple(key)]].append(path)
    superseded: set[str] = set()
    for place, paths in rows.items():
        best = min([listing.paths[place], *paths], key=preference)
        superseded.update(path for path in paths if path != best)
        if best != listing.paths[place]:
            dropped.add(place)
    return dropped, superseded


def _lost_rows(
    store: Store, listing: Listing, changed: Sequence[int], served: Set[str], superseded: Set[str], roots: Roots
) -> dict[str, list[LostRow]]:
    """Find the rows whose content may be that of a changed image, and whose path no longer serves."""
    files = [place for place in changed if listing.inode(place) is not None]
    if not files:  # an image in memory is no renamed file
        return {}
    sizes = {listing.size(place) for place in files}
    inodes = {listing.inode(place) for place in files}
    candidates = {
        path: (content_hash, inode in inodes)
        for path, content_hash, size, inode in _scan(store, ["path", "hash", "size", "inode"])
        if path not in served and (size in sizes or None in sizes)
    }
    gone = gone_among([path for path in candidates if path not in superseded])
    lost: dict[str, list[LostRow]] = defaultdict(list)
    for path in sorted(superseded & candidates.keys()) + sorted(gone):
        content_hash, is_renamed = candidates[path]
        moves = path in superseded or is_renamed or roots.missing_root(path) is None
        lost[content_hash].append(LostRow(path, moves))
    return dict(lost)
