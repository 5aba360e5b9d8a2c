"""Brute-force nearest neighbors: a matrix product proposes candidates, and exact distances rank them.

    block of queries -> product with the whole collection -> k + SPARE largest -> exact distances -> k nearest

The matrix product is rounded, so a row of the product may rank a near tie wrongly. Enough candidates are ranked again
with exact distances in float64 to make the result exact.
"""

import math
from collections.abc import Callable
from typing import Protocol, final

import numpy as np
import torch
from jaxtyping import Float, Int, Int8, Num
from torch import Tensor
from torch.nn.functional import normalize

from infomax.devices import cpu_has
from infomax.neighbors.distances import Metric

BLOCK = 1 << 24
"""Elements in a block of the query-by-collection matrix: 64 MB in float32."""

CHUNK = 1 << 17
"""Elements of candidates that are ranked again at a time: 1 MB in float64, which fits the cache of a core."""

ALIGNED = 16
"""Elements of a cache line. A row of the block is a whole number of them: else the product takes a third longer."""

SPARE = 8
"""Candidates beyond k that are always ranked again exactly, against rounding in the matrix product."""

LONGEST = 2**16
"""Largest dimension of int8 vectors: products of vectors twice as long would overflow 32 bits."""


def nearest_rows(
    queries: Float[np.ndarray, "n d"] | Int8[np.ndarray, "n d"],
    collection: Float[np.ndarray, "m d"] | Int8[np.ndarray, "m d"],
    k: int,
    metric: Metric,
    leave_out: Int[np.ndarray, " n"] | None,
) -> tuple[Int[np.ndarray, "n k"], Float[np.ndarray, "n k"]]:
    """Find the k nearest rows of each query; `neighbors` checks the arguments and explains them.

    Args:
        queries: Query vectors, shape (n, d), finite.
        collection: Vectors to search, shape (m, d), finite.
        k: Number of neighbors, which the collection must be able to give.
        metric: "cosine" or "euclidean".
        leave_out: For each query, one row of the collection that does not count, shape (n,), or None.

    Returns:
        Rows of the collection and their distances in float32, both of shape (n, k), nearest first.

    """
    available = len(collection) - (leave_out is not None)
    x, y = torch.from_numpy(np.ascontiguousarray(queries)), torch.from_numpy(np.ascontiguousarray(collection))
    products = _products(x, y, metric)
    n_candidates = min(k + SPARE, available)
    n_seen = min(n_candidates + 1, available)
    groups = _group_count(len(y), n_seen)
    rows = max(1, min(BLOCK // len(y), len(x)))
    matrix = torch.full((rows, -(-len(y) // groups) * groups), -torch.inf, dtype=products.slack.dtype)
    indices = np.empty((len(x), k), np.int64)
    distances = np.empty((len(x), k), np.float32)
    for start in range(0, len(x), rows):
        block = slice(start, min(start + rows, len(x)))
        closeness = matrix[: block.stop - start, : len(y)]
        exact = products.closeness(block, closeness)
        if leave_out is not None:
            closeness[torch.arange(len(closeness)), torch.from_numpy(leave_out[block])] = -torch.inf
        closest, candidates = _largest(matrix[: len(closeness)], n_seen, groups)
        candidates = candidates[:, :n_candidates].sort(1).values
        found, far = _ranked(exact(slice(None), candidates), candidates, k)
        # A row as close as this may be among the k nearest, given the rounding. Where more rows than the candidates
        # are, which takes many near ties, all of them are ranked.
        least = closest[:, k - 1] - products.slack[block]
        crowded = (closest[:, n_candidates:] >= least[:, None]).any(1)
        for row in crowded.nonzero().ravel().tolist():
            every = (closeness[row : row + 1] >= least[row]).nonzero()[:, 1][None]
            found[row], far[row] = (each[0] for each in _ranked(exact(slice(row, row + 1), every), every, k))
        indices[block], distances[block] = found, far
    return indices, distances


def int8_is_fast() -> bool:
    """Whether int8 products are faster than float ones; without AVX-512 VNNI torch multiplies one pair at a time."""
    return bool(torch.backends.mkldnn.is_available()) and cpu_has("avx512_vnni")  # type: ignore[no-untyped-call]


def _products(x: Num[Tensor, "n d"], y: Num[Tensor, "m d"], metric: Metric) -> "_Products":
    """Integer products of int8 vectors where those are fast, float products otherwise."""
    if x.dtype == y.dtype == torch.int8 and int8_is_fast() and x.shape[1] <= LONGEST:
        return _Int8Products(x, y, metric)
    x, y = (each.float() if each.dtype == torch.int8 else each for each in (x, y))
    return _FloatProducts(x, y, metric)


def _group_count(m: int, count: int) -> int:
    """Number of groups for the m columns of a row that makes finding its `count` largest cheapest."""
    per_group = max(1, round(math.sqrt(m / count)))
    return -(-m // (per_group * ALIGNED)) * ALIGNED


def _largest(
    matrix: Float[Tensor, "n m"], count: int, groups: int
) -> tuple[Float[Tensor, "n count"], Int[Tensor, "n count"]]:
    """The `count` largest elements of each row, largest first, and their columns.

    Columns g, g + groups, g + 2 groups ... form one group. The `count` largest elements lie in the `count` groups with
    the largest maxima: if one lay elsewhere, those groups would hold `count` larger elements.
    """
    shares = matrix.view(len(matrix), -1, groups)
    chosen = shares.amax(1).topk(min(count, groups), dim=1, sorted=False).indices
    columns = (chosen[:, None] + groups * torch.arange(shares.shape[1])[:, None]).flatten(1)
    largest = matrix.gather(1, columns).topk(count, dim=1)
    return largest.values, columns.gather(1, largest.indices)


def _ranked(
    distances: Float[Tensor, "n c"], candidates: Int[Tensor, "n c"], k: int
) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k nearest of the candidates (increasing rows of the collection); of equally near ones the first."""
    nearest = distances.sort(dim=1, stable=True)
    return candidates.gather(1, nearest.indices[:, :k]), nearest.values[:, :k]


_Exact = Callable[[slice, Int[Tensor, "n c"]], Float[Tensor, "n c"]]
"""Maps some rows of a block of queries, and candidates of each, to distances in float64."""


class _Products(Protocol):
    """Inner products of queries x with a collection y.

    Attributes:
        slack: For each query, how far rounding may put a closeness off, shape (n,).

    """

    slack: Float[Tensor, " n"]

    def closeness(self, block: slice, out: Float[Tensor, "b m"]) -> _Exact:
        """Write numbers that rank the collection for each query of a block: the largest is the nearest."""


@final
class _FloatProducts:
    """Products of floats: distances come from the vectors themselves, in float64."""

    def __init__(self, x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], metric: Metric) -> None:
        if metric == "cosine":
            x, y = normalize(x, dim=1), normalize(y, dim=1)
        self.x, self.y, self.metric = x, y, metric
        self.half_squares = y.square().sum(1) / 2  # |x - y|^2 = |x|^2 - 2 (x.y - |y|^2 / 2); |x|^2 ranks nothing
        rounding = torch.finfo(y.dtype).eps * y.shape[1] ** 0.5
        largest = 1.0 if metric == "cosine" else _largest_product(x.norm(dim=1), y.norm(dim=1))
        self.slack = x.new_full((len(x),), rounding * largest)

    def closeness(self, block: slice, out: Float[Tensor, "b m"]) -> _Exact:
        """x.y by cosine, x.y - |y|^2 / 2 by Euclidean distance."""
        queries = self.x[block]
        torch.mm(queries, self.y.T, out=out)
        if self.metric == "euclidean":
            out -= self.half_squares
        return lambda rows, candidates: self._exact(queries[rows], candidates)

    def _exact(self, queries: Float[Tensor, "n d"], candidates: Int[Tensor, "n c"]) -> Float[Tensor, "n c"]:
        """Distances from the vectors, a few queries at a time."""
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
class _Int8Products:
    """Products of int8 vectors are integers, and so exact: distances need only them. Only the closeness is rounded."""

    def __init__(self, x: Int8[Tensor, "n d"], y: Int8[Tensor, "m d"], metric: Metric) -> None:
        self.x, self.y, self.metric = x, y, metric
        self.squares, self.y_squares = _squared_norms(x), _squared_norms(y)
        norms, y_norms = self.squares.sqrt(), self.y_squares.sqrt()
        rounding = torch.finfo(torch.float32).eps * x.shape[1] ** 0.5
        if metric == "cosine":
            self.weights = torch.where(y_norms > 0, 1 / y_norms, 0).float()
            self.slack = (rounding * norms).float()
        else:
            self.offsets = (self.y_squares / 2).float()
            self.slack = torch.full((len(x),), rounding * _largest_product(norms, y_norms))

    def closeness(self, block: slice, out: Float[Tensor, "b m"]) -> _Exact:
        """x.y / |y| by cosine, x.y - |y|^2 / 2 by Euclidean distance."""
        # torch has no public product of int8 matrices that sums in int32: `torch.mm` sums in int8 and overflows.
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
        norms = (squares[:, None] * others).sqrt()
        return (1 - torch.where(norms > 0, products / norms, 0)).clamp(0, 2)


def _squared_norms(vectors: Int8[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """|x|^2, a thousand vectors at a time: as int32 they take four times the memory."""
    return torch.cat([part.int().square().sum(1) for part in torch.split(vectors, 1000)]).double()


def _largest_product(norms: Float[Tensor, " n"], others: Float[Tensor, " m"]) -> float:
    """Magnitude of the numbers that the matrix product sums, which sets how far they are rounded."""
    return float(norms.max() * others.max() + others.max().square() / 2) if len(norms) else 0.0
