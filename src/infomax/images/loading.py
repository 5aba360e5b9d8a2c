"""From SOURCE to pixels: list what there is, recall what is known of it, decode the rest."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images.arrays import ArrayRows
from infomax.images.cache import Build, Record, Row, fingerprint, in_memory, newest, shelf_for, store
from infomax.images.decoding import BrokenPicture, remarks_silenced, to_square
from infomax.images.opening import SourceLike, open_source
from infomax.images.source import Content, Entry, Source
from infomax.paths import shown
from infomax.progress import Advance, progress_bar

CHUNK = 16
"""Pictures handed to a thread at a time."""

SMALL = 1 << 14
"""Bytes of a picture below which Python's part in its decoding is the greater one, which threads only fight over."""


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out: `where` is its key, `reason` says in plain words why."""

    where: str
    reason: str


@dataclass(frozen=True)
class Pictures:
    """A collection, prepared.

    pixels: (n, size, size, 3), 0 to 255, read-only; usually a memory map
    rows: the place of each in the source, counting what was skipped
    keys: where each came from: a path relative to the folder, `file.parquet#row`, `array.npy#row` or `digits#row`
    labels: None where the source has none; "" where only some pictures have one and this has not
    skipped: what could not be decoded
    fingerprint: a hex digest of the pixels, the same wherever they lie
    """

    pixels: NDArray[np.uint8]
    rows: list[int]
    keys: list[str]
    labels: list[str] | None
    skipped: list[Skipped]
    fingerprint: str


def load(
    source: SourceLike, size: int, *, cache: Path | None = None, workers: int | None = None, progress: bool = False
) -> Pictures:
    """The pictures of `source` as squares of `size` pixels, prepared.

    Large ones are decoded by `workers` threads (default: one a core), small ones here. What was decoded before and has
    not changed comes from `cache` (default: $INFOMAX_CACHE, else ~/.cache/infomax). Never more than a few pictures are
    held in memory, unless the source lies there itself. `progress` draws a bar on stderr.

    Raises InfoMaxError where there is no picture that can be decoded, or no room for the cache.
    """
    if size < 1:
        raise InfoMaxError(f"pictures of size {size}: give a size of at least 1 pixel")
    found = open_source(source)
    if isinstance(found, ArrayRows) and found.pixels.shape[1:] == (size, size, 3):
        return as_they_are(found)
    shelf = shelf_for(found.identity, size, cache) if found.identity else None
    known = newest(shelf, size) if shelf else None
    if known is None or not known.holds(found.entries):
        bar = progress_bar("preparing", len(found.entries), shown=progress)
        with remarks_silenced(), bar as advance:
            rows = watched(prepared(found, size, known, workers or cores()), advance)
            known = store(shelf, rows, size) if shelf else in_memory(rows, size)
    return pictures(known)


def load_some(source: SourceLike, rows: Sequence[int], size: int) -> list[NDArray[np.uint8]]:
    """A few pictures of `source`, by place (increasing), as squares of another size (size, size, 3), past any cache.

    One that can no longer be read is grey. Raises InfoMaxError where the source is gone.
    """
    with remarks_silenced():
        outcomes = [row.outcome for row in decoded(open_source(source), rows, size, cores())]
    missing = np.full((size, size, 3), 128, np.uint8)
    return [missing if isinstance(outcome, BrokenPicture) else outcome for outcome in outcomes]


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """A CSV of what was left out, with the columns `where` and `reason`. Raises OSError where it cannot be written."""
    with written_atomically(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("where", "reason"))
        writer.writerows((entry.where, entry.reason) for entry in skipped)


def as_they_are(found: ArrayRows) -> Pictures:
    """An array that needs no preparing."""
    pixels = found.pixels.view()
    pixels.flags.writeable = False
    labels = None if found.labels is None else list(found.labels)
    keys = [entry.key for entry in found.entries]
    return Pictures(pixels, list(range(len(keys))), keys, labels, [], fingerprint(pixels))


def pictures(build: Build) -> Pictures:
    """A build as its users see it."""
    rows = [row for row, record in enumerate(build.records) if record.reason is None]
    sound = [build.records[row] for row in rows]
    labelled = any(record.label is not None for record in sound)
    return Pictures(
        build.pixels,
        rows,
        [record.key for record in sound],
        [record.label or "" for record in sound] if labelled else None,
        [Skipped(record.key, record.reason) for record in build.records if record.reason is not None],
        build.fingerprint,
    )


def prepared(source: Source, size: int, known: Build | None, workers: int) -> Iterator[Row]:
    """A row for each entry, in order: recalled where it is known, else decoded.

    Raises InfoMaxError at the end if not one picture was sound.
    """
    places = known.places() if known else {}
    fresh = decoded(source, [i for i, entry in enumerate(source.entries) if entry not in places], size, workers)
    sound, first = 0, ""
    for entry in source.entries:
        row = recalled(known, *places[entry]) if known and entry in places else next(fresh)
        if isinstance(row.outcome, np.ndarray):
            sound += 1
        else:
            first = first or f"{shown(entry.key)}: {row.outcome.reason}"
        yield row
    if not sound:
        raise InfoMaxError(f"{shown(source.name)}: none of {len(source.entries)} pictures is sound; the first, {first}")


def recalled(known: Build, record: Record, place: int) -> Row:
    """A row as an earlier build holds it."""
    assert record.stamp is not None
    outcome = known.pixels[place] if record.reason is None else BrokenPicture(record.reason)
    return Row(Entry(record.key, record.stamp), record.label, outcome)


def decoded(source: Source, wanted: Sequence[int], size: int, workers: int) -> Iterator[Row]:
    """The wanted entries, in order; large ones by threads (Pillow lets others run while it decodes and resizes)."""
    contents = zip((source.entries[i] for i in wanted), source.read(wanted), strict=True)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Callable[[], list[Row]]] = deque()
        while chunk := list(islice(contents, CHUNK)):
            decode = partial(decoded_chunk, chunk, size)
            waiting.append(decode if sum(map(weight, chunk)) < SMALL * len(chunk) else pool.submit(decode).result)
            if len(waiting) > 2 * workers:
                yield from waiting.popleft()()
        for rows in waiting:
            yield from rows()


def weight(entry: tuple[Entry, Content]) -> int:
    """Bytes of a picture as found."""
    data = entry[1].data
    if isinstance(data, Path):
        with suppress(OSError):
            return data.stat().st_size
    return len(data) if isinstance(data, bytes) else data.nbytes if isinstance(data, np.ndarray) else 0


def decoded_chunk(chunk: Sequence[tuple[Entry, Content]], size: int) -> list[Row]:
    """A few pictures, one after the other."""
    return [Row(entry, content.label, outcome(content, size)) for entry, content in chunk]


def outcome(content: Content, size: int) -> NDArray[np.uint8] | BrokenPicture:
    """The pixels, or what was wrong."""
    if isinstance(content.data, BrokenPicture):
        return content.data
    try:
        return to_square(content.data, size)
    except BrokenPicture as broken:
        return broken


def watched(rows: Iterable[Row], advance: Advance) -> Iterator[Row]:
    """The same rows, each told to a progress bar once it is dealt with."""
    for row in rows:
        yield row
        advance(1)
