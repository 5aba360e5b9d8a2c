"""Sources of images in an array: in memory, in a .npy file, or inside a .npz archive."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images.census import Census
from infomax.images.pixels import EXPECTED, batch_problem, to_pixels, validate_batch
from infomax.images.source import Content, Entry, file_version
from infomax.paths import printable, quoted_path


@dataclass(frozen=True)
class ArrayRows:
    """Rows of an array in memory or of a .npy file mapped into memory. A key is `array#row` or `file.npy#row`.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache; None for an array in memory.
        entries: One entry per row.
        pixels: Images (n, h, w), (n, h, w, c) or (n, c, h, w), of a type that `to_pixels` takes.
        row_labels: Label of each row, None if there are none.
        file: The .npy file, with links resolved; None for an array in memory.

    """

    name: str
    identity: str | None
    entries: Sequence[Entry]
    pixels: NDArray[Any]
    row_labels: Sequence[str] | None = None
    file: Path | None = None

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Give pixels (h, w) or (h, w, c)."""
        for i in wanted:
            pixels = to_pixels(self.pixels[i], quoted_path(self.entries[i].key))
            yield Content(pixels, self.row_labels[i] if self.row_labels else None)

    def paths(self) -> list[str]:
        """`/path/to/file.npy#row`; in memory the keys."""
        return _paths_in_file(self.file, self.entries)

    def labels(self) -> list[str | None] | None:
        """Labels of all rows."""
        return list(self.row_labels) if self.row_labels else None

    def roots(self) -> list[str]:
        """`/path/to/file.npy#`; in memory nothing."""
        return _roots_in_file(self.file)

    def unreadable_roots(self) -> list[str]:
        """Always empty: a file that cannot be read is an error."""
        return []

    def census(self) -> Census:
        """Always empty: all rows are read."""
        return Census()

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:
        """The array itself, if its images are RGB squares of that size."""
        if self.pixels.dtype != np.uint8 or self.pixels.shape[1:] != (size, size, 3):
            return None
        pixels = self.pixels.view()
        pixels.flags.writeable = False
        return pixels

    def part(self, rows: slice) -> "ArrayRows":
        """Select some of the rows. They keep their keys.

        Args:
            rows: Rows to select.

        Returns:
            A source of these rows.

        """
        labels = self.row_labels[rows] if self.row_labels else None
        return replace(self, entries=self.entries[rows], pixels=self.pixels[rows], row_labels=labels)


@dataclass(frozen=True)
class ArchiveRows:
    """Rows of an array inside a .npz archive, unpacked while they are read. A key is `file.npz#row`.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache.
        entries: One entry per row.
        path: The archive.
        member: Name of the array in the archive.
        row_labels: Label of each row, None if there are none.

    """

    name: str
    identity: str
    entries: Sequence[Entry]
    path: Path
    member: str
    row_labels: Sequence[str] | None

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Give pixels (h, w) or (h, w, c). Raises InfoMaxError if the archive is damaged."""
        chosen = set(wanted)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.member}.npy") as file:
                shape, _, dtype = _read_header(file)
                for i in range(shape[0]):
                    row = file.read(prod(shape[1:]) * dtype.itemsize)
                    if i in chosen:
                        image = np.frombuffer(row, dtype).reshape(shape[1:])
                        pixels = to_pixels(image, quoted_path(self.entries[i].key))
                        yield Content(pixels, self.row_labels[i] if self.row_labels else None)
        except InfoMaxError:
            raise
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise InfoMaxError(f"{quoted_path(self.path)} is damaged ({error}): write it again") from None

    def paths(self) -> list[str]:
        """`/path/to/file.npz#row`."""
        return _paths_in_file(self.path.resolve(), self.entries)

    def labels(self) -> list[str | None] | None:
        """Labels of all rows."""
        return list(self.row_labels) if self.row_labels else None

    def roots(self) -> list[str]:
        """`/path/to/file.npz#`."""
        return _roots_in_file(self.path.resolve())

    def unreadable_roots(self) -> list[str]:
        """Always empty: a file that cannot be read is an error."""
        return []

    def census(self) -> Census:
        """Always empty: all rows are read."""
        return Census()

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because the archive must be unpacked."""
        return None


def array_rows(pixels: NDArray[Any], name: str) -> ArrayRows:
    """List the rows of an array in memory.

    Args:
        pixels: Images (n, h, w), (n, h, w, c) or (n, c, h, w) with c = 1, 3 or 4: uint8, bool, or floats in 0..1.
        name: Name of the source, also in the keys.

    Returns:
        The source.

    Raises:
        InfoMaxError: The type or the shape of the array is wrong.

    """
    validate_batch(pixels.dtype, pixels.shape, f"the {name}")
    return ArrayRows(name, None, _numbered(name, len(pixels), ""), pixels)


def npy_rows(path: Path) -> ArrayRows:
    """List the rows of a .npy file, mapped into memory.

    Args:
        path: The file.

    Returns:
        The source.

    Raises:
        InfoMaxError: The file does not hold images.

    """
    try:
        pixels = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InfoMaxError(
            f"{quoted_path(path)} is not a .npy file of numbers ({error}): write it with numpy.save"
        ) from None
    validate_batch(pixels.dtype, pixels.shape, quoted_path(path))
    entries = _numbered(path.name, len(pixels), file_version(path))
    return ArrayRows(str(path), f"array {path.resolve()}", entries, pixels, file=path.resolve())


def npz_rows(path: Path) -> ArchiveRows:
    """List the rows of an array in a .npz archive.

    The array is `images`, `pixels` or `x`, or the only one that may hold images; 8-bit ones come
    first. Labels are taken from `labels` or `y`.

    Args:
        path: The archive.

    Returns:
        The source.

    Raises:
        InfoMaxError: There is no array of images, more than one, or the labels do not fit.

    """
    headers, labels = _read_archive(path)
    fitting = [name for name, (shape, _, dtype) in headers.items() if not batch_problem(dtype, shape)]
    candidates = [name for name in fitting if headers[name][2] == np.uint8] or fitting
    named = [name for name in ("images", "pixels", "x") if name in headers]
    if not named and len(candidates) != 1:
        found = ", ".join(f"{name}: {dtype} {shape}" for name, (shape, _, dtype) in headers.items()) or "nothing"
        raise InfoMaxError(f"{quoted_path(path)} holds {found}: store the images under `images`; {EXPECTED}")
    member = (named or candidates)[0]
    shape, fortran_order, dtype = headers[member]
    validate_batch(dtype, shape, f"{member} in {quoted_path(path)}")
    if fortran_order:
        raise InfoMaxError(f"{member} in {quoted_path(path)} is in Fortran order: store numpy.ascontiguousarray of it")
    if labels is not None and labels.shape != shape[:1]:
        raise InfoMaxError(
            f"{quoted_path(path)} has labels of shape {labels.shape} for {shape[0]} images: give one for each"
        )
    return ArchiveRows(
        str(path),
        f"archive {path.resolve()}",
        _numbered(path.name, shape[0], file_version(path)),
        path,
        member,
        None if labels is None else [_label_text(label) for label in labels.tolist()],
    )


_Header = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, whether in Fortran order, type


def _read_archive(path: Path) -> tuple[dict[str, _Header], NDArray[Any] | None]:
    """Headers of all arrays in a .npz archive, and its labels if any. Raises InfoMaxError if it is not an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = _read_header(file)
        with np.load(path, allow_pickle=False) as arrays:
            return headers, next((arrays[name] for name in ("labels", "y") if name in headers), None)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InfoMaxError(f"{quoted_path(path)} is not a .npz archive of numbers ({error}): use numpy.savez") from None


def _read_header(file: IO[bytes] | zipfile.ZipExtFile) -> _Header:
    """Read the header of a .npy file. Raises ValueError if there is none."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _numbered(name: str, count: int, version: str) -> list[Entry]:
    """Entries `name#0` to `name#(count - 1)`, all of one version."""
    return [Entry(f"{name}#{row}", version) for row in range(count)]


def _paths_in_file(file: Path | None, entries: Sequence[Entry]) -> list[str]:
    roots = _roots_in_file(file)
    return [f"{roots[0]}{row}" for row in range(len(entries))] if roots else [printable(entry.key) for entry in entries]


def _roots_in_file(file: Path | None) -> list[str]:
    return [] if file is None else [printable(f"{file.as_posix()}#")]


def _label_text(label: object) -> str:
    """A label as text, whatever type it was stored in."""
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)
