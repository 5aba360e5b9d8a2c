"""A fast convolutional encoder: frozen whitened patches, then a few wide convolutions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, unfold

from infomax.representation.encoders.representation import (
    CodeHead,
    Encoder,
    Representation,
    flatten_positions,
    standardize_pixels,
    use_channels_last,
)

_WIDTHS = (128, 256)
_MAX_FITTED = 5_000  # images; their million patches give the 48 x 48 covariances to three digits
_VARIANCE_FLOOR = 0.01  # added to each variance: for pixels of unit variance, a deviation of 0.1 is noise


@final
class WhitenedEncoder(Encoder):
    """Frozen whitened patches, then blocks of two convolutions that halve the image. The mean position makes the code.

    Two blocks give a 4x4 feature map for 32 px. Any side of 4 * 2 ** len(widths) pixels or more works, also an odd
    one. `prepare` fits the whitened patches to the first 5,000 images that it gets.

    Args:
        widths: Channels of the blocks. The last number is the channels of the feature map.
        dim: d, the dimensions of the code.
        n_components: Principal components of the whitened patches, at most 48. Each gives two channels.
        stochastic: Whether the code has a variance.

    """

    def __init__(
        self, widths: Sequence[int] = _WIDTHS, dim: int = 256, *, n_components: int = 32, stochastic: bool = False
    ) -> None:
        super().__init__()
        self.channels, self.dim = self.channels_of(widths), dim
        self.patches = _WhitenedPatches(n_components)
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise([2 * n_components, *widths])))
        self.code = CodeHead(self.channels, dim, stochastic=stochastic)
        use_channels_last(self)

    @staticmethod
    def channels_of(widths: Sequence[int] = _WIDTHS) -> int:
        """Return the channels of the feature map of an encoder with these settings, without building it.

        Args:
            widths: As for the class.

        Returns:
            c, the channels of the feature at each position.

        """
        return widths[-1]

    @torch.no_grad()
    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """Fit the whitened patches to the first images of the sample."""
        self.patches.fit(standardize_pixels(images[:_MAX_FITTED], self.patches.weight))

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images with values 0..255."""
        x: Tensor = self.patches(standardize_pixels(images, self.patches.weight))
        feature_map: Tensor = self.blocks(x)
        mean, log_var = self.code(feature_map.mean((2, 3)))
        local, grid = flatten_positions(feature_map)
        return Representation(local, mean, log_var, grid)


@final
class _WhitenedPatches(nn.Module):
    """Leading principal components of 4x4 patches at stride 2, at unit variance and with both signs.

    The components come from the data (`fit`) and are not learned, so no gradient reaches the layer with the most
    positions. This follows Page 2018 ("How to train your ResNet") and Jordan 2024 (arXiv 2404.00498), whose patches
    are smaller and dense. Before `fit`, the components are random and orthogonal.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, n_components: int) -> None:
        super().__init__()
        self.patch, self.stride, self.n_components = 4, 2, n_components
        basis = nn.init.orthogonal_(torch.empty(n_components, 3 * self.patch**2))
        self.register_buffer("weight", basis.reshape(-1, 3, self.patch, self.patch))
        self.register_buffer("bias", torch.zeros(n_components))

    def fit(self, images: Float[Tensor, "n 3 h w"]) -> None:
        """Compute the eigenvectors of the covariance of the patches, each divided by its standard deviation."""
        patches = unfold(images.float(), self.patch, stride=self.stride).transpose(0, 1).flatten(1)
        mean = patches.mean(1)
        variances, vectors = torch.linalg.eigh(torch.cov(patches).double())  # smallest first
        rows = (vectors / (variances + _VARIANCE_FLOOR).sqrt()).T.flip(0)[: self.n_components].to(self.weight.dtype)
        self.weight.copy_(rows.reshape_as(self.weight))
        self.bias.copy_(-rows @ mean.to(rows.dtype))

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Return 2 * n_components channels at half the side."""
        out = conv2d(images, self.weight, self.bias, self.stride, padding=1)
        return gelu(torch.cat([out, -out], 1))


@final
class _Block(nn.Module):
    """A widening convolution, max-pooling by 2, and a residual convolution at the smaller side."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.refine = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(c_out)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        x = gelu(self.norm(self.pool(self.widen(x))))  # pooling first: norm and gelu then see a quarter of the values
        return x + gelu(self.norm2(self.refine(x)))
