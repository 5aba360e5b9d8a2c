"""LoadedImages in the rows of parquet files, in the layout of Hugging Face: image: struct{bytes, path}, label."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from infomax.errors import InfoMaxError
from infomax.images.decoding import BrokenImage
from infomax.images.source import Content, Entry, file_version, relative_names
from infomax.paths import shown

BATCH = 64
"""Rows read at a time; stored images are seldom above 10 MB each."""


@dataclass(frozen=True)
class Table:
    """One parquet file: its column of images, its column of labels if any, and the names of numbered labels."""

    path: Path
    rows: int
    images: str
    labels: str | None
    classes: Sequence[str]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """The wanted rows (increasing). Raises InfoMaxError where the file is damaged."""
        columns = [f"{self.images}.bytes", *([self.labels] if self.labels else [])]
        rows, start = np.asarray(wanted, np.int64), 0
        try:
            with pq.ParquetFile(self.path, buffer_size=1 << 20) as file:
                for group in range(file.num_row_groups):
                    stop = start + file.metadata.row_group(group).num_rows
                    if between(rows, start, stop).size:
                        for batch in file.iter_batches(BATCH, row_groups=[group], columns=columns):
                            for i in between(rows, start, start + batch.num_rows) - start:
                                yield self.content(batch, int(i))
                            start += batch.num_rows
                    start = stop
        except (OSError, pa.ArrowException) as error:
            raise InfoMaxError(f"{shown(self.path)} is damaged ({one_line(error)}): fetch the file again") from None

    def content(self, batch: pa.RecordBatch, row: int) -> Content:
        """One row of a batch."""
        cell = batch.column(self.images)[row].as_py()
        data = cell and cell["bytes"]
        label = batch.column(self.labels)[row].as_py() if self.labels else None
        if isinstance(label, int) and 0 <= label < len(self.classes):
            label = self.classes[label]
        return Content(
            BrokenImage("the row holds no image (null)") if data is None else data,
            None if label is None else str(label),
        )


@dataclass(frozen=True)
class ParquetRows:
    """The rows of one or more parquet files; a key is `file.parquet#row`, with folders where the files share none."""

    name: str
    identity: str
    entries: Sequence[Entry]
    tables: Sequence[Table]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Stored bytes, a few rows at a time."""
        rows, start = np.asarray(wanted, np.int64), 0
        for table in self.tables:
            here = between(rows, start, start + table.rows) - start
            if here.size:
                yield from table.read(here.tolist())
            start += table.rows


def parquet_rows(paths: Sequence[Path], name: str, identity: str) -> ParquetRows:
    """The rows of the files at `paths`, in that order.

    Raises InfoMaxError where one is no parquet file, has no column of images, or where there are no rows at all.
    """
    root, names = relative_names(paths)
    tables = [open_table(root / name) for name in names]
    entries = [
        Entry(f"{name}#{row}", mark)
        for name, table, mark in zip(names, tables, [file_version(table.path) for table in tables], strict=True)
        for row in range(table.rows)
    ]
    if not entries:
        raise InfoMaxError(f"{shown(name)} has no rows: give parquet files with at least one image")
    return ParquetRows(name, identity, entries, tables)


def open_table(path: Path) -> Table:
    """What the parquet file at `path` says about itself. Raises InfoMaxError where it holds no images."""
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise InfoMaxError(f"{shown(path)} is no parquet file ({one_line(error)}): fetch it again") from None
    fitting = [field.name for field in schema if holds_images(field.type)]
    if "image" not in fitting and len(fitting) != 1:
        columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
        raise InfoMaxError(
            f"{shown(path)} has no column image: struct<bytes: binary, path: string>, only {columns}: store images so"
        )
    return Table(
        path,
        rows,
        "image" if "image" in fitting else fitting[0],
        "label" if "label" in schema.names else None,
        class_names(schema.metadata or {}),
    )


def holds_images(kind: pa.DataType) -> bool:
    """Whether a column of this type holds stored images: a struct with the bytes of each."""
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return False
    stored = kind.field("bytes").type
    return bool(pa.types.is_binary(stored) or pa.types.is_large_binary(stored))


def class_names(metadata: dict[bytes, bytes]) -> Sequence[str]:
    """The names of the numbered labels, as Hugging Face writes them into a schema's metadata; () where it did not."""
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        return ()
    return [str(name) for name in names]


def between(rows: np.ndarray[Any, np.dtype[np.int64]], start: int, stop: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Those of the increasing numbers that are at least `start` and below `stop`."""
    return rows[np.searchsorted(rows, start) : np.searchsorted(rows, stop)]


def one_line(error: Exception) -> str:
    """The first sentence of another library's message."""
    return " ".join(str(error).split()).split(". ")[0].rstrip(".")
