"""Project a collection of vectors to the plane, so that neighbors stay neighbors.

    vectors -> unit vectors -> 32 principal components -> 15 nearest neighbors of each -> the plane

The last step maximizes InfoNCE, the bound with which this package learns features, between a point and one of its
neighbors. The critic is log 1 / (1 + distance^2). The method is contrastive neighbor embedding: Damrich, Böhm,
Hamprecht & Kobak, "From t-SNE to UMAP with contrastive learning", ICLR 2023. The layout starts from the first two
principal components, which set its large-scale structure. Every point moves at every step, so a few hundred steps
suffice.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.bounds import infonce
from infomax.neighbors.knn import Neighbors, neighbors

COMPONENTS = 32
"""Principal components in which neighbors are searched; the rest is mostly noise and costs time."""

_BLOCK_ROWS = 65_536
"""Rows that are in float64 at a time."""

MAP_NEIGHBORS = 15

ANCHORS = 20_000
"""Neighbors are searched among at most this many points, so that time grows with n and not with its square."""

PAIRS_PER_STEP, FEWEST, MOST = 1 << 20, 16, 256
"""Each step pushes every point away from some others: about so many pairs, at least and at most so many others."""

LAYOUT_STEPS, RATE = 400, 0.3
"""Steps of Adam, and its learning rate at the start, in units of the initial layout; it falls linearly to 0."""


@dataclass(frozen=True)
class Layout:
    """Vectors as points of the plane, and what was computed on the way there.

    Attributes:
        positions: Positions in 0..1, shape (n, 2), float32; the larger extent of the layout is 1.
        components: Leading principal components of the unit vectors, shape (n, c), float32.
        remoteness: Mean distance to the nearest neighbors, among the anchors and in these components, shape (n,).

    """

    positions: Float[np.ndarray, "n 2"]
    components: Float[np.ndarray, "n c"]
    remoteness: Float[np.ndarray, " n"]


def project(vectors: Float[np.ndarray, "n d"], seed: int = 0) -> Float[np.ndarray, "n 2"]:
    """Lay out vectors in the plane. The same vectors and seed give the same layout.

    The time is about STEPS passes over the n points and n * min(n, ANCHORS) comparisons. Only directions count, as for
    cosine distances; vectors of zeros lie together.

    Args:
        vectors: Vectors, shape (n, d); n may be 0.
        seed: Seed of the random draws.

    Returns:
        Positions in 0..1, shape (n, 2), float32; the larger extent of the layout is 1.

    Source:
        Damrich, Böhm, Hamprecht & Kobak (2023), "From t-SNE to UMAP with contrastive learning", ICLR.

    """
    return lay_out(vectors, seed).positions


def lay_out(vectors: Float[np.ndarray, "n d"], seed: int = 0) -> Layout:
    """Lay out vectors in the plane as `project` does, and keep what was computed on the way.

    Args:
        vectors: Vectors, shape (n, d); n may be 0.
        seed: Seed of the random draws.

    Returns:
        The layout. Fewer than three vectors have components and remoteness of 0.

    """
    if len(vectors) < 3:
        positions = np.array([[0, 0.5], [1, 0.5]], np.float32)[: len(vectors)]
        return Layout(positions, np.zeros((len(vectors), 2), np.float32), np.zeros(len(vectors), np.float32))
    components = _principal_components(vectors, min(COMPONENTS, vectors.shape[1]))
    generator = torch.Generator().manual_seed(seed)
    anchors = torch.randperm(len(vectors), generator=generator)[:ANCHORS].sort().values
    found = _nearest_anchors(components, anchors.numpy())
    near = anchors[torch.from_numpy(found.indices)]
    start = torch.from_numpy(components[:, :2])
    points = _layout(start / start.std().clamp_min(1e-12), near, generator).numpy()
    return Layout(_scaled_to_unit_square(points), components, found.distances.mean(1, dtype=np.float64))


def _principal_components(vectors: Float[np.ndarray, "n d"], count: int) -> Float[np.ndarray, "n c"]:
    """Unit vectors along their `count` principal axes, at least two columns; exact, from the covariance."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    directions -= directions.mean(0)
    blocks = [directions[start : start + _BLOCK_ROWS] for start in range(0, len(directions), _BLOCK_ROWS)]
    covariance = np.sum([block.T.astype(np.float64) @ block for block in blocks], axis=0)
    _, axes = np.linalg.eigh(covariance)
    axes = axes[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])  # eigh leaves the signs open
    found = np.concatenate([(block @ axes).astype(np.float32) for block in blocks])
    return np.pad(found, ((0, 0), (0, max(0, 2 - found.shape[1]))))


def _nearest_anchors(points: Float[np.ndarray, "n c"], anchors: Int[np.ndarray, " a"]) -> Neighbors:
    """For each point its nearest anchors, itself left out: positions in `anchors`, and distances."""
    position = np.full(len(points), -1)
    position[anchors] = np.arange(len(anchors))
    count = min(MAP_NEIGHBORS, len(anchors) - 1)
    found = Neighbors(np.empty((len(points), count), np.int64), np.empty((len(points), count), np.float32))
    for rows, leave_out in ((anchors, np.arange(len(anchors))), (np.flatnonzero(position < 0), None)):
        if len(rows):
            near = neighbors(points[rows], points[anchors], count, "euclidean", leave_out=leave_out)
            found.indices[rows], found.distances[rows] = near.indices, near.distances
    return found


def _layout(start: Float[Tensor, "n 2"], near: Int[Tensor, "n k"], generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """Maximize InfoNCE: each step draws one neighbor of every point, and the same negatives for all."""
    negatives = min(MOST, max(FEWEST, PAIRS_PER_STEP // len(start)))
    points = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([points], RATE)
    rows = torch.arange(len(points))
    for step in range(LAYOUT_STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / LAYOUT_STEPS)
        drawn = near[rows, torch.randint(near.shape[1], (len(points),), generator=generator)]
        others = points[torch.randint(len(points), (negatives,), generator=generator)]
        bound = infonce(_critic(points, points[drawn]), _critic(points[:, None], others))
        optimizer.zero_grad()
        torch.autograd.backward(-bound * len(points))  # the sum over points: a step is then the same for all n
        optimizer.step()
    return points.detach()


def _critic(a: Tensor, b: Tensor) -> Tensor:
    """Log 1 / (1 + distance^2) of points along the last axis."""
    return -(a - b).square().sum(-1).log1p()


def _scaled_to_unit_square(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Move and scale points into the unit square; the aspect ratio stays, and the shorter side is centered."""
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max()) or 1.0
    scaled: Float[np.ndarray, "n 2"] = np.clip((points - (low + high) / 2) / extent + 0.5, 0, 1).astype(np.float32)
    return scaled
