"""The convolutional encoder of Su (2018)."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Num
from torch import Tensor, nn

from infomax.representation.encoders.representation import (
    Encoder,
    Representation,
    flatten_positions,
    use_channels_last,
)


@final
class ConvolutionalEncoder(Encoder):
    """The encoder of Su (2018), https://kexue.fm/archives/6024.

    Blocks that halve the image make the feature map C(x). Two more blocks and a maximum over positions make the code.
    A block is a 3x3 convolution, batch norm, LeakyReLU with slope 0.2 and, in the feature map, max-pooling by 2.
    Pooling comes before the activation here. LeakyReLU is increasing, so both orders compute the same function, and
    this order activates a quarter of the values.

    `forward` also takes views smaller than `size`.

    Args:
        size: Side of the square input, in pixels; a multiple of 2 ** len(blocks).
        blocks: Channels of the halving blocks. The last number is the channels of the feature map.
        dim: d, the dimensions of the code.
        scale: Factor on a pixel of 0..255. The input of the network is pixel * scale + shift.
        shift: Offset added to the scaled pixel.
        stochastic: Whether the code has a variance.

    Raises:
        ValueError: If `size` cannot be halved len(blocks) times.

    Examples:
        >>> import torch
        >>> from infomax.representation.encoders import ConvolutionalEncoder
        >>> _ = torch.manual_seed(0)
        >>> encoder = ConvolutionalEncoder(size=32, blocks=(4, 8, 16), dim=5)
        >>> representation = encoder(torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8))
        >>> representation.mean.shape  # (images, dimensions of the code)
        torch.Size([2, 5])
        >>> representation.local.shape  # (images, positions, channels)
        torch.Size([2, 16, 16])
        >>> representation.grid
        (4, 4)

    """

    def __init__(
        self,
        size: int,
        blocks: Sequence[int],
        dim: int = 256,
        scale: float = 1 / 255,
        shift: float = -0.5,
        *,
        stochastic: bool = True,
    ) -> None:
        super().__init__()
        if size % 2 ** len(blocks):
            raise ValueError(f"size {size} cannot be halved {len(blocks)} times: use a multiple of {2 ** len(blocks)}")
        self.size, self.scale, self.shift = size, scale, shift
        self.channels, self.dim = self.channels_of(blocks), dim
        self.grid = (size // 2 ** len(blocks),) * 2
        widths = [3, *blocks]
        self.low = nn.Sequential(*(_block(a, b, pool=True) for a, b in pairwise(widths)))
        self.high = nn.Sequential(*(_block(self.channels, self.channels, pool=False) for _ in range(2)))
        self.mean = nn.Linear(self.channels, dim)
        self.log_var = nn.Linear(self.channels, dim) if stochastic else None
        use_channels_last(self)  # the memory format of the images

    @staticmethod
    def channels_of(blocks: Sequence[int]) -> int:
        """Return the channels of the feature map of an encoder with these settings, without building it.

        Args:
            blocks: As for the class.

        Returns:
            c, the channels of the feature at each position.

        """
        return blocks[-1]

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images with values 0..255."""
        x = images.to(self.mean.weight.dtype) * self.scale + self.shift
        feature_map: Tensor = self.low(x.permute(0, 3, 1, 2))  # no copy: the memory is channels_last already
        summary: Tensor = self.high(feature_map).amax((2, 3))
        with torch.autocast(x.device.type, enabled=False):  # the code is small, and its exponential is large
            summary = summary.to(self.mean.weight.dtype)
            mean = self.mean(summary)
            log_var = None if self.log_var is None else self.log_var(summary)
        local, grid = flatten_positions(feature_map)
        return Representation(local, mean, log_var, grid)


def _block(c_in: int, c_out: int, *, pool: bool) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out)]
    if pool:
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.LeakyReLU(0.2))
