"""Objectives: what a representation should be good at, in nats, larger is better. They add and multiply.

    objective = 0.5 * Global(critic) + 1.5 * Local(critic) + 0.01 * Prior(GaussianPrior())

An objective sees a Representation and a code drawn from it. It knows no pictures.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information import priors
from infomax.information.bounds import f_divergence
from infomax.information.critics import Critic
from infomax.information.divergences import GAN
from infomax.information.pairs import derangement
from infomax.representation.encoders import Representation

Bound = Callable[[Float[Tensor, "*batch n"], Float[Tensor, "*batch n m"]], Float[Tensor, "*batch"]]
cross_entropy: Bound = partial(f_divergence, divergence=GAN)


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
            for name, term in value.terms.items():
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
        self, critic: Critic, bound: Bound = cross_entropy, *, against: Literal["code", "feature-map"] = "code"
    ) -> None:
        super().__init__()
        self.critic, self.bound, self.against = critic, bound, against

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """The bound over one derangement of the batch."""
        whole = code if self.against == "code" else representation.local.flatten(1)
        value = self.bound(*_precise(*derangement(self.critic, code, whole, generator)))
        return Value(value, {"global": value})


@final
class Local(Objective):
    """Information between the feature at each position and the code: L_local, averaged over the h * w positions.

    (z_i, C_p(x_i)) against (z_i, C_p(x_pi(i))): the same position of another picture of the batch.
    """

    def __init__(self, critic: Critic, bound: Bound = cross_entropy) -> None:
        super().__init__()
        self.critic, self.bound = critic, bound

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """The mean over positions of a bound at each."""
        features = representation.local.transpose(0, 1)
        value = self.bound(*_precise(*derangement(self.critic, code, features, generator))).mean()
        return Value(value, {"local": value})


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


def _precise(*scores: Tensor) -> tuple[Tensor, ...]:
    """Scores in at least float32, so that a bound is not rounded to the three digits of bfloat16."""
    return tuple(each.to(torch.promote_types(each.dtype, torch.float32)) for each in scores)
