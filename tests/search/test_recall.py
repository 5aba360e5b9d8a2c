"""The recall that is told is the recall that there is."""

import numpy as np
import pytest
from jaxtyping import Float

from infomax.search.recall import measure_recall
from infomax.search.stores.store import EVERYTHING, Filter, SearchResult
from tests.search.conftest import NewStore
from tests.search.memory import MemoryStore, rows_of


def filled(store: MemoryStore) -> MemoryStore:
    vectors = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
    store.upsert(rows_of([f"/{row:03d}" for row in range(300)], vectors))
    return store


class Forgetful(MemoryStore):
    """Misses each fifth of the nearest rows."""

    def nearest(
        self,
        vector: Float[np.ndarray, " d"],
        k: int,
        metric: str,
        columns: object,
        where: Filter = EVERYTHING,
        *,
        approximate: bool = False,
    ) -> SearchResult:
        found = super().nearest(vector, 2 * k, metric, columns, where)  # type: ignore[arg-type]
        if not approximate:
            return found
        kept = [place for place in range(len(found.rows)) if place % 5 != 4][:k]
        return SearchResult([found.rows[place] for place in kept], found.distances[kept], found.cosines[kept])


def test_a_search_that_misses_a_fifth_is_told() -> None:
    measured = measure_recall(filled(Forgetful(8)))
    # of places 0..10, itself at 0, places 4 and 9 are missed: 8 of 10 are left
    assert measured.recall == pytest.approx(0.8)
    assert (measured.k, measured.queries) == (10, 100)


def test_an_exact_search_finds_all(new_store: NewStore) -> None:
    store = new_store(8)
    vectors = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    store.upsert(rows_of([f"/{row:03d}" for row in range(60)], vectors))
    assert measure_recall(store).recall == 1
    few = new_store(8) if isinstance(store, MemoryStore) else store
    if isinstance(few, MemoryStore):
        few.upsert(rows_of(["/a", "/b", "/c"], vectors[:3]))
        assert (measure_recall(few).recall, measure_recall(few).k, measure_recall(few).queries) == (1, 2, 3)
