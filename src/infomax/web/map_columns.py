"""The map of a collection as columns of JSON."""

from calendar import timegm
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from jaxtyping import Float, Int

from infomax.search.map import Cluster, CollectionMap
from infomax.web.schemas import ClusterAnswer, MapAnswer

MAX_POINTS = 200_000
"""Points that a browser gets. More would take seconds to send and to draw."""

SAMPLE_CELLS = 256
"""Cells along each side of the map for choosing a sample."""


def map_answer(collection_map: CollectionMap, *, current: bool) -> MapAnswer:
    """Describe a map as columns, so that tens of thousands of points take only a few megabytes.

    Args:
        collection_map: The map of the collection.
        current: Whether the map shows the present images.

    Returns:
        The map as JSON. Positions have five decimal places, ranks three. A map of more than MAX_POINTS images is a
        sample of them.
    """
    rows = spread_sample(collection_map.positions, collection_map.outlier, MAX_POINTS)
    labels, label = _factorize([collection_map.labels[row] for row in rows])
    folders, folder = _factorize([collection_map.paths[row].rpartition("/")[0] or None for row in rows])
    x, y = (_rounded(collection_map.positions[rows, axis], 5) for axis in (0, 1))
    return MapAnswer(
        current=current,
        images=len(collection_map.ids),
        ids=[collection_map.ids[row] for row in rows],
        x=x,
        y=y,
        labels=labels,
        label=label,
        folders=folders,
        folder=folder,
        clusters=[_cluster_answer(cluster) for cluster in collection_map.clusters],
        cluster=collection_map.cluster[rows].tolist(),
        outlier=_rounded(collection_map.outlier[rows], 3),
        taken=_seconds([collection_map.taken[row] for row in rows]),
    )


def spread_sample(
    positions: Float[np.ndarray, "n 2"], outlier: Float[np.ndarray, " n"], count: int
) -> Int[np.ndarray, " m"]:
    """Choose images for a map that is too large to be drawn as a whole.

    The most typical image of each cell of a grid comes first, then the second of each cell, and so on. So sparse
    regions stay complete, and crowded ones lose images that others cover anyway.

    Args:
        positions: Positions in 0..1, shape (n, 2).
        outlier: Rank of each image, the most typical first, shape (n,).
        count: Number of images to choose.

    Returns:
        Rows in ascending order, all if there are no more than `count`.
    """
    if len(positions) <= count:
        return np.arange(len(positions))
    column, line = np.minimum(positions * SAMPLE_CELLS, SAMPLE_CELLS - 1).astype(np.int64).T
    cell = line * SAMPLE_CELLS + column
    order = np.lexsort((outlier, cell))
    starts = np.searchsorted(cell[order], cell[order])
    place_in_cell = np.arange(len(order)) - starts
    rows: Int[np.ndarray, " m"] = np.sort(order[np.lexsort((outlier[order], place_in_cell))[:count]])
    return rows


def _cluster_answer(cluster: Cluster) -> ClusterAnswer:
    """Describe a cluster."""
    return ClusterAnswer(
        name=cluster.name,
        size=cluster.size,
        medoids=cluster.medoids,
        center=_rounded(cluster.center, 4),
        outline=[_rounded(curve.ravel(), 4) for curve in cluster.outline],
    )


def _rounded(values: Float[np.ndarray, " n"], digits: int) -> list[float]:
    """Numbers with so many decimal places, as JSON writes them."""
    rounded: list[float] = values.astype(float).round(digits).tolist()
    return rounded


def _seconds(taken: Sequence[str | None]) -> list[int | None]:
    """Times in ISO 8601 as seconds since 1970; nothing at all if no time is known."""
    known = [None if each is None else timegm(datetime.fromisoformat(each).timetuple()) for each in taken]
    return known if any(each is not None for each in known) else []


def _factorize(names: Sequence[str | None]) -> tuple[list[str], list[int]]:
    """Return the unique names in order, and for each name its index among them, or -1 for None."""
    unique = sorted({name for name in names if name is not None})
    indices: dict[str | None, int] = {name: index for index, name in enumerate(unique)} | {None: -1}
    return unique, [indices[name] for name in names]
