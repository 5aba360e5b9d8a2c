"""Disk cache of prepared images, so that each image is decoded only once.

    <cache>/images/<size>px-<digest of the source's identity>/<build>/pixels.npy      (n, size, size, 3) uint8
                                                                      manifest.json   which image each row is

A build is one complete set of prepared images. It is written under a hidden name and appears by one rename when
everything is on the disk. The newest intact build is used. So two processes may write at once, and a crash leaves at
most a hidden folder. That folder is removed when nothing has been written to it for an hour.
"""

import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path
from typing import IO, NamedTuple
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.decoding.depth import NO_SCALE, DepthScale
from infomax.decoding.image import DECODING_VERSION
from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images.cache_place import FORBIDDEN, FULL, REMEDY, default_cache, known_temporary_cache, temporary_cache
from infomax.images.source import Entry
from infomax.paths import expand_home, quoted_path

_STALE = 3600.0  # seconds without a write after which an unfinished build counts as abandoned


class PreparedImage(NamedTuple):
    """One image of a source after decoding.

    Attributes:
        entry: Which image it is.
        label: Label of the image, None if it has none.
        result: Pixels (size, size, 3), or the reason why there are none.

    """

    entry: Entry
    label: str | None
    result: NDArray[np.uint8] | BrokenImage


class ImageRecord(NamedTuple):
    """What the cache knows about one image besides its pixels.

    Attributes:
        key: Key of the image's entry.
        version: Version of the entry. None if the image could not be read this time, so that it is tried again.
        label: Label of the image, None if it has none.
        reason: Why the image could not be decoded. None if it was decoded; then the next row of pixels is its own.

    """

    key: str
    version: str | None
    label: str | None
    reason: str | None


class BuildInfo(NamedTuple):
    """How a set of images was prepared.

    Attributes:
        size: Side of the images in pixels.
        depth_scale: Scale of the images deeper than 8 bits.
        measured: Whether the scale was measured on these images, rather than given by a model.

    """

    size: int
    depth_scale: DepthScale = NO_SCALE
    measured: bool = True


@dataclass(frozen=True)
class CachedImages:
    """A complete set of prepared images.

    Attributes:
        pixels: Decoded images (n, size, size, 3), in the order of the records that have no `reason`.
        records: One record per image of the source, decoded or not.
        fingerprint: Digest of the pixels.
        info: How they were prepared.

    """

    pixels: NDArray[np.uint8]
    records: Sequence[ImageRecord]
    fingerprint: str
    info: BuildInfo

    def matches(self, entries: Sequence[Entry], scale: DepthScale | None = None) -> bool:
        """Whether decoding some entries would give exactly this set.

        Args:
            entries: All entries of the source.
            scale: Scale of deep images; None for the one that they have together.

        Returns:
            True if keys and versions are the same, in the same order, and the scale is the one.

        """
        if not (self.info.measured if scale is None else self.info.depth_scale == scale):
            return False
        return [(record.key, record.version) for record in self.records] == list(entries)

    def has(self, entry: Entry) -> bool:
        """Whether this version of an image is in the set.

        Args:
            entry: Entry of the image.

        Returns:
            True if the image need not be decoded again.

        """
        return entry in self._positions

    def get(self, entry: Entry) -> PreparedImage:
        """Look up an image.

        Args:
            entry: Entry of the image, which must be in the set.

        Returns:
            The image as it was prepared before.

        """
        record, row = self._positions[entry]
        return PreparedImage(
            entry, record.label, self.pixels[row] if record.reason is None else BrokenImage(record.reason)
        )

    @cached_property
    def _positions(self) -> dict[Entry, tuple[ImageRecord, int]]:
        """Record of each entry and, if it was decoded, its row of the pixels."""
        decoded = accumulate(record.reason is None for record in self.records)
        return {
            Entry(record.key, record.version): (record, count - 1)
            for record, count in zip(self.records, decoded, strict=True)
            if record.version is not None
        }


def collect_in_memory(images: Iterable[PreparedImage], info: BuildInfo) -> CachedImages:
    """Collect prepared images in memory, without a cache.

    Args:
        images: One image per entry of the source.
        info: How they were prepared.

    Returns:
        The set of images.

    """
    records, pixels = [], []
    for image in images:
        records.append(_record(image))
        if isinstance(image.result, np.ndarray):
            pixels.append(image.result)
    stacked = np.stack(pixels) if pixels else np.empty((0, info.size, info.size, 3), np.uint8)
    stacked.flags.writeable = False
    return CachedImages(stacked, records, fingerprint(stacked), info)


def write_cache(folder: Path, images: Iterable[PreparedImage], info: BuildInfo) -> CachedImages:
    """Write a new build, image by image, and remove older ones.

    Args:
        folder: Folder of the source's builds, from `cache_folder`.
        images: One image per entry of the source.
        info: How they are prepared.

    Returns:
        The set of images, with its pixels mapped read-only.

    Raises:
        InfoMaxError: The disk is full, no folder can be made there, or neither it nor a temporary one can be written
            to. Nothing remains of the new build then.

    Warns:
        InfoMaxWarning: The folder may not be written to, and a temporary one is used.

    """
    unfinished = folder / f".{uuid4().hex}"
    try:
        try:
            unfinished.mkdir(parents=True)
        except OSError as error:
            if error.errno not in FORBIDDEN:
                raise
            reason = f"cannot keep prepared images in {quoted_path(folder)} ({error.strerror})"
            folder = temporary_cache(reason) / "images" / folder.name
            unfinished = folder / unfinished.name
            unfinished.mkdir(parents=True)
        build = _write_build(unfinished, images, info)
        latest = max([0, *(int(other.name.partition("-")[0]) for other in _builds(folder))])
        finished = folder / f"{max(time.time_ns(), latest + 1):020d}-{uuid4().hex}"  # clocks are set back at times
        unfinished.rename(finished)
    except OSError as error:
        remedy = "make room there, or set INFOMAX_CACHE to a folder on another disk" if error.errno in FULL else REMEDY
        raise InfoMaxError(
            f"cannot keep prepared images in {quoted_path(folder)} ({error.strerror}): {remedy}"
        ) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    for other in _builds(folder):
        if other.name < finished.name:
            shutil.rmtree(other, ignore_errors=True)  # a process that has it mapped keeps the pixels
    return build


def read_cache(folder: Path, size: int) -> CachedImages | None:
    """Open the newest intact build. Also remove what crashes have left behind.

    Args:
        folder: Folder of the source's builds, from `cache_folder`.
        size: Side of the images in pixels.

    Returns:
        The set of images, with its pixels mapped read-only, or None if there is none.

    """
    temporary = known_temporary_cache()
    folders = [folder] if temporary is None else [folder, temporary / "images" / folder.name]
    for unfinished in (each for place in folders for each in place.glob(".*")):
        _remove_if_abandoned(unfinished)
    builds = sorted((path for place in folders for path in _builds(place)), key=lambda path: path.name, reverse=True)
    return next((build for path in builds if (build := _open_build(path, size))), None)


def cache_folder(identity: str, size: int, cache: Path | None) -> Path:
    """Folder for the builds of one source at one size.

    Args:
        identity: Identity of the source.
        size: Side of the images in pixels.
        cache: Folder of the whole cache. By default $INFOMAX_CACHE, else infomax/ in $XDG_CACHE_HOME, else
            ~/.cache/infomax, else a temporary folder.

    Returns:
        The folder, which need not exist.

    Raises:
        InfoMaxError: There is no home folder, and no temporary folder either.

    """
    text = f"{DECODING_VERSION} {identity}"
    digest = blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return (default_cache() if cache is None else expand_home(cache)) / "images" / f"{size}px-{digest}"


def fingerprint(pixels: NDArray[np.uint8]) -> str:
    """Digest of images. It does not depend on their names or on where they are stored.

    Args:
        pixels: Images (n, size, size, 3).

    Returns:
        32 hexadecimal digits.

    """
    digest = _new_digest(pixels.shape[1])
    for start in range(0, len(pixels), 1024):
        digest.update(np.ascontiguousarray(pixels[start : start + 1024]).data)
    return digest.hexdigest()


def _write_build(folder: Path, images: Iterable[PreparedImage], info: BuildInfo) -> CachedImages:
    """Write the two files of a build. Raises OSError if that fails."""
    records, digest = [], _new_digest(info.size)
    with (folder / "pixels.npy").open("wb", buffering=1 << 20) as file:
        _write_header(file, 0, info.size)
        for image in images:
            records.append(_record(image))
            if isinstance(image.result, np.ndarray):
                file.write(image.result.data)
                digest.update(image.result.data)
        file.seek(0)
        _write_header(file, sum(record.reason is None for record in records), info.size)
        file.flush()
        os.fsync(file.fileno())
    manifest = {
        "pixels": _stat_signature(folder),
        "fingerprint": digest.hexdigest(),
        "depth_scale": info.depth_scale.to_dict(),
        "measured": info.measured,
        "records": records,
    }
    with written_atomically(folder / "manifest.json", "w") as file:
        json.dump(manifest, file)
    pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="r")
    return CachedImages(pixels, records, digest.hexdigest(), info)


def _builds(folder: Path) -> list[Path]:
    """Folders of the finished builds, the newest first. Empty if `folder` does not exist."""
    return sorted(folder.glob("[0-9]*"), reverse=True)


def _open_build(folder: Path, size: int) -> CachedImages | None:
    """Open a build, with its pixels mapped read-only. None if it is incomplete or was changed from outside."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        pixels = np.lib.format.open_memmap(folder / "pixels.npy", mode="r")
        records = [ImageRecord(*fields) for fields in manifest["records"]]
        scale = DepthScale.from_dict(manifest["depth_scale"])
        info = BuildInfo(size, scale, manifest["measured"])
        build = CachedImages(pixels, records, manifest["fingerprint"], info)
        unchanged = manifest["pixels"] == _stat_signature(folder)
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    count = sum(record.reason is None for record in build.records)
    return build if unchanged and pixels.shape == (count, size, size, 3) and pixels.dtype == np.uint8 else None


def _remove_if_abandoned(unfinished: Path) -> None:
    """Remove an unfinished build if nothing has been written to it for long."""
    with suppress(OSError):
        if time.time() - max(path.stat().st_mtime for path in (unfinished, *unfinished.iterdir())) > _STALE:
            shutil.rmtree(unfinished, ignore_errors=True)


def _record(image: PreparedImage) -> ImageRecord:
    if isinstance(image.result, np.ndarray):
        return ImageRecord(*image.entry, image.label, None)
    try_again = isinstance(image.result, UnreadableImage)
    return ImageRecord(image.entry.key, None if try_again else image.entry.version, image.label, image.result.reason)


def _write_header(file: IO[bytes], count: int, size: int) -> None:
    """Write the header of a .npy file of `count` images. Its length does not depend on the count."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _stat_signature(folder: Path) -> list[int]:
    """Size in bytes and time of the last change of a build's pixels. Any change from outside alters them."""
    status = (folder / "pixels.npy").stat()
    return [status.st_size, status.st_mtime_ns]


def _new_digest(size: int) -> blake2b:
    """Digest to which images of this size are added one by one."""
    return blake2b(f"{size}px".encode(), digest_size=16)
