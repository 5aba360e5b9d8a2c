"""The rows of one version of a table, in memory: what a reader that asks more than once is answered from.

A database reads its files again for every question: an exact search, which needs every vector, then takes ten times as
long as one pass over them in memory, and a page sorts all paths. Held are all columns but the thumbnails, in the order
of the paths, so that a page and a folder are slices.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float, Int

from infomax.evaluation.knn import Metric
from infomax.search.distances import measured
from infomax.search.store import Where, schema, vector_column, vectors_of

COLUMNS = tuple(name for name in schema(1).names if name != "thumbnail")
"""What is held."""

FACTS = [name for name in COLUMNS if name != "vector"]

BLOCK = 4096
"""Candidates measured at a time, in float64."""


class Snapshot:
    """Rows with COLUMNS, given in pieces; it never changes."""

    def __init__(self, pieces: Iterable[pa.RecordBatch], dim: int) -> None:
        parts = [np.empty((0, dim), np.float32)]
        facts = [schema(dim).empty_table().select(FACTS)]
        for piece in pieces:
            parts.append(vectors_of(piece))
            facts.append(pa.Table.from_batches([piece]).select(FACTS))
        whole = pa.concat_tables(facts)
        order = np.argsort(np.array([path.encode() for path in whole["path"].to_pylist()], object), kind="stable")
        self.facts = pa.record_batch(
            [column.combine_chunks().take(pa.array(order)) for column in whole.columns], schema=whole.schema
        )
        self.paths = [path.encode() for path in self.facts["path"].to_pylist()]
        self.vectors = np.concatenate(parts)[order]
        self.squares = np.einsum("nd,nd->n", self.vectors, self.vectors)
        self.norms = np.sqrt(self.squares)
        self.inverses = np.divide(1, self.norms, out=np.zeros_like(self.norms), where=self.norms > 0)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """See Store."""
        found = pc.is_in(self.facts["id"], value_set=pa.array(ids, pa.string()))
        return self._table(np.flatnonzero(found), columns)

    def count(self, where: Where) -> int:
        """See Store."""
        return len(self._rows(where))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Where) -> pa.Table:
        """See Store."""
        return self._table(self._rows(where)[offset : offset + limit], columns)

    def nearest(
        self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, columns: Sequence[str], where: Where
    ) -> pa.Table:
        """See Store. Exact: whoever may be among the k, but for rounding, is measured in float64.

        A sum of d products in float32 is off by at most d / 2 epsilons times the product of the lengths, in whatever
        order it is added up (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). Twice that is taken,
        for the few steps that follow.
        """
        start, stop = self._folder(where)
        length, rounding = np.float32(np.linalg.norm(vector)), np.float32(len(vector) * np.finfo(np.float32).eps)
        # vecdot makes one pass at the speed of memory; `@` is a product of matrices, which takes two to ten times as long
        products = np.vecdot(self.vectors[start:stop], vector.astype(np.float32))
        if metric == "cosine":
            closeness = products * (self.inverses[start:stop] / (length or 1))
            least, most = closeness - rounding, closeness + rounding
        else:  # |x - y|^2 = |y|^2 - 2 (x.y - |x|^2 / 2), and |y|^2 ranks nothing
            half = self.squares[start:stop] / 2
            slack = rounding * (self.norms[start:stop] * length + half)
            least, most = products - half - slack, products - half + slack
        if where.label is not None:
            others = ~self._labelled(where, start, stop)
            least[others] = most[others] = -np.inf
            k = min(k, len(others) - int(others.sum()))
        if not (k := min(k, len(least))):
            return self._table(np.arange(0), columns)
        rows = np.flatnonzero(most >= reached(least, k))
        rows = rows[most[rows] >= np.partition(least[rows], len(rows) - k)[len(rows) - k]] + start
        blocks = [rows[low : low + BLOCK] for low in range(0, len(rows), BLOCK)]
        distances = np.concatenate([measured(vector, self.vectors[block], metric)[0] for block in blocks])
        return self._table(rows[np.argsort(distances, kind="stable")[:k]], columns)

    def _folder(self, where: Where) -> tuple[int, int]:
        """The first of the rows below the folder, and the first after them."""
        if where.folder is None:
            return 0, len(self.paths)
        name = where.folder.encode()  # "0" is the character after "/"
        return bisect_left(self.paths, name + b"/"), bisect_left(self.paths, name + b"0")

    def _labelled(self, where: Where, start: int, stop: int) -> Bool[np.ndarray, " n"]:
        """Which of a range of rows have the label."""
        same = pc.fill_null(pc.equal(self.facts["label"].slice(start, stop - start), where.label), False)
        return np.asarray(same, bool)

    def _rows(self, where: Where) -> Int[np.ndarray, " n"]:
        start, stop = self._folder(where)
        if where.label is None:
            return np.arange(start, stop)
        return start + np.flatnonzero(self._labelled(where, start, stop))

    def _table(self, rows: Int[np.ndarray, " n"], columns: Sequence[str]) -> pa.Table:
        facts = self.facts.select([name for name in columns if name != "vector"]).take(pa.array(rows))
        arrays = dict(zip(facts.schema.names, facts.columns, strict=True))
        if "vector" in columns:
            arrays["vector"] = vector_column(self.vectors[rows])
        return pa.table({name: arrays[name] for name in columns})


def reached(values: Float[np.ndarray, " n"], k: int) -> float:
    """A value that k or a few more of the values reach: the k-th largest, or that of the largest of each of many parts.

    A row belongs to the part that its number leaves, so that likenesses, which often lie side by side, are spread.
    """
    parts = 32 * k
    if len(values) > 4 * parts:
        values = values[: len(values) // parts * parts].reshape(-1, parts).max(0)
    return float(np.partition(values, len(values) - k)[len(values) - k])
