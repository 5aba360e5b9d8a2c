"""The interface of all encoders, and the parts that several of them share."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

Grid = tuple[int, int]
"""(rows, columns) of a feature map."""


@dataclass(frozen=True)
class Representation:
    """The output of an encoder for a batch: the posterior p(z|x) = N(mean, exp(log_var)) and the feature maps.

    Nothing here is specific to images: an encoder of text has the words as positions and a grid of one row.

    Attributes:
        local: The feature at each position, row by row of `grid`. The positions of `further_grids` follow, grid by
            grid.
        mean: The mean of the code.
        log_var: The log variance of the code. None if the encoder is deterministic and the mean is the code.
        grid: (rows, columns) of the feature map.
        further_grids: Grids of feature maps at other depths, for an encoder with several.
        rows: Which inputs of the collection these are, for objectives that know something of each input; None where
            nobody said.

    """

    local: Float[Tensor, "n positions c"]
    mean: Float[Tensor, "n d"]
    log_var: Float[Tensor, "n d"] | None
    grid: Grid
    further_grids: tuple[Grid, ...] = ()
    rows: Int[Tensor, " n"] | None = None

    def sample(self, generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Draw a code z = mean + exp(log_var / 2) * noise (reparametrized; Kingma & Welling 2014, arXiv 1312.6114).

        The code of a deterministic encoder is its mean, and nothing is drawn.

        Args:
            generator: Draws the noise; None uses PyTorch's global random state.

        Returns:
            One code for each input.

        """
        if self.log_var is None:
            return self.mean
        mean = self.mean
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + torch.exp(self.log_var / 2) * noise

    def split(self, n: int) -> tuple["Representation", ...]:
        """Split the batch, for example into views that went through the encoder together.

        Args:
            n: Inputs in each part.

        Returns:
            The representations of the first n inputs, of the next n inputs, and so on.

        """
        locals_, means = torch.split(self.local, n), torch.split(self.mean, n)
        log_vars = [None] * len(means) if self.log_var is None else torch.split(self.log_var, n)
        rows = [None] * len(means) if self.rows is None else torch.split(self.rows, n)
        return tuple(
            Representation(local, mean, log_var, self.grid, self.further_grids, these)
            for local, mean, log_var, these in zip(locals_, means, log_vars, rows, strict=True)
        )

    def maps(self) -> tuple[Float[Tensor, "n h w c"], ...]:
        """Return the feature maps with their rows and columns: first that of `grid`, then those of `further_grids`."""
        grids = (self.grid, *self.further_grids)
        parts = torch.split(self.local, [rows * columns for rows, columns in grids], dim=1)
        return tuple(part.reshape(len(part), *grid, -1) for part, grid in zip(parts, grids, strict=True))


class Encoder(nn.Module, ABC):
    """Base class of image encoders: `forward(images)` returns a `Representation`.

    Images are (n, h, w, 3) with values 0..255, as bytes or floats. Every encoder whose settings determine its channels
    has a static method `channels_of`, which computes them without building the network.

    Attributes:
        channels: c, the channels of the feature at each position.
        dim: d, the dimensions of the code.

    """

    channels: int
    dim: int

    @abstractmethod
    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent a batch of images. Channels are the last axis, as in image files."""

    def exportable(self) -> nn.Module:
        """Make a module that maps images (n, h, w, 3) of values 0..255 to codes (n, d), for `infomax.export`.

        It computes in float32 and shares the weights. All that depends on the data has been decided in it, so that
        `torch.export` can follow it.
        """
        return _CodeAlone(self)

    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """Fit the parts that are computed from data rather than learned by gradients. Most encoders have none.

        Call this method once, before training.

        Args:
            images: A sample of the collection, with values 0..255.

        """


@final
class _CodeAlone(nn.Module):
    """An encoder that returns its code and nothing else."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Tensor:
        representation: Representation = self.encoder(images)
        return representation.mean


class CodeHead(nn.Module):
    """Map a summary of the image to the mean and the log variance of the code, each by a linear layer.

    A deterministic code with as many dimensions as the summary has channels is the summary itself. The critics can
    rotate it, and the features before their projection heads retrieve better than those after. Under autocast too, the
    layers compute in float32 or more: the code is small, and its exponential is large.

    Args:
        channels: Channels of the summary.
        dim: d, the dimensions of the code.
        stochastic: Whether the code has a variance.

    """

    def __init__(self, channels: int, dim: int, *, stochastic: bool) -> None:
        super().__init__()
        is_identity = dim == channels and not stochastic
        self.mean = nn.Identity() if is_identity else nn.Linear(channels, dim)
        self.log_var = nn.Linear(channels, dim) if stochastic else None

    def forward(self, summary: Float[Tensor, "n c"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"] | None]:
        """Return (mean, log_var). The log variance of a deterministic code is None."""
        with torch.autocast(summary.device.type, enabled=False):
            summary = summary.to(torch.promote_types(summary.dtype, torch.float32))
            return self.mean(summary), None if self.log_var is None else self.log_var(summary)


def standardize_pixels(images: Num[Tensor, "n h w 3"], like: Tensor) -> Float[Tensor, "n 3 h w"]:
    """Scale pixels p in 0..255 to p / 64 - 2, which lies in -2..2 and has about unit variance.

    Args:
        images: Images with values 0..255, channels last.
        like: A tensor of the dtype of the result.

    Returns:
        The scaled images, channels first. If `images` is contiguous, their memory format is channels_last.

    """
    return (images.to(like.dtype) / 64 - 2).permute(0, 3, 1, 2)


def flatten_positions(feature_map: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n positions c"], Grid]:
    """Turn a feature map into a list of positions.

    Args:
        feature_map: Features with channels first, as convolutions return them.

    Returns:
        The feature at each position, row by row, and the grid of the positions.

    """
    rows, columns = feature_map.shape[2:]
    return feature_map.flatten(2).transpose(1, 2), (rows, columns)


def use_channels_last(module: nn.Module) -> None:
    """Store the weights of all 2-D convolutions in the channels_last format, which is faster in oneDNN and cuDNN.

    Args:
        module: The module to change in place.

    """
    for convolution in module.modules():
        if isinstance(convolution, nn.Conv2d):
            convolution.weight.data = convolution.weight.data.to(memory_format=torch.channels_last)
