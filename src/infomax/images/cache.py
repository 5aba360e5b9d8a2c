"""Prepared images on disk, so that each is decoded once.

    <cache>/images/<size>px-<digest of the source's identity>/<build>/pixels.npy      (n, size, size, 3) uint8
                                                                        manifest.json   which image each row is

A build is written under a hidden name and appears by one rename once everything is on the disk; the newest sound one
counts. So two processes may build the same at once, and a crash leaves at worst a hidden folder, which is removed when
it has not been written to for an hour.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import IO, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images.decoding import VERSION, BrokenImage, UnreadableImage
from infomax.images.source import Entry
from infomax.paths import shown

STALE = 3600.0
"""Seconds without a write after which an unfinished build is taken for abandoned."""


class Row(NamedTuple):
    """One image on its way into a collection: its pixels (size, size, 3), or why there are none."""

    entry: Entry
    label: str | None
    outcome: NDArray[np.uint8] | BrokenImage


class Record(NamedTuple):
    """What stays known of an image. Where `reason` is None it is the next row of the pixels."""

    key: str
    version: str | None
    """That of the entry; None where the image could not be read just now, so that it is tried again."""
    label: str | None
    reason: str | None


@dataclass(frozen=True)
class CachedImages:
    """A finished collection: `pixels` (n, size, size, 3) are the sound ones of `records`, in order."""

    pixels: NDArray[np.uint8]
    records: Sequence[Record]
    fingerprint: str

    def holds(self, entries: Sequence[Entry]) -> bool:
        """Whether decoding these entries would give this build again."""
        return [(record.key, record.version) for record in self.records] == list(entries)

    def places(self) -> dict[Entry, tuple[Record, int]]:
        """What is known of each entry: its record and, where it is sound, its row of the pixels."""
        rows = accumulate(record.reason is None for record in self.records)
        return {
            Entry(record.key, record.version): (record, row - 1)
            for record, row in zip(self.records, rows, strict=True)
            if record.version is not None
        }


def in_memory(rows: Iterable[Row], size: int) -> CachedImages:
    """A collection that is kept nowhere."""
    records, pixels = [], []
    for row in rows:
        records.append(record(row))
        if isinstance(row.outcome, np.ndarray):
            pixels.append(row.outcome)
    stacked = np.stack(pixels) if pixels else np.empty((0, size, size, 3), np.uint8)
    return CachedImages(stacked, records, fingerprint(stacked))


def store(cache_folder: Path, rows: Iterable[Row], size: int) -> CachedImages:
    """A new build on the cache_folder, row by row; older ones are removed.

    Raises InfoMaxError where the cache_folder cannot be written to or is full; then no trace of the new build remains.
    """
    unfinished = cache_folder / f".{uuid4().hex}"
    try:
        unfinished.mkdir(parents=True)
        build = write(unfinished, rows, size)
        done = cache_folder / f"{time.time_ns():020d}-{uuid4().hex}"
        unfinished.rename(done)
    except OSError as error:
        raise InfoMaxError(
            f"cannot keep prepared images in {shown(cache_folder)} ({error.strerror}): make room there, "
            "or set INFOMAX_CACHE to a folder on another disk"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for other in finished(cache_folder):
        if other.name < done.name:
            shutil.rmtree(other, ignore_errors=True)  # whoever has it mapped keeps the pixels
    return build


def write(folder: Path, rows: Iterable[Row], size: int) -> CachedImages:
    """The two files of a build. Raises OSError where they cannot be written."""
    records, digest = [], new_digest(size)
    with (folder / "pixels.npy").open("wb", buffering=1 << 20) as file:
        write_header(file, 0, size)
        for row in rows:
            records.append(record(row))
            if isinstance(row.outcome, np.ndarray):
                file.write(row.outcome.data)
                digest.update(row.outcome.data)
        file.seek(0)
        write_header(file, sum(record.reason is None for record in records), size)
        file.flush()
        os.fsync(file.fileno())
    manifest = {"pixels": stat_signature(folder), "fingerprint": digest.hexdigest(), "records": records}
    with written_atomically(folder / "manifest.json", "w") as file:
        json.dump(manifest, file)
    return CachedImages(np.lib.format.open_memmap(folder / "pixels.npy", mode="r"), records, digest.hexdigest())


def newest(cache_folder: Path, size: int) -> CachedImages | None:
    """The last sound build on the cache_folder, if there is one. Sweeps away what crashes have left there."""
    for unfinished in cache_folder.glob(".*"):
        sweep(unfinished)
    return next((build for folder in finished(cache_folder) if (build := opened(folder, size))), None)


def finished(cache_folder: Path) -> list[Path]:
    """The folders of the builds on the cache_folder, the newest first; none where there is no cache_folder."""
    return sorted(cache_folder.glob("[0-9]*"), reverse=True)


def opened(folder: Path, size: int) -> CachedImages | None:
    """The build in a folder, its pixels mapped read-only; None where it is incomplete or was tampered with."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="r")
        build = CachedImages(pixels, [Record(*fields) for fields in manifest["records"]], manifest["fingerprint"])
        unchanged = manifest["pixels"] == stat_signature(folder)
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    count = sum(record.reason is None for record in build.records)
    return build if unchanged and pixels.shape == (count, size, size, 3) and pixels.dtype == np.uint8 else None


def sweep(unfinished: Path) -> None:
    """Remove an unfinished build if nobody has written to it for long."""
    with suppress(OSError):
        if time.time() - max(path.stat().st_mtime for path in (unfinished, *unfinished.iterdir())) > STALE:
            shutil.rmtree(unfinished, ignore_errors=True)


def cache_folder_for(identity: str, size: int, cache: Path | None) -> Path:
    """The folder for the builds of one source at one size, in `cache` or where the environment says."""
    name = blake2b(f"{VERSION} {identity}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return (cache or default_cache()) / "images" / f"{size}px-{name}"


def default_cache() -> Path:
    """$INFOMAX_CACHE, else infomax/ in $XDG_CACHE_HOME, else ~/.cache/infomax."""
    if chosen := os.environ.get("INFOMAX_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "infomax"


def record(row: Row) -> Record:
    """What stays known of a row."""
    if isinstance(row.outcome, np.ndarray):
        return Record(*row.entry, row.label, None)
    again = isinstance(row.outcome, UnreadableImage)
    return Record(row.entry.key, None if again else row.entry.version, row.label, row.outcome.reason)


def write_header(file: IO[bytes], count: int, size: int) -> None:
    """The head of a .npy of `count` images; its length is the same whatever the count."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def stat_signature(folder: Path) -> list[int]:
    """Size in bytes and time of the last change of a build's pixels: a change from outside breaks it."""
    status = (folder / "pixels.npy").stat()
    return [status.st_size, status.st_mtime_ns]


def fingerprint(pixels: NDArray[np.uint8]) -> str:
    """A digest of images (n, size, size, 3), whatever they are called and wherever they lie."""
    digest = new_digest(pixels.shape[1])
    for start in range(0, len(pixels), 1024):
        digest.update(np.ascontiguousarray(pixels[start : start + 1024]).data)
    return digest.hexdigest()


def new_digest(size: int) -> blake2b:
    """A digest to which images of this size are added row by row."""
    return blake2b(f"{size}px".encode(), digest_size=16)
