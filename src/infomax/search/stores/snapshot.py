"""The rows of one version of a table, held in memory, for readers that ask more than once.

A database reads its files again for every question. An exact search, which needs every vector, then takes ten times as
long as one pass over them in memory, and a page sorts all paths. The snapshot holds the columns that describe an image,
and the vectors. Both are in the order of the paths, so that a page and a folder are slices.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from infomax.neighbors.distances import Metric, exact_distances
from infomax.search.stores.store import (
    IMAGE_COLUMNS,
    Filter,
    SearchResult,
    path_bytes,
    schema,
    vector_column,
    vectors_of,
)

HELD = frozenset({*IMAGE_COLUMNS, "vector"})
"""The columns that are held."""

MEASURED_AT_ONCE = 4096
"""Candidates whose exact distances are computed at a time."""

_PLACES = {name: place for place, name in enumerate(IMAGE_COLUMNS)}


class Snapshot:
    """Rows of one version, which never change. They answer as a `Store` does.

    Args:
        pieces: All rows, with the columns HELD, some at a time.
        dim: Dimension of the vectors.

    """

    def __init__(self, pieces: Iterable[pa.RecordBatch], dim: int) -> None:
        parts = [np.empty((0, dim), np.float32)]
        repeated: dict[Any, Any] = {}
        rows: list[tuple[Any, ...]] = []  # Python objects: getting a few is faster than from Arrow
        for piece in pieces:
            parts.append(vectors_of(piece))
            rows += zip(*(_shared(piece, name, repeated) for name in IMAGE_COLUMNS), strict=True)
        order = sorted(range(len(rows)), key=[path_bytes(row) for row in rows].__getitem__)
        self.rows = [rows[place] for place in order]
        self.row_of = {id_: row for row, id_ in enumerate(self._column("id"))}
        self.vectors = np.concatenate(parts)[order]
        self._schema = schema(dim)
        labels = self._column("label")
        self._label_codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
        self._labels = np.array([self._label_codes[label] for label in labels], np.int32)
        self._squares = np.einsum("nd,nd->n", self.vectors, self.vectors)
        self._norms = np.sqrt(self._squares)
        self._inverses = np.divide(1, self._norms, out=np.zeros_like(self._norms), where=self._norms > 0)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Get rows by id."""
        return self._table([self.row_of[each] for each in dict.fromkeys(ids) if each in self.row_of], columns)

    def count(self, where: Filter) -> int:
        """Count rows."""
        return len(self._filtered(where))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter) -> pa.Table:
        """Get rows in the order of their paths."""
        return self._table(self._filtered(where)[offset : offset + limit], columns)

    def nearest(
        self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, columns: Sequence[str], where: Filter
    ) -> SearchResult:
        """Find the rows nearest to a vector, exactly.

        A first pass in float32 keeps every row that may be among the k nearest, given the rounding. Those are ranked
        by their distances in float64. A sum of d products in float32 is off by at most d / 2 epsilons times the product
        of the norms, in whatever order it is summed (Higham, Accuracy and Stability of Numerical Algorithms, section
        3.1). Twice that is allowed, for the few steps that follow.
        """
        start, stop = self._folder(where)
        length, rounding = np.float32(np.linalg.norm(vector)), np.float32(len(vector) * np.finfo(np.float32).eps)
        # vecdot makes one pass at the speed of memory; `@` takes two to ten times as long
        products = np.vecdot(self.vectors[start:stop], vector.astype(np.float32))
        if metric == "cosine":  # the slack is the same for all rows: it is added to the threshold rather than to each
            least = most = np.multiply(products, self._inverses[start:stop], out=products)
            slack = 2 * rounding * (length or 1)
        else:  # |x - y|^2 = |y|^2 - 2 (x.y - |x|^2 / 2), and |y|^2 ranks nothing
            half = self._squares[start:stop] / 2
            closeness, slacks = products - half, rounding * (self._norms[start:stop] * length + half)
            least, most, slack = closeness - slacks, closeness + slacks, np.float32(0)
        if (counted := self._counted(where, start, stop)) is not None:
            others = ~counted
            least[others] = most[others] = -np.inf
            k = min(k, len(others) - int(others.sum()))
        if not (k := min(k, len(least))):
            return SearchResult([], np.empty(0), np.empty(0), exact=True)
        rows = np.flatnonzero(most >= _kth_largest_floor(least, k) - slack)
        rows = rows[most[rows] >= np.partition(least[rows], len(rows) - k)[len(rows) - k] - slack] + start
        blocks = [rows[low : low + MEASURED_AT_ONCE] for low in range(0, len(rows), MEASURED_AT_ONCE)]
        pairs = [exact_distances(vector, self.vectors[block], metric) for block in blocks]
        distances, cosines = pairs[0] if len(pairs) == 1 else map(np.concatenate, zip(*pairs, strict=True))
        nearest = np.argsort(distances, kind="stable")[:k]  # stable: equally near ones stay in the order of their paths
        found = [self.rows[row] for row in rows[nearest].tolist()]
        if columns != IMAGE_COLUMNS:
            found = [tuple(row[_PLACES[name]] for name in columns) for row in found]
        return SearchResult(found, distances[nearest], cosines[nearest], exact=True)

    def _folder(self, where: Filter) -> tuple[int, int]:
        """The first of the rows below the folder, and the first after them."""
        if where.folder is None:
            return 0, len(self.rows)
        name = where.folder.encode()  # "0" is the character after "/"
        first, last = (bisect_left(self.rows, name + end, key=path_bytes) for end in (b"/", b"0"))
        return first, last

    def _counted(self, where: Filter, start: int, stop: int) -> Bool[np.ndarray, " n"] | None:
        """Which of a range of rows pass the filter, its folder aside; None where all do."""
        counted: Bool[np.ndarray, " n"] | None = None
        if where.label is not None:
            counted = self._labels[start:stop] == self._label_codes.get(where.label, -1)
        if where.after is not None or where.before is not None:
            first, last = where.after or "", where.before or "~"  # "~" comes after every digit
            times = (row[_PLACES["taken"]] for row in self.rows[start:stop])
            taken = np.fromiter((time is not None and first <= time < last for time in times), np.bool_, stop - start)
            counted = taken if counted is None else counted & taken
        for ids, count in ((where.ids, True), (where.without or None, False)):
            if ids is not None:
                among = self._among(ids, start, stop) == count
                counted = among if counted is None else counted & among
        return counted

    def _among(self, ids: Iterable[str], start: int, stop: int) -> Bool[np.ndarray, " n"]:
        """Which of a range of rows have one of these ids."""
        among = np.zeros(len(self.rows), np.bool_)
        among[[self.row_of[each] for each in ids if each in self.row_of]] = True
        return among[start:stop]

    def _filtered(self, where: Filter) -> Sequence[int]:
        """The rows that count, in order."""
        start, stop = self._folder(where)
        if (counted := self._counted(where, start, stop)) is None:
            return range(start, stop)
        return [start + row for row in np.flatnonzero(counted).tolist()]

    def _table(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        arrays = [
            vector_column(self.vectors[rows])
            if name == "vector"
            else pa.array([self.rows[row][_PLACES[name]] for row in rows], self._schema.field(name).type)
            for name in columns
        ]
        return pa.table(arrays, schema=pa.schema([self._schema.field(name) for name in columns]))

    def _column(self, name: str) -> list[Any]:
        return [row[_PLACES[name]] for row in self.rows]


def _shared(piece: pa.RecordBatch, name: str, repeated: dict[Any, Any]) -> list[Any]:
    """A column as Python objects; of words that many rows share, one object each."""
    values: list[Any] = piece.column(name).to_pylist()
    return [repeated.setdefault(each, each) for each in values] if name in ("label", "format", "camera") else values


def _kth_largest_floor(values: Float[np.ndarray, " n"], k: int) -> float:
    """A value that k or a few more of the values reach: the k-th largest of the maxima of many parts.

    Of few values it is the k-th largest itself. Row i belongs to part i mod n_parts, so that similar rows, which often
    are neighbors, spread over the parts.
    """
    parts = 32 * k
    if len(values) > 4 * parts:
        values = values[: len(values) // parts * parts].reshape(-1, parts).max(0)
    return float(np.partition(values, len(values) - k)[len(values) - k])
