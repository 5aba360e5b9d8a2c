"""Find what a curator of a collection looks for: outliers, and a few images that stand for all."""

from typing import Literal, get_args

import numpy as np

from infomax.errors import InfoMaxError
from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import neighbors
from infomax.neighbors.selection import diverse_rows, typical_rows
from infomax.search.results import IndexedImage, Outlier
from infomax.search.rows import fetch_images, read_vectors
from infomax.search.stores.store import Store

SelectionRule = Literal["diverse", "typical", "odd"]
"""Diverse: as different from each other as possible. Typical: one for each of so many clusters. Odd: outliers."""


def find_outliers(store: Store, dim: int, n: int, k: int, metric: Metric) -> list[Outlier]:
    """Find the images with the largest mean distance to their nearest neighbors; see `Index.outliers`.

    Args:
        store: The rows.
        dim: Dimension of the vectors.
        n: Number of images, at least 1.
        k: Number of nearest neighbors, at least 1.
        metric: "cosine" or "euclidean".

    Returns:
        The outliers, the farthest first.

    """
    ids, vectors = read_vectors(store, dim)
    if len(ids) < 2:
        return []
    near = neighbors(vectors, vectors, min(k, len(ids) - 1), metric, leave_out=np.arange(len(ids)))
    mean = near.distances.mean(1, dtype=np.float64)
    worst = np.argsort(-mean, kind="stable")[:n].tolist()
    known = fetch_images(store, [ids[row] for row in worst])
    return [Outlier(known[ids[row]], float(mean[row])) for row in worst if ids[row] in known]


def select_images(store: Store, dim: int, n: int, by: SelectionRule, without: frozenset[str]) -> list[IndexedImage]:
    """Choose images that stand for a collection; see `Index.select`.

    Args:
        store: The rows.
        dim: Dimension of the vectors.
        n: Number of images, at least 1.
        by: How to choose.
        without: Ids of images that do not count.

    Returns:
        The images, in the order in which they were chosen.

    Raises:
        InfoMaxError: There is no such rule.

    """
    if by not in get_args(SelectionRule):
        raise InfoMaxError(f"no way to select by {by!r}: choose from {', '.join(get_args(SelectionRule))}")
    if by == "odd":
        odd = find_outliers(store, dim, n + len(without), 10, "cosine")
        return [each.image for each in odd if each.image.id not in without][:n]
    ids, vectors = read_vectors(store, dim)
    if without:
        counted = [row for row, each in enumerate(ids) if each not in without]
        ids, vectors = [ids[row] for row in counted], vectors[counted]
    rows = diverse_rows(vectors, n) if by == "diverse" else typical_rows(vectors, n)
    chosen = [ids[row] for row in rows.tolist()]
    known = fetch_images(store, chosen)
    return [known[each] for each in chosen if each in known]
