"""Load a source as one array of pixels: list the images, take known ones from the cache, decode the others."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import center_crop_resize, no_pillow_warnings
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images.cache import (
    BuildInfo,
    CachedImages,
    PreparedImage,
    cache_folder,
    collect_in_memory,
    fingerprint,
    read_cache,
    write_cache,
)
from infomax.images.census import Census, Skipped
from infomax.images.first_look import measure_depth
from infomax.images.items import ItemRows
from infomax.images.opening import SourceLike, open_source
from infomax.images.source import Content, Entry, Source
from infomax.paths import quoted_path
from infomax.progress import Advance, progress_bar

_CHUNK = 16  # images given to a thread at a time

Decode: TypeAlias = Callable[[bytes | Path | NDArray[np.uint8], int, ReadingOptions], NDArray[np.uint8]]
"""Makes the square of an image, (size, size, 3), as `center_crop_resize` does."""

# Bytes of an image below which decoding spends most of its time in Python. Threads would only compete for the lock.
_SMALL = 1 << 14


@dataclass(frozen=True)
class LoadedImages:
    """Images of a source, decoded and resized.

    Attributes:
        pixels: Images (n, size, size, 3), 0 to 255, read-only; usually a memory map.
        rows: Position of each image in the source. Skipped images count.
        keys: Name of each image: a path relative to the folder, `file.parquet#row`, `array.npy#row` or `digits#row`.
        labels: Label of each image, or the first folder on its path in place of one; "" if it has neither. None if no
            image has any.
        skipped: Images that could not be decoded, and photos of formats that are not read here.
        fingerprint: Hexadecimal digest of the pixels. It does not depend on where they are stored.
        options: How they were read, with the scale of images deeper than 8 bits.
        census: What was passed over when the source was listed.

    """

    pixels: NDArray[np.uint8]
    rows: list[int]
    keys: list[str]
    labels: list[str] | None
    skipped: list[Skipped]
    fingerprint: str
    options: ReadingOptions = DEFAULT_OPTIONS
    census: Census = field(default_factory=Census)

    @property
    def examples(self) -> NDArray[np.uint8]:
        """What an encoder takes: the pixels."""
        return self.pixels

    @property
    def contents(self) -> NDArray[np.uint8]:
        """What tells copies apart: the pixels, too."""
        return self.pixels

    def select(self, rows: NDArray[np.int64]) -> "LoadedImages":
        """Keep some images.

        Args:
            rows: Which, increasing.

        Returns:
            These images; the same object if they are all.

        """
        if len(rows) == len(self.keys):
            return self
        named = named_rows(self.rows, self.keys, self.labels, rows)
        return replace(self, pixels=self.pixels[rows], **named)


def named_rows(
    positions: Sequence[int], keys: Sequence[str], labels: Sequence[str] | None, rows: NDArray[np.int64]
) -> dict[str, Any]:
    """Take what some of the loaded items are called.

    Args:
        positions: Position of each item in the source.
        keys: Name of each item.
        labels: Label of each item; None if there are none.
        rows: Which items, increasing.

    Returns:
        Their `rows` (positions), `keys` and `labels`, as the fields of what is loaded.

    """
    chosen = rows.tolist()
    kept = {"rows": [positions[row] for row in chosen], "keys": [keys[row] for row in chosen]}
    return {**kept, "labels": labels_of(labels, rows)}


def labels_of(labels: Sequence[str] | None, rows: NDArray[np.int64]) -> list[str] | None:
    """Take the labels of some rows.

    Args:
        labels: Labels of all rows; None if there are none.
        rows: Which rows.

    Returns:
        Their labels; None if no label is in use.

    """
    if labels is None or not any(labels):
        return None
    return [labels[row] for row in rows.tolist()]


def load_images(
    source: SourceLike,
    size: int,
    *,
    options: ReadingOptions = DEFAULT_OPTIONS,
    cache: Path | None = None,
    workers: int | None = None,
    progress: bool = False,
    decode: Decode | None = None,
) -> LoadedImages:
    """Load all images of a source as squares of one size; those that were decoded before come from the cache.

    Args:
        source: Anything that `open_source` takes: folder, file, quoted glob, name, images in memory, or a list.
        size: Side of the squares in pixels.
        options: What to leave out, and how images are read.
        cache: Folder of the cache. By default $INFOMAX_CACHE, else ~/.cache/infomax.
        workers: Number of threads. By default one per core.
        progress: Whether to draw a progress bar on stderr.
        decode: Makes the square of an image that is not in the cache, in place of `center_crop_resize`.

    Returns:
        The images.

    Raises:
        InfoMaxError: No image can be decoded, or there is no room for the cache.

    Examples:
        >>> images = load_images("digits:test", 8)
        >>> images.pixels.shape, images.keys[0], images.labels[:3]
        ((450, 8, 8, 3), 'digits#1347', ['3', '7', '3'])

    """
    if size < 1:
        raise InfoMaxError(f"images of size {size}: give a size of at least 1 pixel")
    found = open_source(source, options)
    pixels = found.pixels_of_size(size) if options.bands is None else None
    if pixels is not None:
        return _load_array(found, pixels)
    folder = cache_folder(f"{found.identity} {options.signature}".rstrip(), size, cache) if found.identity else None
    known = read_cache(folder, size) if folder else None
    if known is None or not known.matches(found.entries, options.depth_scale):
        with no_pillow_warnings():
            scale = options.depth_scale or measure_depth(found, options)
            build = BuildInfo(size, scale, measured=options.depth_scale is None)
            with progress_bar("decoding", len(found.entries), shown=progress) as advance:
                prepared = _prepare(found, known, build, workers or cores(), options, decode or center_crop_resize)
                images = _count_progress(prepared, advance)
                known = write_cache(folder, images, build) if folder else collect_in_memory(images, build)
    return _load_cached(known, found.census(), replace(options, depth_scale=known.info.depth_scale))


def load_rows(
    source: SourceLike, rows: Sequence[int], size: int, options: ReadingOptions = DEFAULT_OPTIONS
) -> list[NDArray[np.uint8]]:
    """Load a few images of a source at any size, without the cache.

    Args:
        source: Anything that `load_images` takes.
        rows: Increasing positions in the source.
        size: Side of the squares in pixels.
        options: How images are read, such as `LoadedImages.options`.

    Returns:
        Pixels (size, size, 3) of each image, 0 to 255. An image that can no longer be read is gray.

    Raises:
        InfoMaxError: The source is gone.

    Examples:
        >>> [pixels.shape for pixels in load_rows("digits", [0, 5], 16)]
        [(16, 16, 3), (16, 16, 3)]

    """
    with no_pillow_warnings():
        results = [image.result for image in _decode(open_source(source, options), rows, size, cores(), options)]
    missing = np.full((size, size, 3), 128, np.uint8)
    return [missing if isinstance(result, BrokenImage) else result for result in results]


def write_skipped(path: Path, skipped: Sequence[Skipped]) -> None:
    """Write a list of skipped images as CSV, with the columns `where` and `reason`.

    Args:
        path: File to write.
        skipped: Images to list.

    Raises:
        OSError: The file cannot be written.

    """
    with written_atomically(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("where", "reason"))
        writer.writerows((entry.where, entry.reason) for entry in skipped)


def validate_complete(source: Source, skipped: Sequence[Skipped]) -> None:
    """Check that the items of a list are all there, so that row i belongs to item i.

    Args:
        source: The source.
        skipped: What could not be read of it.

    Raises:
        InfoMaxError: An item of a list could not be decoded. Folders and tables are free to hold broken images.

    """
    if skipped and isinstance(source, ItemRows):
        first = skipped[0]
        raise InfoMaxError(
            f"{len(skipped)} of {source.name} cannot be decoded, {first.where!r} first ({first.reason}): "
            "leave them out, or use load_examples, whose rows tell which are left"
        )


def _load_array(source: Source, pixels: NDArray[np.uint8]) -> LoadedImages:
    """Load a source whose pixels need no preparation."""
    labels = source.labels()
    keys = [entry.key for entry in source.entries]
    return LoadedImages(
        pixels,
        list(range(len(keys))),
        keys,
        None if labels is None else [label or "" for label in labels],
        [],
        fingerprint(pixels),
        census=source.census(),
    )


def _load_cached(cached: CachedImages, census: Census, options: ReadingOptions) -> LoadedImages:
    rows = [row for row, record in enumerate(cached.records) if record.reason is None]
    decoded = [cached.records[row] for row in rows]
    has_labels = any(record.label is not None for record in decoded)
    return LoadedImages(
        cached.pixels,
        rows,
        [record.key for record in decoded],
        [record.label or "" for record in decoded] if has_labels else None,
        [
            *(Skipped(record.key, record.reason) for record in cached.records if record.reason is not None),
            *census.unread,
        ],
        cached.fingerprint,
        options,
        census,
    )


def _prepare(
    source: Source,
    known: CachedImages | None,
    build: BuildInfo,
    workers: int,
    options: ReadingOptions,
    decode: Decode,
) -> Iterator[PreparedImage]:
    """Yield all images in order, from the cache if possible. Raises InfoMaxError at the end if none was decoded."""
    if known is not None and known.info.depth_scale != build.depth_scale:
        known = None
    to_decode = [i for i, entry in enumerate(source.entries) if known is None or not known.has(entry)]
    reading = replace(options, depth_scale=build.depth_scale)
    fresh = _decode(source, to_decode, build.size, workers, reading, decode)
    n_decoded, first_failure = 0, ""
    for entry in source.entries:
        image = known.get(entry) if known is not None and known.has(entry) else next(fresh)
        if isinstance(image.result, np.ndarray):
            n_decoded += 1
        else:
            first_failure = first_failure or f"{quoted_path(entry.key)}: {image.result.reason}"
        yield image
    if not n_decoded:
        if len(source.entries) == 1:
            raise InfoMaxError(f"{quoted_path(source.name)}: its only image cannot be decoded; {first_failure}")
        raise InfoMaxError(
            f"{quoted_path(source.name)}: none of its {len(source.entries)} images can be decoded; "
            f"the first is {first_failure}"
        )


def _decode(
    source: Source,
    wanted: Sequence[int],
    size: int,
    workers: int,
    options: ReadingOptions,
    make: Decode = center_crop_resize,
) -> Iterator[PreparedImage]:
    """Decode some entries, in order. Large images go to threads: Pillow releases the lock to decode and resize."""
    contents = zip((source.entries[i] for i in wanted), source.read(wanted), strict=True)
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Callable[[], list[PreparedImage]]] = deque()
        while chunk := list(islice(contents, _CHUNK)):
            decode = partial(_decode_chunk, chunk, size, options, make)
            is_small = make is center_crop_resize and sum(
                _stored_bytes(content) for _, content in chunk
            ) < _SMALL * len(chunk)
            pending.append(decode if is_small else pool.submit(decode).result)
            if len(pending) > 2 * workers:
                yield from pending.popleft()()
        for decode_rest in pending:
            yield from decode_rest()


def _decode_chunk(
    chunk: Sequence[tuple[Entry, Content]], size: int, options: ReadingOptions, make: Decode
) -> list[PreparedImage]:
    return [
        PreparedImage(entry, _label(content), _pixels_or_error(content, size, options, make))
        for entry, content in chunk
    ]


def _label(content: Content) -> str | None:
    """The label of an image, or the folder in its place: evaluations need labels."""
    return content.folder if content.label is None else content.label


def _pixels_or_error(
    content: Content, size: int, options: ReadingOptions, make: Decode
) -> NDArray[np.uint8] | BrokenImage:
    if isinstance(content.data, BrokenImage):
        return content.data
    try:
        return make(content.data, size, options)
    except BrokenImage as broken:
        return broken


def _stored_bytes(content: Content) -> int:
    """Size of an image as found, in bytes; 0 if it cannot be found out."""
    data = content.data
    if isinstance(data, Path):
        with suppress(OSError):
            return data.stat().st_size
    return len(data) if isinstance(data, bytes) else data.nbytes if isinstance(data, np.ndarray) else 0


def _count_progress(images: Iterable[PreparedImage], advance: Advance) -> Iterator[PreparedImage]:
    """Advance a progress bar by one after each image is consumed."""
    for image in images:
        yield image
        advance(1)
