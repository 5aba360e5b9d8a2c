"""Find what a curator of a collection looks for: outliers. Duplicates are in `duplicates`."""

import numpy as np

from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import neighbors
from infomax.search.results import Outlier
from infomax.search.rows import fetch_images, read_vectors
from infomax.search.stores.store import Store


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
