"""Training on texts in closed form: words of one text are pairs, then halves of one text are.

Both stages ask what tells pairs of one text from pairs of different texts, and each answer is the optimum of the
Pearson chi2 bound for a separable critic:

- words: two words of one text. The answer is a vector for each word (infomax.information.sparse_pairs).
- halves: the different words of a text are dealt out to two halves, a view each. The answer is the code, a linear
  function of the mean word vector (infomax.information.closed_form).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float, Int32
from torch import Tensor

from infomax.information.sparse_pairs import SparsePairs, word_directions
from infomax.kinds.text.encoder import TextEncoder
from infomax.kinds.text.vocabulary import count_words
from infomax.progress import busy
from infomax.training.context import TrainingContext, validate_count
from infomax.training.interruption import TrainingInterrupted, catch_signals, interruption_message
from infomax.training.moments import HELD_OUT, CcaSettings, MomentsTrainer

TEXT_STAGES = ("solving for words", "comparing halves", "solving for halves")
"""Stages of a training, as the progress bar names them."""


@dataclass(frozen=True)
class WordSettings:
    """How the word vectors are found.

    Attributes:
        texts: How many texts the pairs of words come from, at most.
        ridge: Probability that is added to each word, as a multiple of the mean.
        power: Each number of a word vector is weighted by its canonical correlation to this power.

    """

    texts: int
    ridge: float
    power: float


@final
class TextTrainer(MomentsTrainer):
    """Fit a TextEncoder, with all state that an exact resume needs.

    Args:
        encoder: Fitted in place.
        words: How the word vectors are found.
        views: How the code is found, from halves of texts.
        context: Where to compute, log and save.
        power: Each number of the code is weighted by its canonical correlation to this power.

    """

    noun: ClassVar[str] = "text"
    encoder: TextEncoder

    def __init__(
        self,
        encoder: TextEncoder,
        words: WordSettings,
        views: CcaSettings,
        context: TrainingContext,
        *,
        power: float = 1.0,
    ) -> None:
        super().__init__(encoder, context)
        self.words, self.views, self.power = words, views, power

    def fit(self, words: Int32[np.ndarray, "n words"]) -> None:
        """Fit word vectors, then the code, from the checkpoint of the run on if there is one.

        Args:
            words: Hashes of the words of each text, and zeros.

        Raises:
            InfoMaxError: There are fewer than 2 texts, or no two words are found together twice.
            TrainingInterrupted: SIGINT or SIGTERM asked to stop.

        """
        validate_count(len(words), noun=self.noun)
        self.use(words)
        with catch_signals() as self._stop, torch.inference_mode():
            saved = self._resume()
            if self.stage == 0:
                with busy(TEXT_STAGES[0], shown=self.context.progress):
                    self._fit_words()
                self.stage, saved = 1, None
                self._save([])
            self.encoder.to(self.context.device).eval()
            self._fit_code(
                TEXT_STAGES[1:], self.views, self.encoder.code_projection, self._view_samples, saved, power=self.power
            )

    def _fit_words(self) -> None:
        """Find the word vectors. The work is the same when it is done again, so it has no checkpoint within."""
        held_out = len(self.order) // HELD_OUT
        rows = np.sort(self.order[held_out:][: self.words.texts])
        words = np.asarray(self.pixels[rows])
        self.encoder.prepare(torch.from_numpy(words))
        pairs = self._pairs(words)
        found = word_directions(
            pairs,
            self.encoder.channels,
            ridge=self.words.ridge,
            seed=self.context.seed,
            after_each=self._stop_if_asked,
        )
        self._refuse_alike_if(not len(found.correlations))
        self.encoder.use_directions(found, self.words.power)
        others = self._pairs(np.asarray(self.pixels[np.sort(self.order[:held_out][: self.words.texts])]))
        directions = found.directions.numpy()
        reduced = found.reduced()
        bound = reduced.bound_on(others.projected(directions)) if others.groups else None
        self._log("words", reduced.bound_on(pairs.projected(directions)), bound, len(found.correlations))

    def _pairs(self, words: Int32[np.ndarray, "n words"]) -> SparsePairs:
        """Pair the different words of each text."""
        counts = count_words(words, self.encoder.vocabulary.numpy())
        counts.data[:] = 1
        return SparsePairs(counts)

    def _stop_if_asked(self) -> None:
        if self._stop.is_set():
            raise TrainingInterrupted(interruption_message(f"stopped while {TEXT_STAGES[0]}", self.context.run))

    def _view_samples(
        self, words: Int32[Tensor, "n words"], generator: torch.Generator
    ) -> Iterator[Float[Tensor, "n 2 channels"]]:
        """Yield the features of two halves of each text."""
        yield self.encoder.word_halves(words, generator)
