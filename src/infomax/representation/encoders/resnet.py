"""ResNet-18 for small images."""

from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from infomax.representation.encoders.representation import (
    Code,
    Encoder,
    Representation,
    channels_last,
    planar,
    positions,
)


@final
class _BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2015, arXiv 1512.03385, fig. 2 and sec. 3.3, option B)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv2d(c_out, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out))
        same = stride == 1 and c_in == c_out
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
        )

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))


@final
class ResNet18(Encoder):
    """ResNet-18 (arXiv 1512.03385) with a 3x3 stem of stride 1 and no max-pooling: 4x4 positions of 32 px images.

    The variant that self-supervised work uses for CIFAR-10 (SimCLR, arXiv 2002.05709, app. B.9). Any side will do; the
    feature map has an eighth of it, rounded up. The code comes from the mean position.

    Args:
        dim: d, the dimensions of the code.
        width: channels of the first stage; each of the other three doubles them. 64 is ResNet-18.
        stochastic: whether the code has a variance.

    """

    def __init__(self, dim: int = 512, *, width: int = 64, stochastic: bool = False) -> None:
        super().__init__()
        self.channels, self.dim = 8 * width, dim
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        stages = ((width, width, 1), (width, 2 * width, 2), (2 * width, 4 * width, 2), (4 * width, 8 * width, 2))
        self.stages = nn.Sequential(
            *(nn.Sequential(_BasicBlock(a, b, stride), _BasicBlock(b, b, 1)) for a, b, stride in stages)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.code = Code(self.channels, dim, stochastic=stochastic)
        channels_last(self)

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255."""
        feature_map: Tensor = self.stages(self.stem(planar(images, next(self.parameters()))))
        mean, log_var = self.code(feature_map.mean((2, 3)))
        local, grid = positions(feature_map)
        return Representation(local, mean, log_var, grid)
