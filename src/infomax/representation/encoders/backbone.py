"""The encoder of the recipe `backbone`: a frozen pretrained net, and a linear head fitted to the collection."""

from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import normalize

from infomax.representation.backbones.description import NetDescription
from infomax.representation.backbones.frozen import PHOTOS_AT_ONCE, FrozenNet
from infomax.representation.backbones.registry import build_backbone
from infomax.representation.encoders.projections import CodeProjection
from infomax.representation.encoders.representation import Encoder, Representation
from infomax.representation.encoders.spectral import SpectralEncoder
from infomax.representation.resampling import reduced


@final
class BackboneEncoder(Encoder):
    """The features of a frozen net by position, and a code that `CodeProjection` makes of its summary.

    A new encoder has no net: `attach` gives it one. A fitted one carries the description of its net beside its weights,
    so that `load_state_dict` makes the net again from nothing else.

    Args:
        dim: Numbers in the code of the head.
        spectral: An encoder in closed form, whose code is to stand beside that of the head; None for the head alone.
        weight: Length of that code, where the code of the head has length 1.

    """

    net: FrozenNet
    head: CodeProjection
    roots: Tensor

    def __init__(self, dim: int, spectral: SpectralEncoder | None = None, weight: float = 0.75) -> None:
        super().__init__()
        self.head_dim, self.spectral, self.weight = dim, spectral, weight
        self.dim = dim if spectral is None else dim + spectral.dim
        self.register_buffer("roots", torch.tensor(False))

    def attach(self, net: FrozenNet) -> None:
        """Take a frozen net, and make a head of its size with random weights.

        Args:
            net: The net, whose description says its numbers.

        """
        self.net, self.channels = net, net.description.channels
        self.head = CodeProjection(net.description.numbers, self.head_dim)

    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """See whether the summary has numbers below 0; where it has none, as after a ReLU, their roots are taken."""
        self.roots.fill_(bool((self.net.summaries(images) >= 0).all()))

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255, a few at a time."""
        parts = [self.net(part) for part in torch.split(images, PHOTOS_AT_ONCE[images.device.type])]
        summaries, local = torch.cat([part.summary for part in parts]), torch.cat([part.local for part in parts])
        code = self.code_of(summaries)
        if self.spectral is not None:
            code = self._joined(code, self.spectral(self.reduced(images)).mean)
        return Representation(local, code, None, parts[0].grid)

    def code_of(self, summaries: Float[Tensor, "n numbers"]) -> Float[Tensor, "n d"]:
        """Compute the code of the head from summaries of the net.

        Args:
            summaries: What the net says of each image.

        Returns:
            The code, without that of a closed form beside it.

        """
        code: Tensor = self.head(self._transformed(summaries))
        return code

    def reduced(self, images: Num[Tensor, "n h w 3"]) -> Num[Tensor, "n s s 3"]:
        """Reduce images to the side that the encoder in closed form takes.

        Args:
            images: Values 0..255.

        Returns:
            The reduced images, rounded.

        """
        assert self.spectral is not None
        planes = images.permute(0, 3, 1, 2).float()
        return reduced(planes, self.spectral.size).round().permute(0, 2, 3, 1)

    def _joined(self, head: Float[Tensor, "n d"], spectral: Float[Tensor, "n s"]) -> Float[Tensor, "n dim"]:
        """Put both codes side by side, each at its length: the cosine is then the weighted mean of both cosines."""
        return torch.cat([normalize(head, dim=1), self.weight * normalize(spectral, dim=1)], 1)

    def numbers(self, images: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n numbers"]:
        """Compute the numbers that the code is made of: the summary, or its roots.

        Args:
            images: Values 0..255, any number of them.

        Returns:
            The numbers of each image.

        """
        return self._transformed(self.net.summaries(images))

    def exportable(self) -> nn.Module:
        """Make a module that maps images of values 0..255 to codes, all at once and in float32."""
        return _BackboneCode(self)

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


@final
class _BackboneCode(nn.Module):
    """Pixels to code in float32, without a look at what the weights are."""

    def __init__(self, encoder: BackboneEncoder) -> None:
        super().__init__()
        self.net, self.head, self.roots = encoder.net, encoder.head, bool(encoder.roots)
        self.spectral = None if encoder.spectral is None else encoder.spectral.exportable()
        self.encoder = encoder

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Tensor:
        summary = self.net(images, exact=True).summary
        code: Tensor = self.head(summary.clamp(min=0).sqrt() if self.roots else summary)
        if self.spectral is not None:
            code = self.encoder._joined(code, self.spectral(self.encoder.reduced(images)))
        return code
