"""Propose pairs of miniatures that may be the same image: all pairs by two cheap tests, a block at a time.

The first test compares 8 x 8 gray pixels, with crops of either image against the whole of the other. The second one
compares 16 x 16 gray pixels after a squashing function, so that a white mark on a dark image counts little. Neither
looks at a model's vectors: a gray copy may be far from its original there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch.nn.functional import avg_pool2d, normalize

from infomax.copies.registration import sample

BLOCK_ROWS = 1024
"""Rows and columns of a block."""

WHOLE_OR_CROP = 0.9
"""Least correlation of 8 x 8 pixels of one image, or of a crop of it, with those of another image."""

SQUASHED = 0.82
"""Least correlation of 16 x 16 squashed pixels."""

CROPS = [
    (1.0, 0.0, 0.0),
    (0.95, 0.0, 0.0),
    (0.9, 0.0, 0.0),
    (0.82, 0.0, 0.0),
    *((0.93, x, y) for x in (-0.07, 0.07) for y in (-0.07, 0.07)),
]
"""Size and middle of each crop; a side reaches from -1 to 1."""

Pairs: TypeAlias = tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]


def gray(pixels: UInt8[np.ndarray, "n side side 3"]) -> Float[torch.Tensor, "n side side"]:
    """Convert images to gray.

    Args:
        pixels: Pixels, shape (n, side, side, 3).

    Returns:
        Luma in 0..255 (ITU-R BT.601), shape (n, side, side).

    """
    red, green, blue = torch.from_numpy(pixels).float().unbind(3)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def turn(pixels: UInt8[np.ndarray, "n side side c"], how: int) -> UInt8[np.ndarray, "n side side c"]:
    """Turn square images by a multiple of 90 degrees, and mirror them.

    Args:
        pixels: Pixels, shape (n, side, side, c).
        how: Number of quarter turns, 0..3, plus 4 to mirror left and right afterwards.

    Returns:
        The turned images.

    """
    turned = np.rot90(pixels, how % 4, axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if how >= 4 else turned)


@cache
def composed_turn(outer: int, inner: int) -> int:
    """Find the turn that does the same as two turns one after the other.

    Args:
        outer: Turn that comes last, see `turn`.
        inner: Turn that comes first.

    Returns:
        The turn, in 0..7.

    """
    corners = np.arange(4, dtype=np.uint8).reshape(1, 2, 2, 1)
    turned = turn(turn(corners, inner), outer)
    return next(how for how in range(8) if np.array_equal(turn(corners, how), turned))


def inverse_turn(how: int) -> int:
    """Find the turn that undoes another one.

    Args:
        how: A turn, see `turn`.

    Returns:
        The turn, in 0..7.

    """
    return next(back for back in range(8) if composed_turn(back, how) == 0)


def candidate_pairs(
    first: UInt8[np.ndarray, "n side side 3"], second: UInt8[np.ndarray, "n side side 3"]
) -> Iterator[Pairs]:
    """Find the pairs, row a of `first` and row b of `second` with a < b, that may show the same image.

    Args:
        first: Miniatures, shape (n, 32, 32, 3).
        second: The same miniatures, perhaps turned or mirrored.

    Yields:
        Rows a and rows b, some at a time.

    """
    one = _Descriptors.of(first)
    other = one if second is first else _Descriptors.of(second)
    for top in range(0, len(first), BLOCK_ROWS):
        rows = one.block(top)
        for left in range(top, len(first), BLOCK_ROWS):
            likely = _likely(rows, other.block(left))
            a, b = np.nonzero(np.triu(likely, 1) if top == left else likely)
            if len(a):
                yield a + top, b + left


@dataclass(frozen=True)
class _Descriptors:
    """Unit vectors of n images: of each crop at 8 x 8 pixels, and of the squashed image at 16 x 16."""

    crops: Float[torch.Tensor, "crops n 64"]
    squashed: Float[torch.Tensor, "n 256"]

    @classmethod
    def of(cls, pixels: UInt8[np.ndarray, "n side side 3"]) -> "_Descriptors":
        """Half precision is enough, and a block is computed in single precision."""
        crops = torch.zeros(len(CROPS), len(pixels), 64, dtype=torch.float16)
        squashed = torch.zeros(len(pixels), 256, dtype=torch.float16)
        for start in range(0, len(pixels), BLOCK_ROWS):
            image = gray(pixels[start : start + BLOCK_ROWS])
            for number, (size, x, y) in enumerate(CROPS):
                maps = torch.tensor([[size, 0.0, x], [0.0, size, y]]).repeat(len(image), 1, 1)
                crop = sample(image[:, None], maps)[0][:, 0]
                crops[number, start : start + BLOCK_ROWS] = _centered(_pooled(crop, 8)).half()
            levels = _pooled(image, 16)
            levels = levels - levels.median(1, keepdim=True)[0]
            spread = levels.abs().median(1, keepdim=True)[0].clamp(min=2)
            squashed[start : start + BLOCK_ROWS] = _centered(torch.tanh(levels / spread)).half()
        return cls(crops, squashed)

    def block(self, start: int) -> "_Descriptors":
        return _Descriptors(
            self.crops[:, start : start + BLOCK_ROWS].float(), self.squashed[start : start + BLOCK_ROWS].float()
        )


def _likely(one: _Descriptors, other: _Descriptors) -> Bool[np.ndarray, "m n"]:
    """Which pairs of a block pass one of the tests."""
    likely = one.squashed @ other.squashed.T >= SQUASHED
    for number in range(len(CROPS)):
        likely |= one.crops[number] @ other.crops[0].T >= WHOLE_OR_CROP
        if number:
            likely |= one.crops[0] @ other.crops[number].T >= WHOLE_OR_CROP
    return likely.numpy()


def _pooled(image: Float[torch.Tensor, "n side side"], side: int) -> Float[torch.Tensor, "n values"]:
    return avg_pool2d(image[:, None], image.shape[-1] // side)[:, 0].flatten(1)


def _centered(values: Float[torch.Tensor, "n values"]) -> Float[torch.Tensor, "n values"]:
    return normalize(values - values.mean(1, keepdim=True), dim=1)
