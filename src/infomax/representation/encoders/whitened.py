"""A fast convolutional encoder: frozen whitened patches, then few and wide convolutions."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, unfold

from infomax.representation.encoders.representation import (
    Code,
    Encoder,
    Representation,
    channels_last,
    planar,
    positions,
)

SAMPLE = 5_000  # images; a million patches tell 48 x 48 covariances to three digits
FLOOR = 0.01  # added to each variance: of unit-variance pixels, a tenth of a level's deviation is noise


@final
class WhitenedPatches(nn.Module):
    """Patches of 4x4 pixels at stride 2 by their leading principal components at unit variance, each with both signs.

    The components come from the data (`fit`) and are not learned, so that no gradient ever reaches the layer with the
    most positions. After Page 2018 ("How to train your ResNet") and Jordan 2024 (arXiv 2404.00498), whose patches are
    smaller and dense. Until it is fitted, the components are random orthogonal ones.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, components: int) -> None:
        super().__init__()
        self.patch, self.stride, self.components = 4, 2, components
        basis = nn.init.orthogonal_(torch.empty(components, 3 * self.patch**2))
        self.register_buffer("weight", basis.reshape(-1, 3, self.patch, self.patch))
        self.register_buffer("bias", torch.zeros(components))

    def fit(self, images: Float[Tensor, "n 3 h w"]) -> None:
        """Eigenvectors of the patches' covariance, each divided by its standard deviation."""
        patches = unfold(images.float(), self.patch, stride=self.stride).transpose(0, 1).flatten(1)
        mean = patches.mean(1)
        variances, vectors = torch.linalg.eigh(torch.cov(patches).double())  # smallest first
        rows = (vectors / (variances + FLOOR).sqrt()).T.flip(0)[: self.components].to(self.weight.dtype)
        self.weight.copy_(rows.reshape_as(self.weight))
        self.bias.copy_(-rows @ mean.to(rows.dtype))

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h2 w2"]:
        """Half the side, 2 * components channels."""
        out = conv2d(images, self.weight, self.bias, self.stride, padding=1)
        return gelu(torch.cat([out, -out], 1))


@final
class _Block(nn.Module):
    """A convolution that widens, a max over 2x2, and a residual convolution at the smaller side."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        self.refine = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(c_out)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        x = gelu(self.norm(self.pool(self.widen(x))))  # what pooling leaves is all that norm and gelu see
        return x + gelu(self.norm2(self.refine(x)))


@final
class WhitenedEncoder(Encoder):
    """Whitened patches, frozen, then blocks of two convolutions that halve; the code comes from the mean position.

    Images of 32 px with two blocks have a feature map of 4x4. Any side of 4 * 2 ** len(widths) pixels or more will
    do, odd ones too.

    Args:
        widths: channels of the blocks; the last is that of the feature map.
        dim: d, the dimensions of the code.
        components: of the whitened patches, at most 48; each gives two channels.
        stochastic: whether the code has a variance.

    """

    def __init__(
        self, widths: Sequence[int] = (128, 256), dim: int = 256, *, components: int = 32, stochastic: bool = False
    ) -> None:
        super().__init__()
        self.channels, self.dim = widths[-1], dim
        self.patches = WhitenedPatches(components)
        self.blocks = nn.Sequential(*(_Block(a, b) for a, b in pairwise([2 * components, *widths])))
        self.code = Code(self.channels, dim, stochastic=stochastic)
        channels_last(self)

    @torch.no_grad()
    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """Fit the whitened patches to the first SAMPLE images."""
        self.patches.fit(planar(images[:SAMPLE], self.patches.weight))

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255."""
        x: Tensor = self.patches(planar(images, self.patches.weight))
        feature_map: Tensor = self.blocks(x)
        mean, log_var = self.code(feature_map.mean((2, 3)))
        local, grid = positions(feature_map)
        return Representation(local, mean, log_var, grid)
