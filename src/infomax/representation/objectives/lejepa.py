"""The loss of LeJEPA between views: agreement without negatives, and a prior that keeps the codes apart."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.priors import SlicedGaussianPrior
from infomax.representation.encoders import Representation
from infomax.representation.objectives.base import EncodedView, Objective, Value


@final
class LeJepa(Objective):
    """Minus the loss of LeJEPA (Balestriero & LeCun 2025, arXiv 2511.08544), for a comparison at equal time.

        loss = (1 - weight) mean_v mean |h_v - m|^2 + weight mean_v prior(h_v),    h_v = projector(z_v)

    m is the mean of the projections of the targets, and the prior is `SlicedGaussianPrior` in its exact form. There is
    no critic and no negative: codes that agree by being all alike are far from N(0, 1). The terms are `agreement`,
    minus the mean squared distance of a number from m, and `prior`. Neither is in nats.

    `forward` raises ValueError, because a single view has nothing to agree with.

    Args:
        projector: Maps codes (n, d) to the numbers that are to follow N(0, 1); 16 to 128 of them.
        weight: Weight of the prior, 0 to 1.
        n_targets: How many of the first views make the mean; None for all.

    """

    def __init__(self, projector: nn.Module, weight: float = 0.02, n_targets: int | None = None) -> None:
        super().__init__()
        self.projector, self.weight, self.n_targets = projector, weight, n_targets
        self.prior = SlicedGaussianPrior()

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Raise ValueError, because a single view has no other view."""
        return self.of_views([(representation, code)], generator)

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Return minus the loss; 0 cannot be reached, because the prior of normal codes is 1.06."""
        if len(views) < 2:
            raise ValueError("LeJepa needs two or more views of each input, got 1: draw more")
        projected = self.projector(torch.cat([code for _, code in views]))
        seen = projected.to(torch.promote_types(projected.dtype, torch.float32)).unflatten(0, (len(views), -1))
        mean = seen[: self.n_targets].mean(0)
        agreement = -(seen - mean).square().mean()
        prior = -torch.stack([self.prior(each, None, each, generator) for each in seen]).mean()
        total = (1 - self.weight) * agreement + self.weight * prior
        return Value(total, {"agreement": agreement, "prior": prior})
