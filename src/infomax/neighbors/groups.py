"""Groups of vectors that lie close together: exact, in blocks, so that no n-by-n matrix is ever held."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import normalize

ROWS = 2048
"""Rows and columns of a block."""

ROUNDING = 1e-4
"""How far a product in float32 may be from its value: candidates are taken this far below the threshold."""

COSINE_DIGITS = 12
"""Decimals of a cosine."""

Same: TypeAlias = Callable[[Int[np.ndarray, " m"], Int[np.ndarray, " n"]], Bool[np.ndarray, "m n"]]
"""Maps some rows and some other rows to which of their pairs count."""


@dataclass(frozen=True)
class LinkedRows:
    """A group of rows that are linked, directly or through others.

    Attributes:
        rows: Rows of the group, increasing.
        weakest: Least cosine on the group's maximum spanning tree. The group stays in one piece for any threshold up
            to this cosine, and falls apart above it.

    """

    rows: list[int]
    weakest: float


def groups_above(vectors: Float[np.ndarray, "n d"], threshold: float, same: Same | None = None) -> list[LinkedRows]:
    """Find the groups of two or more vectors that are linked by pairs of cosine >= threshold.

    A group is a connected component of the graph of links, as in single-linkage clustering. A vector of zeros has no
    direction; its cosine with any other is taken as 0.

    Args:
        vectors: Vectors, shape (n, d).
        threshold: Least cosine of a link, in -1..1.
        same: Decides which pairs above the threshold count; it is not called for other rows. None to count all.

    Returns:
        The groups, in the order of their first rows.

    Example:
        >>> import numpy as np
        >>> vectors = np.array([[1, 0], [0, 1], [2, 0]], np.float32)
        >>> groups_above(vectors, threshold=0.9)
        [LinkedRows(rows=[0, 2], weakest=1.0)]

    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

    # Weights are 2 - cosine: a maximum spanning tree is then a minimum one, and csgraph takes a weight of 0 for a
    # missing link. Only the tree is kept from block to block; it links the same rows as strongly as all links do.
    tree = csr_array((len(vectors), len(vectors)))
    for a, b, cosines in _links(vectors, threshold, same):
        tree = csr_array(minimum_spanning_tree(tree + csr_array((2 - cosines, (a, b)), tree.shape)))
    a, b = tree.nonzero()
    group_of = connected_components(tree, directed=False)[1]
    weakest = np.ones(len(vectors))
    np.minimum.at(weakest, group_of[a], (2 - tree.data).round(COSINE_DIGITS))
    members: dict[int, list[int]] = {}
    for row in np.union1d(a, b).tolist():
        members.setdefault(int(group_of[row]), []).append(row)
    return [LinkedRows(rows, float(weakest[group])) for group, rows in members.items()]


def _links(
    vectors: Float[np.ndarray, "n d"], threshold: float, same: Same | None
) -> Iterator[tuple[Int[np.ndarray, " links"], Int[np.ndarray, " links"], Float[np.ndarray, " links"]]]:
    """Pairs of rows of cosine >= threshold that count, each once, with their cosines, a block at a time."""
    x = normalize(torch.from_numpy(np.ascontiguousarray(vectors, np.float64)), dim=1)
    narrow = x.float()
    for top in range(0, len(x), ROWS):
        for left in range(top, len(x), ROWS):
            close = (narrow[top : top + ROWS] @ narrow[left : left + ROWS].T >= threshold - ROUNDING).numpy()
            if top == left:
                close = np.triu(close, 1)
            if same is not None and close.any():
                some, others = np.flatnonzero(close.any(1)), np.flatnonzero(close.any(0))
                close[np.ix_(some, others)] &= same(some + top, others + left)
            if close.any():
                a, b = np.nonzero(close)
                a, b = a + top, b + left
                cosines = _cosines(x, a, b)
                enough = cosines >= threshold
                yield a[enough], b[enough], cosines[enough]


def _cosines(
    x: Float[torch.Tensor, "n d"], a: Int[np.ndarray, " pairs"], b: Int[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Cosines of pairs of rows of unit length (or zero), in float64, to 12 decimals: exactly 1 for equal rows."""
    pieces = []
    for start in range(0, len(a), ROWS):
        p, q = x[a[start : start + ROWS]], x[b[start : start + ROWS]]
        directed = p.any(1) & q.any(1)
        pieces.append(torch.where(directed, 1 - (p - q).square().sum(1) / 2, 0).numpy())
    return np.concatenate(pieces).round(COSINE_DIGITS)
