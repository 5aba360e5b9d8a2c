"""A convolutional encoder whose feature maps of several depths all take part."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import gelu

from infomax.representation.encoders.representation import (
    Code,
    Encoder,
    Representation,
    channels_last,
    planar,
    positions,
)


@final
class _Stage(nn.Module):
    """Two convolutions and a max over 2x2."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.refine = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm, self.norm2 = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        x = gelu(self.norm(self.pool(self.widen(x))))
        return gelu(self.norm2(self.refine(x)))


@final
class MultiscaleEncoder(Encoder):
    """Stages that halve, of which the last `scales` give positions, fine ones first, and together the code.

    Every map goes through a 1x1 convolution to one number of channels, as in feature pyramids (Lin et al. 2016, arXiv
    1612.03144), without the way back down: a fine position sees little of the image, a coarse one much, and the
    objective asks both what the code should know of them. The code comes from each map's mean position, concatenated.

    Args:
        widths: channels of the stages, of which each halves; 32 px and three stages end at 4x4.
        scales: how many of the last stages take part.
        channels: c, of the feature at every position.
        dim: d, the dimensions of the code.
        stochastic: whether the code has a variance.

    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256),
        scales: int = 2,
        channels: int = 256,
        dim: int = 256,
        *,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= scales <= len(widths):
            raise ValueError(f"scales is {scales}: use 1 to {len(widths)}, the number of stages")
        self.channels, self.dim = channels, dim
        self.stages = nn.ModuleList(_Stage(a, b) for a, b in pairwise([3, *widths]))
        self.lateral = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in widths[-scales:])
        self.code = Code(scales * channels, dim, stochastic=stochastic)
        channels_last(self)

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255."""
        x, maps = planar(images, next(self.parameters())), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        taken = maps[-len(self.lateral) :]
        locals_, grids = zip(
            *(positions(lateral(each)) for lateral, each in zip(self.lateral, taken, strict=True)), strict=True
        )
        mean, log_var = self.code(torch.cat([each.mean(1) for each in locals_], 1))
        return Representation(torch.cat(locals_, 1), mean, log_var, grids[0], grids[1:])
