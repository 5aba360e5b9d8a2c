"""Choose a few vectors that stand for many: as different as possible, or as typical as possible."""

import numpy as np
from jaxtyping import Float, Int

from infomax.neighbors.distances import directions


def diverse_rows(vectors: Float[np.ndarray, "n d"], count: int) -> Int[np.ndarray, " k"]:
    """Choose rows that cover a collection: each is the one farthest from those before it, by cosine.

    The first is the one nearest to the mean. No row is then farther from a chosen one than twice what the best choice
    of as many would allow (Gonzalez 1985, the k-center problem). Costs n * d * count products, and no memory beside.

    Args:
        vectors: Vectors, shape (n, d).
        count: Rows to choose, at least 1; all are chosen where there are fewer.

    Returns:
        The rows, the first chosen first, shape (min(count, n),).

    Examples:
        >>> corners = np.array([[1, 0.1], [1, 0], [0, 1], [-1, 0.2]], np.float32)
        >>> diverse_rows(corners, 3).tolist()
        [2, 1, 3]

    """
    unit = directions(vectors)
    count = min(count, len(unit))
    chosen = np.zeros(count, np.int64)
    if not count:
        return chosen
    chosen[0] = np.argmax(unit @ unit.mean(0))
    nearest = unit @ unit[chosen[0]]
    for place in range(1, count):
        nearest[chosen[:place]] = np.inf
        chosen[place] = np.argmin(nearest)
        np.maximum(nearest, unit @ unit[chosen[place]], out=nearest)
    return chosen


def typical_rows(vectors: Float[np.ndarray, "n d"], count: int, seed: int = 0) -> Int[np.ndarray, " k"]:
    """Choose rows that represent a collection: the one nearest to the center of each of so many clusters, by cosine.

    The clusters are those of k-means on the directions. Large clusters come first.

    Args:
        vectors: Vectors, shape (n, d).
        count: Rows to choose, at least 1; all are chosen where there are fewer.
        seed: Seed of k-means.

    Returns:
        The rows, those of the largest clusters first, shape (min(count, n),).

    """
    from sklearn.cluster import MiniBatchKMeans

    unit = directions(vectors)
    count = min(count, len(unit))
    if count == len(unit):
        return np.arange(count)
    clusters = MiniBatchKMeans(count, random_state=seed, batch_size=4096, n_init=1, max_iter=30).fit_predict(unit)
    found: list[tuple[int, int]] = []
    for members in np.split(
        np.argsort(clusters, kind="stable"), np.cumsum(np.bincount(clusters, minlength=count))[:-1]
    ):
        if len(members):
            center = unit[members].mean(0)
            found.append((-len(members), int(members[np.argmax(unit[members] @ center)])))
    chosen = np.array([row for _, row in sorted(found)], np.int64)
    if len(chosen) < count:  # clusters that came out empty
        others = np.setdiff1d(np.arange(len(unit)), chosen)
        chosen = np.r_[chosen, others[diverse_rows(unit[others], count - len(chosen))]]
    return chosen
