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
from infomax.images.cache import CachedImages, Record, Row, cache_folder_for, fingerprint, in_memory, newest, store
from infomax.images.decoding import BrokenImage, center_crop_resize, no_pillow_warnings
from infomax.images.opening import SourceLike, open_source
from infomax.images.source import Content, Entry, Source
from infomax.paths import shown
from infomax.progress import Advance, progress_bar

CHUNK = 16
"""LoadedImages handed to a thread at a time."""

SMALL = 1 << 14
"""Bytes of an image below which Python's part in its decoding is the greater one, which threads only fight over."""


@dataclass(frozen=True)
class Skipped:
    """An image that was left out: `where` is its key, `reason` says in plain words why."""

    where: str
    reason: str


@dataclass(frozen=True)
class LoadedImages:
    """A collection, prepared.

    pixels: (n, size, size, 3), 0 to 255, read-only; usually a memory map
    rows: the place of each in the source, counting what was skipped
    keys: where each came from: a path relative to the folder, `file.parquet#row`, `array.npy#row` or `digits#row`
    labels: None where the source has none; "" where only some images have one and this has not
    skipped: what could not be decoded
    fingerprint: a hex digest of the pixels, the same wherever they lie
    """

    pixels: NDArray[np.uint8]
    rows: list[int]
    keys: list[str]
    labels: list[str] | None
    skipped: list[Skipped]
    fingerprint: str


def load_images(
    source: SourceLike, size: int, *, cache: Path | None = None, workers: int | None = None, progress: bool = False
) -> LoadedImages:
    """The images of `source` as squares of `size` pixels, prepared.

    Large ones are decoded by `workers` threads (default: one a core), small ones here. What was decoded before and has
    not changed comes from `cache` (default: $INFOMAX_CACHE, else ~/.cache/infomax). Never more than a few images are
    held in memory, unless the source lies there itself. `progress` draws a bar on stderr.

    Raises InfoMaxError where there is no image that can be decoded, or no room for the cache.
    """
    if size < 1:
        raise InfoMaxError(f"images of size {size}: give a size of at least 1 pixel")
    found = open_source(source)
    if isinstance(found, ArrayRows) and found.pixels.shape[1:] == (size, size, 3):
        return unprepared(found)
    folder = cache_folder_for(found.identity, size, cache) if found.identity else None
    known = newest(folder, size) if folder else None
    if known is None or not known.holds(found.entries):
        bar = progress_bar("preparing", len(found.entries), shown=progress)
        with no_pillow_warnings(), bar as advance:
            rows = watched(prepared(found, size, known, workers or cores()), advance)
            known = store(folder, rows, size) if folder else in_memory(rows, size)
    return loaded_images(known)


def load_rows(source: SourceLike, rows: Sequence[int], size: int) -> list[NDArray[np.uint8]]:
    """A few images of `source`, by place (increasing), as squares of another size (size, size, 3), past any cache.

    One that can no longer be read is gray. Raises InfoMaxError where the source is gone.
    """
    with no_pillow_warnings():
        outcomes = [row.outcome for row in decoded(open_source(source), rows, size, cores())]
    missing = np.full((size, size, 3), 128, np.uint8)
    return [missing if isinstance(outcome, BrokenImage) else outcome for outcome in outcomes]


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """A CSV of what was left out, with the columns `where` and `reason`. Raises OSError where it cannot be written."""
    with written_atomically(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("where", "reason"))
        writer.writerows((entry.where, entry.reason) for entry in skipped)


def unprepared(found: ArrayRows) -> LoadedImages:
    """An array that needs no preparing."""
    pixels = found.pixels.view()
    pixels.flags.writeable = False
    labels = None if found.labels is None else list(found.labels)
    keys = [entry.key for entry in found.entries]
    return LoadedImages(pixels, list(range(len(keys))), keys, labels, [], fingerprint(pixels))


def loaded_images(build: CachedImages) -> LoadedImages:
    """A build as its users see it."""
    rows = [row for row, record in enumerate(build.records) if record.reason is None]
    sound = [build.records[row] for row in rows]
    labeled = any(record.label is not None for record in sound)
    return LoadedImages(
        build.pixels,
        rows,
        [record.key for record in sound],
        [record.label or "" for record in sound] if labeled else None,
        [Skipped(record.key, record.reason) for record in build.records if record.reason is not None],
        build.fingerprint,
    )


def prepared(source: Source, size: int, known: CachedImages | None, workers: int) -> Iterator[Row]:
    """A row for each entry, in order: recalled where it is known, else decoded.

    Raises InfoMaxError at the end if not one image was sound.
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
        raise InfoMaxError(f"{shown(source.name)}: none of {len(source.entries)} images is sound; the first, {first}")


def recalled(known: CachedImages, record: Record, place: int) -> Row:
    """A row as an earlier build holds it."""
    assert record.version is not None
    outcome = known.pixels[place] if record.reason is None else BrokenImage(record.reason)
    return Row(Entry(record.key, record.version), record.label, outcome)


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
    """Bytes of an image as found."""
    data = entry[1].data
    if isinstance(data, Path):
        with suppress(OSError):
            return data.stat().st_size
    return len(data) if isinstance(data, bytes) else data.nbytes if isinstance(data, np.ndarray) else 0


def decoded_chunk(chunk: Sequence[tuple[Entry, Content]], size: int) -> list[Row]:
    """A few images, one after the other."""
    return [Row(entry, content.label, outcome(content, size)) for entry, content in chunk]


def outcome(content: Content, size: int) -> NDArray[np.uint8] | BrokenImage:
    """The pixels, or what was wrong."""
    if isinstance(content.data, BrokenImage):
        return content.data
    try:
        return center_crop_resize(content.data, size)
    except BrokenImage as broken:
        return broken


def watched(rows: Iterable[Row], advance: Advance) -> Iterator[Row]:
    """The same rows, each told to a progress bar once it is dealt with."""
    for row in rows:
        yield row
        advance(1)
