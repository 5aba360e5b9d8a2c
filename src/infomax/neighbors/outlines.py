"""Outlines of clusters on a map: each encloses the region where its cluster is denser than all others."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int

from infomax.neighbors.density import GRID_SIDE, bandwidth, cell_index, density, from_grid

SMOOTHING = 1.4
"""Standard deviation of the kernel, relative to that with which clusters were found: lines are smoother than facts."""

LEVEL = 0.2
"""Lowest density within an outline, relative to the median density at the points of the cluster."""

SMALLEST_PIECE = 0.04
"""Pieces of an outline with less than this part of the largest one's area are left out."""

VERTEX_DISTANCE = 1.5
"""Cells between the vertices of an outline. A drawing joins them by a smooth curve."""

Curves = list[Float[np.ndarray, "_ 2"]]
"""Closed curves in positions, first vertices not repeated."""


def inside_clusters(points: Float[np.ndarray, "n 2"], cluster: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Take stray points out of their clusters: those where their cluster is less dense than at its outline.

    Args:
        points: Positions in 0..1, shape (n, 2).
        cluster: Cluster of each point, 0 to k - 1 with at least one point each, or -1 for none, shape (n,).

    Returns:
        Cluster of each point, -1 for stray ones, shape (n,).

    """
    heights, levels = _heights(points, cluster)
    kept = cluster.copy()
    if len(levels):
        own = heights.reshape(len(levels), GRID_SIDE * GRID_SIDE)[cluster, cell_index(points)]
        kept[own < levels[cluster]] = -1
    return kept


def outlines(points: Float[np.ndarray, "n 2"], cluster: Int[np.ndarray, " n"]) -> list[Curves]:
    """Draw a line around each cluster. Lines of neighboring clusters touch and do not cross.

    Args:
        points: Positions in 0..1, shape (n, 2).
        cluster: Cluster of each point, 0 to k - 1 with at least one point each, or -1 for none, shape (n,).

    Returns:
        For each cluster one closed curve, or several where it has several parts, the largest first; none where another
        cluster is denser everywhere.

    """
    heights, levels = _heights(points, cluster)
    found = []
    for each, level in enumerate(levels):
        others = np.delete(heights, each, 0).max(0, initial=0)
        found.append(_contours(heights[each] - np.maximum(others, level)))
    return found


def _heights(
    points: Float[np.ndarray, "n 2"], cluster: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "k s s"], Float[np.ndarray, " k"]]:
    """The density of each cluster, and its lowest level within the outline."""
    count = int(cluster.max(initial=-1)) + 1
    heights, levels = np.zeros((count, GRID_SIDE, GRID_SIDE)), np.zeros(count)
    for each in range(count):
        members = points[cluster == each]
        heights[each] = density(members, SMOOTHING * bandwidth(len(points)))
        levels[each] = LEVEL * np.median(heights[each].ravel()[cell_index(members)])
    return heights, levels


def _contours(heights: Float[np.ndarray, "s s"]) -> Curves:
    """The lines along which heights are 0, as closed curves in positions; tiny ones and holes are left out."""
    from contourpy import contour_generator  # a part of matplotlib

    lines = contour_generator(z=heights.T).lines(0.0)  # contourpy takes rows as y
    curves = sorted((np.asarray(line)[:-1] for line in lines if len(line) > 3), key=_area, reverse=True)
    large = [curve for curve in curves if _area(curve) >= SMALLEST_PIECE * _area(curves[0]) > 0]
    return [from_grid(_thinned(curve) + 0.5) for curve in large]  # heights belong to the centers of cells


def _area(curve: Float[np.ndarray, "_ 2"]) -> float:
    """Area within a closed curve, by the shoelace formula; negative for a hole, around which heights are above 0."""
    x, y = curve.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _thinned(curve: Float[np.ndarray, "_ 2"]) -> Float[np.ndarray, "w 2"]:
    """Fewer vertices of a closed curve, at equal distances along it."""
    closed = np.vstack([curve, curve[:1]])
    along = np.cumsum([0.0, *(float(np.hypot(*(b - a))) for a, b in pairwise(closed))])
    count = max(8, round(along[-1] / VERTEX_DISTANCE))
    at = np.linspace(0, along[-1], count, endpoint=False)
    return np.stack([np.interp(at, along, axis) for axis in closed.T], 1)
