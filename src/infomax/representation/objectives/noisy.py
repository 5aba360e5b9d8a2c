"""Any objective on codes that went through a noisy channel."""

from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information.channels import Channel
from infomax.representation.encoders import Representation
from infomax.representation.objectives.base import EncodedView, Objective, Scores, Value


@final
class ThroughNoise(Objective):
    """An objective whose codes have a limited spread and are read through noise, with its terms.

    The codes of the part are f(x) + Z. The means of its representations are f(x), the limited codes without noise, so
    `CrossViewInfo(target="mean")` bounds I(f(X'); f(X) + Z), the objective of noise-injected Deep InfoMax
    (arXiv 2410.06993), and `GlobalInfo(target="mean")` that of a single view. With the target "code" the noise
    would be known from the target. The posterior of a stochastic encoder is not drawn from: the channel has the noise.

    Args:
        part: The objective, or several added.
        channel: Limits the codes over the batch and adds the noise.

    """

    def __init__(self, part: Objective, channel: Channel) -> None:
        super().__init__()
        self.part, self.channel = part, channel

    def forward(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> Value:
        """Return the value of the part on noisy codes; the generator draws the noise, too."""
        value: Value = self.part(*self._transmitted(representation, generator), generator)
        return value

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Return the value of the part on noisy codes; each view has noise of its own."""
        return self.part.of_views([self._transmitted(seen, generator) for seen, _ in views], generator)

    def scores(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> dict[str, Scores]:
        """Return the scores of the part on noisy codes."""
        return self.part.scores(*self._transmitted(representation, generator), generator)

    def _transmitted(self, representation: Representation, generator: torch.Generator | None) -> EncodedView:
        limited = self.channel.limit(representation.mean)
        return replace(representation, mean=limited, log_var=None), self.channel.transmit(limited, generator)
