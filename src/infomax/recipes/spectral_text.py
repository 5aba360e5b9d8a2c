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
from infomax.kinds.text.training import TextTrainer, WordSettings
from infomax.recipes.recipe import Recipe
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.context import TrainingContext
from infomax.training.moments import MOMENTS_KEYS, CcaSettings


@final
@dataclass(frozen=True, kw_only=True)
class SpectralText(Recipe):
    """Words; what distinguishes words, then halves, of one text from those of others.

    Attributes:
        size: Words of a text that are read, at most.
        vocabulary: Words that have a vector, at most.
        min_texts: Texts that a word must be in, at least, to have a vector.
        channels: Numbers of a word vector.
        dim: Numbers in the code.
        word_texts: Texts from which the word vectors are found, at most.
        word_ridge: Ridge of that eigenproblem, as a multiple of the mean probability of a word.
        word_power: Numbers of a word vector are weighted by their canonical correlations to this power.
        half_texts: Texts from which the code is found, at most.
        half_rounds: How many times, at most, fewer texts are divided anew to make up for it.
        half_ridge: Ridge of that eigenproblem.
        power: Numbers of the code are weighted by their canonical correlations to this power.

    """

    kind: ClassVar[str] = "spectral-text"
    data: ClassVar[str] = "text"

    size: Annotated[int, AtLeast(2)] = 512
    vocabulary: Annotated[int, AtLeast(2)] = 30_000
    min_texts: Annotated[int, AtLeast(1)] = 2
    channels: Annotated[int, AtLeast(1)] = 512
    dim: Annotated[int, AtLeast(1)] = 256
    word_texts: Annotated[int, AtLeast(2)] = 100_000
    word_ridge: Annotated[float, not_negative(1.0)] = 1.0
    word_power: Annotated[float, FINITE] = 0.5
    half_texts: Annotated[int, AtLeast(1)] = 100_000
    half_rounds: Annotated[int, AtLeast(1)] = 4
    half_ridge: Annotated[float, not_negative(0.1)] = 0.1
    power: Annotated[float, FINITE] = 1.0

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How a text becomes words."""
        return "text", self.size

    @property
    def checkpoint_keys(self) -> tuple[str, ...]:
        """What last.ckpt of the closed form holds."""
        return MOMENTS_KEYS

    def encoder(self) -> TextEncoder:
        """Make a new encoder with random word vectors."""
        return TextEncoder(self.vocabulary, self.channels, self.dim, self.min_texts)

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
        """Fit the encoder in closed form: a sparse eigenproblem of words, and one of halves of texts."""
        assert isinstance(encoder, TextEncoder)
        assert objective is None
        trainer = TextTrainer(
            encoder,
            WordSettings(self.word_texts, self.word_ridge, self.word_power),
            CcaSettings(self.half_texts, self.half_ridge, self.dim, rounds=self.half_rounds),
            context,
            power=self.power,
        )
        trainer.fit(examples)


SPECTRAL_TEXT = SpectralText(name="spectral-text")
