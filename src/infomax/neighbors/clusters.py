"""Clusters of a collection without labels: regions of its map, merged by their features.

    positions -> density on a grid -> basins, one for each peak -> merged by Ward's criterion on features -> clusters

The borders follow the valleys between peaks of the map, so a cluster is a region that one can outline. Which basins
belong together is decided where the map is least faithful, by the features. `docs/results/map.md` compares this with
other methods. Nothing is drawn at random.
"""

import math

import numpy as np
from jaxtyping import Float, Int

from infomax.neighbors.density import GRID_SIDE, bandwidth, cell_index, density

FEWEST_POINTS = 40
"""Collections smaller than this have no clusters: one sees them at a glance."""

MOST_CLUSTERS = 24

FEWEST_MEMBERS = 5
"""A cluster has at least so many points, and at least a 200th of all. Smaller ones are mostly copies of an image."""

LARGEST_SHARE = 0.8
"""Where one cluster would have more than this part of the points, the map has no parts that one could name."""


def find_clusters(positions: Float[np.ndarray, "n 2"], features: Float[np.ndarray, "n c"]) -> Int[np.ndarray, " n"]:
    """Divide points of the plane into clusters. The same points give the same clusters.

    Args:
        positions: Positions in 0..1, shape (n, 2).
        features: Features of the same points, such as the leading principal components, shape (n, c).

    Returns:
        Cluster of each point, the largest first, shape (n,); -1 for points of no cluster. All are -1 below
        FEWEST_POINTS points, or where one cluster would hold nearly all.

    Source:
        Comaniciu & Meer (2002), "Mean shift", for the basins; Ward (1963), "Hierarchical grouping to optimize an
        objective function", for the merging.

    """
    if len(positions) < FEWEST_POINTS:
        return np.full(len(positions), -1)
    peaks = _peaks(density(positions, bandwidth(len(positions))))
    basins = np.unique(peaks[cell_index(positions)], return_inverse=True)[1]
    merged = merge_by_ward(basins, features, cluster_count(len(positions)))
    ordered = _largest_first(merged)
    sizes = np.bincount(ordered)
    if sizes[0] > LARGEST_SHARE * len(ordered):
        return np.full(len(ordered), -1)
    ordered[sizes[ordered] < max(FEWEST_MEMBERS, len(ordered) / 200)] = -1
    return ordered


def cluster_count(points: int) -> int:
    """Choose a number of clusters that one can survey: it grows with the square root of the points.

    Args:
        points: Number of points.

    Returns:
        3 for 40 points, 12 for 900, and at most MOST_CLUSTERS.

    """
    return min(MOST_CLUSTERS, round(0.4 * math.sqrt(points)))


def merge_by_ward(
    groups: Int[np.ndarray, " n"], features: Float[np.ndarray, "n c"], count: int
) -> Int[np.ndarray, " n"]:
    """Merge groups of points until `count` are left, each time the two whose merging adds the least variance.

    Args:
        groups: Group of each point, 0 to g - 1, none of them empty, shape (n,).
        features: Features of the points, shape (n, c).
        count: Number of groups to keep, at least 1.

    Returns:
        Group of each point, numbers among those given, shape (n,).

    Source:
        Ward (1963), "Hierarchical grouping to optimize an objective function", JASA.

    """
    sizes = np.bincount(groups).astype(np.float64)
    means = np.stack([np.bincount(groups, column) for column in features.T.astype(np.float64)], 1) / sizes[:, None]
    costs = np.stack([_costs(each, sizes, means) for each in range(len(sizes))])
    kept = np.arange(len(sizes))
    for _ in range(len(sizes) - count):
        first, second = sorted(divmod(int(costs.argmin()), len(sizes)))
        total = sizes[first] + sizes[second]
        means[first] = (sizes[first] * means[first] + sizes[second] * means[second]) / total
        sizes[first], sizes[second] = total, 0
        kept[kept == second] = first
        costs[first] = costs[:, first] = _costs(first, sizes, means)
        costs[second] = costs[:, second] = np.inf
    merged: Int[np.ndarray, " n"] = kept[groups]
    return merged


def representatives(
    features: Float[np.ndarray, "n c"], members: Int[np.ndarray, " m"], count: int = 8
) -> Int[np.ndarray, " k"]:
    """Choose members that stand for a cluster: the most central one, then others that differ from those before.

    Only the half nearest to the mean is considered, so that no odd one is chosen.

    Args:
        features: Features of all points, shape (n, c).
        members: Rows of the members, at least one, shape (m,).
        count: Number of members to choose.

    Returns:
        Rows of the chosen members, the most central first; fewer than `count` if the half has fewer.

    """
    own = features[members].astype(np.float64)
    order = np.argsort(((own - own.mean(0)) ** 2).sum(1), kind="stable")[: max(count, (len(members) + 1) // 2)]
    own = own[order]
    chosen = [0]
    nearest = ((own - own[0]) ** 2).sum(1)
    while len(chosen) < min(count, len(order)):
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, ((own - own[chosen[-1]]) ** 2).sum(1))
    return members[order[chosen]]


def _peaks(heights: Float[np.ndarray, "s s"]) -> Int[np.ndarray, " s*s"]:
    """For each cell the peak that the steepest way up leads to: each points to its highest neighbor, repeatedly."""
    padded = np.pad(heights, 1, constant_values=-np.inf)
    steps = [(0, 0), *((row, column) for row in (-1, 0, 1) for column in (-1, 0, 1) if (row, column) != (0, 0))]
    around = np.stack(
        [padded[1 + row : 1 + row + GRID_SIDE, 1 + column : 1 + column + GRID_SIDE] for row, column in steps]
    )
    offsets = np.array([row * GRID_SIDE + column for row, column in steps])
    above: Int[np.ndarray, " s*s"] = np.arange(GRID_SIDE * GRID_SIDE) + offsets[around.argmax(0).ravel()]
    while not np.array_equal(above, above[above]):
        above = above[above]
    return above


def _costs(group: int, sizes: Float[np.ndarray, " g"], means: Float[np.ndarray, "g c"]) -> Float[np.ndarray, " g"]:
    """What Ward's criterion charges for merging a group with each other; infinite with itself and with empty ones."""
    with np.errstate(divide="ignore", invalid="ignore"):
        costs: Float[np.ndarray, " g"] = (
            ((means - means[group]) ** 2).sum(1) * sizes[group] * sizes / (sizes[group] + sizes)
        )
    costs[(sizes == 0) | (np.arange(len(sizes)) == group)] = np.inf
    return costs


def _largest_first(groups: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Number groups by falling size; of equal sizes the one with the first point comes first."""
    _, first, inverse, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks[inverse]
