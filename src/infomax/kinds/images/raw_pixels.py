"""Raw pixels as features: the baseline of images."""

import numpy as np
from jaxtyping import Int8, UInt8
from PIL import Image

BASELINE_SIDE = 32  # pixels


def raw_pixels(pixels: UInt8[np.ndarray, "n h w 3"]) -> Int8[np.ndarray, "n values"]:
    """Pixels as features: a baseline. With gray at the origin, a cosine sees more than brightness.

    Larger images are reduced to BASELINE_SIDE: finer pixels are no better baseline, and classifiers of them take long.

    Args:
        pixels: Square images, shape (n, side, side, 3), uint8.

    Returns:
        Vectors, shape (n, values).

    """
    if pixels.shape[1] > BASELINE_SIDE:
        pixels = np.stack([_smaller(image) for image in pixels])
    return (pixels.reshape(len(pixels), -1) ^ 128).view(np.int8)  # equals pixels - 128


def _smaller(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "side side 3"]:
    return np.asarray(Image.fromarray(image).resize((BASELINE_SIDE, BASELINE_SIDE), Image.Resampling.BOX))
