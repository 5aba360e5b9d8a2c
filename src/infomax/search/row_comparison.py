"""Compare the images that a source lists with the rows of a store."""

from collections.abc import Sequence
from dataclasses import dataclass

from infomax.images.source import Source
from infomax.paths import printable
from infomax.search.stores.store import Store


@dataclass(frozen=True)
class Listing:
    """Images of a source under the names that an index stores.

    Attributes:
        source: The source.
        paths: Path of each image, the key of its row.
        labels: Label of each image, or None if labels are only known after reading.
        roots: Prefixes of all paths that the source may ever have had, or None if they are unknown.

    """

    source: Source
    paths: Sequence[str]
    labels: Sequence[str | None] | None
    roots: Sequence[str] | None


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
    return Listing(source, source.paths(), labels, source.roots())


@dataclass(frozen=True)
class RowComparison:
    """Differences between a listing and the rows of a store.

    Attributes:
        unchanged: Number of images whose row matches the listing.
        changed: Positions of the other images: they are new or may have changed.
        hashes: Content hash in the row of each image that may have changed, by path.
        vanished: Paths of rows below the source's roots whose image is not listed any more.

    """

    unchanged: int
    changed: Sequence[int]
    hashes: dict[str, str]
    vanished: Sequence[str]


def compare_rows(store: Store, listing: Listing) -> RowComparison:
    """Find the images that need a new row, and the rows that have lost their image.

    A row matches if version and label are the same. An image without a version may always have changed. An image below
    a root that cannot be read has not vanished.

    Args:
        store: Rows of the index.
        listing: Images of a source.

    Returns:
        The differences.

    """
    entries, labels = listing.source.entries, listing.labels
    roots, unreadable = tuple(listing.roots or ()), tuple(listing.source.unreadable_roots())
    positions = {path: position for position, path in enumerate(listing.paths)}
    is_unchanged = [False] * len(entries)
    hashes: dict[str, str] = {}
    vanished: list[str] = []
    for rows in store.scan(["path", "version", "label", "hash"]):
        columns = (rows.column(name).to_pylist() for name in ("path", "version", "label", "hash"))
        for path, version, label, content_hash in zip(*columns, strict=True):
            position = positions.get(path)
            if position is None:
                if path.startswith(roots) and not path.startswith(unreadable):
                    vanished.append(path)
            elif version and (version, label) == (entries[position].version, labels[position] if labels else label):
                is_unchanged[position] = True
            else:
                hashes[path] = content_hash
    changed = [position for position, same in enumerate(is_unchanged) if not same]
    return RowComparison(len(entries) - len(changed), changed, hashes, vanished)
