"""The encoder of the recipe `backbone`: a frozen pretrained net, and a linear head fitted to the collection."""

from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor

from infomax.representation.backbones.description import NetDescription
from infomax.representation.backbones.frozen import IMAGES_AT_ONCE, FrozenNet
from infomax.representation.backbones.registry import build_backbone
from infomax.representation.encoders.projections import CodeProjection
from infomax.representation.encoders.representation import Encoder, Representation


@final
class BackboneEncoder(Encoder):
    """The features of a frozen net by position, and a code that `CodeProjection` makes of its summary.

    A new encoder has no net: `attach` gives it one. A fitted one carries the description of its net beside its weights,
    so that `load_state_dict` makes the net again from nothing else.

    Args:
        dim: Numbers in the code.

    """

    net: FrozenNet
    head: CodeProjection
    roots: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.register_buffer("roots", torch.tensor(False))

    def attach(self, net: FrozenNet) -> None:
        """Take a frozen net, and make a head of its size with random weights.

        Args:
            net: The net, whose description says its numbers.

        """
        self.net, self.channels = net, net.description.channels
        self.head = CodeProjection(net.description.numbers, self.dim)

    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """See whether the summary has numbers below 0; where it has none, as after a ReLU, their roots are taken."""
        self.roots.fill_(bool((self.net.summaries(images) >= 0).all()))

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255, a few at a time."""
        parts = [self.net(part) for part in torch.split(images, IMAGES_AT_ONCE[images.device.type])]
        summaries, local = torch.cat([part.summary for part in parts]), torch.cat([part.local for part in parts])
        return Representation(local, self.head(self._transformed(summaries)), None, parts[0].grid)

    def numbers(self, images: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n numbers"]:
        """Compute the numbers that the code is made of: the summary, or its roots.

        Args:
            images: Values 0..255, any number of them.

        Returns:
            The numbers of each image.

        """
        return self._transformed(self.net.summaries(images))

    def code(self, images: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n dim"]:
        """Compute the code alone, all images at once and in float32: for export.

        Args:
            images: Values 0..255.

        Returns:
            The code.

        """
        return self.head(self._transformed(self.net(images, exact=True).summary))

    def _transformed(self, summaries: Float[Tensor, "n numbers"]) -> Float[Tensor, "n numbers"]:
        """Take the square root where no number is below 0 (Perronnin et al. 2010): a few large ones count less."""
        return torch.where(self.roots, summaries.clamp(min=0).sqrt(), summaries)

    def get_extra_state(self) -> Tensor:
        """Return the description of the net, which `state_dict` puts beside the weights."""
        return self.net.description.to_tensor()

    def set_extra_state(self, state: Tensor) -> None:
        """Make the net of a description. `load_state_dict` calls it before it loads the weights of net and head.

        Args:
            state: What `get_extra_state` returned.

        """
        self.attach(build_backbone(NetDescription.from_tensor(state)))
