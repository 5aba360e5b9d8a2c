"""Synchronize an index with a source: embed only what is new or changed.

    list -> compare with the rows -> decode, in threads -> embed -> upsert, a batch at a time -> remove -> compact

Only the list of images is held in memory. A killed process loses at most the current batch.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice

from infomax.errors import InfoMaxError
from infomax.images import Skipped, SourceLike
from infomax.images.broken import BrokenImage, UnreadableImage
from infomax.images.census import Census
from infomax.images.decoding import no_pillow_warnings
from infomax.images.opening import open_source
from infomax.images.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.images.several import without_repeats
from infomax.paths import quoted_path
from infomax.progress import progress_bar
from infomax.search.row_comparison import Listing, RowComparison, compare_rows, list_images
from infomax.search.row_writer import Embed, RowWriter
from infomax.search.scan import ScanResult, scan
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

    """

    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: Sequence[Skipped]
    census: Census = field(default_factory=Census)


def synchronize(
    store: Store,
    source: SourceLike,
    embed: Embed,
    *,
    size: int,
    model: str,
    prune: bool = False,
    dry_run: bool = False,
    batch: int = COMMIT_BATCH,
    progress: bool = False,
    options: ReadingOptions = DEFAULT_OPTIONS,
) -> Changes:
    """Make the rows of a store match the images of a source. Rows of other sources stay as they are.

    Args:
        store: Rows of the index.
        source: Anything that `open_source` takes.
        embed: Function from images (n, size, size, 3) to vectors (n, d).
        size: Side of the images that `embed` takes, in pixels.
        model: Fingerprint of the model, stored in new rows.
        prune: Also remove rows below the roots of the source whose image is gone or broken, rather than unreadable.
        dry_run: Change nothing. Images are not decoded then, so broken ones are not counted.
        batch: Images that are embedded and committed at a time.
        progress: Whether to draw a progress bar.
        options: What to leave out, and how images are read.

    Returns:
        The changes.

    Raises:
        InfoMaxError: The source cannot be opened, has no known roots to prune, or the store cannot be written to.

    """
    listing = _list(source, options, prune=prune)
    comparison = compare_rows(store, listing)
    counter = _ChangeCounter(comparison)
    writer = RowWriter(store, embed, model)
    results = scan(listing, comparison, None if dry_run else size, options)
    bar = progress_bar("indexing", len(listing.paths), done=counter.unchanged, shown=progress)
    with no_pillow_warnings(), bar as advance, closing(results):
        while part := list(islice(results, batch)):
            counter.count(part)
            if not dry_run:
                writer.write(part)
            advance(len(part))
    removed = [*comparison.vanished, *counter.broken] if prune else []
    if not dry_run:
        writer.finish(removed)
    return counter.changes(len(removed), listing.source.census())


def _list(source: SourceLike, options: ReadingOptions, *, prune: bool) -> Listing:
    """List a source. Raises InfoMaxError if its vanished images would have to be pruned but cannot be known."""
    listing = list_images(without_repeats(open_source(source, options)))
    if prune and listing.roots is None:
        raise InfoMaxError(
            f"cannot tell which images have vanished from {quoted_path(listing.source.name)}: "
            "to prune, name the folder that holds the files"
        )
    return listing


class _ChangeCounter:
    """Counts of a synchronization so far, and the paths of rows whose image is broken now."""

    def __init__(self, comparison: RowComparison) -> None:
        self.unchanged = comparison.unchanged
        self.broken: list[str] = []
        self._added = self._updated = 0
        self._skipped: list[Skipped] = []
        self._old_hashes = comparison.hashes

    def count(self, results: Sequence[ScanResult]) -> None:
        for result in results:
            has_row = result.path in self._old_hashes
            if isinstance(result.image, BrokenImage):
                self._skipped.append(Skipped(result.path, result.image.reason))
                if has_row and not isinstance(result.image, UnreadableImage):
                    self.broken.append(result.path)
            elif result.image is None and has_row:
                self.unchanged += 1
            elif has_row:
                self._updated += 1
            else:
                self._added += 1

    def changes(self, removed: int, census: Census) -> Changes:
        skipped = [*self._skipped, *census.unread]
        return Changes(self._added, self._updated, self.unchanged, removed, skipped, census)
