"""Groups of images that must be on one side of a split: those of equal content, and near copies."""

import numpy as np
from jaxtyping import Int, Num, Shaped


def content_ids(*parts: Shaped[np.ndarray, "..."]) -> list[Int[np.ndarray, " _"]]:
    """Number the different rows of some arrays: equal rows have equal numbers.

    Args:
        *parts: Arrays of one row an image, of the same type and shape but for the number of rows.

    Returns:
        For each array the numbers of its rows, shape (n,).

    """
    numbers: dict[bytes, int] = {}
    return [np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in part], np.int64) for part in parts]


def copy_groups(ids: Int[np.ndarray, " n"], pairs: Num[np.ndarray, "pairs 2"]) -> Int[np.ndarray, " n"]:
    """Number the groups of images that are linked by equal content or by near copies, directly or through others.

    Args:
        ids: Number of the content of each image, shape (n,); see `content_ids`.
        pairs: Rows of near copies, shape (pairs, 2).

    Returns:
        Number of the group of each image, shape (n,), from 0.

    Examples:
        >>> copy_groups(np.array([0, 1, 0, 2]), np.array([[1, 3]])).tolist()
        [0, 1, 0, 1]

    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    _, first, content = np.unique(ids, return_index=True, return_inverse=True)
    links = np.concatenate([np.stack([np.arange(len(ids)), first[content]], 1), pairs.astype(np.int64)])
    graph = csr_array((np.ones(len(links)), (links[:, 0], links[:, 1])), (len(ids), len(ids)))
    groups: Int[np.ndarray, " n"] = connected_components(graph, directed=False)[1].astype(np.int64)
    return groups
