"""The few operations that an index needs of a database, so that LanceDB can be one of several."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from infomax.neighbors.distances import Metric, exact_distances

IMAGE_COLUMNS = (
    "id",
    "path",
    "label",
    "width",
    "height",
    "size",
    "mtime",
    "format",
    "taken",
    "camera",
    "latitude",
    "longitude",
)
"""The columns that describe an image."""

_PATH = IMAGE_COLUMNS.index("path")


def schema(dim: int) -> pa.Schema:
    """Define the columns of an index. `path` names a row; `id`, a digest of the path, is what a link may hold.

    `hash` is a digest of the content, which a renamed file keeps. `inode` is that of the file when it was indexed: a
    hint that another path may lead to the same file. `taken` is ISO 8601 in local time, so that it can be compared.

    Args:
        dim: Dimension of the vectors.

    Returns:
        The schema.

    """
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
            pa.field("inode", pa.uint64()),
            pa.field("format", pa.string()),
            pa.field("taken", pa.string()),
            pa.field("camera", pa.string()),
            pa.field("latitude", pa.float64()),
            pa.field("longitude", pa.float64()),
            pa.field("thumbnail", pa.binary(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


@dataclass(frozen=True)
class Filter:
    """Which rows count.

    Attributes:
        folder: Only rows below this folder (absolute, no slash at its end); None for all.
        label: Only rows with this label; None for all.
        after: Only rows taken at this time or later, the beginning of a time in ISO 8601; None for all.
        before: Only rows taken before this time; None for all. With either, rows without a time do not count.
        ids: Only rows with these ids; None for all.
        without: Ids of rows that do not count.

    """

    folder: str | None = None
    label: str | None = None
    after: str | None = None
    before: str | None = None
    ids: frozenset[str] | None = None
    without: frozenset[str] = frozenset()


EVERYTHING = Filter()


@dataclass(frozen=True)
class SearchResult:
    """Rows found near a vector, with their distances as `exact_distances` computes them.

    Attributes:
        rows: For each row the values of the columns asked for.
        distances: Distance of each row, shape (n,), float64.
        cosines: Cosine of each row, shape (n,), float64.
        exact: Whether these are certainly the nearest rows, in their order, ties in the order of the bytes of their
            paths.

    """

    rows: list[tuple[Any, ...]]
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
        """Compute the distances of rows.

        Args:
            rows: A table with `columns` and the column `vector`.
            columns: Columns to keep of each row.
            vector: The query, shape (d,).
            metric: "cosine" or "euclidean".

        Returns:
            The rows in the order of the table.

        """
        values = list(zip(*(rows.column(name).to_pylist() for name in columns), strict=True))
        return cls(values, *exact_distances(vector, vectors_of(rows), metric))


@runtime_checkable
class Store(Protocol):
    """Rows of `schema(dim)`, one for each path, shared by any number of readers and writers.

    A reader sees at once what any writer, in any process, has finished. A call that writes takes effect as a whole or
    not at all, for everybody at once, and is on the disk when it returns. Failures raise InfoMaxError.
    """

    dim: int
    """Dimension of the vectors."""

    def upsert(self, rows: pa.Table) -> None:
        """Insert rows, and replace those with the same path.

        Args:
            rows: A table of `schema(dim)`.

        """

    def remove(self, paths: Sequence[str]) -> None:
        """Remove the rows with these paths; others are ignored.

        Args:
            paths: Paths of rows.

        """

    def count(self, where: Filter = EVERYTHING) -> int:
        """Count rows.

        Args:
            where: Which rows count.

        Returns:
            The number of rows.

        """

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Get rows by id.

        Args:
            ids: Ids of rows.
            columns: Columns to return.

        Returns:
            The rows in any order; ids without a row are left out.

        """

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter = EVERYTHING) -> pa.Table:
        """Get rows in the order of the bytes of their paths.

        Args:
            offset: Number of rows to pass over.
            limit: Number of rows to return, at most.
            columns: Columns to return.
            where: Which rows count.

        Returns:
            The rows.

        """

    def scan(self, columns: Sequence[str], where: Filter = EVERYTHING) -> Iterator[pa.RecordBatch]:
        """Get all rows, in any order.

        Args:
            columns: Columns to return.
            where: Which rows count.

        Yields:
            Some rows at a time.

        """

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
        """Find the k rows nearest to a vector.

        By cosine, a row whose vector is zero may be left out.

        Args:
            vector: The query, shape (d,).
            k: Number of rows.
            metric: "cosine" or "euclidean".
            columns: Columns to return.
            where: Which rows count.
            approximate: Allow other rows that are nearly as near among the k. A store may build what it needs for
                that, and keep it.

        Returns:
            The rows, nearest first up to rounding in float32, ties in any order; or in exact order, marked `exact`.

        """

    def compact(self) -> None:
        """Tidy up: merge pieces, drop old versions. Affects speed and disk space only; changes no row."""

    def version(self) -> int:
        """Return a number that changes whenever the rows change, by any process."""

    def bytes(self) -> int:
        """Return the size of the store on the disk."""


def path_bytes(row: tuple[Any, ...]) -> bytes:
    """Return the key by which rows are ordered: the bytes of the path.

    Args:
        row: Values of the columns `IMAGE_COLUMNS`.

    Returns:
        The path in UTF-8.

    """
    path: str = row[_PATH]
    return path.encode()


def vectors_of(rows: pa.Table | pa.RecordBatch) -> Float[np.ndarray, "n d"]:
    """Convert the column `vector` to an array.

    Args:
        rows: A table with the column `vector`.

    Returns:
        Vectors, shape (n, d), float32.

    """
    column = rows.column("vector")
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(flat.flatten()).reshape(len(rows), column.type.list_size)


def vector_column(vectors: Float[np.ndarray, "n d"]) -> pa.Array:
    """Convert an array to the column `vector`.

    Args:
        vectors: Vectors, shape (n, d).

    Returns:
        A column of lists of d float32 numbers.

    """
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
