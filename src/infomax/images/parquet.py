"""Source of images in parquet files: stored bytes, or the paths of files, with a column of labels."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.errors import InfoMaxError
from infomax.images.census import Census
from infomax.images.parquet_columns import (
    TO_BE_FOUND,
    NamedColumns,
    class_names,
    find_image_column,
    find_label_column,
    label_text,
    may_name_files,
    stored_image,
    stores_images,
)
from infomax.images.source import Content, Entry, file_version, relative_names
from infomax.object_store import StoredObject, open_object, translate_errors
from infomax.paths import printable, quoted_path

TableFile: TypeAlias = Path | StoredObject
"""A parquet file on the disk, or on an object store."""

_BATCH = 64  # rows read at a time; a stored image is seldom above 10 MB


@dataclass(frozen=True)
class ParquetRows:
    """Rows of one or more parquet files. A key is `file.parquet#row`, with folders if the files are in several ones.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache.
        entries: One entry per row, file by file.
        tables: The files.

    """

    name: str
    identity: str
    entries: Sequence[Entry]
    tables: Sequence["ParquetTable"]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read stored bytes, a few rows at a time."""
        rows, start = np.asarray(wanted, np.int64), 0
        for table in self.tables:
            in_table = _between(rows, start, start + table.rows) - start
            if in_table.size:
                yield from table.read(in_table.tolist())
            start += table.rows

    def paths(self) -> list[str]:
        """`/path/to/file.parquet#row`."""
        roots = zip(self.roots(), self.tables, strict=True)
        return [f"{root}{row}" for root, table in roots for row in range(table.rows)]

    def labels(self) -> list[str | None] | None:
        """None, because labels are stored in the rows."""
        return None

    def roots(self) -> list[str]:
        """`/path/to/file.parquet#` for each file."""
        return [printable(f"{_address(table.path)}#") for table in self.tables]

    def unreadable_roots(self) -> list[str]:
        """Always empty: files that cannot be read are an error."""
        return []

    def census(self) -> Census:
        """Always empty: all rows are read."""
        return Census()

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because stored images must be decoded."""
        return None


@dataclass(frozen=True)
class ParquetTable:
    """One parquet file of images.

    Attributes:
        path: The file, or the object that it is.
        rows: Number of rows.
        image_column: Name of the column of images.
        label_column: Name of the column of labels, None if there is none.
        class_names: Name of each numbered label; None if the labels are not said to be classes.
        names_files: Whether rows may name files in place of storing images.

    """

    path: TableFile
    rows: int
    image_column: str
    label_column: str | None
    class_names: Mapping[int, str] | None
    names_files: bool

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read some rows.

        Args:
            wanted: Increasing row numbers.

        Yields:
            The content of each wanted row.

        Raises:
            InfoMaxError: The file is damaged.

        """
        columns = [self.image_column, *([self.label_column] if self.label_column else [])]
        rows, start = np.asarray(wanted, np.int64), 0
        with _damage(self.path), _opened(self.path) as file:
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                if _between(rows, start, stop).size:
                    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=columns):
                        for i in _between(rows, start, start + batch.num_rows) - start:
                            yield self._content(batch, int(i))
                        start += batch.num_rows
                start = stop

    def versions(self) -> list[str]:
        """Version of each row: that of the file, and of the file that the row names.

        Returns:
            One version per row.

        Raises:
            InfoMaxError: The file is damaged.

        """
        own = self.path.version if isinstance(self.path, StoredObject) else file_version(self.path)
        if not self.names_files or isinstance(self.path, StoredObject):
            return [own] * self.rows
        with _damage(self.path), _opened(self.path) as file:
            leaves = [path for path in _leaves(file, self.image_column).values() if not path.endswith(".bytes")]
            cells = file.read(leaves).column(self.image_column).to_pylist()
        named = map(stored_image, cells)
        return [f"{own} {file_version(self._file(name))}" if isinstance(name, str) else own for name in named]

    def _content(self, batch: pa.RecordBatch, row: int) -> Content:
        data = stored_image(batch.column(self.image_column)[row].as_py())
        label = batch.column(self.label_column)[row].as_py() if self.label_column else None
        return Content(self._named(data) if isinstance(data, str) else data, label_text(label, self.class_names))

    def _named(self, name: str) -> Path | BrokenImage:
        """The file that a row names, or why there is none. A missing one is looked for again the next time."""
        if "://" in name:
            return BrokenImage(f"only an address ({name!r}), no bytes: fetch the image first")
        if isinstance(self.path, StoredObject):
            return UnreadableImage(f"only a path ({name!r}), no bytes, in a table on an object store")
        path = self._file(name)
        if not os.path.isfile(path):  # noqa: PTH113 (it takes names that no file can have)
            return UnreadableImage(f"only a path ({name!r}), no bytes, and there is no such file")
        return path

    def _file(self, name: str) -> Path:
        """Paths are absolute, or relative to the folder of the parquet file."""
        assert isinstance(self.path, Path)
        return self.path.parent / name


def parquet_rows(
    paths: Sequence[TableFile], name: str, identity: str, columns: NamedColumns = TO_BE_FOUND
) -> ParquetRows:
    """List the rows of parquet files.

    Args:
        paths: At least one parquet file; their order is the order of the rows. A file that is named twice counts once.
        name: Name of the source in messages.
        identity: Opaque name of the files for the cache.
        columns: NamedColumns that the user has named.

    Returns:
        The source.

    Raises:
        InfoMaxError: A file is not a parquet file or has no column of images, or there are no rows at all.

    """
    files, names = _named_files(list(dict.fromkeys(paths)))
    tables = [_open_table(file, columns) for file in files]
    entries = [
        Entry(f"{file}#{row}", version)
        for file, table in zip(names, tables, strict=True)
        for row, version in enumerate(table.versions())
    ]
    if not entries:
        raise InfoMaxError(f"{quoted_path(name)} has no rows: give parquet files with at least one image")
    chosen = sorted({f"{table.image_column} {table.label_column}" for table in tables})
    return ParquetRows(name, "\n".join([identity, *chosen]), entries, tables)


def _named_files(paths: Sequence[TableFile]) -> tuple[list[TableFile], list[str]]:
    """Files with their names below the folder that they share."""
    local = [path for path in paths if isinstance(path, Path)]
    if len(local) == len(paths):
        root, names = relative_names(local)
        return [root / name for name in names], names
    urls = [path.url for path in paths if isinstance(path, StoredObject)]
    shared = os.path.commonpath([url.rpartition("/")[0] for url in urls]) + "/"
    return [*paths], [url[len(shared) :] for url in urls]


@contextmanager
def _opened(path: TableFile) -> Iterator[pq.ParquetFile]:
    """Open a parquet file; of an object, the ranges that are read are fetched together."""
    if isinstance(path, StoredObject):
        with open_object(path.url) as stored, pq.ParquetFile(stored, pre_buffer=True) as file:
            yield file
    else:
        with pq.ParquetFile(path, buffer_size=1 << 20) as file:
            yield file


def _address(path: TableFile) -> str:
    """The whole path of a file, or the URL of an object."""
    return path.url if isinstance(path, StoredObject) else path.resolve().as_posix()


def _open_table(path: TableFile, columns: NamedColumns) -> ParquetTable:
    """Read the schema of a parquet file. Raises InfoMaxError if it holds no images."""
    try:
        with _reachable(path), _opened(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            image = find_image_column(schema, _shown(path), columns.image)
            names_files = _may_lack_bytes(file, image)
    except (OSError, pa.ArrowException) as error:
        if isinstance(path, Path) and _is_lfs_pointer(path):
            problem = "is a Git LFS pointer, not the file itself: run git lfs pull in its folder"
        else:
            problem = f"is not a parquet file ({_one_line(error)}): fetch it again"
        raise InfoMaxError(f"{quoted_path(_shown(path))} {problem}") from None
    label = find_label_column(schema, _shown(path), columns.label)
    return ParquetTable(path, rows, image, label, class_names(schema.metadata, label), names_files)


def _may_lack_bytes(file: pq.ParquetFile, column: str) -> bool:
    """Whether a column holds paths and, as far as the file's statistics say, some rows have no bytes."""
    kind = file.schema_arrow.field(column).type
    if not (may_name_files(kind) and stores_images(kind)):
        return may_name_files(kind)
    leaves = [leaf for leaf, path in _leaves(file, column).items() if path.endswith(".bytes")]
    groups = (file.metadata.row_group(group) for group in range(file.metadata.num_row_groups))
    statistics = [group.column(leaf).statistics for group in groups for leaf in leaves]
    return any(each is None or not each.has_null_count or each.null_count for each in statistics)


def _leaves(file: pq.ParquetFile, column: str) -> dict[int, str]:
    """Number and path of each leaf of a column, as the file stores them."""
    paths = (file.schema.column(leaf).path for leaf in range(len(file.schema)))
    return {leaf: path for leaf, path in enumerate(paths) if path == column or path.startswith(f"{column}.")}


def _is_lfs_pointer(path: Path) -> bool:
    """Whether a file was cloned by Git without its content."""
    with path.open("rb") as file:
        return file.read(23) == b"version https://git-lfs"


def _shown(path: TableFile) -> str:
    """A file as messages name it."""
    return path.url if isinstance(path, StoredObject) else str(path)


@contextmanager
def _reachable(path: TableFile) -> Iterator[None]:
    """Tell a store that cannot be reached from a file that is damaged."""
    try:
        yield
    except OSError as error:
        if isinstance(path, StoredObject) and not isinstance(error, FileNotFoundError):
            with translate_errors("read", path.url):
                raise
        raise


@contextmanager
def _damage(path: TableFile) -> Iterator[None]:
    """Say which file is damaged, and what to do."""
    try:
        with _reachable(path):
            yield
    except (OSError, pa.ArrowException) as error:
        raise InfoMaxError(
            f"{quoted_path(_shown(path))} is damaged ({_one_line(error)}): fetch the file again"
        ) from None


def _between(rows: np.ndarray[Any, np.dtype[np.int64]], start: int, stop: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Select the numbers in start..stop - 1 from increasing numbers."""
    return rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]


def _one_line(error: Exception) -> str:
    """First sentence of another library's message."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")
