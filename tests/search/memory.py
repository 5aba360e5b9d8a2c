"""A store in a dict, searched by NumPy in float64: slow, plain, and written differently from the real one."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from infomax.neighbors.distances import Metric
from infomax.search.row_writer import id_of
from infomax.search.stores.store import EVERYTHING, Filter, SearchResult, schema, vector_column

Vectors = NDArray[np.float32]


class MemoryStore:
    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.rows: dict[str, dict[str, Any]] = {}
        self.writes = 0

    def upsert(self, rows: pa.Table) -> None:
        self.rows |= {row["path"]: row for row in rows.to_pylist()}
        self.writes += 1

    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            self.rows.pop(path, None)
        self.writes += 1

    def count(self, where: Filter = EVERYTHING) -> int:
        return len(self.counted(where))

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        return self.table([row for row in self.rows.values() if row["id"] in ids]).select(list(columns))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter = EVERYTHING) -> pa.Table:
        rows = sorted(self.counted(where), key=lambda row: row["path"].encode())
        return self.table(rows[offset : offset + limit]).select(list(columns))

    def scan(self, columns: Sequence[str], where: Filter = EVERYTHING) -> Iterator[pa.RecordBatch]:
        yield from self.table(self.counted(where)).select(list(columns)).to_batches(max_chunksize=7)

    def nearest(
        self,
        vector: Vectors,
        k: int,
        metric: Metric,
        columns: Sequence[str],
        where: Filter = EVERYTHING,
        *,
        approximate: bool = False,  # noqa: ARG002
    ) -> SearchResult:
        rows = self.counted(where)
        near = sorted(rows, key=lambda row: distance(vector, np.array(row["vector"], np.float32), metric))
        return SearchResult.of(self.table(near[:k]), columns, vector, metric)

    def compact(self) -> None:
        pass

    def version(self) -> int:
        return self.writes

    def bytes(self) -> int:
        return 0

    def counted(self, where: Filter) -> list[dict[str, Any]]:
        return [
            row
            for row in self.rows.values()
            if (where.folder is None or row["path"].startswith(where.folder + "/"))
            and (where.label is None or row["label"] == where.label)
            and (where.after is None or (row["taken"] or "") >= where.after)
            and (where.before is None or (row["taken"] or "9999") < where.before)
        ]

    def table(self, rows: list[dict[str, Any]]) -> pa.Table:
        return pa.Table.from_pylist(rows, schema=schema(self.dim))


def paths_of(near: SearchResult) -> list[str]:
    """The paths found, where only the path was asked for."""
    return [path for (path,) in near.rows]


def distance(a: Vectors, b: Vectors, metric: Metric) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    if metric == "euclidean":
        return float(np.linalg.norm(x - y))
    if not x.any() or not y.any():
        return 1.0
    return float(1 - x @ y / np.sqrt((x @ x) * (y @ y)))


def brute_force(
    query: Vectors, paths: Sequence[str], vectors: Vectors, k: int, metric: Metric
) -> list[tuple[str, float]]:
    """The k nearest; distances that differ only by rounding count as equal."""
    far = [distance(query, vector, metric) for vector in vectors]
    return sorted(zip(paths, far, strict=True), key=lambda pair: (round(pair[1], 12), pair[0].encode()))[:k]


def rows_of(
    paths: Sequence[str],
    vectors: Vectors,
    labels: Sequence[str | None] | None = None,
    *,
    mark: str | None = None,
    thumbnails: Sequence[bytes] | None = None,
    taken: Sequence[str | None] | None = None,
    hashes: Sequence[str] | None = None,
) -> pa.Table:
    count = len(paths)
    columns = {
        "path": list(paths),
        "id": [id_of(path) for path in paths],
        "hash": [mark or f"content of {path}" for path in paths] if hashes is None else list(hashes),
        "version": ["1:1"] * count,
        "size": [1] * count,
        "mtime": [1.0] * count,
        "width": [3] * count,
        "height": [2] * count,
        "label": list(labels) if labels is not None else [None] * count,
        **{name: [None] * count for name in ("inode", "format", "camera", "latitude", "longitude")},
        "taken": list(taken) if taken is not None else [None] * count,
        "thumbnail": [path.encode() for path in paths] if thumbnails is None else list(thumbnails),
        "model": ["model"] * count,
        "vector": vector_column(vectors),
    }
    return pa.table(columns, schema=schema(vectors.shape[1]))


def cloud(count: int, dim: int = 8, seed: int = 0) -> Vectors:
    """Vectors of lengths that differ, so that the metrics disagree."""
    random = np.random.default_rng(seed)
    lengths = np.exp(random.normal(size=(count, 1)))
    return (lengths * random.normal(size=(count, dim))).astype(np.float32)
