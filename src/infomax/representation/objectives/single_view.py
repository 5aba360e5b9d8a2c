"""Information within one view: between the code, the whole feature map and its positions."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information import bounds
from infomax.information.bounds import Bound
from infomax.information.critics import Critic
from infomax.information.divergences import GAN
from infomax.information.pairs import Pairing, derangement, lower_bound, random_derangement
from infomax.representation.encoders import Representation
from infomax.representation.objectives.base import Objective, Scores, Value

GlobalTarget = Literal["code", "mean", "feature-map"]
"""What `GlobalInfo` pairs with the code: itself, the code without its noise, or the flattened feature map."""

_CROSS_ENTROPY = bounds.of_name("f-divergence", GAN)  # the cross-entropy loss of Su (2018)


@final
class GlobalInfo(Objective):
    """Information between a whole input and its code: L_global of Su (2018), eq. 14. Its term is `global`.

    Either the code stands for the input, as in the script of Su (2018): (z_i, z_i) against (z_i, z_pi(i)). Or the
    flattened feature map does, as in Hjelm et al. (2019), arXiv 1808.06670: (z_i, C(x_i)) against (z_i, C(x_pi(i))).

    Args:
        critic: Scores a code (x) with a target (y).
        bound: The bound on the information. By default the f-divergence bound of GAN, as in Su (2018).
        pairs: The choice of positive and negative pairs. By default one random negative for each positive.
        target: `code`, `mean` for the code without its noise, or `feature-map`.

    """

    def __init__(
        self,
        critic: Critic,
        bound: Bound = _CROSS_ENTROPY,
        pairs: Pairing = derangement,
        *,
        target: GlobalTarget = "code",
    ) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs, self.target = critic, bound, pairs, target

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Return the bound over the chosen pairs of the batch."""
        value = lower_bound(self.critic, code, self._target(representation, code), self.pairs, self.bound, generator)
        return Value(value, {"global": value})

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Score the chosen pairs of the batch."""
        pairs = self.pairs(self.critic, code, self._target(representation, code), generator)
        return {"global": _scores(self.bound, *pairs)}

    def _target(self, representation: Representation, code: Float[Tensor, "n d"]) -> Float[Tensor, "n w"]:
        if self.target == "feature-map":
            return representation.local.flatten(1)
        return code if self.target == "code" else representation.mean


@final
class LocalInfo(Objective):
    """Information between the code and the feature at each position: L_local of Su (2018), eq. 14.

    The value is the mean over the h * w positions. Its term is `local`. With one negative for each positive,
    (z_i, C_p(x_i)) stands against (z_i, C_p(x_pi(i))), the same position of another image of the batch. With all
    pairs, it stands against every position of every other image.

    Args:
        critic: Scores a code (x) with the feature at a position (y).
        bound: The bound on the information. By default the f-divergence bound of GAN, as in Su (2018).
        pairs: The choice of positive and negative pairs. By default one random negative for each positive.

    """

    def __init__(self, critic: Critic, bound: Bound = _CROSS_ENTROPY, pairs: Pairing = derangement) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Return the mean over positions of the bound at each position."""
        features = representation.local.transpose(0, 1)
        value = lower_bound(self.critic, code, features, self.pairs, self.bound, generator).mean()
        return Value(value, {"local": value})

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Score the chosen pairs at every position."""
        features = representation.local.transpose(0, 1)
        return {"local": _scores(self.bound, *self.pairs(self.critic, code, features, generator))}


@final
class CrossPositionInfo(Objective):
    """Information between two positions of one feature map, averaged over positions. Its term is `positions`.

    (C_p(x_i), C_q(x_i)) stands against (C_p(x_i), C_q(x_pi(i))). Another position q is drawn for each p and each
    batch. Positions of one image are positive pairs, and positions of different images are negative pairs. The code
    takes no part. `forward` raises ValueError for a feature map of a single position.

    Args:
        critic: Scores the features at two positions.
        bound: The bound on the information. By default the f-divergence bound of GAN, as in Su (2018).
        pairs: The choice of positive and negative pairs. By default one random negative for each positive.

    """

    def __init__(self, critic: Critic, bound: Bound = _CROSS_ENTROPY, pairs: Pairing = derangement) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> Value:
        """Return the mean over positions of the bound at each position."""
        features, partners = _pair_positions(representation, generator)
        value = lower_bound(self.critic, features, partners, self.pairs, self.bound, generator).mean()
        return Value(value, {"positions": value})

    def scores(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> dict[str, Scores]:
        """Score the chosen pairs at every position."""
        features, partners = _pair_positions(representation, generator)
        return {"positions": _scores(self.bound, *self.pairs(self.critic, features, partners, generator))}


def _pair_positions(
    representation: Representation, generator: torch.Generator | None
) -> tuple[Float[Tensor, "positions n c"], Float[Tensor, "positions n c"]]:
    """Return the feature at each position and the feature at another position, the same one for all images."""
    features = representation.local.transpose(0, 1)
    return features, features[random_derangement(len(features), generator, features.device)]


def _scores(bound: Bound, positives: Float[Tensor, "*batch n"], negatives: Float[Tensor, "*batch n m"]) -> Scores:
    positives, negatives = positives.float(), negatives.float()
    return Scores(positives, negatives, bound.threshold(bound.reduce(negatives), negatives.shape[-1]))
