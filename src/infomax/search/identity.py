"""Which paths lead to one and the same file: links, hard links, bind mounts, a folder reached in two ways."""

import os
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt64

from infomax.search.presence import container_of, file_key, native


def identities(paths: Sequence[str]) -> UInt64[np.ndarray, "n 3"]:
    """Find out which image each path leads to.

    Args:
        paths: Paths of rows.

    Returns:
        Device, inode, and for an image in a file of many its row plus 1, shape (n, 3): equal for paths that lead to the
        same image. Zeros where there is no file.

    """
    keys = np.zeros((len(paths), 3), np.uint64)
    containers: dict[str, tuple[int, int] | None] = {}
    for place, path in enumerate(paths):
        container, row = container_of(path), 0
        if container == path:
            key = file_key(path)
        else:
            if container not in containers:
                containers[container] = file_key(container)
            key, row = containers[container], int(path[len(container) + 1 :]) + 1
        if key is not None:
            keys[place] = (*key, row)
    return keys


def repeats(paths: Sequence[str], keys: UInt64[np.ndarray, "n 3"]) -> dict[int, int]:
    """Find the paths that lead to the same image as a better path of the same list.

    Args:
        paths: Paths of rows.
        keys: Their identities, shape (n, 3).

    Returns:
        Position of each path that is not the best of its image, and the position of the best.

    """
    order = np.lexsort(keys.T[::-1])
    order = order[keys[order, 1] > 0]
    starts = np.flatnonzero(np.r_[True, (np.diff(keys[order].astype(np.int64), axis=0) != 0).any(1)])
    found: dict[int, int] = {}
    for start, stop in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        if stop - start > 1:
            same = order[start:stop].tolist()
            best = min(same, key=lambda place: preference(paths[place]))
            found |= {place: best for place in same if place != best}
    return found


def preference(path: str) -> tuple[bool, bytes]:
    """Return the key by which the best of the paths to one file is chosen; it does not depend on what was listed.

    Args:
        path: Path of a row.

    Returns:
        A key: a real path before one that leads through a link, then in the order of the bytes.

    """
    file = native(container_of(path))
    return os.path.realpath(file) != file, path.encode()
