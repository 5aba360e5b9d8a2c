"""A collection as a map: every vector a point of the plane, so that neighbors stay neighbors.

    vectors -> directions -> 32 principal components -> 15 nearest of each -> the plane

The last step maximizes InfoNCE, the bound that this package learns features with, between a point and one of its
neighbors, with the critic log 1 / (1 + distance^2): contrastive neighbor embedding (Damrich, Böhm, Hamprecht & Kobak,
"From t-SNE to UMAP with contrastive learning", ICLR 2023). It starts from the first two principal components, so that
the large-scale layout is theirs, and every point moves at every step, so that a few hundred steps suffice.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.bounds import infonce
from infomax.neighbors.knn import neighbors

COMPONENTS = 32
"""Principal components in which neighbors are looked for; the rest is mostly noise, and costs time."""

NEIGHBORS = 15

ANCHORS = 20_000
"""Neighbors are looked for among so many points at most: the time grows with the number of points, not its square."""

PAIRS_PER_STEP, FEWEST, MOST = 1 << 20, 16, 256
"""Each step pushes all points away from some: about so many pairs, which is so few or so many points."""

STEPS, RATE = 400, 0.3
"""Steps of Adam, and the first of its rates, in the unit of the map at the start; it falls to 0 on a straight line."""


def project(vectors: Float[np.ndarray, "n d"], seed: int = 0) -> Float[np.ndarray, "n 2"]:
    """Positions in 0..1, the larger extent of the map being 1. The same vectors and seed give the same map.

    Takes about STEPS passes over the n points and n * min(n, ANCHORS) comparisons. Directions count, as they do for
    cosine distances; vectors of zeros lie together.
    """
    if len(vectors) < 3:
        return np.array([[0, 0.5], [1, 0.5]], np.float32)[: len(vectors)]
    components = principal_components(vectors, min(COMPONENTS, vectors.shape[1]))
    generator = torch.Generator().manual_seed(seed)
    anchors = torch.randperm(len(vectors), generator=generator)[:ANCHORS].sort().values
    near = anchors[torch.from_numpy(nearest_anchors(components, anchors.numpy()))]
    start = torch.from_numpy(components[:, :2])
    return framed(spread(start / start.std().clamp_min(1e-12), near, generator).numpy())


def principal_components(vectors: Float[np.ndarray, "n d"], count: int) -> Float[np.ndarray, "n c"]:
    """The directions of the vectors along their `count` main axes, two at least; exact, from the covariance."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    directions -= directions.mean(0)
    _, axes = np.linalg.eigh(directions.T.astype(np.float64) @ directions)
    axes = axes[:, ::-1][:, :count]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])  # eigh leaves the signs open
    found = (directions @ axes).astype(np.float32)
    return np.pad(found, ((0, 0), (0, max(0, 2 - found.shape[1]))))


def nearest_anchors(points: Float[np.ndarray, "n c"], anchors: Int[np.ndarray, " a"]) -> Int[np.ndarray, "n k"]:
    """For each point, the places in `anchors` of its nearest others."""
    place = np.full(len(points), -1)
    place[anchors] = np.arange(len(anchors))
    count = min(NEIGHBORS, len(anchors) - 1)
    found = np.empty((len(points), count), np.int64)
    for rows, out in ((anchors, np.arange(len(anchors))), (np.flatnonzero(place < 0), None)):
        if len(rows):
            found[rows] = neighbors(points[rows], points[anchors], count, "euclidean", leave_out=out).indices
    return found


def spread(start: Float[Tensor, "n 2"], near: Int[Tensor, "n k"], generator: torch.Generator) -> Float[Tensor, "n 2"]:
    """Where the points come to lie: each step draws one neighbor of every point, and some points for all."""
    negatives = min(MOST, max(FEWEST, PAIRS_PER_STEP // len(start)))
    points = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([points], RATE)
    everyone = torch.arange(len(points))
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        drawn = near[everyone, torch.randint(near.shape[1], (len(points),), generator=generator)]
        others = points[torch.randint(len(points), (negatives,), generator=generator)]
        bound = infonce(scores(points, points[drawn]), scores(points[:, None], others))
        optimizer.zero_grad()
        torch.autograd.backward(-bound * len(points))  # summed: a step is the same for all n
        optimizer.step()
    return points.detach()


def scores(a: Tensor, b: Tensor) -> Tensor:
    """The critic log 1 / (1 + distance^2), of points along the last axis."""
    return -(a - b).square().sum(-1).log1p()


def framed(points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    """Moved and scaled into the unit square, the shape kept, the shorter side centered."""
    low, high = points.min(0), points.max(0)
    extent = float((high - low).max()) or 1.0
    placed: Float[np.ndarray, "n 2"] = np.clip((points - (low + high) / 2) / extent + 0.5, 0, 1).astype(np.float32)
    return placed
