"""Compare images at a glance, for a model may find two images near that a person would not.

Images that are near at a glance differ by little, compared to the detail that they show at 16 x 16 pixels. Detail is
what remains of a channel without its mean and its linear gradient. So two skies or seas, which are mostly gradient,
look the same only with the same ship. The bounds were set by eye on CIFAR-10, which holds some images twice.

`near_copies` finds such pairs among images of any size, also very small ones. How near is near depends on the
collection: handwritten digits resemble each other more than photographs do. So there a pair counts when its correlation
is far above that of other pairs of the collection.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

DIFFERENCE = 0.14
"""Largest mean squared difference of the details, divided by the product of both contrasts: a correlation of 0.93."""

NOISE_LEVELS = 2.0
"""Root mean square difference, in levels of 255, that is allowed for images without detail too."""

BRIGHTNESS = 60.0
"""Largest difference of the means of a channel, in levels of 255."""

CONTRAST = 1.5
"""Largest ratio of the contrasts of two copies."""

LEAST_CORRELATION = 0.95
"""Least correlation of the details of two near copies in any collection."""

STRICTNESS = 8
"""A near copy is this many times nearer to a correlation of 1 than other pairs of the collection."""

LEAST_CONTRAST = 4.0
"""Levels of 255; an image with less detail resembles every other blank image."""

_SIDE = 16  # pixels along a side at which images of a collection are compared
_SAMPLE, _QUANTILE = 1_000, 0.999  # images, and the quantile over their pairs, that say how alike other pairs are
_DIRECTIONS = 64  # principal directions in which candidates are found
_BLOCK = 4_096  # images of a block of pairs

_Pixels = UInt8[np.ndarray, "n h w 3"]


class ImageComparer:
    """Compares images by their miniatures at 16 x 16 pixels.

    Args:
        pixels: Miniatures of all images, shape (n, side, side, 3), with an even side.
        blank: Images that are like no other, shape (n,).

    """

    def __init__(self, pixels: UInt8[np.ndarray, "n side side 3"], blank: Bool[np.ndarray, " n"]) -> None:
        self._pixels = pixels
        self._blank = blank

    def same(self, a: Int[np.ndarray, " m"], b: Int[np.ndarray, " n"]) -> Bool[np.ndarray, "m n"]:
        """Compare each of some images with each of some others.

        Args:
            a: Rows of the first images, shape (m,).
            b: Rows of the second images, shape (n,).

        Returns:
            Which pairs look the same, shape (m, n).

        """
        same: Bool[np.ndarray, "m n"] = is_near_duplicate(halved(self._pixels[a]), halved(self._pixels[b]))
        same &= ~(self._blank[a][:, None] | self._blank[b])
        return same


def halved(pixels: UInt8[np.ndarray, "n side side 3"]) -> UInt8[np.ndarray, "n half half 3"]:
    """Reduce images to half their sides.

    Args:
        pixels: Pixels, shape (n, side, side, 3), with an even side.

    Returns:
        Means over 2 x 2 pixels, shape (n, side / 2, side / 2, 3).

    """
    n, side = pixels.shape[:2]
    parts = pixels.reshape(n, side // 2, 2, side // 2, 2, 3)
    reduced: UInt8[np.ndarray, "n half half 3"] = parts.mean((2, 4), dtype=np.float32).round().astype(np.uint8)
    return reduced


def is_near_duplicate(
    a: UInt8[np.ndarray, "m side side 3"], b: UInt8[np.ndarray, "n side side 3"]
) -> Bool[np.ndarray, "m n"]:
    """Compare each of some small images with each of some others.

    The contrasts of a pair are first made equal, as far as CONTRAST allows, by changing each half of the way. So the
    result does not depend on the order of the pair.

    Args:
        a: Pixels of the first images, shape (m, side, side, 3).
        b: Pixels of the second images, shape (n, side, side, 3).

    Returns:
        Which pairs look the same, shape (m, n).

    """
    means, details = _remove_gradient(_channels(a))
    other_means, other_details = _remove_gradient(_channels(b))
    contrasts, other_contrasts = _contrasts(details)[:, None], _contrasts(other_details)
    gain = (other_contrasts / contrasts).clamp(1 / CONTRAST, CONTRAST)
    products = details @ other_details.T / details.shape[1]
    different = gain * contrasts.square() + other_contrasts.square() / gain - 2 * products
    bound = (DIFFERENCE * contrasts * other_contrasts).clamp(min=NOISE_LEVELS**2)
    shifts = torch.cdist(means, other_means, p=torch.inf)
    same: Bool[np.ndarray, "m n"] = ((different <= bound) & (shifts <= BRIGHTNESS)).numpy()
    return same


def _channels(images: UInt8[np.ndarray, "n side side 3"]) -> Float[torch.Tensor, "n 3 pixels"]:
    return torch.from_numpy(images).float().flatten(1, 2).mT


def _remove_gradient(
    values: Float[torch.Tensor, "n 3 pixels"],
) -> tuple[Float[torch.Tensor, "n 3"], Float[torch.Tensor, "n values"]]:
    """The mean of each channel, and the pixels of square images without the mean and the gradient of their channel."""
    side = round(values.shape[2] ** 0.5)
    along = torch.linspace(-1, 1, side)
    planes = torch.stack([torch.ones(side, side), along.expand(side, side), along[:, None].expand(side, side)])
    planes = torch.nn.functional.normalize(planes.reshape(3, -1))  # the three planes are orthogonal
    details = values - values @ planes.T @ planes
    return values.mean(2), details.flatten(1)


def _contrasts(details: Float[torch.Tensor, "n values"]) -> Float[torch.Tensor, " n"]:
    """Standard deviations in levels of 255; positive for images without detail too, which the gain is divided by."""
    return details.square().mean(1).sqrt().clamp(min=1e-3)


def near_copies(first: _Pixels, second: UInt8[np.ndarray, "m h w 3"] | None = None) -> Int[np.ndarray, "pairs 2"]:
    """Find the pairs of images that are copies of each other, up to encoding, scale and brightness.

    Args:
        first: Pixels of some images, shape (n, h, w, 3).
        second: Pixels of the images to compare them with; None to compare the first ones with each other.

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
        self.means, details = _remove_gradient(torch.cat(parts))
        self.contrasts = details.square().mean(1).sqrt()
        self.directions = torch.nn.functional.normalize(details)
        self.clear = self.contrasts >= LEAST_CONTRAST

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
    others = products[products < LEAST_CORRELATION].numpy()
    usual = float(np.quantile(others, _QUANTILE, method="lower")) if len(others) else 0.0
    return max(LEAST_CORRELATION, 1 - (1 - usual) / STRICTNESS)


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
        alike &= (ratio <= CONTRAST) & (ratio >= 1 / CONTRAST)
        alike &= (one.means[a] - other.means[b]).abs().amax(1) <= BRIGHTNESS
        kept.append(alike.numpy())
    return np.concatenate(kept)
