"""Sources of texts in a file of many: a parquet or CSV column, or a JSON object on each line."""

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage
from infomax.errors import InfoMaxError
from infomax.images.census import Census
from infomax.images.parquet_columns import class_names, find_label_column, label_text
from infomax.images.source import Content, Entry, file_version
from infomax.paths import printable, quoted_path

TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".ndjson")
"""Files of many texts."""

_TEXTS = ("text", "content", "document", "body", "description", "sentence", "abstract", "message", "review", "title")
"""Names of columns of texts that are looked for, in this order, in upper or lower case."""

_ROWS_AT_ONCE = 1024
_LARGEST_CELL = 1 << 24  # characters of a CSV cell; the reader's own limit is 131,072


@dataclass(frozen=True)
class TextTable:
    """The texts of one file, a row each.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name that tells sources apart.
        entries: One entry a row.
        path: The file.
        text_column: Name of the column of texts.
        label_column: Name of the column of labels, None if there is none.
        names: Name of each numbered label; None if labels mean themselves.

    """

    name: str
    identity: str
    entries: Sequence[Entry]
    path: Path
    text_column: str
    label_column: str | None
    names: Mapping[int, str] | None = None

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read some rows, in one pass through the file."""
        left = iter(wanted)
        row = next(left, None)
        with _errors_told(self.path):
            for position, record in enumerate(_records(self.path, [self.text_column, self.label_column])):
                if row is None:
                    return
                if position == row:
                    yield self._content(record)
                    row = next(left, None)
        if row is not None:
            raise InfoMaxError(f"{quoted_path(self.path)} has fewer rows than before: run the command again")

    def paths(self) -> list[str]:
        """`/path/to/file.jsonl#row`."""
        (root,) = self.roots()
        return [f"{root}{row}" for row in range(len(self.entries))]

    def labels(self) -> list[str | None] | None:
        """None, because labels are stored in the rows."""
        return None

    def roots(self) -> list[str]:
        """`/path/to/file.jsonl#`."""
        return [printable(f"{self.path.resolve().as_posix()}#")]

    def unreadable_roots(self) -> list[str]:
        """Always empty: a file that cannot be read is an error."""
        return []

    def census(self) -> Census:
        """Always empty: all rows are read."""
        return Census()

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None: a text has no pixels."""
        return None

    def _content(self, record: Mapping[str, Any]) -> Content:
        text, label = record.get(self.text_column), record.get(self.label_column) if self.label_column else None
        known = label_text(label, self.names)
        if not isinstance(text, str):
            return Content(BrokenImage("the row holds no text"), known)
        return Content(text.encode("utf-8", "surrogatepass"), known)


def text_table(path: Path, text_column: str | None = None, label_column: str | None = None) -> TextTable:
    """List the texts of a file.

    Args:
        path: A parquet, CSV, TSV or JSONL file.
        text_column: Column of the texts; None to find it.
        label_column: Column of the labels; None to find it.

    Returns:
        The source.

    Raises:
        InfoMaxError: The file is damaged or empty, or there is no such column.

    """
    with _errors_told(path):
        schema, rows = _described(path)
    if not rows:
        raise InfoMaxError(f"{quoted_path(path)} holds no rows: give a file with texts in it")
    text = _find_text_column(schema, path, text_column)
    others = pa.schema([field for field in schema if field.name != text], schema.metadata)
    label = find_label_column(others, path, label_column)
    version, resolved = file_version(path), path.resolve()
    entries = [Entry(f"{path.name}#{row}", version) for row in range(rows)]
    return TextTable(
        str(path), f"texts {resolved} {text}", entries, resolved, text, label, class_names(schema.metadata, label)
    )


def _find_text_column(schema: pa.Schema, path: Path, named: str | None) -> str:
    """The column that the user has named, that has a usual name, or that is the only one of text."""
    columns = ", ".join(f"{field.name}: {field.type}" for field in schema)
    if named is not None:
        if named not in schema.names:
            raise InfoMaxError(f"{quoted_path(path)} has no column {named!r} of texts, only {columns}")
        return named
    texts: list[str] = [
        field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
    ]
    lower = {name.lower(): name for name in reversed(texts)}
    usual = next((lower[name] for name in _TEXTS if name in lower), None)
    if usual is None and len(texts) != 1:
        raise InfoMaxError(
            f"{quoted_path(path)} has {len(texts)} columns of text and none of a usual name, only {columns}: "
            "name one, --text-column NAME or text_column="
        )
    return usual or texts[0]


def _described(path: Path) -> tuple[pa.Schema, int]:
    """Columns of a file with their types, and its number of rows. Reads the file once, unless it is parquet."""
    if path.suffix.lower() == ".parquet":
        with pq.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    types: dict[str, pa.DataType] = {}
    rows = 0
    for record in _records(path, []):
        rows += 1
        for name, value in record.items():
            if types.get(name, pa.null()) == pa.null():
                types[name] = _type_of(value)
    return pa.schema(list(types.items())), rows


def _type_of(value: Any) -> pa.DataType:
    known = {str: pa.string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64(), type(None): pa.null()}
    return known.get(type(value), pa.list_(pa.null()))


def _records(path: Path, columns: Sequence[str | None]) -> Iterator[Mapping[str, Any]]:
    """Rows of a file, one at a time. Of a parquet file only some columns are read."""
    extension = path.suffix.lower()
    if extension == ".parquet":
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(_ROWS_AT_ONCE, columns=[name for name in columns if name is not None]):
                yield from batch.to_pylist()
    elif extension in (".csv", ".tsv"):
        csv.field_size_limit(_LARGEST_CELL)
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            yield from csv.DictReader(file, delimiter="\t" if extension == ".tsv" else ",")
    else:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _object(json.loads(line), number)


def _object(record: Any, number: int) -> Mapping[str, Any]:
    """A line of JSON as a row; a line that is a text alone is its own column."""
    if isinstance(record, str):
        return {"text": record}
    if not isinstance(record, dict):
        raise ValueError(f"line {number} is neither an object nor a text")
    return record


@contextmanager
def _errors_told(path: Path) -> Iterator[None]:
    """Turn errors of a reader into an InfoMaxError that names the file."""
    try:
        yield
    except OSError as error:
        raise InfoMaxError(f"{quoted_path(path)} cannot be read ({error.strerror}): check the file") from None
    except (ValueError, csv.Error, pa.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise InfoMaxError(f"{quoted_path(path)} is damaged ({reason}): write it again") from None
