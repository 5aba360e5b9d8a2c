"""Compare images at a glance, since a model may find two images near that a person would not.

Images that are near at a glance differ by little, compared to the detail that they show at 16 x 16 pixels. Detail is
what remains of a channel without its mean and its linear gradient. So two skies or seas, which are mostly gradient,
look the same only with the same ship. The bounds were set by eye on CIFAR-10, which holds some images twice.
"""

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
    means, details = _remove_gradient(a)
    other_means, other_details = _remove_gradient(b)
    contrasts, other_contrasts = _contrasts(details)[:, None], _contrasts(other_details)
    gain = (other_contrasts / contrasts).clamp(1 / CONTRAST, CONTRAST)
    products = details @ other_details.T / details.shape[1]
    different = gain * contrasts.square() + other_contrasts.square() / gain - 2 * products
    bound = (DIFFERENCE * contrasts * other_contrasts).clamp(min=NOISE_LEVELS**2)
    shifts = torch.cdist(means, other_means, p=torch.inf)
    same: Bool[np.ndarray, "m n"] = ((different <= bound) & (shifts <= BRIGHTNESS)).numpy()
    return same


def _remove_gradient(
    images: UInt8[np.ndarray, "n side side 3"],
) -> tuple[Float[torch.Tensor, "n 3"], Float[torch.Tensor, "n values"]]:
    """The mean of each channel, and the pixels without the mean and the linear gradient of their channel."""
    count, side, _, _ = images.shape
    along = torch.linspace(-1, 1, side)
    planes = torch.stack([torch.ones(side, side), along.expand(side, side), along[:, None].expand(side, side)])
    planes = torch.nn.functional.normalize(planes.reshape(3, -1))  # the three planes are orthogonal
    values = torch.from_numpy(images).float().reshape(count, side * side, 3).mT
    details = values - values @ planes.T @ planes
    return values.mean(2), details.reshape(count, -1)


def _contrasts(details: Float[torch.Tensor, "n values"]) -> Float[torch.Tensor, " n"]:
    """Standard deviations in levels of 255; positive for images without detail too, which the gain is divided by."""
    return details.square().mean(1).sqrt().clamp(min=1e-3)
