"""Nearest neighbours, exact and in blocks, and the classifier that votes with them."""

import math
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

BLOCK = 1 << 24
"""Numbers in a block of the query-by-collection matrix: 64 MB in float32."""

CHUNK = 1 << 17
"""Numbers of candidates that are ranked again at a time: 1 MB in float64, which a core's cache holds."""

ALIGNED = 16
"""A row of the block is a whole number of cache lines long: the matrix product is a third slower otherwise."""

SPARE = 8
"""Candidates beyond k that are always ranked again exactly, against rounding in the matrix product."""

TEMPERATURE = 0.07
"""Of the weighted vote by cosine (Wu et al. 2018, arXiv 1805.01978, section 3.4)."""


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
    x, y = torch.from_numpy(np.ascontiguousarray(queries)), torch.from_numpy(np.ascontiguousarray(collection))
    if metric == "cosine":
        x, y = normalize(x, dim=1), normalize(y, dim=1)
    half_norms = y.square().sum(1) / 2  # |x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2), and |x|^2 ranks nothing
    slack = torch.finfo(y.dtype).eps * y.shape[1] ** 0.5 * _largest_product(x, y, metric)
    wide = min(k + SPARE, available)
    seen = min(wide + 1, available)
    groups = _groups(len(y), seen)
    rows = max(1, min(BLOCK // len(y), len(x)))
    matrix = torch.full((rows, -(-len(y) // groups) * groups), -torch.inf, dtype=y.dtype)
    indices = np.empty((len(x), k), np.int64)
    distances = np.empty((len(x), k), np.float32)
    for start in range(0, len(x), rows):
        block = x[start : start + rows]
        closeness = torch.mm(block, y.T, out=matrix[: len(block), : len(y)])
        if metric == "euclidean":
            closeness -= half_norms
        if leave_out is not None:
            closeness[torch.arange(len(block)), torch.from_numpy(leave_out[start : start + rows])] = -torch.inf
        closest, candidates = _largest(matrix[: len(block)], seen, groups)
        found, far = _ranked(block, y, candidates[:, :wide].sort(1).values, k, metric)
        least = closest[:, k - 1] - slack  # whoever is as close as this may be among the k, but for rounding
        crowded = (closest[:, wide:] >= least[:, None]).any(1)  # more such than candidates: many equally near
        for row in crowded.nonzero().ravel().tolist():
            every = (closeness[row : row + 1] >= least[row]).nonzero()[:, 1][None]
            found[row], far[row] = (each[0] for each in _ranked(block[row : row + 1], y, every, k, metric))
        indices[start : start + rows], distances[start : start + rows] = found, far
    return Neighbours(indices, distances)


def vote(
    labels: Int[np.ndarray, "n k"], classes: int, weights: Float[np.ndarray, "n k"] | None = None
) -> Int[np.ndarray, " n"]:
    """The class that most of the k neighbours have, each counting as one or as its weight; of equals the first."""
    counts = np.zeros((len(labels), classes), np.int64 if weights is None else np.float64)
    np.add.at(counts, (np.arange(len(labels))[:, None], labels), 1 if weights is None else weights)
    winners: Int[np.ndarray, " n"] = counts.argmax(1)
    return winners


def vote_weights(distances: Float[np.ndarray, "n k"], metric: Metric) -> Float[np.ndarray, "n k"]:
    """What each neighbour's vote counts, float64: the nearer the more.

    By cosine exp(similarity / 0.07), up to a factor for each query, as in Wu et al. 2018 (arXiv 1805.01978). A
    Euclidean distance has no scale of its own, so there 1 / distance, as in scikit-learn; those at distance 0, if there
    are any, decide alone.
    """
    far = distances.astype(np.float64)
    if metric == "cosine":
        weights: Float[np.ndarray, "n k"] = np.exp((far[:, :1] - far) / TEMPERATURE)
        return weights
    same = far == 0
    return np.where(same.any(1, keepdims=True), same, 1 / np.where(same, 1, far))


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


def _groups(m: int, count: int) -> int:
    """Into how many groups the columns of a row of m are dealt to find its `count` largest with the least work."""
    per_group = max(1, round(math.sqrt(m / count)))
    return -(-m // (per_group * ALIGNED)) * ALIGNED


def _largest(
    matrix: Float[Tensor, "n m"], count: int, groups: int
) -> tuple[Float[Tensor, "n count"], Int[Tensor, "n count"]]:
    """The `count` largest of each row, largest first, and their columns.

    Columns g, g + groups, g + 2 groups ... are one group. The `count` largest numbers lie in the `count` groups with
    the largest maxima: were one elsewhere, those groups would hold `count` larger ones.
    """
    shares = matrix.view(len(matrix), -1, groups)
    chosen = shares.amax(1).topk(min(count, groups), dim=1, sorted=False).indices
    columns = (chosen[:, None] + groups * torch.arange(shares.shape[1])[:, None]).flatten(1)
    largest = matrix.gather(1, columns).topk(count, dim=1)
    return largest.values, columns.gather(1, largest.indices)


def _ranked(
    queries: Float[Tensor, "n d"],
    collection: Float[Tensor, "m d"],
    candidates: Int[Tensor, "n c"],
    k: int,
    metric: Metric,
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k nearest of the candidates (increasing rows of the collection), of equally near ones the first."""
    rows = max(1, CHUNK // (candidates.shape[1] * collection.shape[1]))
    parts = [slice(start, start + rows) for start in range(0, max(1, len(queries)), rows)]
    exact = torch.cat([_distances(queries[part], collection[candidates[part]], metric) for part in parts])
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
        return (1 - (x @ y.mT)[:, 0]).clamp(0, 2)
    return y.sub_(x).square_().sum(-1).sqrt()
