"""Density of points in the plane on a grid: a smoothed histogram, for clusters, outlines and spreading."""

import numpy as np
from jaxtyping import Float, Int

GRID_SIDE = 128
"""Cells along each side of the grid. Time and memory hardly depend on the number of points."""

MAP_MARGIN = 0.08
"""Part of the grid that stays empty on each side of the unit square, so that no outline is cut off."""


def to_grid(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Convert positions to cells.

    Args:
        points: Positions in 0..1, shape (n, 2).

    Returns:
        Positions in cells, in 0..GRID_SIDE, shape (n, 2), float64. Cell (0, 0) covers 0..1 on both axes.

    """
    return (MAP_MARGIN + (1 - 2 * MAP_MARGIN) * points.astype(np.float64)) * GRID_SIDE


def from_grid(cells: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Convert cells to positions, the inverse of `to_grid`.

    Args:
        cells: Positions in cells, shape (n, 2).

    Returns:
        Positions, shape (n, 2), float64.

    """
    positions: Float[np.ndarray, "n 2"] = (cells / GRID_SIDE - MAP_MARGIN) / (1 - 2 * MAP_MARGIN)
    return positions


def cell_index(points: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Find the cell that each point lies in.

    Args:
        points: Positions in 0..1, shape (n, 2).

    Returns:
        Index of the cell in the flattened grid, shape (n,).

    """
    row, column = np.clip(to_grid(points).astype(np.int64), 0, GRID_SIDE - 1).T
    index: Int[np.ndarray, " n"] = row * GRID_SIDE + column
    return index


def bandwidth(count: int) -> float:
    """Choose how far each point counts: less for many points, by the rule of Scott (1992) for two dimensions.

    The factor is a quarter of Scott's for points that fill the square. He assumes one normal distribution, and several
    narrow clusters would run into one.

    Args:
        count: Number of points, at least 1.

    Returns:
        Standard deviation of the kernel, in cells.

    """
    return float(0.065 * count ** (-1 / 6) * (1 - 2 * MAP_MARGIN) * GRID_SIDE)


def density(points: Float[np.ndarray, "n 2"], deviation: float) -> Float[np.ndarray, "s s"]:
    """Count points by cell, and smooth the counts with a normal kernel.

    Args:
        points: Positions in 0..1, shape (n, 2).
        deviation: Standard deviation of the kernel, in cells.

    Returns:
        Points per cell, shape (GRID_SIDE, GRID_SIDE), float64. The first axis is that of the first coordinate.

    """
    from scipy.ndimage import gaussian_filter

    counts = np.bincount(cell_index(points), minlength=GRID_SIDE * GRID_SIDE).reshape(GRID_SIDE, GRID_SIDE)
    smoothed: Float[np.ndarray, "s s"] = gaussian_filter(counts.astype(np.float64), deviation)
    return smoothed
