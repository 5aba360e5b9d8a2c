"""How many of the nearest images an approximate search finds, measured on images of the index itself."""

import time
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from infomax.neighbors.distances import directions
from infomax.search.stores.store import Store, vectors_of

QUERIES = 100
"""Images that are searched with; the standard error of a recall of 0.98 at 10 is then below 0.005."""

RECALL_AT = 10
"""Nearest images that are looked for."""


@dataclass(frozen=True)
class Recall:
    """The result of a measurement.

    Attributes:
        recall: Mean fraction of the `k` nearest images that the approximate search found.
        k: Number of nearest images.
        queries: Number of images that were searched with.
        milliseconds: Median time of one approximate search by the store.

    """

    recall: float
    k: int
    queries: int
    milliseconds: float


def measure_recall(store: Store, *, seed: int = 0) -> Recall:
    """Search with some images of an index, approximately and exactly.

    The exact answer comes from one pass over all rows, a piece at a time, so that memory stays small. Images that are
    as near as the last of the exact ones count as found, and the image itself does not count.

    Args:
        store: The rows, at least two.
        seed: Chooses the images.

    Returns:
        The recall by cosine. The index for approximate searches is built where it is missing.

    """
    total = store.count()
    k, queries = min(RECALL_AT, total - 1), min(QUERIES, total)
    offsets = np.sort(np.random.default_rng(seed).choice(total, queries, replace=False)).tolist()
    chosen = [store.page(offset, 1, ["id", "vector"]) for offset in offsets]
    ids = [row.column("id")[0].as_py() for row in chosen]
    asked = directions(np.concatenate([vectors_of(row) for row in chosen]))
    kth = _kth_cosines(store, ids, asked, k)
    hits, times = 0, []
    for own, vector, least in zip(ids, asked, kth, strict=True):
        start = time.perf_counter()
        found = store.nearest(vector, k + 1, "cosine", ["id"], approximate=True)
        times.append(time.perf_counter() - start)
        others = [cosine for (id_,), cosine in zip(found.rows, found.cosines, strict=True) if id_ != own]
        hits += min(k, sum(cosine >= least - 1e-6 for cosine in others))
    return Recall(hits / (k * queries), k, queries, 1e3 * float(np.median(times)))


def _kth_cosines(store: Store, ids: list[str], asked: Float[np.ndarray, "q d"], k: int) -> Float[np.ndarray, " q"]:
    """Cosine of the k-th nearest image to each query, the query itself aside."""
    best = np.full((len(asked), k), -2.0, np.float32)
    places = {id_: place for place, id_ in enumerate(ids)}
    for piece in store.scan(["id", "vector"]):
        cosines = asked @ directions(vectors_of(piece)).T
        for column, id_ in enumerate(piece.column("id").to_pylist()):
            if id_ in places:
                cosines[places[id_], column] = -2
        best = np.partition(np.concatenate([best, cosines], 1), -k, 1)[:, -k:]
    kth: Float[np.ndarray, " q"] = best.min(1)
    return kth
