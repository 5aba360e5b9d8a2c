"""Source of images in parquet files, laid out as Hugging Face does: columns image: struct{bytes, path} and label."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images.decoding import BrokenImage
from infomax.images.source import Content, Entry, file_version, relative_names
from infomax.paths import printable, quoted_path

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
        return [printable(f"{table.path.resolve().as_posix()}#") for table in self.tables]

    def unreadable_roots(self) -> list[str]:
        """Always empty: files that cannot be read are an error."""
        return []

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because stored images must be decoded."""
        return None


@dataclass(frozen=True)
class ParquetTable:
    """One parquet file of images.

    Attributes:
        path: The file.
        rows: Number of rows.
        image_column: Name of the column of images.
        label_column: Name of the column of labels, None if there is none.
        class_names: Names of numbered labels, () if the file has none.

    """

    path: Path
    rows: int
    image_column: str
    label_column: str | None
    class_names: Sequence[str]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read some rows.

        Args:
            wanted: Increasing row numbers.

        Yields:
            The content of each wanted row.

        Raises:
            InfoMaxError: The file is damaged.

        """
        columns = [f"{self.image_column}.bytes", *([self.label_column] if self.label_column else [])]
        rows, start = np.asarray(wanted, np.int64), 0
        try:
            with pq.ParquetFile(self.path, buffer_size=1 << 20) as file:
                for group in range(file.num_row_groups):
                    stop = start + file.metadata.row_group(group).num_rows
                    if _between(rows, start, stop).size:
                        for batch in file.iter_batches(_BATCH, row_groups=[group], columns=columns):
                            for i in _between(rows, start, start + batch.num_rows) - start:
                                yield self._content(batch, int(i))
                            start += batch.num_rows
                    start = stop
        except (OSError, pa.ArrowException) as error:
            problem = f"is damaged ({_one_line(error)}): fetch the file again"
            raise InfoMaxError(f"{quoted_path(self.path)} {problem}") from None

    def _content(self, batch: pa.RecordBatch, row: int) -> Content:
        cell = batch.column(self.image_column)[row].as_py()
        data = cell and cell["bytes"]
        label = batch.column(self.label_column)[row].as_py() if self.label_column else None
        if isinstance(label, int) and 0 <= label < len(self.class_names):
            label = self.class_names[label]
        return Content(
            BrokenImage("the row holds no image (null)") if data is None else data,
            None if label is None else str(label),
        )


def parquet_rows(paths: Sequence[Path], name: str, identity: str) -> ParquetRows:
    """List the rows of parquet files.

    Args:
        paths: At least one parquet file; their order is the order of the rows.
        name: Name of the source in messages.
        identity: Opaque name for the cache.

    Returns:
        The source.

    Raises:
        InfoMaxError: A file is not a parquet file or has no column of images, or there are no rows at all.

    """
    root, names = relative_names(paths)
    tables = [_open_table(root / name) for name in names]
    versions = [file_version(table.path) for table in tables]
    entries = [
        Entry(f"{file}#{row}", version)
        for file, table, version in zip(names, tables, versions, strict=True)
        for row in range(table.rows)
    ]
    if not entries:
        raise InfoMaxError(f"{quoted_path(name)} has no rows: give parquet files with at least one image")
    return ParquetRows(name, identity, entries, tables)


def _open_table(path: Path) -> ParquetTable:
    """Read the schema of a parquet file. Raises InfoMaxError if it holds no images."""
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise InfoMaxError(f"{quoted_path(path)} is not a parquet file ({_one_line(error)}): fetch it again") from None
    candidates = [field.name for field in schema if _holds_images(field.type)]
    if "image" not in candidates and len(candidates) != 1:
        columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
        raise InfoMaxError(
            f"{quoted_path(path)} has no column image: struct<bytes: binary, path: string>, only {columns}: "
            "store the images in such a column"
        )
    return ParquetTable(
        path,
        rows,
        "image" if "image" in candidates else candidates[0],
        "label" if "label" in schema.names else None,
        _class_names(schema.metadata or {}),
    )


def _holds_images(kind: pa.DataType) -> bool:
    """Whether a column of this type holds stored images, that is, a struct with their bytes."""
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    stored = kind.field("bytes").type
    return bool(pa.types.is_binary(stored) or pa.types.is_large_binary(stored))


def _class_names(metadata: dict[bytes, bytes]) -> Sequence[str]:
    """Names of numbered labels from the metadata that Hugging Face adds to a schema; () if there is none."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return [str(name) for name in names]


def _between(rows: np.ndarray[Any, np.dtype[np.int64]], start: int, stop: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Select the numbers in start..stop - 1 from increasing numbers."""
    return rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]


def _one_line(error: Exception) -> str:
    """First sentence of another library's message."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")
