"""Index a source on a cluster: tasks write to one index at once, and this process has the last word.

Each task compares, decodes, embeds and commits a share as `synchronize` does. A row has its path as its key, so a task
that runs twice writes the same rows. Then this process synchronizes the whole source, as it would alone: it finds next
to nothing to embed, and does what needs the whole: links to one file, rows to prune, files that are gone.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from infomax.cluster.session import Session
from infomax.cluster.shares import Share, shares
from infomax.decoding.options import ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images import SourceLike
from infomax.images.source import Source
from infomax.search.index import Index
from infomax.search.sync import Changes

INDEXED_AT_ONCE = 20_000
"""Images of a task, which first reads what rows there are. A process that dies loses at most COMMIT_BATCH images."""


def index_on(
    session: Session,
    index: Index,
    source: SourceLike,
    reading: ReadingOptions | None = None,
    *,
    share: int = INDEXED_AT_ONCE,
    **options: Any,
) -> Changes:
    """Bring an index up to date with a source on a cluster.

    Args:
        session: The cluster.
        index: The index, at a URL or in a folder that every machine can write to.
        source: A source, whose files every machine can read under the same paths or URLs.
        reading: How images are read.
        share: Images of a task, at most.
        **options: Further ones of `Index.synchronize`, for this process alone: `prune` and others.

    Returns:
        The changes, of all machines.

    Raises:
        InfoMaxError: The source is unusable, the index cannot be written to, or the cluster fails.

    """
    opened = index.kind.open(source, index.model.reading_options(reading), named=True)
    places = [(each.start, each.stop) for each in shares(opened, share)]
    sizes = [stop - start for start, stop in places]
    before = len(index)
    common = (index.place, index.device, reading, opened)
    parts = session.run(
        _index_share, common, places, sizes, gpu=index.device != "cpu", bar=("indexing", index.progress)
    )
    last = index.synchronize(source, reading=reading, named=True, **options)
    updated, moved = (getattr(last, name) + sum(getattr(part, name) for part in parts) for name in ("updated", "moved"))
    added = max(0, len(index) + last.removed - before)  # a task that ran twice has counted only what was left
    alive = last.added + last.updated + last.moved + last.unchanged
    return replace(last, added=added, updated=updated, moved=moved, unchanged=alive - added - updated - moved)


def _index_share(common: tuple[str | Path, str, ReadingOptions | None, Source], start: int, stop: int) -> Changes:
    """Synchronize a share, in a process of the cluster. What fails here for good fails again in the last pass."""
    place, device, reading, source = common
    index = _opened(str(place), device)
    with suppress(InfoMaxError):
        return index.synchronize(Share(source, start, stop), reading=reading)
    return Changes(0, 0, 0, 0, [])


def _opened(place: str, device: str) -> Index:
    """The index, opened once in each process."""
    if (place, device) not in _OPEN:
        _OPEN[place, device] = Index(place, device=device)
    return _OPEN[place, device]


_OPEN: dict[tuple[str, str], Index] = {}
