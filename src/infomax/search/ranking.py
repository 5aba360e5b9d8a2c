"""Exact ranking on top of any store, which may round distances to float32 and may order ties as it likes."""

from itertools import islice

import numpy as np
from jaxtyping import Float

from infomax.neighbors.distances import Metric
from infomax.search.queries import at_least_one
from infomax.search.results import IndexedImage, Match
from infomax.search.roots import PresenceFilter
from infomax.search.stores.store import IMAGE_COLUMNS, Filter, SearchResult, Store, path_bytes

SPARE_MATCHES = 8
"""Rows beyond k that a store is asked for, so that a tie at the end of the list is noticed."""

ASKED_AT_MOST = 10_000
"""Nearest images, gone ones among them, beyond which a search stops looking for files that still exist."""

MARGIN = 1e-4
"""How far, relatively, a distance that the store computed in float32 may be from the same in float64."""


def find_matches(
    store: Store,
    vector: Float[np.ndarray, " d"],
    k: int,
    metric: Metric,
    where: Filter,
    *,
    approximate: bool,
    leave_out: str | None = None,
    presence: PresenceFilter | None = None,
) -> list[Match]:
    """Find the k images nearest to a vector, nearest first, ties in the order of the bytes of their paths.

    Where images are left out because their files are gone, the next nearest take their place.

    Args:
        store: The rows.
        vector: The query, shape (d,).
        k: Number of matches.
        metric: "cosine" or "euclidean".
        where: Which rows count.
        approximate: Accept the first answer of the store, which may miss a few rows.
        leave_out: Id of an image that does not count: the query itself, where it is in the index.
        presence: Leaves out images whose file is gone. None to keep them.

    Returns:
        The matches; fewer than k where fewer rows count, or nearly all of the ASKED_AT_MOST nearest are gone.

    Raises:
        InfoMaxError: k is less than 1.

    """
    asked = at_least_one(k) + (leave_out is not None)
    while True:
        near = _nearest(store, vector, asked, metric, where, approximate=approximate)
        found = zip(near.rows[:asked], near.distances.tolist(), near.cosines.tolist(), strict=False)
        images = ((IndexedImage(*row), far, cosine) for row, far, cosine in found)
        counted = (each for each in images if each[0].id != leave_out)
        present = (each for each in counted if presence is None or presence.lets_through(each[0].path))
        others = list(islice(present, k))
        if len(others) == k or len(near.rows) < asked or asked >= max(ASKED_AT_MOST, k + 1):
            return [Match(rank, *each) for rank, each in enumerate(others, 1)]
        asked *= 4


def _nearest(
    store: Store, vector: Float[np.ndarray, " d"], k: int, metric: Metric, where: Filter, *, approximate: bool
) -> SearchResult:
    """The k nearest rows or a few more, in their order.

    The store is asked for more and more rows, until no row that it left out can belong to the k nearest.
    """
    wide = k + SPARE_MATCHES
    while True:
        near = store.nearest(vector, wide, metric, IMAGE_COLUMNS, where, approximate=approximate)
        if near.exact:
            return near
        best = _first(near, k)
        last = float(best.distances[-1]) if best.rows else 0.0
        if approximate or _is_certain(near.distances, last, metric, enough=len(near.rows) == wide):
            return best
        total = store.count(where)
        if len(near.rows) == total:
            return best
        if len(near.rows) < wide or wide >= total:  # the store has left out vectors of zeros
            return _scan_nearest(store, vector, k, metric, where)
        wide *= 4


def _scan_nearest(store: Store, vector: Float[np.ndarray, " d"], k: int, metric: Metric, where: Filter) -> SearchResult:
    """The k nearest from a scan of all rows, a piece at a time."""
    best = SearchResult([], np.empty(0), np.empty(0))
    for piece in store.scan([*IMAGE_COLUMNS, "vector"], where):
        more = SearchResult.of(piece, IMAGE_COLUMNS, vector, metric)
        distances, cosines = np.append(best.distances, more.distances), np.append(best.cosines, more.cosines)
        best = _first(SearchResult(best.rows + more.rows, distances, cosines), k)
    return best


def _first(near: SearchResult, k: int) -> SearchResult:
    """The k least distances, ties in the order of the bytes of the paths."""
    keys = [(far, path_bytes(row)) for far, row in zip(near.distances.tolist(), near.rows, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)[:k]
    return SearchResult([near.rows[place] for place in order], near.distances[order], near.cosines[order])


def _is_certain(distances: Float[np.ndarray, " n"], last: float, metric: Metric, *, enough: bool) -> bool:
    """Whether no row that the store left out can be as near as the last match, although the store rounds.

    By cosine, vectors of zeros, which the store leaves out, are at distance 1.
    """
    margin = MARGIN * max(1.0, last) if metric == "cosine" else MARGIN * last
    return enough and float(distances.max()) > last + margin and (metric == "euclidean" or last < 1 - margin)
