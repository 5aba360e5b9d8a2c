"""Rows in a LanceDB table: one folder, no server, any number of processes."""

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar, final

import lancedb
import numpy as np
import pyarrow as pa
from jaxtyping import Float
from lancedb.index import BTree, IvfFlat
from lancedb.query import ColumnOrdering

from infomax.errors import InfoMaxError
from infomax.neighbors.knn import Metric
from infomax.paths import shown
from infomax.search.snapshot import HELD, Snapshot
from infomax.search.store import EVERYTHING, Filter, SearchResult, schema

TABLE, APPROXIMATE = "images", "directions"
"""The names of the table and of its approximate index."""

ATTEMPTS = 30
"""How often a write is tried where other processes write at the same time."""

KEPT = timedelta(minutes=10)
"""How long an old version is kept for readers that may still be at it; a query takes less than a second."""

APPROXIMATE_FROM = 5_000
"""Rows below which an exact search is fast enough to serve as an approximate one."""

ROWS_PER_PARTITION = 250
"""Of the approximate index: small partitions follow the data more closely."""

PROBED = 0.25
"""The part of the partitions that an approximate search looks into."""

HELD_AT_MOST = 1 << 30
"""Bytes of vectors that are held in memory; of more, each search reads the files."""

SETTLED = 3_000_000_000
"""Nanoseconds after which the next write to a folder gives it another time, on any file system."""

DISTANCES: dict[Metric, Literal["cosine", "l2"]] = {"cosine": "cosine", "euclidean": "l2"}

Result = TypeVar("Result")


@final
class LanceStore:
    """A `Store` in a folder of LanceDB.

    Two writers of the same new path would both insert it, had the path not been declared the primary key; and a merge
    must not go through a scalar index on the path, or that declaration is not looked at (LanceDB 0.40). So rows are
    merged by `path`, which has no scalar index, and found by `id`, which has one.

    LanceDB answers from its files: an exact search reads and decodes the whole column of vectors, page and fetch are
    queries for its planner. So a version that is read a second time is taken into memory, thumbnails aside, and answers
    from there until another process commits. Whoever asks once (a command) or writes all the while (an indexer) never
    pays for that.
    """

    def __init__(self, folder: Path) -> None:
        """Open the store in `folder`. Raises InfoMaxError where there is none that is sound."""
        self.folder = folder
        with translate_lance_errors(folder, "open"):
            if not (folder / f"{TABLE}.lance").is_dir():
                raise InfoMaxError(f"{shown(folder)} lacks its table {TABLE}.lance: index again into a new folder")
            database = lancedb.connect(folder, read_consistency_interval=timedelta(0))
            self._table: Any = database.open_table(TABLE)  # LanceDB types the table it returns as a narrower one
            self.dim = int(self._table.schema.field("vector").type.list_size)
            if self._table.schema.remove_metadata() != schema(self.dim):
                raise InfoMaxError(f"{shown(folder)} has other columns than an index: index again into a new folder")
        self._versions = str(folder / f"{TABLE}.lance" / "_versions")
        self._settled: tuple[int, int] | None = None
        self._lock = Lock()
        self._asked = 0
        self._held: tuple[int, Snapshot] | None = None

    @classmethod
    def create(cls, folder: Path, dim: int) -> "LanceStore":
        """An empty store for vectors of `dim` numbers, in a folder that has none yet."""
        with translate_lance_errors(folder, "write to"):
            table: Any = lancedb.connect(folder).create_table(TABLE, schema=schema(dim))
            table.set_unenforced_primary_key("path")
        return cls(folder)

    def upsert(self, rows: pa.Table) -> None:
        """See Store."""
        self._write(
            lambda: (
                self._table.merge_insert("path")
                .use_index(False)
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .execute(rows.cast(self._table.schema))
            )
        )

    def remove(self, paths: Sequence[str]) -> None:
        """See Store."""
        if paths:
            self._write(lambda: self._table.delete(among("path", paths)))

    def count(self, where: Filter = EVERYTHING) -> int:
        """See Store."""
        if snapshot := self._snapshot((), taking=where != EVERYTHING):  # the table knows how many it has
            return snapshot.count(where)
        return self._rows(where)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """See Store."""
        if snapshot := self._snapshot(columns):
            return snapshot.fetch(ids, columns)
        query = self._table.search().where(among("id", ids or [""]))  # a limit of 0 would be none
        return self._read(query.select(list(columns)))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter = EVERYTHING) -> pa.Table:
        """See Store."""
        if snapshot := self._snapshot(columns):
            return snapshot.page(offset, limit, columns, where)
        order = ColumnOrdering(column_name="path", ascending=True, nulls_first=False)
        wanted = list(dict.fromkeys((*columns, "path")))  # what orders must be among what is selected
        rows = self._read(self._selected(wanted, where).order_by([order]).offset(offset).limit(limit))
        return rows.select(list(columns))

    def scan(self, columns: Sequence[str], where: Filter = EVERYTHING) -> Iterator[pa.RecordBatch]:
        """See Store."""
        with translate_lance_errors(self.folder, "read"):
            yield from self._selected(columns, where).to_batches(batch_size=4096)

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
        """See Store.

        The index for `approximate` is built when it is first asked for. LanceDB uses only one on a column, which is
        here one of cosines: by Euclidean distance every search is exact.
        """
        partitions = self._partitions() if approximate and metric == "cosine" else 0
        if not partitions and (snapshot := self._snapshot(columns)):
            return snapshot.nearest(vector, k, metric, columns, where)
        query = self._table.search(vector, vector_column_name="vector").distance_type(DISTANCES[metric])
        query = query.nprobes(max(1, round(PROBED * partitions))) if partitions else query.bypass_vector_index()
        if text := condition(where):
            query = query.where(text)
        most = min(k, self.count(where)) or 1  # room is made for as many as are asked for
        found = self._read(query.select([*columns, "vector", "_distance"]).limit(most))
        return SearchResult.of(found, columns, vector, metric)

    def compact(self) -> None:
        """See Store. Filter another process writes meanwhile it is left to the next time."""
        with translate_lance_errors(self.folder, "write to"), unless_contended():
            if not any(index.columns == ["id"] for index in self._table.list_indices()) and self._table.count_rows():
                self._table.create_index("id", config=BTree())
            self._table.optimize(cleanup_older_than=KEPT)

    def version(self) -> int:
        """See Store.

        LanceDB is asked only where something has been written to the folder of its versions since it was last asked, or
        so shortly before that a further write might not show: it answers from another thread, which takes as long as
        the search of 10,000 vectors.
        """
        with translate_lance_errors(self.folder, "read"):
            written = os.stat(self._versions).st_mtime_ns  # noqa: PTH116 - a Path takes twice as long
            if self._settled is None or self._settled[0] != written:
                settled = time.time_ns() - written > SETTLED
                number = int(self._table.version)
                self._settled = (written, number) if settled else None
                return number
            return self._settled[1]

    def bytes(self) -> int:
        """See Store."""
        total = 0
        for path in self.folder.joinpath(f"{TABLE}.lance").rglob("*"):
            with suppress(OSError):  # another process may tidy up meanwhile
                total += path.stat().st_size
        return total

    def _partitions(self) -> int:
        """The partitions of the approximate index, built where it is missing or outgrown; 0 where none is needed."""
        rows = self.count()
        if rows < APPROXIMATE_FROM:
            return 0
        with translate_lance_errors(self.folder, "write the approximate index to"):
            known = any(index.name == APPROXIMATE for index in self._table.list_indices())
            stats = self._table.index_stats(APPROXIMATE) if known else None
            if stats is None or stats.num_unindexed_rows > stats.num_indexed_rows:
                config = IvfFlat(distance_type="cosine", num_partitions=rows // ROWS_PER_PARTITION)
                with unless_contended():
                    self._table.create_index("vector", config=config, name=APPROXIMATE, replace=True)
        return rows // ROWS_PER_PARTITION

    def _snapshot(self, columns: Sequence[str], *, taking: bool = True) -> Snapshot | None:
        """All rows as they are now, if they are held in memory, or are to be from now on; None: ask the table.

        `taking` is whether this question may be the reason to take them. While one thread does, the others wait: of a
        crowd that each asked the table, all would be served later.
        """
        if not HELD.issuperset(columns):
            return None
        with self._lock:
            version = self.version()
            if self._held is not None and self._held[0] == version:
                return self._held[1]
            if not taking:
                return None
            again, self._asked, self._held = version == self._asked, version, None
            if not again or self._rows() * self.dim * 4 > HELD_AT_MOST:
                return None
            self._held = version, Snapshot(self.scan(list(HELD)), self.dim)
            return self._held[1]

    def _rows(self, where: Filter = EVERYTHING) -> int:
        """How many rows the table has."""
        with translate_lance_errors(self.folder, "read"):
            return int(self._table.count_rows(condition(where)))

    def _selected(self, columns: Sequence[str], where: Filter) -> Any:
        query = self._table.search().select(list(columns))
        text = condition(where)
        return query.where(text) if text else query

    def _read(self, query: Any) -> pa.Table:
        with translate_lance_errors(self.folder, "read"):
            rows: pa.Table = query.to_arrow()
            return rows

    def _write(self, write: Callable[[], Result]) -> Result:
        """Try again, after a random wait, as long as other processes come first."""
        with translate_lance_errors(self.folder, "write to"):
            for attempt in range(ATTEMPTS):
                try:
                    return write()
                except RuntimeError as error:
                    if attempt == ATTEMPTS - 1 or not is_conflict(error):
                        raise
                    time.sleep(random.uniform(0, min(2, 0.05 * 2**attempt)))
        raise AssertionError


def condition(where: Filter) -> str | None:
    """The rows that count, in SQL."""
    parts = []
    if where.folder is not None:  # all that begin with "folder/": "0" is the character after "/"
        parts.append(f"path >= {quoted(where.folder + '/')} AND path < {quoted(where.folder + '0')}")
    if where.label is not None:
        parts.append(f"label = {quoted(where.label)}")
    return " AND ".join(parts) or None


def among(column: str, values: Sequence[str]) -> str:
    """That a column has one of these values, in SQL."""
    return f"{column} IN ({', '.join(quoted(value) for value in values)})"


def quoted(text: str) -> str:
    """Any text as a literal of SQL, in which nothing but the quote is special."""
    return "'" + text.replace("'", "''") + "'"


def is_conflict(error: Exception) -> bool:
    """Whether a write failed only because another one came first."""
    return "conflict" in str(error).lower()


@contextmanager
def unless_contended() -> Iterator[None]:
    """Give up quietly where another process writes at the same time."""
    try:
        yield
    except RuntimeError as error:
        if not is_conflict(error):
            raise


@contextmanager
def translate_lance_errors(folder: Path, what: str) -> Iterator[None]:
    """LanceDB's failures, of many kinds and many lines, as an InfoMaxError of one."""
    try:
        yield
    except (RuntimeError, OSError, ValueError, TypeError, KeyError, pa.ArrowException) as error:
        text = str(error)
        raise InfoMaxError(f"cannot {what} the index {shown(folder)} ({reason(text)}): {remedy(text)}") from None


def reason(text: str) -> str:
    """The part of LanceDB's message that a person can use."""
    for words in ("No space left on device", "File too large", "Permission denied", "Read-only file system"):
        if words.lower() in text.lower():
            return words[0].lower() + words[1:]
    return text.partition("\n")[0].partition(", /root/")[0][:200]


def remedy(text: str) -> str:
    """What to do about it."""
    short = text.lower()
    if "no space left" in short or "file too large" in short:
        return "make room there, or choose another place; what is in it already is safe"
    if "permission denied" in short or "read-only" in short:
        return "choose a place that you may write to"
    return "if it persists, index again into a new folder"
