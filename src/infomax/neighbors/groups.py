"""Groups of vectors that lie close together: exact, in blocks, so that no n-by-n matrix is ever held."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch.nn.functional import normalize

ROWS = 2048
"""Rows and columns of a block."""

ROUNDING = 1e-4
"""How far a product in float32 may be from its value: candidates are taken so much below the threshold."""


Same = Callable[[Int[np.ndarray, " m"], Int[np.ndarray, " n"]], Bool[np.ndarray, "m n"]]
"""Says of the pairs of some rows and some others which of them count."""


@dataclass(frozen=True)
class LinkedRows:
    """Rows that belong together, increasing; `weakest` is the least similarity that was needed to link them."""

    rows: list[int]
    weakest: float


def groups_above(vectors: Float[np.ndarray, "n d"], threshold: float, same: Same | None = None) -> list[LinkedRows]:
    """The groups of two or more that pairs of cosine >= threshold link, directly or through others.

    same: which of those pairs count; it is asked of no others.

    A vector of zeros has no direction; its cosine with any other is taken as 0. Links are joined strongest first within
    a block, and `weakest` is the least cosine among a group's links that joined two parts of it.
    """
    x = normalize(torch.from_numpy(np.ascontiguousarray(vectors, np.float64)), dim=1)
    narrow = x.float()
    parent = np.arange(len(x))
    weakest = np.ones(len(x))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    for top in range(0, len(x), ROWS):
        for left in range(top, len(x), ROWS):
            products = narrow[top : top + ROWS] @ narrow[left : left + ROWS].T
            close = (products >= threshold - ROUNDING).numpy()
            if top == left:
                close = np.triu(close, 1)
            if not close.any():
                continue
            if same is not None:
                some, others = np.flatnonzero(close.any(1)), np.flatnonzero(close.any(0))
                close[np.ix_(some, others)] &= same(some + top, others + left)
            a, b = np.nonzero(close)
            a, b = a + top, b + left
            if not len(a):
                continue
            cosines = cosines_of(x, a, b)
            for pair in np.argsort(-cosines, kind="stable"):
                if cosines[pair] < threshold:
                    break
                one, other = root(int(a[pair])), root(int(b[pair]))
                if one != other:
                    parent[max(one, other)] = min(one, other)
                    weakest[min(one, other)] = min(weakest[one], weakest[other], cosines[pair])
    members: dict[int, list[int]] = {}
    for row in range(len(x)):
        members.setdefault(root(row), []).append(row)
    return [LinkedRows(rows, float(weakest[first])) for first, rows in members.items() if len(rows) > 1]


def cosines_of(
    x: torch.Tensor, a: np.ndarray[tuple[int], np.dtype[np.int64]], b: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Float[np.ndarray, " pairs"]:
    """Of pairs of rows of unit length (or zero), in float64, to 12 decimals: exactly 1 for equal ones."""
    pieces = []
    for start in range(0, len(a), ROWS):
        p, q = x[a[start : start + ROWS]], x[b[start : start + ROWS]]
        directed = p.any(1) & q.any(1)
        pieces.append(torch.where(directed, 1 - (p - q).square().sum(1) / 2, 0).numpy())
    return np.concatenate(pieces).round(12)
