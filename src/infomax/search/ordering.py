"""Orders in which a collection can be looked through, beside that of its paths."""

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from infomax.search.stores.store import Filter, Store

Order = Literal["path", "date", "likeness", "random"]
"""Path: as a file manager has it. Date: newest first. Likeness: along a walk on the map. Random: by a seed."""

WALK_LEVELS = 10
"""Levels of the curve along which the map is walked: cells of a thousandth of its side."""

ROWS_AT_ONCE = 100_000


def ordered_ids(
    store: Store, order: Order, where: Filter, *, seed: int = 0, places: Mapping[str, int] | None = None
) -> list[str]:
    """List images in an order.

    Args:
        store: The rows.
        order: The order.
        where: Which images count.
        seed: Seed of the random order.
        places: For the order by likeness, the place of each id on the walk.

    Returns:
        Ids of all images that count.

    """
    rows: list[tuple[str, str | None, float | None]] = []
    columns = ["id", "taken", "mtime"]
    while len(part := store.page(len(rows), ROWS_AT_ONCE, columns, where)):
        rows += zip(*(part.column(name).to_pylist() for name in columns), strict=True)
    if order == "random":
        rows.sort(key=lambda row: blake2b(f"{seed}:{row[0]}".encode(), digest_size=8).digest())
    elif order == "date":
        rows.sort(key=lambda row: _time(*row[1:]), reverse=True)
    elif order == "likeness":
        known = places or {}
        rows.sort(key=lambda row: known.get(row[0], len(known)))
    return [row[0] for row in rows]


def _time(taken: str | None, mtime: float | None) -> str:
    """When an image was taken, else when its file was changed, as ISO 8601."""
    if taken is not None or mtime is None:
        return taken or ""
    return datetime.fromtimestamp(mtime, UTC).isoformat()[:19]


def walk(positions: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Order points of the unit square along a Hilbert curve, so that neighbors on the walk are neighbors on the map.

    Args:
        positions: Points in 0..1, shape (n, 2).

    Returns:
        The rows in the order of the walk, shape (n,).

    Examples:
        >>> walk(np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]])).tolist()
        [0, 2, 3, 1]

    """
    side = 1 << WALK_LEVELS
    x, y = np.clip((positions * side).astype(np.int64), 0, side - 1).T
    length = np.zeros(len(positions), np.int64)
    half = side >> 1
    while half:
        right, upper = (x & half) > 0, (y & half) > 0
        length += half * half * ((3 * right) ^ upper)
        flipped = right & ~upper
        x, y = np.where(flipped, side - 1 - x, x), np.where(flipped, side - 1 - y, y)
        x, y = np.where(upper, x, y), np.where(upper, y, x)
        half >>= 1
    return np.argsort(length, kind="stable")
