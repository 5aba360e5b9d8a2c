"""The snapshot in memory against brute force, and when it is made and dropped."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.neighbors.distances import Metric, exact_distances
from infomax.search.stores.lance import LanceStore
from infomax.search.stores.snapshot import Snapshot, _kth_largest_floor
from infomax.search.stores.store import EVERYTHING, IMAGE_COLUMNS, Filter
from tests.search.memory import Vectors, cloud, distance, paths_of, rows_of

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


def names(count: int) -> list[str]:
    return [f"/p/{number % 3}/{number:05d}" for number in range(count)]


def of(vectors: Vectors, labels: list[str | None] | None = None) -> Snapshot:
    rows = rows_of(names(len(vectors)), vectors, labels)
    return Snapshot(rows.drop(["thumbnail"]).to_batches(max_chunksize=50), vectors.shape[1])


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.sampled_from([-1e4, -1.0, 0.0, 1e-3, 1.0, 1.0001]), min_size=4, max_size=4), min_size=1, max_size=40
    ),
    k=st.integers(1, 45),
    metric=st.sampled_from(METRICS),
)
def test_no_row_that_was_left_out_is_nearer(rows: list[list[float]], k: int, metric: Metric) -> None:
    vectors = np.array(rows, np.float32)
    found = paths_of(of(vectors).nearest(vectors[0], k, metric, ["path"], EVERYTHING))
    assert len(found) == len(set(found)) == min(k, len(rows))
    far = dict(zip(names(len(rows)), exact_distances(vectors[0], vectors, metric)[0].tolist(), strict=True))
    assert [far[path] for path in found] == sorted(far.values())[:k]


@pytest.mark.parametrize("metric", METRICS)
def test_rows_closer_than_float32_resolves_are_ranked_exactly(metric: Metric) -> None:
    """Vectors far from the origin, about one rounding error apart; many are copies of the query."""
    random = np.random.default_rng(0)
    vectors = (1000 + 1e-3 * random.normal(size=(9000, 8))).astype(np.float32)
    vectors[::7] = vectors[0]
    snapshot, paths = of(vectors), names(len(vectors))
    order = sorted(range(len(vectors)), key=lambda row: paths[row])
    for query in (vectors[0], vectors[5]):
        far = exact_distances(query, vectors, metric)[0]
        expected = sorted(order, key=lambda row: far[row])[:9]
        found = paths_of(snapshot.nearest(query, 9, metric, ["path"], EVERYTHING))
        assert found == [paths[row] for row in expected]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "where", [EVERYTHING, Filter("/p/1"), Filter(label="odd"), Filter("/p/2", "odd"), Filter("/q")]
)
def test_only_rows_that_pass_the_filter_are_found(metric: Metric, where: Filter) -> None:
    vectors = cloud(3000)
    labels: list[str | None] = [("odd", "even", None)[number % 5 % 3] for number in range(3000)]
    paths = names(3000)
    rows = [
        row
        for row, path in enumerate(paths)
        if (where.folder is None or path.startswith(f"{where.folder}/"))
        and (where.label is None or labels[row] == where.label)
    ]
    snapshot, query = of(vectors, labels), cloud(1, seed=1)[0]
    near = sorted(rows, key=lambda row: distance(query, vectors[row], metric))[:5]
    found = snapshot.nearest(query, 5, metric, ["label", "path"], where)
    assert found.rows == [(labels[row], paths[row]) for row in near]
    distances, cosines = exact_distances(query, vectors[near], metric)
    assert np.array_equal(found.distances, distances)
    assert np.array_equal(found.cosines, cosines)
    assert snapshot.count(where) == len(rows)
    assert snapshot.page(3, 4, ["path"], where)["path"].to_pylist() == sorted(paths[row] for row in rows)[3:7]


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=400), st.integers(1, 3))
def test_at_least_k_values_reach_the_floor(values: list[float], k: int) -> None:
    array = np.array(values, np.float32)
    k = min(k, len(array))
    assert (array >= _kth_largest_floor(array, k)).sum() >= k


def test_an_empty_snapshot_answers_with_nothing() -> None:
    snapshot = of(np.empty((0, 8), np.float32))
    near = snapshot.nearest(cloud(1)[0], 3, "cosine", ["path"], EVERYTHING)
    assert (near.rows, near.distances.shape, near.cosines.shape) == ([], (0,), (0,))
    assert len(snapshot.fetch(["x"], ["path"])) == 0
    assert snapshot.count(Filter(label="x")) == 0


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    made = LanceStore.create(tmp_path, 8)
    made.upsert(rows_of(names(20), cloud(20)))
    return made


def held(store: LanceStore) -> Snapshot | None:
    return None if store._held is None else store._held[1]


def ask(store: LanceStore) -> list[str]:
    return paths_of(store.nearest(cloud(1)[0], 99, "cosine", ["path"]))


def test_a_version_is_held_once_it_is_read_again(store: LanceStore) -> None:
    first = ask(store)
    assert held(store) is None
    assert ask(store) == first
    copy = held(store)
    assert copy is not None
    assert ask(store) == first
    assert held(store) is copy
    assert store.page(0, 2, ["id", "path"])["path"].to_pylist() == sorted(first)[:2]
    thumbnails = store.fetch([*copy.row_of], ["thumbnail"])["thumbnail"].to_pylist()
    assert sorted(thumbnails) == sorted(path.encode() for path in first)


def test_one_thread_copies_and_the_others_wait(store: LanceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked, read = ask(store), [], store._read

    def counted(query: Any) -> pa.Table:
        asked.append(query)
        return read(query)

    monkeypatch.setattr(store, "_read", counted)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(lambda _: ask(store), range(64))) == [first] * 64
    assert asked == []


def test_counting_all_rows_makes_no_snapshot(store: LanceStore) -> None:
    assert [store.count() for _ in range(3)] == [20] * 3
    assert held(store) is None
    assert [store.count(Filter("/p/1")) for _ in range(3)] == [7] * 3
    assert held(store) is not None
    assert store.count() == 20


def test_writes_of_others_are_seen_at_once_despite_a_snapshot(store: LanceStore) -> None:
    other = LanceStore(store.place)
    seen = []
    for number in range(12):
        other.upsert(rows_of([f"/later/{number}"], cloud(1, seed=number)))
        seen.append([len(ask(store)) for _ in range(3)])
        if number % 4 == 3:
            other.compact()
    assert seen == [[21 + number] * 3 for number in range(12)]
    other.remove(["/later/0"])
    assert "/later/0" not in ask(store)


def test_lancedb_is_asked_for_its_version_only_after_a_write(
    store: LanceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_ago = time.time_ns() - 10**10
    assert store._versions is not None
    os.utime(store._versions, ns=(long_ago, long_ago))
    number = store.version()
    table = store._opened
    monkeypatch.setattr(store, "_opened", None)
    assert store.version() == number
    monkeypatch.setattr(store, "_opened", table)
    LanceStore(store.place).upsert(rows_of(["/later"], cloud(1)))
    assert store.version() > number


def test_a_large_index_is_not_held(store: LanceStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.search.stores.lance.HELD_AT_MOST", 20 * 8 * 4 - 1)
    assert ask(store) == ask(store) == ask(store)
    assert held(store) is None
    monkeypatch.setattr("infomax.search.stores.lance.HELD_AT_MOST", 20 * 8 * 4)
    ask(store)
    copy = held(store)
    assert copy is not None
    assert copy.vectors.nbytes == 20 * 8 * 4
    assert all(len(row) == len(IMAGE_COLUMNS) for row in copy.rows)
