"""EfficientNet-lite0 (Tan & Le 2019, arXiv 1905.11946; the variant for phones) with its batch norms folded away.

It is small (3.4 million weights without the classifier), fast on a CPU, and under the Apache license. A frozen net
needs no batch norm: each is a factor and a shift, which the convolution before it takes over.
"""

from collections.abc import Mapping
from itertools import chain
from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, relu6

LAST_CHANNELS = 1280  # of the last map
SIZE = 224  # side of the images it was trained on, in pixels
_STEM = 32
_EPSILON = 1e-3  # of the batch norms
_STAGES = (
    *((1, 1, 3, 1, 16), (2, 6, 3, 2, 24), (2, 6, 5, 2, 40)),
    *((3, 6, 3, 2, 80), (3, 6, 5, 1, 112), (4, 6, 5, 2, 192), (1, 6, 3, 1, 320)),
)
"""Repeats, expansion, side of the kernel, stride, channels (their table 1, without squeeze and excitation)."""


@final
class EfficientNetLite0(nn.Module):
    """The net up to its last feature map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, _STEM, 3, 2)
        blocks, c_in = [], _STEM
        for repeats, expansion, kernel, stride, channels in _STAGES:
            for number in range(repeats):
                blocks.append(_Block(c_in, channels, expansion, kernel, 1 if number else stride))
                c_in = channels
        self.blocks = nn.Sequential(*blocks)
        self.head = _Convolution(c_in, LAST_CHANNELS, 1)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1280 h2 w2"]:
        """Compute the last feature map of normalized images."""
        features: Tensor = relu6(self.head(self.blocks(relu6(self.stem(images)))))
        return features

    def load_published(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of the package efficientnet-lite-pytorch, batch norms folded in.

        Args:
            weights: A state dict of that package's model; the classifier is left out.

        Raises:
            KeyError: A weight is missing.
            RuntimeError: A weight has another shape.

        """
        folded = {}
        for own, conv, norm in chain(
            [("stem", "_conv_stem", "_bn0"), ("head", "_conv_head", "_bn1")],
            *(_names_of_block(number, block) for number, block in enumerate(self.blocks)),
        ):
            scale = weights[f"{norm}.weight"] / (weights[f"{norm}.running_var"] + _EPSILON).sqrt()
            folded[f"{own}.weight"] = weights[f"{conv}.weight"] * scale[:, None, None, None]
            folded[f"{own}.bias"] = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
        self.load_state_dict(folded)


@final
class _Convolution(nn.Conv2d):
    """A convolution whose output has the side of the input over the stride, rounded up, as TensorFlow pads."""

    def __init__(self, c_in: int, c_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        even = kernel // 2 if stride == 1 else 0
        super().__init__(c_in, c_out, kernel, stride, even, groups=groups)

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        if self.stride[0] > 1:
            room = [max((-(-side // 2) - 1) * 2 + self.kernel_size[0] - side, 0) for side in x.shape[2:]]
            x = pad(x, (room[1] // 2, room[1] - room[1] // 2, room[0] // 2, room[0] - room[0] // 2))
        return super().forward(x)


@final
class _Block(nn.Module):
    """An inverted residual (Sandler et al. 2018, arXiv 1801.04381): widen, convolve each channel, narrow."""

    def __init__(self, c_in: int, c_out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        hidden = c_in * expansion
        self.expand = _Convolution(c_in, hidden, 1) if expansion > 1 else None
        self.depthwise = _Convolution(hidden, hidden, kernel, stride, groups=hidden)
        self.project = _Convolution(hidden, c_out, 1)
        self.is_residual = stride == 1 and c_in == c_out

    def forward(self, x: Float[Tensor, "n a h w"]) -> Float[Tensor, "n b h2 w2"]:
        hidden = x if self.expand is None else relu6(self.expand(x))
        out: Tensor = self.project(relu6(self.depthwise(hidden)))
        return x + out if self.is_residual else out


def _names_of_block(number: int, block: nn.Module) -> list[tuple[str, str, str]]:
    """Our name of each convolution of a block, and theirs of it and of its batch norm."""
    assert isinstance(block, _Block)
    own, theirs = f"blocks.{number}.", f"_blocks.{number}._"
    names = [("depthwise", "depthwise_conv", "bn1"), ("project", "project_conv", "bn2")]
    if block.expand is not None:
        names.insert(0, ("expand", "expand_conv", "bn0"))
    return [(own + one, theirs + conv, theirs + norm) for one, conv, norm in names]
