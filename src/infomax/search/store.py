"""What an index asks of a database: few enough questions that LanceDB can be one answer among several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from infomax.neighbors.distances import exact_distances
from infomax.neighbors.knn import Metric

IMAGE_COLUMNS = ("id", "path", "label", "width", "height", "size", "mtime")
"""The columns that tell of an image."""

PATH = IMAGE_COLUMNS.index("path")
"""The place of the path among these."""


def schema(dim: int) -> pa.Schema:
    """The columns of an index. `path` names a row; `id`, a digest of it, is what a link may hold."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("id", pa.string(), nullable=False),
            pa.field("hash", pa.string(), nullable=False),
            pa.field("version", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("mtime", pa.float64()),
            pa.field("width", pa.int32(), nullable=False),
            pa.field("height", pa.int32(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("thumbnail", pa.binary(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


@dataclass(frozen=True)
class Filter:
    """Which rows count: those below a folder (absolute, no slash at its end), those with a label, or both."""

    folder: str | None = None
    label: str | None = None


EVERYTHING = Filter()


@dataclass(frozen=True)
class SearchResult:
    """Rows that were found near a vector, as `measured` measures them.

    columns: of each row the columns asked for
    distances, cosines: of each row (n,), in float64
    exact: whether these are the nearest beyond doubt, in their order, ties in the order of the bytes of their paths
    """

    columns: list[tuple[Any, ...]]
    distances: Float[np.ndarray, " n"]
    cosines: Float[np.ndarray, " n"]
    exact: bool = False

    @classmethod
    def of(
        cls,
        rows: pa.Table | pa.RecordBatch,
        columns: Sequence[str],
        vector: Float[np.ndarray, " d"],
        metric: Metric,
    ) -> "SearchResult":
        """Rows of a table with the columns, and a column of vectors."""
        facts = list(zip(*(rows.column(name).to_pylist() for name in columns), strict=True))
        return cls(facts, *exact_distances(vector, vectors_of(rows), metric))


@runtime_checkable
class Store(Protocol):
    """Rows of `schema(dim)`, one for each path, shared by any number of readers and writers.

    A reader sees at once what any writer, in whatever process, has finished. Each call that writes happens whole or not
    at all, at once for everybody, and is on the disk when it returns. Failures are InfoMaxError.
    """

    def upsert(self, rows: pa.Table) -> None:
        """Put rows in place of those with the same path, and beside the others."""

    def remove(self, paths: Sequence[str]) -> None:
        """Take away the rows with these paths, where there are any."""

    def count(self, where: Filter = EVERYTHING) -> int:
        """How many rows there are."""

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """The rows with these ids, in any order; those that do not exist are left out."""

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter = EVERYTHING) -> pa.Table:
        """`limit` rows from the `offset`-th on, in the order of the bytes of their paths."""

    def scan(self, columns: Sequence[str], where: Filter = EVERYTHING) -> Iterator[pa.RecordBatch]:
        """All rows, in any order, a piece at a time."""

    def nearest(
        self,
        vector: Float[np.ndarray, " d"],
        k: int,
        metric: Metric,
        columns: Sequence[str],
        where: Filter = EVERYTHING,
        *,
        approximate: bool = False,
    ) -> SearchResult:
        """The k rows nearest to a vector, nearest first up to rounding in float32, ties in any order, or `exact`.

        A row whose vector is zero may be left out where the metric is cosine. With `approximate` some of the k may be
        other rows that are nearly as near; a store may build what it needs for that, and keep it.
        """

    def compact(self) -> None:
        """Tidy up: fewer pieces, no old versions. Only a matter of speed and room; changes no row."""

    def version(self) -> int:
        """A number that is another one whenever the rows are, whoever has changed them."""

    def bytes(self) -> int:
        """How much room the store takes."""


def path_bytes(facts: tuple[Any, ...]) -> bytes:
    """What rows are ordered by, of a row's columns IMAGE."""
    path: str = facts[PATH]
    return path.encode()


def vectors_of(rows: pa.Table | pa.RecordBatch) -> Float[np.ndarray, "n d"]:
    """The column of vectors as one array."""
    column = rows.column("vector")
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(flat.flatten()).reshape(len(rows), column.type.list_size)


def vector_column(vectors: Float[np.ndarray, "n d"]) -> pa.Array:
    """The array as a column of vectors."""
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
