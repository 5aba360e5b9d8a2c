"""Pairs of vectors that lie close together, and groups in which every pair counts; no n-by-n matrix is ever held."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
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

Links: TypeAlias = tuple[Int[np.ndarray, " links"], Int[np.ndarray, " links"], Float[np.ndarray, " links"]]
"""Rows a, rows b, and how close each pair is."""


def pairs_above(vectors: Float[np.ndarray, "n d"], threshold: float, same: Same | None = None) -> Iterator[Links]:
    """Find the pairs of vectors of cosine >= threshold.

    A vector of zeros has no direction; its cosine with any other is taken as 0.

    Args:
        vectors: Vectors, shape (n, d).
        threshold: Least cosine of a pair, in -1..1.
        same: Decides which pairs above the threshold count; it is not called for other rows. None to count all.

    Yields:
        Pairs a < b with their cosines, each once, a block at a time.

    Examples:
        >>> import numpy as np
        >>> [(a, b, cosines)] = pairs_above(np.array([[1, 0], [0, 1], [2, 0]], np.float32), threshold=0.9)
        >>> a.tolist(), b.tolist(), cosines.tolist()
        ([0], [2], [1.0])

    """
    x = _unit(vectors)
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


def least_cosine(vectors: Float[np.ndarray, "n d"]) -> float:
    """Compute the least cosine over all pairs of vectors.

    Args:
        vectors: Two or more vectors, shape (n, d).

    Returns:
        The cosine, to 12 decimals: exactly 1 for equal vectors.

    """
    x = _unit(np.unique(vectors, axis=0))
    if len(x) == 1:
        return 1.0
    least, narrow = 1.0, x.float()
    for top in range(0, len(x), ROWS):
        for left in range(top, len(x), ROWS):
            products = (narrow[top : top + ROWS] @ narrow[left : left + ROWS].T).numpy()
            if top == left:
                products[np.tril_indices_from(products)] = np.inf
            if len(a := (close := products <= min(least, products.min()) + ROUNDING).nonzero()[0]):
                least = min(least, float(_cosines(x, a + top, close.nonzero()[1] + left).min()))
    return least


def complete_linkage(n: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Group rows so that every pair of a group is linked: complete-linkage clustering of the links, closest first.

    Two groups become one as soon as all pairs between them have appeared. So no chain forms, a row is in one group, and
    earlier links are never given up for later ones.

    Args:
        n: Number of rows.
        links: Pairs of different rows, closest first, each once.

    Returns:
        The groups of two or more rows, increasing, in the order of their first rows.

    Examples:
        >>> complete_linkage(4, [(0, 1), (1, 2), (2, 3), (0, 2)])
        [[0, 1], [2, 3]]

    """
    group_of = list(range(n))
    members = {row: [row] for row in range(n)}
    between: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for a, b in links:
        p, q = group_of[a], group_of[b]
        if len(members[p]) < len(members[q]):
            p, q = q, p
        between[p][q] += 1
        between[q][p] += 1
        if between[p][q] < len(members[p]) * len(members[q]):
            continue
        for row in members[q]:
            group_of[row] = p
        members[p] += members.pop(q)
        del between[p][q]
        for other, count in between.pop(q).items():
            if other != p:
                between[p][other] += count
                between[other][p] += count
                del between[other][q]
    return sorted(sorted(rows) for rows in members.values() if len(rows) > 1)


def _unit(vectors: Float[np.ndarray, "n d"]) -> Float[torch.Tensor, "n d"]:
    return normalize(torch.from_numpy(np.ascontiguousarray(vectors, np.float64)), dim=1)


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
