"""Images of which copies are made."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def scenes(n: int, side: int = 32, seed: int = 0) -> NDArray[np.uint8]:
    """Images (n, side, side, 3) of smooth random colors, each another one."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (n, 5, 5, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(each).resize((side, side), Image.Resampling.BICUBIC)) for each in coarse]
    )


def as_jpeg(pixels: NDArray[np.uint8], quality: int = 80) -> NDArray[np.uint8]:
    """The image as it comes back from a JPEG file."""
    content = BytesIO()
    Image.fromarray(pixels).save(content, "jpeg", quality=quality)
    return np.asarray(Image.open(content))


def scaled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image as it comes back from half its size."""
    image = Image.fromarray(pixels)
    half = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
    return np.asarray(half.resize(image.size, Image.Resampling.BICUBIC))


def brightened(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The image, a fifth brighter."""
    brighter: NDArray[np.uint8] = np.clip(pixels * 1.2, 0, 255).astype(np.uint8)
    return brighter
