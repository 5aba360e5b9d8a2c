"""The closed form on texts: typed settings, and the preset.

infomax fit notes/ --kind text --out RUN
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, final

import numpy as np
from jaxtyping import Int32

from infomax.constraints import FINITE, AtLeast, not_negative
from infomax.kinds.text.encoder import TextEncoder
from infomax.kinds.text.training import SUBSPACE_KEYS, TextTrainer
from infomax.recipes.recipe import Recipe
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.context import TrainingContext


@final
@dataclass(frozen=True, kw_only=True)
class SpectralText(Recipe):
    """Words of a text; what distinguishes pairs of them from pairs of words of different texts.

    Attributes:
        size: Words of a text that are read, at most.
        vocabulary: Words that have a vector, at most.
        min_texts: Texts that a word must be in, at least, to have a vector.
        dim: Numbers in the code.
        texts: Texts that the word vectors are fitted to, at most.
        ridge: Ridge of the eigenproblem, as a multiple of the mean second moment. 0 is correspondence analysis, and a
            large one latent semantic analysis.
        power: Numbers of the code are weighted by their canonical correlations to this power.

    """

    kind: ClassVar[str] = "spectral-text"
    data: ClassVar[str] = "text"

    size: Annotated[int, AtLeast(2)] = 512
    vocabulary: Annotated[int, AtLeast(2)] = 30_000
    min_texts: Annotated[int, AtLeast(1)] = 2
    dim: Annotated[int, AtLeast(1)] = 256
    texts: Annotated[int, AtLeast(2)] = 100_000
    ridge: Annotated[float, not_negative(1_000.0)] = 1_000.0
    power: Annotated[float, FINITE] = 0.5

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How a text becomes words."""
        return "text", self.size

    @property
    def checkpoint_keys(self) -> tuple[str, ...]:
        """What last.ckpt of the closed form holds."""
        return SUBSPACE_KEYS

    def encoder(self) -> TextEncoder:
        """Make a new encoder with random word vectors."""
        return TextEncoder(self.vocabulary, self.dim, self.min_texts)

    def objective(self) -> None:
        """Make no objective: the optimal critic is known."""

    def fit(
        self,
        encoder: Encoder,
        objective: Objective | None,
        examples: Int32[np.ndarray, "n words"],
        labels: Sequence[str] | None,  # noqa: ARG002
        context: TrainingContext,
    ) -> None:
        """Fit the encoder in closed form: one eigenproblem of sparse matrices."""
        assert isinstance(encoder, TextEncoder)
        assert objective is None
        TextTrainer(encoder, context, texts=self.texts, ridge=self.ridge, power=self.power).fit(examples)


SPECTRAL_TEXT = SpectralText(name="spectral-text")
