"""The rows of one version of a table, in memory: what a reader that asks more than once is answered from.

A database reads its files again for every question: an exact search, which needs every vector, then takes ten times as
long as one pass over them in memory, and a page sorts all paths. Held are what the page and a search tell of an image,
and the vectors, in the order of the paths, so that a page and a folder are slices.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float

from infomax.neighbors.distances import exact_distances
from infomax.neighbors.knn import Metric
from infomax.search.store import IMAGE_COLUMNS, Filter, SearchResult, path_bytes, schema, vector_column, vectors_of

HELD = frozenset({*IMAGE_COLUMNS, "vector"})
"""What is held of a row."""

PLACES = {name: place for place, name in enumerate(IMAGE_COLUMNS)}

BLOCK = 4096
"""Candidates measured at a time, in float64."""


class Snapshot:
    """Rows with the columns HELD, given in pieces; it never changes."""

    def __init__(self, pieces: Iterable[pa.RecordBatch], dim: int) -> None:
        parts = [np.empty((0, dim), np.float32)]
        facts: list[tuple[Any, ...]] = []  # Python's own values, of which a handful is had faster than from Arrow
        for piece in pieces:
            parts.append(vectors_of(piece))
            facts += zip(*(piece.column(name).to_pylist() for name in IMAGE_COLUMNS), strict=True)
        order = sorted(range(len(facts)), key=[path_bytes(each) for each in facts].__getitem__)
        self.columns = [facts[row] for row in order]
        self.schema = schema(dim)
        self.rows = {id_: row for row, id_ in enumerate(self._column("id"))}
        labels = self._column("label")
        self.codes = {label: code for code, label in enumerate(dict.fromkeys(labels))}
        self.labels = np.array([self.codes[label] for label in labels], np.int32)
        self.vectors = np.concatenate(parts)[order]
        self.squares = np.einsum("nd,nd->n", self.vectors, self.vectors)
        self.norms = np.sqrt(self.squares)
        self.inverses = np.divide(1, self.norms, out=np.zeros_like(self.norms), where=self.norms > 0)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """See Store."""
        return self._table([self.rows[each] for each in dict.fromkeys(ids) if each in self.rows], columns)

    def count(self, where: Filter) -> int:
        """See Store."""
        return len(self._rows(where))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter) -> pa.Table:
        """See Store."""
        return self._table(self._rows(where)[offset : offset + limit], columns)

    def nearest(
        self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, columns: Sequence[str], where: Filter
    ) -> SearchResult:
        """See Store. Exact: whoever may be among the k, but for rounding, is measured in float64.

        A sum of d products in float32 is off by at most d / 2 epsilons times the product of the lengths, in whatever
        order it is added up (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Twice that is taken,
        for the few steps that follow.
        """
        start, stop = self._folder(where)
        length, rounding = np.float32(np.linalg.norm(vector)), np.float32(len(vector) * np.finfo(np.float32).eps)
        # vecdot makes one pass at the speed of memory; `@` takes two to ten times as long
        products = np.vecdot(self.vectors[start:stop], vector.astype(np.float32))
        if metric == "cosine":
            closeness, slack = products * (self.inverses[start:stop] / (length or 1)), rounding
        else:  # |x - y|^2 = |y|^2 - 2 (x.y - |x|^2 / 2), and |y|^2 ranks nothing
            half = self.squares[start:stop] / 2
            closeness, slack = products - half, rounding * (self.norms[start:stop] * length + half)
        least, most = closeness - slack, closeness + slack
        if where.label is not None:
            others = ~self._labeled(where.label, start, stop)
            least[others] = most[others] = -np.inf
            k = min(k, len(others) - int(others.sum()))
        if not (k := min(k, len(least))):
            return SearchResult([], np.empty(0), np.empty(0), exact=True)
        rows = np.flatnonzero(most >= kth_largest_floor(least, k))
        rows = rows[most[rows] >= np.partition(least[rows], len(rows) - k)[len(rows) - k]] + start
        blocks = [rows[low : low + BLOCK] for low in range(0, len(rows), BLOCK)]
        pairs = [exact_distances(vector, self.vectors[block], metric) for block in blocks]
        distances, cosines = pairs[0] if len(pairs) == 1 else map(np.concatenate, zip(*pairs, strict=True))
        nearest = np.argsort(distances, kind="stable")[:k]  # of equally near ones the first, in the order of the paths
        facts = [self.columns[row] for row in rows[nearest].tolist()]
        if columns != IMAGE_COLUMNS:
            facts = [tuple(each[PLACES[name]] for name in columns) for each in facts]
        return SearchResult(facts, distances[nearest], cosines[nearest], exact=True)

    def _folder(self, where: Filter) -> tuple[int, int]:
        """The first of the rows below the folder, and the first after them."""
        if where.folder is None:
            return 0, len(self.columns)
        name = where.folder.encode()  # "0" is the character after "/"
        return bisect_left(self.columns, name + b"/", key=path_bytes), bisect_left(
            self.columns, name + b"0", key=path_bytes
        )

    def _labeled(self, label: str, start: int, stop: int) -> Bool[np.ndarray, " n"]:
        """Which of a range of rows have the label."""
        same: Bool[np.ndarray, " n"] = self.labels[start:stop] == self.codes.get(label, -1)
        return same

    def _rows(self, where: Filter) -> Sequence[int]:
        start, stop = self._folder(where)
        if where.label is None:
            return range(start, stop)
        return [start + row for row in np.flatnonzero(self._labeled(where.label, start, stop)).tolist()]

    def _table(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        arrays = [
            vector_column(self.vectors[rows])
            if name == "vector"
            else pa.array([self.columns[row][PLACES[name]] for row in rows], self.schema.field(name).type)
            for name in columns
        ]
        return pa.table(arrays, schema=pa.schema([self.schema.field(name) for name in columns]))

    def _column(self, name: str) -> list[Any]:
        return [each[PLACES[name]] for each in self.columns]


def kth_largest_floor(values: Float[np.ndarray, " n"], k: int) -> float:
    """A value that k or a few more of the values reach: the k-th largest, or that of the largest of each of many parts.

    A row belongs to the part that its number leaves, so that likenesses, which often lie side by side, are spread.
    """
    parts = 32 * k
    if len(values) > 4 * parts:
        values = values[: len(values) // parts * parts].reshape(-1, parts).max(0)
    return float(np.partition(values, len(values) - k)[len(values) - k])
