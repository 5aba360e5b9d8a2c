"""Find what a curator of a collection looks for: near-duplicates and outliers."""

import numpy as np

from infomax.errors import InfoMaxError
from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import neighbors
from infomax.search.results import Group, Outlier, Thumbnails
from infomax.search.rows import fetch_images, read_vectors
from infomax.search.stores.store import Store

THRESHOLD = 0.8
"""Cosine from which on two images are compared: to a model, a brightened copy, say, is not quite the same image."""


def find_duplicates(store: Store, dim: int, thumbnails: Thumbnails, threshold: float) -> list[Group]:
    """Find groups of images that are linked by similar vectors and also look the same; see `Index.duplicates`.

    Args:
        store: The rows.
        dim: Dimension of the vectors.
        thumbnails: Where thumbnails come from.
        threshold: Cosine from which on two images are compared, in -1..1.

    Returns:
        The groups, the largest first; of equally large ones the most similar first.

    Raises:
        InfoMaxError: The threshold is outside -1..1.

    """
    from infomax.neighbors.groups import groups_above  # these two load torch
    from infomax.search.near_duplicates import ImageComparer

    if not -1 <= threshold <= 1:
        raise InfoMaxError(f"a threshold of {threshold}: a cosine lies in -1..1; try {THRESHOLD}")
    ids, vectors = read_vectors(store, dim)
    linked = groups_above(vectors, threshold, ImageComparer(ids, thumbnails).same)
    known = fetch_images(store, [ids[row] for each in linked for row in each.rows])
    groups = []
    for each in linked:
        images = [known[ids[row]] for row in each.rows if ids[row] in known]
        if len(images) > 1:  # some may have been removed meanwhile
            groups.append(Group(tuple(images), each.weakest, "same image"))
    return sorted(groups, key=lambda group: (-len(group.images), -group.similarity, group.images[0].path))


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
