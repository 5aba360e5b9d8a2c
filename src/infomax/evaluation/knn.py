"""Nearest neighbours, exact and in blocks, and the classifier that votes with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from infomax.errors import InfoMaxError

Metric = Literal["cosine", "euclidean"]

BLOCK = 1 << 26
"""Numbers in a block of the query-by-collection matrix: 256 MB in float32."""

SPARE = 8
"""Candidates beyond k that are always ranked again exactly, against rounding in the matrix product."""


@dataclass(frozen=True)
class Neighbours:
    """The k nearest of each query, nearest first.

    indices: (n, k), rows of the collection
    distances: (n, k): 1 - cosine, in 0..2, or Euclidean
    """

    indices: Int[np.ndarray, "n k"]
    distances: Float[np.ndarray, "n k"]


def neighbours(
    queries: Float[np.ndarray, "n d"],
    collection: Float[np.ndarray, "m d"],
    k: int,
    metric: Metric = "cosine",
    *,
    leave_out: Int[np.ndarray, " n"] | None = None,
) -> Neighbours:
    """The k rows of the collection nearest to each query, by brute force; of equally near ones the first.

    `leave_out` names for each query one row that does not count: itself, where the queries are of the collection.
    A vector of zeros has no direction; its cosine with any other is taken as 0.

    Raises InfoMaxError for vectors that are not finite, or a k that the collection cannot give.
    """
    available = len(collection) - (leave_out is not None)
    if not 1 <= k <= available:
        raise InfoMaxError(f"{k} neighbours of {available} vectors: ask for 1 to {available}")
    for name, vectors in {"queries": queries, "collection": collection}.items():
        if not np.isfinite(vectors).all():
            raise InfoMaxError(f"the vectors of the {name} hold NaN or infinity: only finite ones have neighbours")
    wide = min(k + SPARE, available)
    x, y = torch.from_numpy(np.ascontiguousarray(queries)), torch.from_numpy(np.ascontiguousarray(collection))
    if metric == "cosine":
        x, y = normalize(x, dim=1), normalize(y, dim=1)
    half_norms = y.square().sum(1) / 2  # |x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2), and |x|^2 ranks nothing
    indices = np.empty((len(x), k), np.int64)
    distances = np.empty((len(x), k), np.float32)
    slack = torch.finfo(y.dtype).eps * y.shape[1] ** 0.5 * _largest_product(x, y, metric)
    rows = max(1, BLOCK // max(len(y), wide * y.shape[1]))
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        closeness = block @ y.T if metric == "cosine" else torch.addmm(-half_norms, block, y.T)
        if leave_out is not None:
            out = torch.from_numpy(leave_out[start : start + rows])
            closeness[torch.arange(len(block)), out] = -torch.inf
        closest = closeness.topk(wide, dim=1)
        found, far = _ranked(block, y, closest.indices.sort(1).values, k, metric)
        rivals = closeness >= closest.values[:, k - 1 : k] - slack  # whoever may be among the k, but for rounding
        for row in (rivals.sum(1) > wide).nonzero().ravel().tolist():  # more than the candidates: many equally near
            every = rivals[row].nonzero().T
            found[row], far[row] = (each[0] for each in _ranked(block[row : row + 1], y, every, k, metric))
        indices[start : start + rows], distances[start : start + rows] = found, far
    return Neighbours(indices, distances)


def vote(labels: Int[np.ndarray, "n k"], classes: int) -> Int[np.ndarray, " n"]:
    """The class that most of the k neighbours have; of equally frequent ones the first."""
    counts = np.zeros((len(labels), classes), np.int64)
    np.add.at(counts, (np.arange(len(labels))[:, None], labels), 1)
    winners: Int[np.ndarray, " n"] = counts.argmax(1)
    return winners


def knn_accuracy(
    train: Float[np.ndarray, "m d"],
    train_labels: Sequence[str],
    test: Float[np.ndarray, "n d"],
    test_labels: Sequence[str],
    k: int = 20,
    metric: Metric = "cosine",
) -> float:
    """The fraction of test vectors whose k nearest training vectors vote, by majority, for their label.

    Raises InfoMaxError as `neighbours` does.
    """
    names, codes = np.unique([*train_labels, *test_labels], return_inverse=True)
    voters, truth = codes[: len(train)], codes[len(train) :]
    nearest = neighbours(test, train, k, metric).indices
    return float((vote(voters[nearest], len(names)) == truth).mean())


def _ranked(
    queries: Float[Tensor, "n d"],
    collection: Float[Tensor, "m d"],
    candidates: Int[Tensor, "n c"],
    k: int,
    metric: Metric,
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k nearest of the candidates (increasing rows of the collection), of equally near ones the first."""
    exact = _distances(queries, collection[candidates], metric)
    nearest = exact.sort(dim=1, stable=True)
    return candidates.gather(1, nearest.indices[:, :k]), nearest.values[:, :k]


def _largest_product(x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], metric: Metric) -> float:
    """How large the numbers are that the matrix product adds up, which sets how they are rounded."""
    if metric == "cosine":
        return 1.0
    longest = y.norm(dim=1).max()
    return float(x.norm(dim=1).max() * longest + longest.square() / 2) if len(x) else 0.0


def _distances(
    queries: Float[Tensor, "n d"], candidates: Float[Tensor, "n k d"], metric: Metric
) -> Float[Tensor, "n k"]:
    """Distances in float64, from the differences themselves."""
    x, y = queries.double()[:, None], candidates.double()
    if metric == "cosine":
        return (1 - (x * y).sum(-1)).clamp(0, 2)
    return (x - y).square().sum(-1).sqrt()
