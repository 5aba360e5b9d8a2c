"""Rows in a LanceDB table: one folder or URL, no server, any number of processes."""

import math
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any, Literal, TypeVar, final
from weakref import WeakSet

import lancedb
import numpy as np
import pyarrow as pa
from jaxtyping import Float
from lancedb.index import BTree, IvfFlat, IvfRq
from lancedb.query import ColumnOrdering

from infomax.errors import InfoMaxError
from infomax.neighbors.distances import Metric
from infomax.object_store import is_url, lance_options, list_objects
from infomax.paths import quoted_path
from infomax.search.stores.conditions import among, condition
from infomax.search.stores.lance_errors import (
    is_conflict,
    refuse_after_fork,
    translate_lance_errors,
    unless_contended,
)
from infomax.search.stores.snapshot import HELD, Snapshot
from infomax.search.stores.store import EVERYTHING, Filter, SearchResult, schema

TABLE, APPROXIMATE = "images", "directions"
"""Names of the table and of its approximate index."""

MODEL, PRIMARY_KEY = "infomax.model", {"lance-schema:unenforced-primary-key": "true"}
"""Metadata of the table, and of its column `path`, both there from the first commit on."""

ATTEMPTS = 30
"""How often a write is tried while other processes write too."""

KEPT = timedelta(minutes=10)
"""How long an old version is kept for readers that may still use it; a query takes less than a second."""

APPROXIMATE_FROM = 5_000
"""Rows below which an exact search is fast enough to serve as an approximate one."""

QUANTIZED_FROM = 50_000
"""Rows from which on the approximate index holds codes of one bit a number (IVF_RQ, by RaBitQ) in place of vectors."""

REFINED, REFINED_AT_LEAST, REFINED_AT_MOST = 10, 200, 10_000
"""So many times as many rows as are wanted are compared by their vectors, after their codes, within these limits.

Of short vectors the codes are rough: without a lower limit, a search for two rows missed the query itself.
"""

HELD_AT_MOST = 1 << 30
"""Bytes of vectors that are held in memory at most; of a larger table each search reads the files."""

SETTLED = 3_000_000_000
"""Nanoseconds after which the next write to a folder gives it another time, on any file system."""

DISTANCES: dict[Metric, Literal["cosine", "l2"]] = {"cosine": "cosine", "euclidean": "l2"}

_Result = TypeVar("_Result")

_OPEN: "WeakSet[LanceStore]" = WeakSet()


@final
class LanceStore:
    """A `Store` in a folder or on an object store, as a LanceDB table.

    If two writers inserted the same new path, there would be two rows, unless the path is declared the primary key.
    LanceDB 0.40 ignores that declaration when a merge goes through a scalar index on the path. So rows are merged by
    `path`, which has no scalar index, and found by `id`, which has one.

    LanceDB answers from its files. An exact search reads and decodes the whole column of vectors; page and fetch are
    queries for its planner. So a version that is read a second time is copied into memory, thumbnails aside, and
    answers from there until another process commits. A command that asks once, and an indexer that writes all the time,
    never pay for the copy.

    On an object store LanceDB commits by a write that fails where another writer was first, and this one tries again.
    So any number of machines may write at once there, too.

    Args:
        place: Folder or URL of an existing table.

    Raises:
        InfoMaxError: There is no table, or it is damaged, or the object store cannot be reached.

    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        with translate_lance_errors(place, "open"):
            self._opened: Any = _open_table(place)  # LanceDB types the table it returns as a narrower one
            self.dim = int(self._table.schema.field("vector").type.list_size)
            if self._table.schema.remove_metadata() != schema(self.dim):
                raise InfoMaxError(
                    f"{quoted_path(place)} has other columns than an index: index again into a new folder"
                )
        self._versions = str(place / f"{TABLE}.lance" / "_versions") if isinstance(place, Path) else None
        self._settled: tuple[int, int] | None = None
        self._lock = Lock()
        _OPEN.add(self)
        self._asked = 0
        self._held: tuple[int, Snapshot] | None = None
        self._prepared: tuple[int, int] | None = None

    @property
    def _table(self) -> Any:
        """The table."""
        refuse_after_fork(self.place)
        return self._opened

    def unlock(self) -> None:
        """Replace the lock in a forked child, where the thread that holds it may be missing."""
        self._lock = Lock()

    @classmethod
    def create(cls, place: Path | str, dim: int, model: str = "") -> "LanceStore":
        """Make an empty store. On an object store, one that was begun for the same model is as good.

        Args:
            place: A folder or URL that has none yet.
            dim: Dimension of the vectors.
            model: Fingerprint of the model, which the table keeps.

        Returns:
            The store.

        Raises:
            InfoMaxError: The place cannot be written to, or another machine has made an index for another model there.

        """
        made = schema(dim).with_metadata({MODEL: model})
        made = made.set(0, made.field("path").with_metadata(PRIMARY_KEY))
        with translate_lance_errors(place, "write to"):
            try:
                _connect(place).create_table(TABLE, schema=made)
            except ValueError as error:
                if isinstance(place, Path) or "already exists" not in str(error):
                    raise
        store = cls(place)
        found = (store._table.schema.metadata or {}).get(MODEL.encode(), b"").decode()
        if found != model:
            raise InfoMaxError(f"{quoted_path(place)} is for another model ({found}): choose another --index")
        return store

    def upsert(self, rows: pa.Table) -> None:
        """Insert rows, and replace those with the same path."""
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
        """Remove rows by path."""
        if paths:
            self._write(lambda: self._table.delete(among("path", paths)))

    def count(self, where: Filter = EVERYTHING) -> int:
        """Count rows."""
        if snapshot := self._snapshot((), taking=where != EVERYTHING):  # the table knows how many it has
            return snapshot.count(where)
        return self._rows(where)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Get rows by id."""
        if snapshot := self._snapshot(columns):
            return snapshot.fetch(ids, columns)
        with translate_lance_errors(self.place, "read"):
            query = self._table.search().where(among("id", ids or [""]))  # SQL has no empty list
            return self._read(query.select(list(columns)))

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter = EVERYTHING) -> pa.Table:
        """Get rows in the order of their paths."""
        if snapshot := self._snapshot(columns):
            return snapshot.page(offset, limit, columns, where)
        order = ColumnOrdering(column_name="path", ascending=True, nulls_first=False)
        wanted = list(dict.fromkeys((*columns, "path")))  # LanceDB orders only by a selected column
        rows = self._read(self._selected(wanted, where).order_by([order]).offset(offset).limit(limit))
        return rows.select(list(columns))

    def scan(self, columns: Sequence[str], where: Filter = EVERYTHING) -> Iterator[pa.RecordBatch]:
        """Get all rows, some at a time."""
        with translate_lance_errors(self.place, "read"):
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
        """Find the rows nearest to a vector.

        The index for `approximate` is built when it is first asked for. LanceDB uses only one index on a column, and
        this one is of cosines: by Euclidean distance every search is exact.
        """
        indexed = self._prepare_approximate() if approximate and metric == "cosine" else 0
        if not indexed and (snapshot := self._snapshot(columns)):
            return snapshot.nearest(vector, k, metric, columns, where)
        query = self._table.search(vector, vector_column_name="vector").distance_type(DISTANCES[metric])
        most = min(k, self.count(where)) or 1  # LanceDB allocates room for the limit; a limit of 0 is no limit
        if indexed:
            query = query.nprobes(_probes(indexed)).refine_factor(_refinement(most))
        else:
            query = query.bypass_vector_index()
        if text := condition(where):
            query = query.where(text)
        found = self._read(query.select([*columns, "vector", "_distance"]).limit(most))
        return SearchResult.of(found, columns, vector, metric)

    def compact(self) -> None:
        """Merge pieces and drop old versions; leave that to the next time while another process writes."""
        with translate_lance_errors(self.place, "write to"), unless_contended():
            if not any(index.columns == ["id"] for index in self._table.list_indices()) and self._table.count_rows():
                self._table.create_index("id", config=BTree())
            self._table.optimize(cleanup_older_than=KEPT)

    def version(self) -> int:
        """Return a number that changes with every write, by any process.

        LanceDB answers from another thread, which takes as long as the search of 10,000 vectors. So it is asked only
        where its folder of versions has been written to since the last question, or so shortly before that question
        that a further write might not show in the folder's time.
        """
        written = None if self._versions is None else _written(self._versions)  # an object store has no such time
        if self._settled is not None and self._settled[0] == written:
            refuse_after_fork(self.place)
            return self._settled[1]
        settled = written is not None and time.time_ns() - written > SETTLED
        with translate_lance_errors(self.place, "read"):
            number = int(self._table.version)
        self._settled = (written, number) if written is not None and settled else None
        return number

    def bytes(self) -> int:
        """Return the size of the table on the disk, or on the object store."""
        if not isinstance(self.place, Path):
            return sum(each.size for each in list_objects(f"{self.place}/{TABLE}.lance"))
        total = 0
        for path in self.place.joinpath(f"{TABLE}.lance").rglob("*"):
            with suppress(OSError):  # another process may tidy up meanwhile
                total += path.stat().st_size
        return total

    def _prepare_approximate(self) -> int:
        """Build the approximate index where it is missing or outgrown; return the rows, 0 where it is not needed."""
        if self._prepared is not None and self._prepared[0] == self.version():
            return self._prepared[1]
        if (rows := self.count()) < APPROXIMATE_FROM:
            return 0
        with translate_lance_errors(self.place, "write the approximate index to"):
            known = any(index.name == APPROXIMATE for index in self._table.list_indices())
            stats = self._table.index_stats(APPROXIMATE) if known else None
            if stats is None or stats.num_unindexed_rows > stats.num_indexed_rows:
                # codes of one bit a number, for vectors of whole bytes of them
                kind = IvfRq if rows >= QUANTIZED_FROM and self.dim % 8 == 0 else IvfFlat
                config = kind(distance_type="cosine", num_partitions=_partitions(rows))
                with unless_contended():
                    self._table.create_index("vector", config=config, name=APPROXIMATE, replace=True)
        self._prepared = self.version(), rows
        return rows

    def _snapshot(self, columns: Sequence[str], *, taking: bool = True) -> Snapshot | None:
        """The current rows in memory, if they are held or this question makes it worthwhile; None: ask the table.

        `taking` says whether this question may cause the copy. While one thread copies, the others wait: if each asked
        the table, all would be served later.
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
        """Number of rows of the table."""
        with translate_lance_errors(self.place, "read"):
            return int(self._table.count_rows(condition(where)))

    def _selected(self, columns: Sequence[str], where: Filter) -> Any:
        query = self._table.search().select(list(columns))
        text = condition(where)
        return query.where(text) if text else query

    def _read(self, query: Any) -> pa.Table:
        with translate_lance_errors(self.place, "read"):
            rows: pa.Table = query.to_arrow()
            return rows

    def _write(self, write: Callable[[], _Result]) -> _Result:
        """Write; try again after a random wait while other processes commit first."""
        with translate_lance_errors(self.place, "write to"):
            for attempt in range(ATTEMPTS):
                try:
                    return write()
                except RuntimeError as error:
                    if attempt == ATTEMPTS - 1 or not is_conflict(error):
                        raise
                    time.sleep(random.uniform(0, min(2, 0.05 * 2**attempt)))
        raise AssertionError


def _connect(place: Path | str) -> Any:
    """The database at a place. Each read looks for what others have committed."""
    options = lance_options(place) if is_url(place) and isinstance(place, str) else None
    return lancedb.connect(place, read_consistency_interval=timedelta(0), storage_options=options)


def _open_table(place: Path | str) -> Any:
    """The table at a place. Raises InfoMaxError where there is none."""
    missing = InfoMaxError(f"{quoted_path(place)} lacks its table {TABLE}.lance: index again into a new folder")
    if isinstance(place, Path) and not (place / f"{TABLE}.lance").is_dir():
        raise missing
    try:
        return _connect(place).open_table(TABLE)
    except ValueError as error:
        if isinstance(place, Path) or "not found" not in str(error):
            raise
        raise missing from None


def _partitions(rows: int) -> int:
    """Number of partitions of the approximate index: as many as rows in each, and more where there are few rows."""
    return max(rows // 250, 1) if rows < QUANTIZED_FROM else math.isqrt(rows)


def _probes(rows: int) -> int:
    """Number of partitions that a search reads: a quarter, and a smaller part of many."""
    partitions = _partitions(rows)
    return max(1, round(partitions / 4)) if rows < QUANTIZED_FROM else 4 * math.isqrt(partitions)


def _refinement(wanted: int) -> int:
    """How many times as many rows as are wanted are compared by their vectors."""
    compared = min(max(REFINED * wanted, REFINED_AT_LEAST), REFINED_AT_MOST)
    return max(1, compared // wanted)


def _written(folder: str) -> int | None:
    """When a folder was last written to, in nanoseconds; None where it is gone."""
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116 - a Path takes twice as long
    except OSError:
        return None


def _unlock_all() -> None:
    """Replace the locks of all stores, for the rows that are held in memory."""
    for store in _OPEN:
        store.unlock()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_unlock_all)
    # LanceDB warns at every fork, also of children that search nothing; those that do get an error
    warnings.filterwarnings("ignore", "lancedb fork support is experimental", RuntimeWarning)
