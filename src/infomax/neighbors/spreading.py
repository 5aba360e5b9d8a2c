"""Spread points of the plane so that crowded regions get more room and empty ones less.

A layout that keeps neighbors together is crowded in the middle and empty at the rim. Here the density diffuses, as heat
does, and carries the points along: the density-equalizing maps of Gastner & Newman. The plane is bent but never torn or
folded, so neighbors stay neighbors and groups stay whole.
"""

import numpy as np
from jaxtyping import Float

from infomax.neighbors.density import GRID_SIDE, density, from_grid, to_grid

BACKGROUND = 0.35
"""Density added everywhere, in units of the mean: the more, the more of the gaps between groups remains."""

DENSITY_SMOOTHING = 1.5
"""Standard deviation of the kernel of the first density, in cells."""

START, END, STEP_GROWTH = 0.5, GRID_SIDE * GRID_SIDE / 8, 1.25
"""Times of the diffusion in squared cells. Each step is as long as a quarter of the time so far."""


def spread(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Move points so that their density becomes more even. The same points give the same result.

    Args:
        points: Positions in 0..1, shape (n, 2); n may be 0.

    Returns:
        Positions in 0..1, shape (n, 2), float32. Both extents are 1 unless all points share a coordinate, which is then
        0.5.

    Source:
        Gastner & Newman (2004), "Diffusion-based method for producing density-equalizing maps", PNAS 101(20).

    """
    if not len(points):
        return points.astype(np.float32)
    diffusion = _Diffusion(points)
    cells = to_grid(points)
    time = START
    while time < END:
        step = time * (STEP_GROWTH - 1)
        middle = cells + diffusion.velocity(cells, time) * (step / 2)
        cells = np.clip(cells + diffusion.velocity(middle, time + step / 2) * step, 0, GRID_SIDE)
        time += step
    low, high = from_grid(cells).min(0), from_grid(cells).max(0)
    extent = high - low
    moved = np.divide(from_grid(cells) - low, extent, out=np.full(cells.shape, 0.5), where=extent > 1e-9)
    spread: Float[np.ndarray, "n 2"] = np.clip(moved, 0, 1).astype(np.float32)
    return spread


class _Diffusion:
    """The density of points while it diffuses in a closed square: in cosines each wave decays by itself."""

    def __init__(self, points: Float[np.ndarray, "n 2"]) -> None:
        from scipy.fft import dctn

        counts = density(points, DENSITY_SMOOTHING)
        self._waves = dctn(counts / counts.mean() + BACKGROUND, norm="ortho")
        squared = (np.pi * np.arange(GRID_SIDE) / GRID_SIDE) ** 2
        self._decay = squared[:, None] + squared

    def velocity(self, cells: Float[np.ndarray, "n 2"], time: float) -> Float[np.ndarray, "n 2"]:
        """Velocity of the flow at points, in cells per unit of time: down the gradient, divided by the density."""
        from scipy.fft import idctn
        from scipy.ndimage import map_coordinates

        now = idctn(self._waves * np.exp(-self._decay * time), norm="ortho")
        fields = [-gradient / now for gradient in np.gradient(now)]
        at = cells.T - 0.5  # values belong to the centers of cells
        return np.stack([map_coordinates(field, at, order=1, mode="nearest") for field in fields], 1)
