"""Agreement of the codes with a prior."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information import priors
from infomax.representation.encoders import Representation
from infomax.representation.objectives.base import Objective, Value


@final
class PriorMatching(Objective):
    """Minus the divergence of the codes from a prior, at most 0 if the divergence is exact. Its term is `prior`.

    Su (2018), eq. 14, uses the closed-form KL divergence from a standard normal distribution.

    Args:
        prior: The prior, with the way its divergence is computed.

    """

    def __init__(self, prior: priors.Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Return minus the divergence; 0 is best."""
        value = -self.prior(representation.mean, representation.log_var, code, generator)
        return Value(value, {"prior": value})
