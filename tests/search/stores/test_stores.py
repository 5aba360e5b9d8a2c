"""Conformance tests for every store; the NumPy store is the oracle for the others."""

import numpy as np
import pyarrow as pa
import pytest

from infomax.errors import InfoMaxError
from infomax.neighbors.distances import Metric
from infomax.search.row_writer import id_of
from infomax.search.stores.lance import LanceStore
from infomax.search.stores.store import EVERYTHING, Filter, Store, vectors_of
from tests.search.conftest import NewStore
from tests.search.memory import MemoryStore, cloud, paths_of, rows_of

HOSTILE = [
    "o'brien",
    "x' OR '1'='1",
    "'; DROP TABLE images; --",
    'a"b',
    "back\\slash",
    "trailing\\",
    "100%_x",
    "new\nline",
    "nul\x00l",
    "<script>alert(1)</script>",
    "日本語 🦊 é",
    "{x} $1 ? :name @p",
    "",
]


def everything(store: Store) -> dict[str, str]:
    found = pa.Table.from_batches(list(store.scan(["path", "hash"])))
    paths, marks = (found.column(name).to_pylist() for name in ("path", "hash"))
    assert len(set(paths)) == len(paths)
    return dict(zip(paths, marks, strict=True))


def test_an_upsert_replaces_rows_of_the_same_path_and_keeps_the_others(new_store: NewStore) -> None:
    store = new_store(8)
    store.upsert(rows_of(["a", "b", "c"], cloud(3), mark="old"))
    store.upsert(rows_of(["b", "d"], cloud(2, seed=1), mark="new"))
    assert everything(store) == {"a": "old", "b": "new", "c": "old", "d": "new"}
    assert store.count() == 4
    assert np.array_equal(vectors_of(store.fetch([id_of("b")], ["vector"]))[0], cloud(2, seed=1)[0])


def test_rows_are_removed_by_path_and_unknown_paths_are_ignored(new_store: NewStore) -> None:
    store = new_store(8)
    store.upsert(rows_of(["a", "b", *HOSTILE], cloud(2 + len(HOSTILE))))
    store.remove([])
    store.remove(["b", "unknown", *HOSTILE])
    assert list(everything(store)) == ["a"]


def test_rows_are_fetched_by_id_in_the_columns_asked_for(new_store: NewStore) -> None:
    store = new_store(8)
    store.upsert(rows_of(["a", "b", "c"], cloud(3)))
    found = store.fetch([id_of("c"), id_of("a"), id_of("unknown"), "x' OR '1'='1"], ["thumbnail", "path"])
    assert found.column_names == ["thumbnail", "path"]
    assert sorted(found.column("thumbnail").to_pylist()) == [b"a", b"c"]
    assert len(store.fetch([], ["path"])) == 0


def test_pages_are_in_the_order_of_the_paths_and_cover_all_rows(new_store: NewStore) -> None:
    store = new_store(8)
    names = [f"/p/{number:02d}" for number in range(23)] + ["/p/é", "/p/Z", "/p/z"]
    store.upsert(rows_of(names[::-1], cloud(len(names))))
    store.compact()
    pages = [store.page(offset, 10, ["id", "path"]).column("path").to_pylist() for offset in (0, 10, 20, 30)]
    assert [len(page) for page in pages] == [10, 10, 6, 0]
    assert [path for page in pages for path in page] == sorted(names, key=str.encode)


def test_a_folder_filter_includes_all_below_it_but_not_similar_names(new_store: NewStore) -> None:
    store = new_store(8)
    names = ["/p/a/1", "/p/a/b/2", "/p/ab/3", "/p/a.png", "/p/a0", "/q/p/a/4", "/p/o'x%/5", "/p/o'xy/6"]
    store.upsert(rows_of(names, cloud(len(names))))
    assert store.page(0, 9, ["path"], Filter("/p/a")).column("path").to_pylist() == ["/p/a/1", "/p/a/b/2"]
    assert store.page(0, 9, ["path"], Filter("/p/o'x%")).column("path").to_pylist() == ["/p/o'x%/5"]
    assert store.count(Filter("")) == len(names)
    assert store.count(Filter("/nowhere")) == 0


@pytest.mark.parametrize("label", HOSTILE)
def test_a_label_may_hold_any_text(new_store: NewStore, label: str) -> None:
    store = new_store(8)
    names = [f"/p/{number}" for number in range(len(HOSTILE) + 1)]
    store.upsert(rows_of(names, cloud(len(names)), [*HOSTILE, None]))
    expected = names[HOSTILE.index(label)]
    assert store.page(0, 99, ["path"], Filter(label=label)).column("path").to_pylist() == [expected]
    found = store.nearest(cloud(1)[0], 99, "euclidean", ["path"], Filter("/p", label))
    assert paths_of(found) == [expected]
    assert store.count() == len(names)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("where", [EVERYTHING, Filter("/p/1"), Filter(label="odd"), Filter("/p/0", "even")])
def test_the_nearest_rows_are_those_of_numpy(new_store: NewStore, metric: Metric, where: Filter) -> None:
    names = [f"/p/{number % 3}/{number:03d}" for number in range(200)]
    rows = rows_of(names, cloud(200), ["odd" if number % 2 else "even" for number in range(200)])
    store, oracle = new_store(8), MemoryStore(8)
    for each in (store, oracle):
        each.upsert(rows)
    for query in cloud(5, seed=1):
        found, right = (each.nearest(query, 12, metric, ["label", "path"], where) for each in (store, oracle))
        assert found.rows == right.rows
        assert np.array_equal(found.distances, right.distances)
        assert np.array_equal(found.cosines, right.cosines)


TAKEN = [None, "2023-12-31T23:59:59", "2024-01-01", "2024-05-01T12:30:05.25+02:00", "2024-05-01T12:30:05", "1999-01-01"]


@pytest.mark.parametrize(
    ("after", "before", "count"),
    [
        ("2024", None, 3),
        (None, "2024", 2),
        ("2024-05-01", "2024-05-02", 2),
        ("2024-05-01T12:30:05", "2024-05-01T12:31", 2),
        (None, None, 6),
        ("2025", None, 0),
    ],
)
def test_rows_are_filtered_by_the_time_they_were_taken(
    new_store: NewStore, after: str | None, before: str | None, count: int
) -> None:
    store, where = new_store(8), Filter("/p", after=after, before=before)
    names = [f"/p/{number}" for number in range(len(TAKEN))]
    store.upsert(rows_of(names, cloud(len(names)), taken=TAKEN))
    assert store.count(where) == count
    expected = [
        name
        for name, taken in zip(names, TAKEN, strict=True)
        if (after is None or (taken is not None and taken >= after))
        and (before is None or (taken is not None and taken < before))
    ]
    assert store.page(0, 9, ["path"], where).column("path").to_pylist() == expected
    assert sorted(paths_of(store.nearest(cloud(1)[0], 9, "cosine", ["path"], where))) == expected


def test_compacting_changes_no_row(new_store: NewStore) -> None:
    store = new_store(8)
    store.compact()
    for number in range(12):
        store.upsert(rows_of([f"{number}", "again"], cloud(2, seed=number), mark=str(number)))
        if number % 5 == 4:
            store.compact()
    assert everything(store) == {"again": "11"} | {str(number): str(number) for number in range(12)}


def test_a_reader_sees_writes_of_others_at_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("shared")
    writer = LanceStore.create(folder, 8)
    reader = LanceStore(folder)
    for number in range(1, 4):
        writer.upsert(rows_of([f"{number}"], cloud(1)))
        assert reader.count() == number
        assert len(reader.nearest(cloud(1)[0], 9, "cosine", ["path"]).rows) == number
    writer.remove(["1"])
    writer.compact()
    assert sorted(everything(reader)) == ["2", "3"]


@pytest.mark.parametrize("quantized", [False, True])
def test_approximate_search_finds_nearly_all_rows_including_later_ones(
    quantized: bool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5500 vectors around 40 centers; 20 queries of 10 matches each: recall of 0.98 allows 4 misses in 200."""
    monkeypatch.setattr("infomax.search.stores.lance.QUANTIZED_FROM", 0 if quantized else 10**9)
    random, dim = np.random.default_rng(0), 64 if quantized else 16
    vectors = (
        random.normal(size=(40, dim))[random.integers(0, 40, 5500)] + 0.3 * random.normal(size=(5500, dim))
    ).astype(np.float32)
    store = LanceStore.create(tmp_path_factory.mktemp("large"), dim)
    names = [f"{number:04d}" for number in range(5500)]
    store.upsert(rows_of(names, vectors))
    for metric in ("cosine", "euclidean"):
        hits = 0
        for row in random.integers(0, 5500, 20):
            query = vectors[row] + 0.1 * random.normal(size=dim).astype(np.float32)
            exact = paths_of(store.nearest(query, 10, metric, ["path"]))
            hits += len({*exact} & {*paths_of(store.nearest(query, 10, metric, ["path"], approximate=True))})
        assert hits >= 196
    (built,) = store._table.list_indices()
    assert (built.name, built.index_type) == ("directions", "IvfRq" if quantized else "IvfFlat")
    store.upsert(rows_of(["later"], vectors[:1]))
    assert "later" in paths_of(store.nearest(vectors[0], 2, "cosine", ["path"], approximate=True))
    store.compact()
    assert "later" in paths_of(store.nearest(vectors[0], 2, "cosine", ["path"], approximate=True))


def test_a_folder_without_a_sound_store_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("empty")
    with pytest.raises(InfoMaxError, match=r"lacks its table images\.lance: index again"):
        LanceStore(folder)
    (folder / "images.lance").mkdir()
    with pytest.raises(InfoMaxError, match="cannot open the index"):
        LanceStore(folder)
