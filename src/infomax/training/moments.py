"""Training by moments of pairs: sum them up over some of the images, and hold others out.

What is accumulated, two matrices a question, is saved in last.ckpt as it grows: a fit that was killed and resumed ends
with the same numbers.
"""

import time
from abc import ABC
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.information.closed_form import PairMoments
from infomax.progress import busy, progress_bar
from infomax.representation.encoders import Encoder
from infomax.representation.encoders.projections import CodeProjection
from infomax.training.context import CHECKPOINT_SECONDS, TrainingContext, numbered_generator
from infomax.training.interruption import TrainingInterrupted, interruption_message
from infomax.training.run_folder import Checkpoint

MOMENTS_KEYS = ("encoder", "stage", "n_done", "moments")  # of last.ckpt
BATCH_IMAGES = 256
HELD_OUT = 10  # one image in so many is kept from the moments, to evaluate the bound on
MOST_HELD_OUT = 1_000  # images that the bound is evaluated on

SampleViews = Callable[[Any, torch.Generator], Iterable[Float[Tensor, "n k dim"]]]
"""Images, or what else an encoder takes -> the samples that each of some moments counts."""


@dataclass(frozen=True)
class CcaSettings:
    """How a canonical correlation analysis is set up.

    Attributes:
        images: How many images the moments are summed over, at most.
        ridge: Of the eigenproblem, as a multiple of the mean variance.
        rank: How many directions are kept, at most.
        pairs: Which cells of an image are paired, by name out of CELL_PAIRS. Views are all paired with each other.
        rounds: How many times, at most, a small collection is repeated to make up for it, with other views.
        repeated: Images up to which it is repeated; None for `images`.

    """

    images: int
    ridge: float
    rank: int
    pairs: str = "all"
    rounds: int = 1
    repeated: int | None = None

    def images_of(self, n: int) -> int:
        """Count the images that the moments are summed over, each as often as it is repeated.

        Args:
            n: Images that may be learned from.

        Returns:
            Their number.

        """
        enough = self.images if self.repeated is None else self.repeated
        return min(self.images, max(n, min(self.rounds * n, enough)))


class MomentsTrainer(ABC):
    """What trainings in closed form share: the order of the images, sums of moments, checkpoints and the log.

    log.jsonl gets a line for each stage: the Pearson chi2 bound on the images that were learned from, and on others
    where there are enough. last.ckpt is written every CHECKPOINT_SECONDS, and on SIGINT or SIGTERM.

    Args:
        encoder: Fitted in place.
        context: Where to compute, log and save.
        batch: Images between two looks at the clock; None for BATCH_IMAGES.

    """

    noun: ClassVar[str] = "image"
    """What people call one item."""

    _stop: Event

    def __init__(self, encoder: Encoder, context: TrainingContext, batch: int | None = None) -> None:
        self.encoder, self.context = encoder, context
        self.batch = batch or BATCH_IMAGES
        self.stage = 0

    def use(self, pixels: Shaped[np.ndarray, "n ..."]) -> None:
        """Draw the order of the images, which says which are held out.

        Args:
            pixels: The images (n, size, size, 3), 0..255; or what else the encoder takes, one row an item.

        """
        self.pixels, self._began = pixels, time.perf_counter()
        generator = torch.Generator().manual_seed(self.context.seed)
        self.order = torch.randperm(len(pixels), generator=generator).numpy()

    def _accumulate(
        self,
        stage: str,
        settings: CcaSettings,
        moments: list[PairMoments],
        sample: SampleViews,
        saved: Checkpoint | None,
    ) -> None:
        """Sum up the moments of the images that are learned from; what a batch draws depends on its number alone."""
        rows = self._learned_from(settings)
        done = 0
        if saved is not None:
            done = saved["n_done"]
            for each, state in zip(moments, saved["moments"], strict=True):
                each.load(state)
        written = time.monotonic()
        with progress_bar(stage, len(rows), done=done, shown=self.context.progress) as advance:
            for start in range(done, len(rows), self.batch):
                batch = self._images(rows[start : start + self.batch])
                self._add(moments, sample(batch, numbered_generator(self.context.seed, start, self.context.device)))
                advance(len(batch))
                if self._stop.is_set():
                    self._save(moments, start + len(batch))
                    raise TrainingInterrupted(interruption_message(f"stopped while {stage}", self.context.run))
                if time.monotonic() - written > CHECKPOINT_SECONDS:
                    self._save(moments, start + len(batch))
                    written = time.monotonic()

    def _fit_code(
        self,
        stages: tuple[str, str],
        settings: CcaSettings,
        projection: CodeProjection,
        sample: SampleViews,
        saved: Checkpoint | None,
        *,
        power: float,
        whitening: float = 1.0,
        **more: Any,
    ) -> None:
        """Find the code: sum up the moments of views, solve, and log the bounds with `more`."""
        comparing, solving = stages
        moments = PairMoments(len(projection.mean), self.context.device)
        self._accumulate(comparing, settings, [moments], sample, saved)
        with busy(solving, shown=self.context.progress):
            (held_out,) = self._held_out([moments], settings.images, sample)
            how = {"ridge": settings.ridge, "power": power, "whitening": whitening}
            found = projection.fit(moments, settings.rank, **how)
            self._refuse_alike_if(not len(found.correlations))
            known = held_out.groups > 0
            nats, bound = found.gaussian_information_on, found.bound_on
            more |= {"nats": nats(moments), "nats_held_out": nats(held_out) if known else None}
            self._log("views", bound(moments), bound(held_out) if known else None, len(found.correlations), **more)

    def _add(self, moments: list[PairMoments], samples: Iterable[Float[Tensor, "n k dim"]]) -> None:
        for each, these in zip(moments, samples, strict=True):
            each.add(these)

    def _refuse_alike_if(self, nothing: bool) -> None:
        if nothing:
            raise InfoMaxError(
                f"the {len(self.pixels)} {self.noun}s are all alike: there is nothing to learn from; "
                f"choose other {self.noun}s"
            )

    def _learned_from(self, settings: CcaSettings) -> Int[np.ndarray, " n"]:
        """Draw the rows that the moments come from: all but the held-out ones, repeated as often as allowed."""
        rows = self.order[len(self.order) // HELD_OUT :]
        return np.resize(rows, settings.images_of(len(rows)))

    def _held_out(self, like: list[PairMoments], most: int, sample: SampleViews) -> list[PairMoments]:
        """Sum up moments of images that were not learned from, a tenth as many as those that were, at most."""
        others = [PairMoments(len(each.first), self.context.device, each.pairs) for each in like]
        rows = self.order[: min(len(self.order) // HELD_OUT, most // HELD_OUT, MOST_HELD_OUT)]
        for start in range(0, len(rows), self.batch):
            generator = numbered_generator(self.context.seed, -1, self.context.device)
            self._add(others, sample(self._images(rows[start : start + self.batch]), generator))
        return others

    def _images(self, rows: Int[np.ndarray, " n"]) -> Shaped[Tensor, "n ..."]:
        return torch.from_numpy(self.pixels[rows]).to(self.context.device)

    def _save(self, moments: list[PairMoments], n_done: int = 0) -> None:
        """Write last.ckpt: the encoder, how many stages are complete, and the moments of the one under way."""
        if self.context.run is not None:
            self.context.run.write_checkpoint(
                {
                    "encoder": self.encoder.state_dict(),
                    "stage": self.stage,
                    "n_done": n_done,
                    "moments": [each.state() for each in moments],
                }
            )

    def _resume(self) -> Checkpoint | None:
        """Load the last checkpoint; return it if a stage was under way. Whitening and atoms follow from the seed."""
        run, checkpoint = self.context.run, None
        if run is not None:
            checkpoint = run.read_checkpoint(MOMENTS_KEYS)
            if checkpoint is not None:
                self.stage = checkpoint["stage"]
                self.encoder.load_state_dict(checkpoint["encoder"])
            run.rewind_log(lambda line: line["step"] <= self.stage)
        if self.context.logger is not None:
            self.context.logger.begin(run.read_log() if run is not None else ())
        return checkpoint if checkpoint and checkpoint["moments"] else None

    def _log(self, stage: str, bound: float, held_out: float | None, rank: int, **more: Any) -> None:
        line = {"kind": "stage", "step": self.stage + 1, "stage": stage, "rank": rank}
        line |= {"chi2": bound, "chi2_held_out": held_out, **more}
        line["seconds"] = round(time.perf_counter() - self._began, 3)
        if self.context.run is not None:
            self.context.run.log(line)
        if self.context.logger is not None:
            self.context.logger.log(line)
