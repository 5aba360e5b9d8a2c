"""The article's encoder."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Num
from torch import Tensor, nn

from infomax.representation.encoders.representation import Encoder, Representation, channels_last, positions


@final
class ConvolutionalEncoder(Encoder):
    """The article's encoder: blocks that halve the image make the feature map C(x); two more and a max make the code.

    Block: convolution 3x3, batch norm, LeakyReLU 0.2 and, in the feature map, max-pooling by 2. Pooling comes before
    the activation here: LeakyReLU is increasing, so both orders are one function, and this one activates a quarter.

    Args:
        size: side of the square input, in pixels; a multiple of 2 ** len(blocks).
        blocks: channels of the blocks that halve; the last is that of the feature map.
        dim: d, the dimensions of the code.
        scale, shift: a pixel p in 0..255 enters as p * scale + shift.

    """

    def __init__(
        self, size: int, blocks: Sequence[int], dim: int = 256, scale: float = 1 / 255, shift: float = -0.5
    ) -> None:
        super().__init__()
        if size % 2 ** len(blocks):
            raise ValueError(f"size {size} cannot be halved {len(blocks)} times: use a multiple of {2 ** len(blocks)}")
        self.size, self.scale, self.shift = size, scale, shift
        self.channels, self.dim = blocks[-1], dim
        self.grid = (size // 2 ** len(blocks),) * 2
        widths = [3, *blocks]
        self.low = nn.Sequential(*(_block(a, b, pool=True) for a, b in pairwise(widths)))
        self.high = nn.Sequential(*(_block(self.channels, self.channels, pool=False) for _ in range(2)))
        self.mean = nn.Linear(self.channels, dim)
        self.log_var = nn.Linear(self.channels, dim)
        channels_last(self)  # as the images come

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255, channels last as they lie in a file; smaller views than `size` too."""
        x = images.to(self.mean.weight.dtype) * self.scale + self.shift
        feature_map: Tensor = self.low(x.permute(0, 3, 1, 2))  # a view: the memory is channels_last already
        summary: Tensor = self.high(feature_map).amax((2, 3))
        with torch.autocast(x.device.type, enabled=False):  # the code is small and its exponential is not
            summary = summary.to(self.mean.weight.dtype)
            mean, log_var = self.mean(summary), self.log_var(summary)
        local, grid = positions(feature_map)
        return Representation(local, mean, log_var, grid)


def _block(c_in: int, c_out: int, *, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))
