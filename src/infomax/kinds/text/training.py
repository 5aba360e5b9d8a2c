"""Training on texts in closed form.

The question: which functions of a word tell whether two words are of one text? The answer is the optimum of the Pearson
chi2 bound for a separable critic (infomax.information.sparse_pairs). The code of a text is the mean of these functions
over its weighted words. log.jsonl gets the bound on the texts that were learned from, and on others. last.ckpt holds
the subspace between two products.
"""

import time
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Int32

from infomax.information.sparse_pairs import SparsePairs, Subspace, word_directions
from infomax.kinds.text.encoder import TextEncoder
from infomax.progress import busy
from infomax.training.context import CHECKPOINT_SECONDS, TrainingContext, validate_count
from infomax.training.interruption import TrainingInterrupted, catch_signals, interruption_message
from infomax.training.moments import HELD_OUT, MomentsTrainer

SUBSPACE_KEYS = ("done", "basis")
"""What last.ckpt of a training on texts holds."""

_SOLVING = "solving for words"


@final
class TextTrainer(MomentsTrainer):
    """Fit a TextEncoder, with all state that an exact resume needs.

    Args:
        encoder: Fitted in place.
        texts: How many texts it is fitted to, at most.
        ridge: Of the eigenproblem, as a multiple of the mean second moment.
        power: Each number of the code is weighted by its canonical correlation to this power.
        context: Where to compute, log and save.

    """

    noun: ClassVar[str] = "text"
    encoder: TextEncoder

    def __init__(
        self, encoder: TextEncoder, context: TrainingContext, *, texts: int, ridge: float, power: float
    ) -> None:
        super().__init__(encoder, context)
        self.texts, self.ridge, self.power = texts, ridge, power

    def fit(self, words: Int32[np.ndarray, "n words"]) -> None:
        """Fit the word vectors, from the checkpoint of the run on if there is one.

        Args:
            words: Hashes of the words of each text, and zeros.

        Raises:
            InfoMaxError: There are fewer than 2 texts, or they are all alike.
            TrainingInterrupted: SIGINT or SIGTERM asked to stop.

        """
        validate_count(len(words), noun=self.noun)
        self.use(words)
        held_out = len(self.order) // HELD_OUT
        with catch_signals() as self._stop, torch.inference_mode(), busy(_SOLVING, shown=self.context.progress):
            learned, others = (
                np.asarray(words[np.sort(rows[: self.texts])])
                for rows in (self.order[held_out:], self.order[:held_out])
            )
            self.encoder.prepare(torch.from_numpy(learned))
            pairs, rest = (SparsePairs(self.encoder.weighted(each)) for each in (learned, others))
            begun, self._written = self._subspace(), time.monotonic()
            found = word_directions(
                *(pairs, self.encoder.dim),
                ridge=self.ridge,
                seed=self.context.seed,
                begun=begun,
                after_each=self._after_product,
            )
            self._refuse_alike_if(not len(found.correlations))
            self.encoder.use_directions(found, self.power)
            reduced, functions = found.reduced(), found.directions.numpy()
            bound = reduced.bound_on(rest.projected(functions)) if rest.groups else None
            self._log("words", reduced.bound_on(pairs.projected(functions)), bound, len(found.correlations))

    def _after_product(self, subspace: Subspace) -> None:
        """Keep how far the iteration is, now and then and before it stops."""
        stopped, run = self._stop.is_set(), self.context.run
        if run is not None and (stopped or time.monotonic() - self._written > CHECKPOINT_SECONDS):
            run.write_checkpoint({"done": subspace.done, "basis": torch.from_numpy(subspace.basis)})
            self._written = time.monotonic()
        if stopped:
            raise TrainingInterrupted(interruption_message(f"stopped while {_SOLVING}", run))

    def _subspace(self) -> Subspace | None:
        """Read where the run was stopped, and drop what it will log again."""
        run = self.context.run
        checkpoint = None if run is None else run.read_checkpoint(SUBSPACE_KEYS)
        if run is not None:
            run.rewind_log(lambda _: False)
        if self.context.logger is not None:
            self.context.logger.begin(())
        return None if checkpoint is None else Subspace(checkpoint["done"], checkpoint["basis"].numpy())
