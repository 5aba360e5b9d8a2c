"""The rows of one version of a table, in memory: what a reader that asks more than once is answered from.

A database reads its files again for every question: an exact search, which needs every vector, then takes ten times as
long as one pass over them in memory, and a page sorts all paths. Held are what the page and
a search tell of a picture, and the vectors, in the order of the paths, so that a page and a folder are slices.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float, Int

from infomax.evaluation.knn import Metric
from infomax.search.distances import measured
from infomax.search.store import Near, Where, schema, vector_column, vectors_of

FACTS = ("path", "id", "size", "mtime", "width", "height", "label")
"""What is held of a row beside its vector: as Python's own values, of which a handful is had faster than from Arrow."""

HELD = frozenset({*FACTS, "vector"})

BLOCK = 4096
"""Candidates measured at a time, in float64."""


class Snapshot:
    """Rows with the columns HELD, given in pieces; it never changes."""

    def __init__(self, pieces: Iterable[pa.RecordBatch], dim: int) -> None:
        parts = [np.empty((0, dim), np.float32)]
        columns: dict[str, list[Any]] = {name: [] for name in FACTS}
        for piece in pieces:
            parts.append(vectors_of(piece))
            for name, values in columns.items():
                values += piece.column(name).to_pylist()
        order = sorted(range(len(columns["path"])), key=[path.encode() for path in columns["path"]].__getitem__)
        self.facts = {name: [values[row] for row in order] for name, values in columns.items()}
        self.schema = schema(dim)
        self.places = {id_: row for row, id_ in enumerate(self.facts["id"])}
        self.codes = {label: code for code, label in enumerate(dict.fromkeys(self.facts["label"]))}
        self.labels = np.array([self.codes[label] for label in self.facts["label"]], np.int32)
        self.vectors = np.concatenate(parts)[order]
        self.squares = np.einsum("nd,nd->n", self.vectors, self.vectors)
        self.norms = np.sqrt(self.squares)
        self.inverses = np.divide(1, self.norms, out=np.zeros_like(self.norms), where=self.norms > 0)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """See Store."""
        return self._table([self.places[each] for each in dict.fromkeys(ids) if each in self.places], columns)

    def count(self, where: Where) -> int:
        """See Store."""
        return len(self._rows(where))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Where) -> pa.Table:
        """See Store."""
        return self._table(self._rows(where)[offset : offset + limit], columns)

    def nearest(
        self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, columns: Sequence[str], where: Where
    ) -> Near:
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
            closeness = products * (self.inverses[start:stop] / (length or 1))
            least, most = closeness - rounding, closeness + rounding
        else:  # |x - y|^2 = |y|^2 - 2 (x.y - |x|^2 / 2), and |y|^2 ranks nothing
            half = self.squares[start:stop] / 2
            slack = rounding * (self.norms[start:stop] * length + half)
            least, most = products - half - slack, products - half + slack
        if where.label is not None:
            others = ~self._labelled(where.label, start, stop)
            least[others] = most[others] = -np.inf
            k = min(k, len(others) - int(others.sum()))
        if not (k := min(k, len(least))):
            return self._near(np.arange(0), columns)
        rows = np.flatnonzero(most >= reached(least, k))
        rows = rows[most[rows] >= np.partition(least[rows], len(rows) - k)[len(rows) - k]] + start
        blocks = [rows[low : low + BLOCK] for low in range(0, len(rows), BLOCK)]
        distances = np.concatenate([measured(vector, self.vectors[block], metric)[0] for block in blocks])
        return self._near(rows[np.argsort(distances, kind="stable")[:k]], columns)

    def _folder(self, where: Where) -> tuple[int, int]:
        """The first of the rows below the folder, and the first after them."""
        paths = self.facts["path"]
        if where.folder is None:
            return 0, len(paths)
        name = where.folder.encode()  # "0" is the character after "/"
        return bisect_left(paths, name + b"/", key=str.encode), bisect_left(paths, name + b"0", key=str.encode)

    def _labelled(self, label: str, start: int, stop: int) -> Bool[np.ndarray, " n"]:
        """Which of a range of rows have the label."""
        same: Bool[np.ndarray, " n"] = self.labels[start:stop] == self.codes.get(label, -1)
        return same

    def _rows(self, where: Where) -> Sequence[int]:
        start, stop = self._folder(where)
        if where.label is None:
            return range(start, stop)
        return [start + row for row in np.flatnonzero(self._labelled(where.label, start, stop)).tolist()]

    def _table(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        arrays = [
            vector_column(self.vectors[rows])
            if name == "vector"
            else pa.array([self.facts[name][row] for row in rows], self.schema.field(name).type)
            for name in columns
        ]
        return pa.table(arrays, schema=pa.schema([self.schema.field(name) for name in columns]))

    def _near(self, rows: Int[np.ndarray, " n"], columns: Sequence[str]) -> Near:
        chosen = [self.facts[name] for name in columns]
        return Near([tuple(values[row] for values in chosen) for row in rows.tolist()], self.vectors[rows])


def reached(values: Float[np.ndarray, " n"], k: int) -> float:
    """A value that k or a few more of the values reach: the k-th largest, or that of the largest of each of many parts.

    A row belongs to the part that its number leaves, so that likenesses, which often lie side by side, are spread.
    """
    parts = 32 * k
    if len(values) > 4 * parts:
        values = values[: len(values) // parts * parts].reshape(-1, parts).max(0)
    return float(np.partition(values, len(values) - k)[len(values) - k])
