"""LoadedImages that are rows of an array: in memory, in a .npy file, or inside a .npz archive."""

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
from infomax.images.source import Content, Entry, file_version
from infomax.paths import shown

WANTED = "wanted is uint8 of shape (n, h, w), or (n, h, w, c) with c = 1, 3 or 4"


@dataclass(frozen=True)
class ArrayRows:
    """The rows of an array that lies in memory or is mapped into it; a key is `array#row`."""

    name: str
    identity: str | None
    entries: Sequence[Entry]
    pixels: NDArray[np.uint8]
    labels: Sequence[str] | None = None

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Pixels (h, w) or (h, w, c)."""
        for i in wanted:
            yield Content(self.pixels[i], self.labels[i] if self.labels else None)

    def part(self, rows: slice) -> "ArrayRows":
        """Some of the images, under the keys they have in the whole."""
        labels = self.labels[rows] if self.labels else None
        return replace(self, entries=self.entries[rows], pixels=self.pixels[rows], labels=labels)


@dataclass(frozen=True)
class ArchiveRows:
    """The rows of an array inside a .npz archive, unpacked as they are read."""

    name: str
    identity: str
    entries: Sequence[Entry]
    path: Path
    member: str
    labels: Sequence[str] | None

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Pixels (h, w) or (h, w, c). Raises InfoMaxError where the archive is damaged."""
        chosen = set(wanted)
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.member}.npy") as file:
                shape, _, _ = read_header(file)
                for i in range(shape[0]):
                    row = file.read(prod(shape[1:]))
                    if i in chosen:
                        pixels = np.frombuffer(row, np.uint8).reshape(shape[1:])
                        yield Content(pixels, self.labels[i] if self.labels else None)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise InfoMaxError(f"{shown(self.path)} is damaged ({error}): write it again") from None


def array_rows(pixels: NDArray[Any], name: str) -> ArrayRows:
    """The rows of an array in memory. Raises InfoMaxError where its type or shape do not fit."""
    check(pixels.dtype, pixels.shape, f"the {name}")
    return ArrayRows(name, None, numbered(name, len(pixels), ""), pixels)


def npy_rows(path: Path) -> ArrayRows:
    """The rows of a .npy file, mapped into memory. Raises InfoMaxError where it holds no images."""
    try:
        pixels = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InfoMaxError(f"{shown(path)} is no .npy file of numbers ({error}): write it with numpy.save") from None
    check(pixels.dtype, pixels.shape, shown(path))
    return ArrayRows(str(path), f"array {path.resolve()}", numbered(path.name, len(pixels), file_version(path)), pixels)


def npz_rows(path: Path) -> ArchiveRows:
    """The rows of an array in a .npz archive: `images`, `pixels` or `x`, else the only one of 8-bit images.

    Labels come from `labels` or `y`. Raises InfoMaxError where no array fits.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    headers[member.removesuffix(".npy")] = read_header(file)
        with np.load(path, allow_pickle=False) as arrays:
            labels = next((arrays[name] for name in ("labels", "y") if name in headers), None)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InfoMaxError(f"{shown(path)} is no .npz archive of numbers ({error}): use numpy.savez") from None
    fitting = [name for name, (shape, _, dtype) in headers.items() if fits(dtype, shape)]
    named = [name for name in ("images", "pixels", "x") if name in headers]
    if not named and len(fitting) != 1:
        found = ", ".join(f"{name}: {dtype} {shape}" for name, (shape, _, dtype) in headers.items()) or "nothing"
        raise InfoMaxError(f"{shown(path)} holds {found}: store the images under `images`; {WANTED}")
    member = (named or fitting)[0]
    shape, fortran_order, dtype = headers[member]
    check(dtype, shape, f"{member} in {shown(path)}")
    if fortran_order:
        raise InfoMaxError(f"{member} in {shown(path)} is in Fortran order: store numpy.ascontiguousarray of it")
    if labels is not None and labels.shape != shape[:1]:
        raise InfoMaxError(f"{shown(path)} has labels of shape {labels.shape} for {shape[0]} images: give one for each")
    return ArchiveRows(
        str(path),
        f"archive {path.resolve()}",
        numbered(path.name, shape[0], file_version(path)),
        path,
        member,
        None if labels is None else [label_text(label) for label in labels.tolist()],
    )


def read_header(file: IO[bytes] | zipfile.ZipExtFile) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and type of the .npy that starts here. Raises ValueError where none does."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def numbered(name: str, count: int, mark: str) -> list[Entry]:
    """The entries `name#0` to `name#(count - 1)`, all with the same version."""
    return [Entry(f"{name}#{row}", mark) for row in range(count)]


def label_text(label: object) -> str:
    """A label as text, whatever type it was stored in."""
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def fits(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    """Whether an array of this type and shape holds images."""
    return dtype == np.uint8 and (len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3, 4))) and min(shape) > 0


def check(dtype: np.dtype[Any], shape: tuple[int, ...], what: str) -> None:
    """Nothing where an array of this type and shape holds images, else InfoMaxError."""
    if not fits(dtype, shape):
        raise InfoMaxError(f"{what} is {dtype} of shape {shape}: {WANTED}, and no side 0")
