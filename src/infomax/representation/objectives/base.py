"""The interface of objectives, their values and scores, and the arithmetic on objectives."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.representation.encoders import Representation

T = TypeVar("T")

EncodedView = tuple[Representation, Float[Tensor, "n d"]]
"""One view of a batch: its representation and a code drawn from it. Row i of every view belongs to the same input."""


@dataclass(frozen=True)
class Value:
    """The value of an objective on one batch.

    Attributes:
        total: The number to maximize, in nats.
        terms: Each term alone and without its weight, by name, in nats.

    """

    total: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]]


@dataclass(frozen=True)
class Scores:
    """Scores of one critic for positive and negative pairs, in float32.

    Leading axes are positions of a feature map.

    Attributes:
        positives: Scores of the n positive pairs.
        negatives: Scores of m negative pairs for each positive pair.
        threshold: The score above which a pair counts as positive, one for each row of negatives.

    """

    positives: Float[Tensor, "*batch n"]
    negatives: Float[Tensor, "*batch n m"]
    threshold: Float[Tensor, "*batch n"]


class Objective(nn.Module, ABC):
    """Base class of objectives: `forward(representation, code, generator)` returns a `Value`.

    An objective sees a `Representation` and a code drawn from it, but no images. It therefore serves encoders of text
    or time series as well. `a + b` is a `Sum`, and `2.0 * a` is a `Weighted`.
    """

    @abstractmethod
    def forward(
        self,
        representation: Representation,
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,
    ) -> Value:
        """Return the value on one batch. The generator draws the negatives."""

    def scores(
        self,
        representation: Representation,  # noqa: ARG002
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> dict[str, Scores]:
        """Score positive and negative pairs with each critic, to measure how well the critic separates them.

        Args:
            representation: The representation of n inputs.
            code: The codes drawn from the representation.
            generator: Draws the negatives; None uses PyTorch's global random state.

        Returns:
            The scores by the name of the term. The dictionary is empty if the objective has no critic of a single view.

        """
        return {}

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Return the value on several views of the same inputs.

        An objective of a single view averages its value over the views. `CrossViewInfo` compares the views.

        Args:
            views: The representation and the codes of each view.
            generator: Draws the negatives; None uses PyTorch's global random state.

        Returns:
            The value on all views together.

        """
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
    """The sum of objectives. Terms of the same name are numbered in order: global, global#2.

    Args:
        *parts: The objectives to add. The parts of a `Sum` among them are taken one by one.

    """

    def __init__(self, *parts: Objective) -> None:
        super().__init__()
        self.parts = nn.ModuleList()
        for part in parts:
            self.parts.extend(part.parts if isinstance(part, Sum) else [part])

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Add the totals and keep all terms."""
        return _add([part(representation, code, generator) for part in self.parts])

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Add the totals and keep all terms."""
        return _add([cast(Objective, part).of_views(views, generator) for part in self.parts])

    def scores(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> dict[str, Scores]:
        """Collect the scores of all parts."""
        return _merge([cast(Objective, part).scores(representation, code, generator) for part in self.parts])


@final
class Weighted(Objective):
    """An objective times a number. The terms of its value stay unweighted.

    Args:
        part: The objective.
        weight: The factor on the total.

    """

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
        """Return the scores of the unweighted objective."""
        return self.part.scores(representation, code, generator)


def _add(values: Sequence[Value]) -> Value:
    return Value(torch.stack([value.total for value in values]).sum(), _merge([value.terms for value in values]))


def _merge(parts: Iterable[Mapping[str, T]]) -> dict[str, T]:
    """Merge dictionaries by term and number equal names in order: global, global#2."""
    terms: dict[str, T] = {}
    for part in parts:
        for numbered, term in part.items():
            name = numbered.split("#")[0]
            again = sum(known.split("#")[0] == name for known in terms)
            terms[f"{name}#{again + 1}" if again else name] = term
    return terms
