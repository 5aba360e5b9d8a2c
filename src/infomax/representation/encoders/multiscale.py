"""A convolutional encoder with feature maps at several depths."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import gelu

from infomax.representation.encoders.representation import (
    CodeHead,
    Encoder,
    Representation,
    flatten_positions,
    standardize_pixels,
    use_channels_last,
)

_CHANNELS = 256


@final
class MultiscaleEncoder(Encoder):
    """Convolutional stages that halve the image. The last `scales` stages give the positions and the code.

    A 1x1 convolution brings every feature map to the same number of channels. This is a feature pyramid (Lin et al.
    2016, arXiv 1612.03144) without its top-down path. A fine position covers a small part of the image and a coarse
    position a large part; the objective asks what the code knows of both. The fine positions come first. The
    mean positions of the maps, concatenated, make the code.

    Args:
        widths: Channels of the stages. Each stage halves the image; 32 px and three stages end at 4x4.
        scales: How many of the last stages give positions.
        channels: c, the channels of the feature at each position.
        dim: d, the dimensions of the code.
        stochastic: Whether the code has a variance.

    Raises:
        ValueError: If `scales` is below 1 or above the number of stages.

    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256),
        scales: int = 2,
        channels: int = _CHANNELS,
        dim: int = 256,
        *,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= scales <= len(widths):
            raise ValueError(f"scales is {scales}: use 1 to {len(widths)}, the number of stages")
        self.channels, self.dim = self.channels_of(channels), dim
        self.stages = nn.ModuleList(_Stage(a, b) for a, b in pairwise([3, *widths]))
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths[-scales:])
        self.code = CodeHead(scales * channels, dim, stochastic=stochastic)
        use_channels_last(self)

    @staticmethod
    def channels_of(channels: int = _CHANNELS) -> int:
        """Return the channels of the feature map of an encoder with these settings, without building it.

        Args:
            channels: As for the class.

        Returns:
            c, the channels of the feature at each position.

        """
        return channels

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images with values 0..255."""
        x, maps = standardize_pixels(images, next(self.parameters())), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        last_maps = maps[-len(self.lateral) :]
        locals_, grids = zip(
            *(flatten_positions(lateral(each)) for lateral, each in zip(self.lateral, last_maps, strict=True)),
            strict=True,
        )
        mean, log_var = self.code(torch.cat([each.mean(1) for each in locals_], 1))
        return Representation(torch.cat(locals_, 1), mean, log_var, grids[0], grids[1:])


@final
class _Stage(nn.Module):
    """Two convolutions with max-pooling by 2 after the first."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.refine = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm, self.norm2 = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        x = gelu(self.norm(self.pool(self.widen(x))))
        return gelu(self.norm2(self.refine(x)))
