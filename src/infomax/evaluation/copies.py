"""Copies of images within a collection or between two: equal pixels, and near copies, saved or scaled again.

A near copy has nearly the same details as its original. Details are the pixels without the mean and the linear gradient
of each channel, for two skies that are mostly gradient are two images. How near is near depends on the collection:
handwritten digits resemble each other more than photographs do. So a pair counts when its correlation is far above that
of other pairs of the collection.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num, Shaped, UInt8

_SIDE = 16  # pixels along a side at which images are compared
_LEAST_CORRELATION = 0.95  # of the details of two near copies
_STRICTNESS = 8  # a near copy is this many times nearer to a correlation of 1 than other pairs of the collection
_SAMPLE, _QUANTILE = 1_000, 0.999  # images, and the quantile over their pairs, that say how alike other pairs are
_LEAST_CONTRAST = 4.0  # levels of 255; an image with less detail resembles every other blank image
_CONTRAST_RATIO, _BRIGHTNESS = 1.5, 60.0  # largest ratio of contrasts and difference of means (levels) of two copies
_DIRECTIONS = 64  # principal directions in which candidates are found
_BLOCK = 4_096  # images of a block of pairs

_Pixels = UInt8[np.ndarray, "n h w 3"]


def content_ids(*parts: Shaped[np.ndarray, "..."]) -> list[Int[np.ndarray, " _"]]:
    """Number the different rows of some arrays: equal rows have equal numbers.

    Args:
        *parts: Arrays of one row an image, of the same type and shape but for the number of rows.

    Returns:
        For each array the numbers of its rows, shape (n,).

    """
    numbers: dict[bytes, int] = {}
    return [np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in part], np.int64) for part in parts]


def near_copies(first: _Pixels, second: UInt8[np.ndarray, "m h w 3"] | None = None) -> Int[np.ndarray, "pairs 2"]:
    """Find the pairs of images that are copies of each other, up to encoding, scale and brightness.

    Args:
        first: _Pixels of some images, shape (n, h, w, 3).
        second: _Pixels of the images to compare them with; None to compare the first ones with each other.

    Returns:
        Rows of the first and of the second image of each pair, shape (pairs, 2). Within one collection each pair comes
        once. Equal images are pairs too, unless they have hardly any detail.

    """
    one = _Details(first)
    other = one if second is None else _Details(second)
    least = _threshold(one.directions)
    pairs = _candidates(one, other, least, within=second is None)
    found = np.concatenate([np.empty((0, 2), np.int64), *pairs])
    kept: Int[np.ndarray, "kept 2"] = found[_are_copies(one, other, found, least)]
    return kept


class _Details:
    """Details of images at a small size: their directions as unit vectors, contrasts and means."""

    def __init__(self, pixels: _Pixels) -> None:
        side = min(_SIDE, *pixels.shape[1:3])
        parts = [_small(pixels[start : start + _BLOCK], side) for start in range(0, len(pixels), _BLOCK)]
        values = torch.cat(parts)  # (n, 3, side^2)
        along = torch.linspace(-1, 1, side)
        planes = torch.stack([torch.ones(side, side), along.expand(side, side), along[:, None].expand(side, side)])
        planes = torch.nn.functional.normalize(planes.reshape(3, -1))  # the three planes are orthogonal
        details = (values - values @ planes.T @ planes).flatten(1)
        self.means = values.mean(2)
        self.contrasts = details.square().mean(1).sqrt()
        self.directions = torch.nn.functional.normalize(details)
        self.clear = self.contrasts >= _LEAST_CONTRAST

    def projected(self, basis: Float[torch.Tensor, "d k"]) -> Float[torch.Tensor, "n k+1"]:
        """Coordinates in a basis, and minus half their squared length."""
        inside = self.directions @ basis
        return torch.cat([inside, -inside.square().sum(1, keepdim=True) / 2], 1)


def _small(pixels: _Pixels, side: int) -> Float[torch.Tensor, "n 3 pixels"]:
    """Images averaged over areas to a small size."""
    planes = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float()
    return torch.nn.functional.adaptive_avg_pool2d(planes, side).flatten(2)


def _threshold(directions: Float[torch.Tensor, "n d"]) -> float:
    """Least correlation of two near copies in a collection like this one."""
    sample = directions[:: max(1, len(directions) // _SAMPLE)][:_SAMPLE]
    products = (sample @ sample.T)[tuple(torch.triu_indices(len(sample), len(sample), 1))]
    others = products[products < _LEAST_CORRELATION].numpy()
    usual = float(np.quantile(others, _QUANTILE, method="lower")) if len(others) else 0.0
    return max(_LEAST_CORRELATION, 1 - (1 - usual) / _STRICTNESS)


def _candidates(one: _Details, other: _Details, least: float, *, within: bool) -> Iterator[Int[np.ndarray, "pairs 2"]]:
    """Pairs that may be near enough, a block at a time: a projection never takes two vectors farther apart."""
    sample = one.directions[:: max(1, len(one.directions) // _SAMPLE)]
    basis = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -_DIRECTIONS:]
    a, b = one.projected(basis), other.projected(basis)
    a = torch.cat([a, torch.ones(len(a), 1)], 1)
    b = torch.cat([b[:, :-1], torch.ones(len(b), 1), b[:, -1:]], 1)
    enough = least - 1 - 1e-4  # of minus half a squared distance, with room for rounding
    rows, columns = one.clear.nonzero()[:, 0], other.clear.nonzero()[:, 0]
    for some in torch.split(rows, _BLOCK):
        for others in torch.split(columns, _BLOCK):
            if not len(some) or not len(others) or (within and others[-1] <= some[0]):
                continue
            places = (a[some] @ b[others].T >= enough).nonzero()
            pairs = torch.stack([some[places[:, 0]], others[places[:, 1]]], 1)
            yield (pairs[pairs[:, 0] < pairs[:, 1]] if within else pairs).numpy()


def _are_copies(
    one: _Details, other: _Details, pairs: Int[np.ndarray, "pairs 2"], least: float
) -> Bool[np.ndarray, " pairs"]:
    """Which candidates are near copies."""
    kept = [np.zeros(0, np.bool_)]
    for a, b in (torch.from_numpy(pairs[start : start + _BLOCK].T) for start in range(0, len(pairs), _BLOCK)):
        alike = (one.directions[a] * other.directions[b]).sum(1) >= least
        ratio = one.contrasts[a] / other.contrasts[b]
        alike &= (ratio <= _CONTRAST_RATIO) & (ratio >= 1 / _CONTRAST_RATIO)
        alike &= (one.means[a] - other.means[b]).abs().amax(1) <= _BRIGHTNESS
        kept.append(alike.numpy())
    return np.concatenate(kept)


def copy_groups(ids: Int[np.ndarray, " n"], pairs: Num[np.ndarray, "pairs 2"]) -> Int[np.ndarray, " n"]:
    """Number the groups of images that are linked by equal content or by near copies, directly or through others.

    Args:
        ids: Number of the content of each image, shape (n,); see `content_ids`.
        pairs: Rows of near copies, shape (pairs, 2).

    Returns:
        Number of the group of each image, shape (n,), from 0.

    Example:
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
