"""Objectives: what a representation should be good at, in nats, larger is better. They add and multiply.

    objective = 0.5 * Global(critic) + 1.5 * Local(critic) + 0.01 * Prior(GaussianPrior())

An objective sees a Representation and a code drawn from it. It knows no images.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information import bounds, priors
from infomax.information.bounds import Bound
from infomax.information.critics import Critic
from infomax.information.divergences import GAN
from infomax.information.pairs import Pairing, all_pairs, derangement, lower_bound, random_derangement
from infomax.representation.encoders import Representation

GlobalTarget = Literal["code", "feature-map"]
CROSS_ENTROPY = bounds.of_name("f-divergence", GAN)


EncodedView = tuple[Representation, Float[Tensor, "n d"]]
"""One view of a batch: its representation and a code drawn from it. Row i of every view is of the same input."""


@dataclass(frozen=True)
class Value:
    """What an objective is worth: the total to maximize, and each term alone and unweighted, by name. All in nats."""

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


@dataclass(frozen=True)
class Scores:
    """What a critic says of true and of random pairs, and the score above which a pair is to be taken for a true one.

    Leading axes are positions; m random pairs for each of n true ones, with the threshold of each row.
    """

    positives: Float[Tensor, "*batch n"]
    negatives: Float[Tensor, "*batch n m"]
    threshold: Float[Tensor, "*batch n"]


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

    def scores(
        self,
        representation: Representation,  # noqa: ARG002
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> dict[str, Scores]:
        """The scores of each critic, by the name of its term; none where there is no critic."""
        return {}

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """The value on several views of the same inputs: here, that on each view alone, averaged over them."""
        values = [self(representation, code, generator) for representation, code in views]
        terms = {name: torch.stack([value.terms[name] for value in values]).mean() for name in values[0].terms}
        return Value(torch.stack([value.total for value in values]).mean(), terms)

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
        return _added([part(representation, code, generator) for part in self.parts])

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Add the totals, keep all terms."""
        return _added([cast(Objective, part).of_views(views, generator) for part in self.parts])

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Those of all parts."""
        return _joined([cast(Objective, part).scores(representation, code, generator) for part in self.parts])


def _added(values: Sequence[Value]) -> Value:
    return Value(torch.stack([value.total for value in values]).sum(), _joined([value.terms for value in values]))


T = TypeVar("T")


def _joined(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """All terms in one dictionary, those of one name numbered in order: global, global#2."""
    terms: dict[str, T] = {}
    for part in parts:
        for numbered, term in part.items():
            name = numbered.split("#")[0]
            again = sum(known.split("#")[0] == name for known in terms)
            terms[f"{name}#{again + 1}" if again else name] = term
    return terms


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

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Scale the total."""
        value = self.part.of_views(views, generator)
        return Value(self.weight * value.total, value.terms)

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Those of the part."""
        return self.part.scores(representation, code, generator)


@final
class Global(Objective):
    """Information between an input as a whole and its code: L_global of the article's eq. (14).

    The input is represented by its own code, (z_i, z_i) against (z_i, z_pi(i)), as in the article's script; or by its
    flattened feature map, (z_i, C(x_i)) against (z_i, C(x_pi(i))), as in the Deep InfoMax paper (arXiv 1808.06670).
    """

    def __init__(
        self,
        critic: Critic,
        bound: Bound = CROSS_ENTROPY,
        pairs: Pairing = derangement,
        *,
        target: GlobalTarget = "code",
    ) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs, self.target = critic, bound, pairs, target

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """The bound over the chosen pairs of the batch."""
        value = lower_bound(self.critic, code, self._whole(representation, code), self.pairs, self.bound, generator)
        return Value(value, {"global": value})

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Scores of the chosen pairs."""
        return {
            "global": _scores(self.bound, *self.pairs(self.critic, code, self._whole(representation, code), generator))
        }

    def _whole(self, representation: Representation, code: Float[Tensor, "n d"]) -> Float[Tensor, "n w"]:
        return code if self.target == "code" else representation.local.flatten(1)


@final
class Local(Objective):
    """Information between the feature at each position and the code: L_local, averaged over the h * w positions.

    (z_i, C_p(x_i)) against (z_i, C_p(x_pi(i))), the same position of another image of the batch; or, with all pairs,
    against every position of every other one.
    """

    def __init__(self, critic: Critic, bound: Bound = CROSS_ENTROPY, pairs: Pairing = derangement) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """The mean over positions of a bound at each."""
        features = representation.local.transpose(0, 1)
        value = lower_bound(self.critic, code, features, self.pairs, self.bound, generator).mean()
        return Value(value, {"local": value})

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Scores of the chosen pairs at every position."""
        features = representation.local.transpose(0, 1)
        return {"local": _scores(self.bound, *self.pairs(self.critic, code, features, generator))}


@final
class CrossPositionInfo(Objective):
    """Information between positions of one input's feature map, averaged over positions.

    (C_p(x_i), C_q(x_i)) against (C_p(x_i), C_q(x_pi(i))), q another position, drawn anew for each batch: positions of
    one image belong together, positions of different ones do not. The code takes no part.
    """

    def __init__(self, critic: Critic, bound: Bound = CROSS_ENTROPY, pairs: Pairing = derangement) -> None:
        super().__init__()
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> Value:
        """The mean over positions of a bound at each. Raises ValueError where there is one position alone."""
        value = lower_bound(
            self.critic, *_partners(representation, generator), self.pairs, self.bound, generator
        ).mean()
        return Value(value, {"positions": value})

    def scores(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,
    ) -> dict[str, Scores]:
        """Scores of the chosen pairs at every position."""
        features, partner = _partners(representation, generator)
        return {"positions": _scores(self.bound, *self.pairs(self.critic, features, partner, generator))}


def _partners(
    representation: Representation, generator: torch.Generator | None
) -> tuple[Float[Tensor, "positions n c"], Float[Tensor, "positions n c"]]:
    """The feature at each position, and that at another one, the same for all images."""
    features = representation.local.transpose(0, 1)
    return features, features[random_derangement(len(features), generator, features.device)]


@final
class CrossViewInfo(Objective):
    """Information between the code of one view of an input and what another view shows of it.

    (z_i of view a, target b of x_i) for all ordered pairs a != b of its views, against (z_i of view a, targets of the
    other inputs of the batch, from all target views). The target is the code of view b, or, target="positions", the
    feature at each position of its feature map: the local and global bounds of eq. (14) carried over to views
    (Bachman et al. 2019, AMDIM, arXiv 1906.00910). With InfoNCE, a shared Cosine critic and two views, the code's is
    SimCLR's objective (arXiv 2002.05709): n views of n inputs have 2 (n - 1) negatives each.

    critic: of a code (x) and a target (y).
    bound, pairs: any. By default InfoNCE on all pairs, which is at most ln(m + 1), m the targets of the other inputs.
    target: what the targets are.
    targets: how many of the first views are targets; the views after them, small crops say, are asked for their code
        alone. None for all.
    """

    def __init__(
        self,
        critic: Critic,
        bound: Bound = bounds.infonce,
        pairs: Pairing = all_pairs,
        *,
        target: Literal["code", "positions"] = "code",
        targets: int | None = None,
    ) -> None:
        super().__init__()
        if targets is not None and targets < 1:
            raise ValueError(f"targets is {targets}: at least one view must be a target")
        self.critic, self.bound, self.pairs, self.target, self.targets = critic, bound, pairs, target, targets

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """One view has no other: raises ValueError."""
        return self.of_views([(representation, code)], generator)

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """The mean over ordered pairs of different views, and over positions. Raises ValueError for fewer than two."""
        if len(views) < 2:
            raise ValueError("CrossViewInfo needs two or more views of each input, got 1: draw more")
        features = [self._target(*view) for view in views[: self.targets]]
        codes = torch.stack([code for _, code in views]).unsqueeze(1)
        values = lower_bound(self.critic, codes, torch.cat(features), self.pairs, self.bound, generator)
        own = torch.zeros_like(values, dtype=torch.bool)  # a view does not foretell itself
        start = 0
        for view, each in enumerate(features):
            own[view, start : start + len(each)] = True
            start += len(each)
        value = values.masked_fill(own, 0).sum() / (values.numel() - start)
        return Value(value, {f"views-{self.target}": value})

    def _target(self, representation: Representation, code: Float[Tensor, "n d"]) -> Float[Tensor, "positions n c"]:
        return code.unsqueeze(0) if self.target == "code" else representation.local.transpose(0, 1)


@final
class PriorMatching(Objective):
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


def _scores(bound: Bound, positives: Float[Tensor, "*batch n"], negatives: Float[Tensor, "*batch n m"]) -> Scores:
    positives, negatives = positives.float(), negatives.float()
    return Scores(positives, negatives, bound.threshold(bound.reduce(negatives), negatives.shape[-1]))
