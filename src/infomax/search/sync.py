"""Synchronize an index with a source: embed only what is new or changed.

    list -> compare with the rows -> decode, in threads -> embed -> upsert, a batch at a time -> remove -> compact

Only the list of images is held in memory. A killed process loses at most the current batch.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, fields
from itertools import islice

import numpy as np
from jaxtyping import Float, Shaped

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.decoding.image import no_pillow_warnings
from infomax.errors import InfoMaxError
from infomax.images import Skipped
from infomax.images.census import Census
from infomax.images.several import without_repeats
from infomax.images.source import Source
from infomax.paths import quoted_path
from infomax.progress import Advance, progress_bar
from infomax.search.presence import gone_among
from infomax.search.queries import at_least_one
from infomax.search.roots import NOWHERE, Roots
from infomax.search.row_comparison import Listing, RowComparison, compare_rows, list_images
from infomax.search.row_writer import ContentReuse, Embed, Reuse, RowWriter
from infomax.search.scan import FindDecoded, Read, ScanResult, nothing_decoded, scan
from infomax.search.stores.store import Store

COMMIT_BATCH = 500  # images that are embedded and committed at a time


@dataclass(frozen=True)
class Changes:
    """What a synchronization changed, in images. For a dry run, what it would change.

    Attributes:
        added: Images that are new in the index.
        updated: Images whose content changed.
        unchanged: Images whose content is the same.
        removed: Rows removed from the index.
        skipped: Images that cannot be decoded, and photos of formats that are not read here.
        census: What was passed over when the source was listed.
        moved: Images that were renamed or moved: their rows, with vector and thumbnail, went over to the new paths.
        same_file: Paths that lead to the same file as another path, and have no row of their own.
        gone: Rows of the source whose file is gone; they are kept until they are pruned.

    """

    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: Sequence[Skipped]
    census: Census = field(default_factory=Census)
    moved: int = 0
    same_file: int = 0
    gone: int = 0

    def __add__(self, other: "Changes") -> "Changes":
        """Changes of two sources together."""
        return Changes(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(self)))


def synchronize(
    store: Store,
    source: Source,
    embed: Embed,
    read: Read,
    *,
    model: str,
    roots: Roots = NOWHERE,
    prune: bool = False,
    dry_run: bool = False,
    batch: int = COMMIT_BATCH,
    progress: bool = False,
    find_decoded: FindDecoded = nothing_decoded,
) -> Changes:
    """Make the rows of a store match the images of a source, one row an image; rows of other sources stay.

    Args:
        store: Rows of the index.
        source: An open source of images, or of another kind of data.
        embed: Function from images (n, size, size, 3), or other examples, to vectors (n, d).
        read: Reads an image as `embed` takes it, with what is shown of it.
        model: Fingerprint of the model, stored in new rows.
        roots: Folders that were indexed before, by which a missing file and a missing disk are told apart.
        prune: Also remove rows below the roots of the source whose image is gone or broken, rather than unreadable.
        dry_run: Change nothing. Images are not decoded then, so broken ones are not counted.
        batch: Images that are embedded and committed at a time.
        progress: Whether to draw a progress bar.
        find_decoded: Finds images that were decoded before, as `read` would do it.

    Returns:
        The changes.

    Raises:
        InfoMaxError: The source cannot be pruned, the store cannot be written to, or the batch is below 1.

    """
    at_least_one(batch, "batch")
    listing, writer = _list(source, prune=prune), RowWriter(store, embed, model)
    comparison = compare_rows(store, listing, roots)
    results = scan(listing, comparison, None if dry_run else read, find_decoded)
    bar = progress_bar("indexing", len(listing.paths), done=comparison.unchanged, shown=progress)
    with no_pillow_warnings(), bar as advance, closing(results):
        counter = _process(results, comparison, None if dry_run else writer, batch, advance)
    vanished = [path for path in comparison.vanished if path not in counter.moved]
    removed = [*vanished, *counter.broken] if prune else []
    if not dry_run:
        writer.finish([*removed, *(path for path in comparison.superseded if path not in counter.moved)])
    return counter.changes(len(removed), 0 if prune else len(gone_among(vanished)), listing.source.census())


def _process(
    results: Iterator[ScanResult], comparison: RowComparison, writer: RowWriter | None, batch: int, advance: Advance
) -> "_ChangeCounter":
    """Count scanned images, and write them if there is a writer, a batch at a time."""
    counter, reuse = _ChangeCounter(comparison), ContentReuse(comparison.lost)
    while part := list(islice(results, batch)):
        reused = reuse.assign(part)
        counter.count(part, reused)
        if writer is not None:
            writer.write(part, reused)
        advance(len(part))
    return counter


def remove_rows(store: Store, paths: Sequence[str], *, dry_run: bool = False) -> Changes:
    """Remove rows whose source is gone.

    Args:
        store: Rows of the index.
        paths: Paths of the rows.
        dry_run: Change nothing.

    Returns:
        The changes.

    Raises:
        InfoMaxError: The store cannot be written to.

    """
    if not dry_run:
        RowWriter(store, _no_embedding, "").finish(paths)
    return Changes(0, 0, 0, len(paths), [])


def _no_embedding(images: Shaped[np.ndarray, "n ..."]) -> Float[np.ndarray, "n d"]:
    raise AssertionError(f"{len(images)} images to embed where rows are only removed")


def _list(source: Source, *, prune: bool) -> Listing:
    """List a source. Raises InfoMaxError if its vanished images would have to be pruned but cannot be known."""
    listing = list_images(without_repeats(source))
    if prune and listing.roots is None:
        raise InfoMaxError(
            f"cannot tell which images have vanished from {quoted_path(listing.source.name)}: "
            "to prune, name the folder that holds the files"
        )
    return listing


class _ChangeCounter:
    """Counts of a synchronization so far, the rows that moved, and those whose image is broken now."""

    def __init__(self, comparison: RowComparison) -> None:
        self.unchanged = comparison.unchanged
        self.broken: list[str] = []
        self.moved: set[str] = set()
        self._added = self._updated = 0
        self._skipped: list[Skipped] = []
        self._old_hashes = comparison.hashes
        self._same_file = comparison.same_file

    def count(self, results: Sequence[ScanResult], reused: Sequence[Reuse]) -> None:
        self.moved.update(each.row for each in reused if each.moves)
        arrived = {each.result.path for each in reused if each.moves}
        for result in results:
            has_row = result.path in self._old_hashes
            if isinstance(result.image, BrokenImage):
                self._skipped.append(Skipped(result.path, result.image.reason))
                if has_row and not isinstance(result.image, UnreadableImage):
                    self.broken.append(result.path)
            elif result.path in arrived:
                pass  # counted as moved
            elif result.image is None and not result.is_known:
                self.unchanged += 1
            elif has_row:
                self._updated += 1
            else:
                self._added += 1

    def changes(self, removed: int, gone: int, census: Census) -> Changes:
        counts = (self._added, self._updated, self.unchanged, removed, [*self._skipped, *census.unread], census)
        return Changes(*counts, moved=len(self.moved), same_file=self._same_file, gone=gone)
