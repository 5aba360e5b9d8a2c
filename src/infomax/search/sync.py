"""Bringing an index up to date with a SOURCE: what is new or changed is embedded, everything else left alone.

    list -> compare with the rows -> decode, in threads -> embed -> upsert, a batch at a time -> remove -> tidy up

Only the list is held in memory. A kill at any moment costs the batch in hand.
"""

import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.images import Skipped, SourceLike
from infomax.images.arrays import ArchiveRows, ArrayRows
from infomax.images.decoding import BrokenImage, UnreadableImage, no_pillow_warnings
from infomax.images.folder import ImageFiles
from infomax.images.opening import open_source
from infomax.images.parquet import ParquetRows
from infomax.images.source import Content, Entry, Source
from infomax.paths import shown, text
from infomax.progress import progress_bar
from infomax.search.store import Store, schema, vector_column
from infomax.search.thumbnails import Thumbnail, square_and_thumbnail

BATCH = 500
"""Images embedded and committed at a time."""

CHUNK = 16
"""Images handed to a thread at a time; each may be large."""

REMOVED_AT_ONCE = 500

TIDY_AFTER = 100
"""Commits after which the store is tidied up even before the end."""

Embed = Callable[[UInt8[np.ndarray, "n s s 3"]], Float[np.ndarray, "n d"]]


@dataclass(frozen=True)
class Changes:
    """What a synchronization has done to the index, in images; for a dry run, what it would do."""

    added: int
    updated: int
    unchanged: int
    removed: int
    skipped: Sequence[Skipped]


@dataclass(frozen=True)
class DecodedImage:
    """An image that is to be embedded."""

    pixels: UInt8[np.ndarray, "s s 3"]
    thumbnail: Thumbnail


@dataclass(frozen=True)
class ScanResult:
    """What looking at a new or changed image has found: `outcome` is None where its content is as it was."""

    place: int
    label: str | None
    hash: str
    size: int
    outcome: DecodedImage | BrokenImage | None


def synchronize(
    store: Store,
    source: SourceLike,
    embed: Embed,
    *,
    size: int,
    model: str,
    prune: bool = False,
    dry_run: bool = False,
    batch: int = BATCH,
    progress: bool = False,
) -> Changes:
    """Make the rows of `store` those of `source`; rows from elsewhere stay as they are.

    size: of the images that `embed` takes.
    model: the fingerprint that new rows get.
    prune: also remove rows whose image is gone, or is broken now, from the folders and files that `source` names.
        One that merely cannot be read just now keeps its row.
    dry_run: change nothing. Images are not decoded then, so broken ones count as if they were sound.
    batch: images embedded and committed at a time.

    Raises InfoMaxError where the source will not do or the store cannot be written to.
    """
    found = open_source(source)
    roots = scopes(found)
    if prune and roots is None:
        raise InfoMaxError(
            f"what has vanished from {shown(found.name)} cannot be told: to prune, name the folder that holds the files"
        )
    paths = [text(path) for path in paths_of(found)]
    labels = labels_of(found)
    comparison = compare_rows(store, found.entries, paths, labels, roots or (), unreadable_roots(found))
    todo = [place for place, same in enumerate(comparison.same) if not same]
    changes = ChangeCounter(unchanged=len(paths) - len(todo))
    doomed = list(comparison.vanished) if prune else []
    workers = cores()
    with (
        no_pillow_warnings(),
        progress_bar("indexing", len(paths), done=changes.unchanged, shown=progress) as advance,
        ThreadPoolExecutor(workers) as pool,
    ):
        findings = scan(found, todo, paths, comparison.hashes, None if dry_run else size, pool, workers)
        for commits, part in enumerate(batches(findings, batch), 1):
            for finding in part:
                path = paths[finding.place]
                changes.count(finding, path, known=path in comparison.hashes)
                if prune and broken_for_good(finding) and path in comparison.hashes:
                    doomed.append(path)
            if not dry_run:
                commit(store, found.entries, paths, part, embed, model)
                if commits % TIDY_AFTER == 0:
                    store.compact()
            advance(len(part))
    if not dry_run:
        for start in range(0, len(doomed), REMOVED_AT_ONCE):
            store.remove(doomed[start : start + REMOVED_AT_ONCE])
        if todo or doomed:
            store.compact()
    return Changes(changes.added, changes.updated, changes.unchanged, len(doomed), changes.skipped)


@dataclass
class RowComparison:
    """The rows of a store against the images of a source.

    same: for each image, whether its row is as the list says it should be
    hashes: of the content of those that have a row and may have changed, by path
    vanished: paths of rows under the source's roots whose image is not on the list
    """

    same: list[bool]
    hashes: dict[str, str]
    vanished: list[str]


class ChangeCounter:
    """Counts while a synchronization goes on."""

    def __init__(self, unchanged: int) -> None:
        self.added = self.updated = 0
        self.unchanged = unchanged
        self.skipped: list[Skipped] = []

    def count(self, finding: ScanResult, path: str, *, known: bool) -> None:
        """One image more."""
        if isinstance(finding.outcome, BrokenImage):
            self.skipped.append(Skipped(path, finding.outcome.reason))
        elif finding.outcome is None and known:
            self.unchanged += 1
        elif known:
            self.updated += 1
        else:
            self.added += 1


def compare_rows(
    store: Store,
    entries: Sequence[Entry],
    paths: Sequence[str],
    labels: Sequence[str | None],
    roots: Sequence[str],
    closed: Sequence[str],
) -> RowComparison:
    """Which images have a row that is as it should be, and which rows have lost their image.

    An empty version says nothing, so such images are always looked at. What lies below a closed folder has not
    vanished.
    """
    places = {path: place for place, path in enumerate(paths)}
    comparison = RowComparison([False] * len(paths), {}, [])
    for rows in store.scan(["path", "version", "label", "hash"]):
        columns = (rows.column(name).to_pylist() for name in ("path", "version", "label", "hash"))
        for path, version, label, digest in zip(*columns, strict=True):
            place = places.get(path)
            if place is None:
                if path.startswith(tuple(roots)) and not path.startswith(tuple(closed)):
                    comparison.vanished.append(path)
            elif version and (version, label) == (entries[place].version, labels[place] if labels else label):
                comparison.same[place] = True
            else:
                comparison.hashes[path] = digest
    return comparison


def scan(
    source: Source,
    todo: Sequence[int],
    paths: Sequence[str],
    hashes: dict[str, str],
    size: int | None,
    pool: ThreadPoolExecutor,
    workers: int,
) -> Iterator[ScanResult]:
    """Look at the images in `todo`, in order: decoded where the content is not as it was. No `size`: only hashed."""

    def chunk_of_findings(chunk: Sequence[tuple[int, Content]]) -> list[ScanResult]:
        return [inspect(place, content, hashes.get(paths[place]), size) for place, content in chunk]

    contents = zip(todo, source.read(todo), strict=True)
    waiting: deque[Future[list[ScanResult]]] = deque()
    while chunk := list(islice(contents, CHUNK)):
        waiting.append(pool.submit(chunk_of_findings, chunk))
        if len(waiting) > 2 * workers:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def inspect(place: int, content: Content, known: str | None, size: int | None) -> ScanResult:
    """What an image is now; `known` is the hash of what it was, where it has a row."""
    label = None if content.label is None else text(content.label)
    try:
        if isinstance(content.data, BrokenImage):
            raise content.data
        digest, length = digest_of(content.data)
        outcome: DecodedImage | None = None
        if digest != known:
            outcome = NOT_DECODED if size is None else DecodedImage(*square_and_thumbnail(content.data, size))
        return ScanResult(place, label, digest, length, outcome)
    except BrokenImage as broken:
        return ScanResult(place, label, "", 0, broken)


def commit(
    store: Store,
    entries: Sequence[Entry],
    paths: Sequence[str],
    findings: Sequence[ScanResult],
    embed: Embed,
    model: str,
) -> None:
    """Write what was found, in one go: rows for what was embedded, versions and labels for what was only touched."""
    ready = [(finding, finding.outcome) for finding in findings if isinstance(finding.outcome, DecodedImage)]
    touched = {id_of(paths[finding.place]): finding for finding in findings if finding.outcome is None}
    parts = []
    if ready:
        vectors = embed(np.stack([outcome.pixels for _, outcome in ready]))
        if not np.isfinite(vectors).all():
            raise InfoMaxError("the model gives vectors that hold NaN or infinity: fit again")
        parts.append(new_rows(entries, paths, ready, vectors, model))
    if touched:
        names = [name for name in schema(1).names if name != "vector"]
        old = store.fetch(list(touched), [*names, "vector"])
        again = [touched[row] for row in old.column("id").to_pylist()]
        for name, values in {
            "version": [entries[finding.place].version for finding in again],
            "mtime": [mtime_of(entries[finding.place].version) for finding in again],
            "label": [finding.label for finding in again],
        }.items():
            place = old.schema.get_field_index(name)
            old = old.set_column(place, old.schema.field(name), pa.array(values, old.schema.field(name).type))
        parts.append(old)
    if parts := [part for part in parts if len(part)]:
        store.upsert(pa.concat_tables([part.cast(parts[0].schema) for part in parts]))


def new_rows(
    entries: Sequence[Entry],
    paths: Sequence[str],
    ready: Sequence[tuple[ScanResult, DecodedImage]],
    vectors: Float[np.ndarray, "n d"],
    model: str,
) -> pa.Table:
    """The rows of images that have just been embedded."""
    found = [finding for finding, _ in ready]
    small = [outcome.thumbnail for _, outcome in ready]
    names = [paths[finding.place] for finding in found]
    versions = [entries[finding.place].version for finding in found]
    columns = {
        "path": names,
        "id": [id_of(name) for name in names],
        "hash": [finding.hash for finding in found],
        "version": versions,
        "size": [finding.size for finding in found],
        "mtime": [mtime_of(version) for version in versions],
        "width": [each.width for each in small],
        "height": [each.height for each in small],
        "label": [finding.label for finding in found],
        "thumbnail": [each.content for each in small],
        "model": [model] * len(found),
        "vector": vector_column(vectors),
    }
    return pa.table(columns, schema=schema(vectors.shape[1]))


def paths_of(source: Source) -> list[str]:
    """Filter each image lies, whatever led to it: an absolute path, `file#row` in a file of many, or `digits#row`.

    So one image has one row, also where the folders that were named lie in each other.
    """
    if isinstance(source, ImageFiles):
        root = source.root.resolve()
        return [(root / entry.key).as_posix() for entry in source.entries]
    if isinstance(source, ParquetRows):
        return [f"{table.path.resolve().as_posix()}#{row}" for table in source.tables for row in range(table.rows)]
    if file := array_file(source):
        return [f"{file}#{row}" for row in range(len(source.entries))]
    return [entry.key for entry in source.entries]


def labels_of(source: Source) -> list[str | None]:
    """The labels, where listing gives them; else none, and a new label comes with a new version of its file."""
    if not isinstance(source, ImageFiles):
        return []
    labels = (content.label for content in source.read(range(len(source.entries))))
    return [None if label is None else text(label) for label in labels]


def scopes(source: Source) -> list[str] | None:
    """The beginnings of the paths of all images that `source` may ever have had; None where that cannot be said."""
    if isinstance(source, ImageFiles):
        if not source.identity.startswith("folder "):
            return None
        return [text(source.root.resolve().as_posix().rstrip("/") + "/")]
    if isinstance(source, ParquetRows):
        return [text(f"{table.path.resolve().as_posix()}#") for table in source.tables]
    file = array_file(source)
    return [text(f"{file}#")] if file else []


def unreadable_roots(source: Source) -> list[str]:
    """The beginnings of the paths of all that lies in folders that cannot be looked into just now."""
    if not isinstance(source, ImageFiles):
        return []
    root = source.root.resolve()
    return [text(f"{(root / key).as_posix()}/") for key in source.closed]


def array_file(source: Source) -> str | None:
    """The file that an array lies in; None where it lies in memory."""
    if isinstance(source, ArrayRows | ArchiveRows) and source.identity is not None:
        return Path(source.identity.partition(" ")[2]).as_posix()
    return None


def digest_of(data: bytes | Path | NDArray[Any]) -> tuple[str, int]:
    """A digest of an image's content as it is stored, and its length in bytes.

    Raises BrokenImage where it is no regular file, UnreadableImage where it cannot be read.
    """
    if isinstance(data, np.ndarray):
        digest = blake2b(str(data.shape).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(data).data)
        return digest.hexdigest(), data.nbytes
    if isinstance(data, bytes):
        return blake2b(data, digest_size=16).hexdigest(), len(data)
    try:
        status = data.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a named pipe would wait for ever
            raise BrokenImage("a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file")
        with data.open("rb") as file:
            return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest(), status.st_size
    except FileNotFoundError:
        raise BrokenImage("there is no such file, or it is a link to nothing") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from None


def id_of(path: str) -> str:
    """The id of a row: 32 hexadecimal digits that say nothing of the path to whoever sees them."""
    return blake2b(path.encode(), digest_size=16).hexdigest()


def mtime_of(version: str) -> float | None:
    """The time of the last change in a version `size:nanoseconds`, in seconds since 1970."""
    _, colon, nanoseconds = version.partition(":")
    return int(nanoseconds) / 1e9 if colon else None


def broken_for_good(finding: ScanResult) -> bool:
    """Whether the image is at fault, rather than the reading of it."""
    return isinstance(finding.outcome, BrokenImage) and not isinstance(finding.outcome, UnreadableImage)


def batches(findings: Iterator[ScanResult], size: int) -> Iterator[list[ScanResult]]:
    """Lists of `size` findings; the last may be shorter."""
    while part := list(islice(findings, size)):
        yield part


NOT_DECODED = DecodedImage(np.empty((0, 0, 3), np.uint8), Thumbnail(0, 0, b""))
"""What stands for a new or changed image in a dry run."""
