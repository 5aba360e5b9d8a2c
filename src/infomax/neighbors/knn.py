"""Nearest neighbors, exact and in blocks, and the classifier that votes with them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, final

import numpy as np
import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor
from torch.nn.functional import normalize

from infomax.devices import cpu_has
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

LONGEST = 2**16
"""Numbers of a vector of bytes at most: products of twice as many would not fit 32 bits."""

TEMPERATURE = 0.07
"""Of the weighted vote by cosine (Wu et al. 2018, arXiv 1805.01978, section 3.4)."""


@dataclass(frozen=True)
class Neighbors:
    """The k nearest of each query, nearest first.

    indices: (n, k), rows of the collection
    distances: (n, k): 1 - cosine, in 0..2, or Euclidean
    """

    indices: Int[np.ndarray, "n k"]
    distances: Float[np.ndarray, "n k"]


def neighbors(
    queries: Float[np.ndarray, "n d"] | Int8[np.ndarray, "n d"],
    collection: Float[np.ndarray, "m d"] | Int8[np.ndarray, "m d"],
    k: int,
    metric: Metric = "cosine",
    *,
    leave_out: Int[np.ndarray, " n"] | None = None,
) -> Neighbors:
    """The k rows of the collection nearest to each query, by brute force; of equally near ones the first.

    Vectors of signed bytes are multiplied in whole numbers where the CPU does so four times as fast (AVX-512 VNNI).

    `leave_out` names for each query one row that does not count: itself, where the queries are of the collection.
    A vector of zeros has no direction; its cosine with any other is taken as 0.

    Raises InfoMaxError for vectors that are not finite, or a k that the collection cannot give.
    """
    available = len(collection) - (leave_out is not None)
    if not 1 <= k <= available:
        raise InfoMaxError(f"{k} neighbors of {available} vectors: ask for 1 to {available}")
    for name, vectors in {"queries": queries, "collection": collection}.items():
        if not np.isfinite(vectors).all():
            raise InfoMaxError(f"the vectors of the {name} hold NaN or infinity: only finite ones have neighbors")
    x, y = torch.from_numpy(np.ascontiguousarray(queries)), torch.from_numpy(np.ascontiguousarray(collection))
    pairs: _Pairs
    if x.dtype == y.dtype == torch.int8 and int8_is_fast() and x.shape[1] <= LONGEST:
        pairs = _PairsOfBytes(x, y, metric)
    else:
        x, y = (each.float() if each.dtype == torch.int8 else each for each in (x, y))
        pairs = _PairsOfFloats(x, y, metric)
    wide = min(k + SPARE, available)
    seen = min(wide + 1, available)
    groups = _groups(len(y), seen)
    rows = max(1, min(BLOCK // len(y), len(x)))
    matrix = torch.full((rows, -(-len(y) // groups) * groups), -torch.inf, dtype=pairs.slack.dtype)
    indices = np.empty((len(x), k), np.int64)
    distances = np.empty((len(x), k), np.float32)
    for start in range(0, len(x), rows):
        block = slice(start, min(start + rows, len(x)))
        closeness = matrix[: block.stop - start, : len(y)]
        exact = pairs.closeness(block, closeness)
        if leave_out is not None:
            closeness[torch.arange(len(closeness)), torch.from_numpy(leave_out[block])] = -torch.inf
        closest, candidates = _largest(matrix[: len(closeness)], seen, groups)
        candidates = candidates[:, :wide].sort(1).values
        found, far = _ranked(exact(slice(None), candidates), candidates, k)
        least = closest[:, k - 1] - pairs.slack[block]  # whoever is as close may be among the k, but for rounding
        crowded = (closest[:, wide:] >= least[:, None]).any(1)  # more such than candidates: many equally near
        for row in crowded.nonzero().ravel().tolist():
            every = (closeness[row : row + 1] >= least[row]).nonzero()[:, 1][None]
            found[row], far[row] = (each[0] for each in _ranked(exact(slice(row, row + 1), every), every, k))
        indices[block], distances[block] = found, far
    return Neighbors(indices, distances)


def vote(
    labels: Int[np.ndarray, "n k"], classes: int, weights: Float[np.ndarray, "n k"] | None = None
) -> Int[np.ndarray, " n"]:
    """The class that most of the k neighbors have, each counting as one or as its weight; of equals the first."""
    counts = np.zeros((len(labels), classes), np.int64 if weights is None else np.float64)
    np.add.at(counts, (np.arange(len(labels))[:, None], labels), 1 if weights is None else weights)
    winners: Int[np.ndarray, " n"] = counts.argmax(1)
    return winners


def vote_weights(distances: Float[np.ndarray, "n k"], metric: Metric) -> Float[np.ndarray, "n k"]:
    """What each neighbor's vote counts, float64: the nearer the more.

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

    Raises InfoMaxError as `neighbors` does.
    """
    names, codes = np.unique([*train_labels, *test_labels], return_inverse=True)
    voters, truth = codes[: len(train)], codes[len(train) :]
    nearest = neighbors(test, train, k, metric).indices
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
    distances: Float[Tensor, "n c"], candidates: Int[Tensor, "n c"], k: int
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k nearest of the candidates (increasing rows of the collection), of equally near ones the first."""
    nearest = distances.sort(dim=1, stable=True)
    return candidates.gather(1, nearest.indices[:, :k]), nearest.values[:, :k]


Exact = Callable[[slice, Int[Tensor, "n c"]], Float[Tensor, "n c"]]
"""Some rows of a block of queries, and candidates of each -> distances in float64."""


class _Pairs(Protocol):
    """Queries x and a collection y, in pairs.

    slack: for each query, how far a closeness may be wrong by rounding
    """

    slack: Float[Tensor, " n"]

    def closeness(self, block: slice, out: Float[Tensor, "b m"]) -> Exact:
        """Write numbers that rank the collection for each of the queries, the nearest being the largest."""


@final
class _PairsOfFloats:
    """The closeness is a matrix product; distances are those of the vectors, in float64."""

    def __init__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], metric: Metric) -> None:
        if metric == "cosine":
            x, y = normalize(x, dim=1), normalize(y, dim=1)
        self.x, self.y, self.metric = x, y, metric
        self.half_norms = y.square().sum(1) / 2  # |x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2), and |x|^2 ranks nothing
        rounding = torch.finfo(y.dtype).eps * y.shape[1] ** 0.5
        largest = 1.0 if metric == "cosine" else _largest_product(x.norm(dim=1), y.norm(dim=1))
        self.slack = x.new_full((len(x),), rounding * largest)

    def closeness(self, block: slice, out: Float[Tensor, "b m"]) -> Exact:
        """x.y, by Euclid less |y|^2 / 2."""
        queries = self.x[block]
        torch.mm(queries, self.y.T, out=out)
        if self.metric == "euclidean":
            out -= self.half_norms
        return lambda rows, candidates: self._exact(queries[rows], candidates)

    def _exact(self, queries: Float[Tensor, "n d"], candidates: Int[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """From the differences themselves, a few queries at a time."""
        rows = max(1, CHUNK // (candidates.shape[1] * self.y.shape[1]))
        found = []
        for start in range(0, max(1, len(queries)), rows):
            x, y = queries[start : start + rows].double()[:, None], self.y[candidates[start : start + rows]].double()
            if self.metric == "cosine":
                found.append((1 - (x @ y.mT)[:, 0]).clamp(0, 2))
            else:
                found.append(y.sub_(x).square_().sum(-1).sqrt())
        return torch.cat(found)


@final
class _PairsOfBytes:
    """Products are whole numbers, and so exact: distances need the vectors no more. Only the closeness is rounded."""

    def __init__(self, x: Int8[Tensor, "n d"], y: Int8[Tensor, "m d"], metric: Metric) -> None:
        self.x, self.y, self.metric = x, y, metric
        self.squares, self.y_squares = _squares(x), _squares(y)
        lengths, y_lengths = self.squares.sqrt(), self.y_squares.sqrt()
        rounding = torch.finfo(torch.float32).eps * x.shape[1] ** 0.5
        if metric == "cosine":
            self.weights = torch.where(y_lengths > 0, 1 / y_lengths, 0).float()
            self.slack = (rounding * lengths).float()
        else:
            self.offsets = (self.y_squares / 2).float()
            self.slack = torch.full((len(x),), rounding * _largest_product(lengths, y_lengths))

    def closeness(self, block: slice, out: Float[Tensor, "b m"]) -> Exact:
        """x.y, divided by |y| or, by Euclid, less |y|^2 / 2."""
        products = torch._int_mm(self.x[block], self.y.T)
        if self.metric == "cosine":
            torch.mul(products, self.weights, out=out)
        else:
            torch.sub(products, self.offsets, out=out)
        return lambda rows, candidates: self._exact(
            products[rows].gather(1, candidates), self.squares[block][rows], self.y_squares[candidates]
        )

    def _exact(
        self, products: Int[Tensor, "n c"], squares: Float[Tensor, " n"], others: Float[Tensor, "n c"]
    ) -> Float[Tensor, "n c"]:
        if self.metric == "euclidean":
            return (squares[:, None] + others - 2 * products).sqrt()
        lengths = (squares[:, None] * others).sqrt()
        return (1 - torch.where(lengths > 0, products / lengths, 0)).clamp(0, 2)


def _squares(vectors: Int8[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """|x|^2, a thousand vectors at a time: as whole numbers they take four times the memory."""
    return torch.cat([part.int().square().sum(1) for part in torch.split(vectors, 1000)]).double()


def int8_is_fast() -> bool:
    """Whether products of bytes are faster than of floats. Where the CPU lacks them torch takes one at a time."""
    return torch._C._has_mkldnn and cpu_has("avx512_vnni")


def _largest_product(lengths: Float[Tensor, " n"], others: Float[Tensor, " m"]) -> float:
    """How large the numbers are that the matrix product adds up, which sets how they are rounded."""
    return float(lengths.max() * others.max() + others.max().square() / 2) if len(lengths) else 0.0
