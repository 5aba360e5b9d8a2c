"""ResNet-18 for small images."""

from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn

from infomax.representation.encoders.representation import (
    CodeHead,
    Encoder,
    Representation,
    flatten_positions,
    standardize_pixels,
    use_channels_last,
)

_WIDTH = 64


@final
class ResNet18(Encoder):
    """ResNet-18 (arXiv 1512.03385) with a 3x3 stem of stride 1 and no max-pooling: 4x4 positions for 32 px.

    Self-supervised methods use this variant for CIFAR-10 (SimCLR, arXiv 2002.05709, app. B.9). It takes images of any
    size. A side of the feature map is an eighth of the image's, rounded up. The mean position makes the code.

    Args:
        dim: d, the dimensions of the code.
        width: Channels of the first stage. Each of the other three stages doubles them. ResNet-18 has 64.
        stochastic: Whether the code has a variance.

    """

    def __init__(self, dim: int = 512, *, width: int = _WIDTH, stochastic: bool = False) -> None:
        super().__init__()
        self.channels, self.dim = self.channels_of(width), dim
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
        self.code = CodeHead(self.channels, dim, stochastic=stochastic)
        use_channels_last(self)

    @staticmethod
    def channels_of(width: int = _WIDTH) -> int:
        """Return the channels of the feature map of an encoder with these settings, without building it.

        Args:
            width: As for the class.

        Returns:
            c, the channels of the feature at each position.

        """
        return 8 * width

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images with values 0..255."""
        feature_map: Tensor = self.stages(self.stem(standardize_pixels(images, next(self.parameters()))))
        mean, log_var = self.code(feature_map.mean((2, 3)))
        local, grid = flatten_positions(feature_map)
        return Representation(local, mean, log_var, grid)


@final
class _BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2015, arXiv 1512.03385, fig. 2 and sec. 3.3, option B)."""

    def __init__(self, c_in: int, c_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv2d(c_out, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out))
        is_identity = stride == 1 and c_in == c_out
        self.shortcut = (
            nn.Identity()
            if is_identity
            else nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride, bias=False), nn.BatchNorm2d(c_out))
        )

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        return torch.relu(self.second(self.first(x)) + self.shortcut(x))
