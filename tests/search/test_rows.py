"""Whole collections of rows, in order, and in little memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from infomax.search.rows import read_columns, read_vectors
from infomax.search.stores.lance import LanceStore
from infomax.search.stores.store import Store
from tests.search.conftest import NewStore
from tests.search.memory import rows_of


def test_rows_are_in_the_order_of_their_paths(new_store: NewStore) -> None:
    store = new_store(40)
    vectors = np.random.default_rng(0).standard_normal((50, 40)).astype(np.float32)
    names = [f"/é{row:02d}" if row % 2 else f"/z{row:02d}" for row in range(50)]
    for part in (slice(30, 50), slice(0, 30)):
        store.upsert(rows_of(names[part], vectors[part]))
    (paths, hashes), found = read_columns(store, 40, ["path", "hash"])
    assert paths == sorted(names, key=str.encode)
    np.testing.assert_array_equal(found, vectors[[names.index(path) for path in paths]])
    assert len(hashes) == 50
    np.testing.assert_array_equal(read_vectors(store, 40)[1], found)


def test_an_empty_store_has_no_rows(new_store: NewStore) -> None:
    columns, vectors = read_columns(new_store(3), 3, ["path", "id"])
    assert columns == [[], []]
    assert vectors.shape == (0, 3)


def test_rows_that_others_add_meanwhile_are_read(new_store: NewStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Store = new_store(4)
    vectors = np.arange(400, dtype=np.float32).reshape(100, 4)
    store.upsert(rows_of([f"{row:03d}" for row in range(100)], vectors))
    monkeypatch.setattr(type(store), "count", lambda *_: 7)
    (paths,), found = read_columns(store, 4, ["path"])
    assert len(paths) == 100
    np.testing.assert_array_equal(found, vectors)


def test_each_vector_is_in_memory_once(tmp_path: Path) -> None:
    store = LanceStore.create(tmp_path / "store", 512)
    vectors = np.random.default_rng(0).standard_normal((8_000, 512)).astype(np.float32)
    store.upsert(rows_of([f"{row:04d}" for row in range(8_000)][::-1], vectors))
    tracemalloc.start()
    (_,), found = read_columns(store, 512, ["path"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(found, vectors[::-1])
    assert peak < 1.5 * vectors.nbytes  # a copy for the order would make it 2
