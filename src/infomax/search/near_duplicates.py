"""Whether images look the same, by their own pixels: a model may take two for one that nobody else would.

A copy that was encoded again, scaled, brightened, colored, or trimmed by a little differs by little from its image
beside what that shows. Of each channel that is what is left without its mean and slope: skies and seas, which have
little else, look the same only with the same ship. The bounds were set by eye on CIFAR-10, which holds images twice.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from infomax.devices import cores
from infomax.search.thumbnails import SMALLEST, smallest

DIFFERENCE = 0.14
"""The most that may differ: mean squared difference by the product of both contrasts; a correlation of 0.93."""

NOISE = 2.0
"""Levels of 255 that may differ (root mean square), however little an image shows."""

BRIGHTNESS = 60.0
"""Levels of 255 that the mean of a channel may be off."""

CONTRAST = 1.5
"""How many times the contrast of the other a copy may have."""

READ_AT_ONCE = 500


class ImageComparer:
    """Images at their smallest, each read from its thumbnail when it is first compared.

    thumbnails: gives those of some ids, as `Index.thumbnails`; an image without one looks like no other.
    """

    def __init__(self, ids: Sequence[str], thumbnails: Callable[[Sequence[str]], dict[str, bytes]]) -> None:
        self._ids = ids
        self._thumbnails = thumbnails
        self._pixels = np.zeros((len(ids), SMALLEST, SMALLEST, 3), np.uint8)
        self._asked = np.zeros(len(ids), np.bool_)
        self._there = np.zeros(len(ids), np.bool_)

    def same(self, a: Int[np.ndarray, " m"], b: Int[np.ndarray, " n"]) -> Bool[np.ndarray, "m n"]:
        """Which of the images `a` look like which of the images `b`; all are given by their places."""
        self._read(np.union1d(a, b))
        same: Bool[np.ndarray, "m n"] = is_near_duplicate(self._pixels[a], self._pixels[b])
        same &= self._there[a][:, None] & self._there[b]
        return same

    def _read(self, rows: Int[np.ndarray, " k"]) -> None:
        todo = rows[~self._asked[rows]].tolist()
        with ThreadPoolExecutor(cores()) as pool:
            for start in range(0, len(todo), READ_AT_ONCE):
                part = todo[start : start + READ_AT_ONCE]
                found = self._thumbnails([self._ids[row] for row in part])
                there = [row for row in part if self._ids[row] in found]
                if there:
                    contents = [found[self._ids[row]] for row in there]
                    self._pixels[there] = list(pool.map(smallest, contents))
                    self._there[there] = True
        self._asked[todo] = True


def is_near_duplicate(
    a: UInt8[np.ndarray, "m side side 3"], b: UInt8[np.ndarray, "n side side 3"]
) -> Bool[np.ndarray, "m n"]:
    """Which of some images look like which others.

    The contrast of both is made the same, as far as CONTRAST allows, by changing each half of the way: so what differs
    then does not depend on which comes first.
    """
    means, details = remove_gradient(a)
    other_means, other_details = remove_gradient(b)
    contrasts, other_contrasts = contrasts_of(details)[:, None], contrasts_of(other_details)
    gain = (other_contrasts / contrasts).clamp(1 / CONTRAST, CONTRAST)
    products = details @ other_details.T / details.shape[1]
    different = gain * contrasts.square() + other_contrasts.square() / gain - 2 * products
    bound = (DIFFERENCE * contrasts * other_contrasts).clamp(min=NOISE**2)
    shifts = torch.cdist(means, other_means, p=torch.inf)
    same: Bool[np.ndarray, "m n"] = ((different <= bound) & (shifts <= BRIGHTNESS)).numpy()
    return same


def remove_gradient(
    images: UInt8[np.ndarray, "n side side 3"],
) -> tuple[Float[torch.Tensor, "n 3"], Float[torch.Tensor, "n values"]]:
    """The mean of each channel, and what is left of the pixels without that and without the channel's slope."""
    count, side, _, _ = images.shape
    along = torch.linspace(-1, 1, side)
    planes = torch.stack([torch.ones(side, side), along.expand(side, side), along[:, None].expand(side, side)])
    planes = torch.nn.functional.normalize(planes.reshape(3, -1))  # they are at right angles to each other
    values = torch.from_numpy(images).float().reshape(count, side * side, 3).mT
    details = values - values @ planes.T @ planes
    return values.mean(2), details.reshape(count, -1)


def contrasts_of(details: Float[torch.Tensor, "n values"]) -> Float[torch.Tensor, " n"]:
    """Standard deviations in levels of 255, above 0 also where there is nothing to see."""
    return details.square().mean(1).sqrt().clamp(min=1e-3)
