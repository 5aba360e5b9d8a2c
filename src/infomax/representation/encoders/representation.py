"""Representation: what an encoder says of a batch. Encoder: input -> Representation, the seam of all of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

Grid = tuple[int, int]


@dataclass(frozen=True)
class Representation:
    """What an encoder says of a batch: p(z|x) = N(mean, exp(log_var)), and the features it was made from.

    Nothing in it is particular to images: an encoder of text has the words as positions and a grid of one row.

    local: the feature at each position, row by row of `grid`; those of `further_grids` follow, grid by grid.
    mean: of the code; log_var: of its posterior, None where the encoder is deterministic and the mean is the code.
    grid: (rows, columns) of the feature map; further_grids: of feature maps at other depths, where several take part.
    """

    local: Float[Tensor, "n positions c"]
    mean: Float[Tensor, "n d"]
    log_var: Float[Tensor, "n d"] | None
    grid: Grid
    further_grids: tuple[Grid, ...] = ()

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """A code z = mean + exp(log_var / 2) * noise (reparametrized; Kingma & Welling 2014, arXiv 1312.6114).

        The code of a deterministic encoder is the mean, and nothing is drawn.
        """
        if self.log_var is None:
            return self.mean
        mean = self.mean
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + torch.exp(self.log_var / 2) * noise

    def split(self, n: int) -> tuple["Representation", ...]:
        """The representations of each n rows in turn, as of several views that went through the encoder at once."""
        locals_, means = torch.split(self.local, n), torch.split(self.mean, n)
        log_vars = [None] * len(means) if self.log_var is None else torch.split(self.log_var, n)
        return tuple(
            Representation(*parts, self.grid, self.further_grids)
            for parts in zip(locals_, means, log_vars, strict=True)
        )

    def maps(self) -> tuple[Float[Tensor, "n h w c"], ...]:
        """The feature maps as they lie: that of `grid`, then those of `further_grids`."""
        grids = (self.grid, *self.further_grids)
        parts = torch.split(self.local, [rows * columns for rows, columns in grids], dim=1)
        return tuple(part.reshape(len(part), *grid, -1) for part, grid in zip(parts, grids, strict=True))


class Encoder(nn.Module, ABC):
    """forward(images) -> Representation. Images are (n, h, w, 3) of values 0..255, bytes or floats.

    channels: c, of the feature at a position. dim: d, of the code.
    """

    channels: int
    dim: int

    @abstractmethod
    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent a batch of images, channels last as they lie in a file."""

    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """Take from a sample of the collection what is no matter of gradients, before training. Most need nothing."""


class Code(nn.Module):
    """A summary of c numbers -> the code's mean and, of a stochastic encoder, log variance: a linear layer each.

    The deterministic code of as many dimensions is the summary itself: to turn it is the critics' affair, and what
    comes before their projection heads retrieves better than what comes later. All is computed in float32 or more under
    autocast too: the code is small and its exponential is not.
    """

    def __init__(self, channels: int, dim: int, *, stochastic: bool) -> None:
        super().__init__()
        itself = dim == channels and not stochastic
        self.mean = nn.Identity() if itself else nn.Linear(channels, dim)
        self.log_var = nn.Linear(channels, dim) if stochastic else None

    def forward(self, summary: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None]:
        """(mean, log_var), the latter None for a deterministic encoder."""
        with torch.autocast(summary.device.type, enabled=False):
            summary = summary.to(torch.promote_types(summary.dtype, torch.float32))
            return self.mean(summary), None if self.log_var is None else self.log_var(summary)


def planar(images: Num[Tensor, "n h w 3"], like: Tensor) -> Float[Tensor, "n 3 h w"]:
    """Images of values 0..255 as a network likes them: p / 64 - 2, in -2..2 and about unit variance, of like's dtype.

    The result has the shape of planes and the memory of the images: channels_last where they are contiguous.
    """
    return (images.to(like.dtype) / 64 - 2).permute(0, 3, 1, 2)


def positions(feature_map: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n positions c"], Grid]:
    """The feature at each position, row by row, and the grid they lie on."""
    rows, columns = feature_map.shape[2:]
    return feature_map.flatten(2).transpose(1, 2), (rows, columns)


def channels_last(module: nn.Module) -> None:
    """Lay the weights of all 2-D convolutions channels-last in memory: what oneDNN and cuDNN like."""
    for convolution in module.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = convolution.weight.data.to(memory_format=torch.channels_last)
