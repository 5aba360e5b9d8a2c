"""Objectives: what a representation should be good at, in nats, larger is better. They add and multiply.

    objective = 0.5 * Global(critic) + 1.5 * Local(critic) + 0.01 * Prior(GaussianPrior())

An objective sees a Representation and a code drawn from it. It knows no pictures.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information import bounds, priors
from infomax.information.bounds import Bound
from infomax.information.critics import Critic
from infomax.information.divergences import GAN
from infomax.information.pairs import Pairs, derangement, lower_bound, random_derangement
from infomax.representation.encoders import Representation

Against = Literal["code", "feature-map"]
CROSS_ENTROPY = bounds.of_name("f-divergence", GAN)


@dataclass(frozen=True)
class Value:
    """What an objective is worth: the total to maximise, and each term alone and unweighted, by name. All in nats."""

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


class Objective(nn.Module, ABC):
    """forward(representation, code, generator) -> Value."""

    @abstractmethod
    def forward(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,
    ) -> Value:
        """The value on one batch; the generator draws the negatives."""

    def __add__(self, other: "Objective") -> "Objective":
        return Sum(self, other)

    def __mul__(self, weight: float) -> "Objective":
        return Weighted(self, weight)

    __rmul__ = __mul__


@final
class Sum(Objective):
    """The sum of objectives. Terms of one name are numbered in order."""

    def __init__(self, *parts: Objective) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        for part in parts:
            self.parts.extend(part.parts if isinstance(part, Sum) else [part])

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Add the totals, keep all terms."""
        values = [part(representation, code, generator) for part in self.parts]
        terms: dict[str, Tensor] = {}
        for value in values:
            for numbered, term in value.terms.items():
                name = numbered.split("#")[0]
                again = sum(known.split("#")[0] == name for known in terms)
                terms[f"{name}#{again + 1}" if again else name] = term
        return Value(torch.stack([value.total for value in values]).sum(), terms)


@final
class Weighted(Objective):
    """An objective times a number; its terms stay unweighted."""

    def __init__(self, part: Objective, weight: float) -> None:
        super().__init__()
        self.part, self.weight = part, float(weight)

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Scale the total."""
        value: Value = self.part(representation, code, generator)
        return Value(self.weight * value.total, value.terms)


@final
class Global(Objective):
    """Information between an input as a whole and its code: L_global of the article's eq. (14).

    The input is represented by its own code, (z_i, z_i) against (z_i, z_pi(i)), as in the article's script; or by its
    flattened feature map, (z_i, C(x_i)) against (z_i, C(x_pi(i))), as in the Deep InfoMax paper (arXiv 1808.06670).
    """

    def __init__(
        self, critic: Critic, bound: Bound = CROSS_ENTROPY, pairs: Pairs = derangement, *, against: Against = "code"
    ) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs, self.against = critic, bound, pairs, against

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """The bound over the chosen pairs of the batch."""
        whole = code if self.against == "code" else representation.local.flatten(1)
        value = lower_bound(self.critic, code, whole, self.pairs, self.bound, generator)
        return Value(value, {"global": value})


@final
class Local(Objective):
    """Information between the feature at each position and the code: L_local, averaged over the h * w positions.

    (z_i, C_p(x_i)) against (z_i, C_p(x_pi(i))), the same position of another picture of the batch; or, with all pairs,
    against every position of every other one.
    """

    def __init__(self, critic: Critic, bound: Bound = CROSS_ENTROPY, pairs: Pairs = derangement) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """The mean over positions of a bound at each."""
        features = representation.local.transpose(0, 1)
        value = lower_bound(self.critic, code, features, self.pairs, self.bound, generator).mean()
        return Value(value, {"local": value})


@final
class Positions(Objective):
    """Information between positions of one input's feature map, averaged over positions.

    (C_p(x_i), C_q(x_i)) against (C_p(x_i), C_q(x_pi(i))), q another position, drawn anew for each batch: positions of
    one picture belong together, positions of different ones do not. The code takes no part.
    """

    def __init__(self, critic: Critic, bound: Bound = CROSS_ENTROPY, pairs: Pairs = derangement) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> Value:
        """The mean over positions of a bound at each. Raises ValueError where there is one position alone."""
        features = representation.local.transpose(0, 1)
        partner = features[random_derangement(len(features), generator, features.device)]
        value = lower_bound(self.critic, features, partner, self.pairs, self.bound, generator).mean()
        return Value(value, {"positions": value})


@final
class Prior(Objective):
    """How well the codes keep to a prior: minus its divergence."""

    def __init__(self, prior: priors.Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Minus the divergence; 0 is best."""
        value = -self.prior(representation.mean, representation.log_var, code, generator)
        return Value(value, {"prior": value})
