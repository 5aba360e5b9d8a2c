"""Training in closed form: no gradient descent, two passes over some of the images, two eigenproblems.

The story: whitening and atoms come from a sample of patches. Then the same question is asked twice. Each time the
answer is the optimum of the Pearson chi2 bound for a separable critic (infomax.information.closed_form):

- cells: which linear functions of a cell's histogram best tell whether two cells are of one image?
- views: which linear functions of the whole feature map best tell whether two views are of one image? Views are other
  crops, colors and slants. The mirror image is a view too, unless the collection is chiral.

The answers to the first become the channels of the feature map. Those to the second become the code, each weighted by
its correlation, so that what changes from view to view counts little. What is accumulated, two matrices a question, is
saved in last.ckpt as it grows: a fit that was killed and resumed ends with the same numbers.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.information.closed_form import PairMoments
from infomax.progress import busy, progress_bar
from infomax.representation.encoders.codebook import symmetric_parts
from infomax.representation.encoders.projections import LocalDirections
from infomax.representation.encoders.spectral import SpectralEncoder
from infomax.training.context import CHECKPOINT_SECONDS, TrainingContext, numbered_generator, validate_count
from infomax.training.interruption import TrainingInterrupted, catch_signals, interruption_message
from infomax.training.run_folder import Checkpoint
from infomax.training.spectral_views import ViewSettings, mirror_classification_accuracy, sample_views

MOMENTS_KEYS = ("encoder", "stage", "n_done", "moments")  # of last.ckpt
BATCH_IMAGES = 256  # images between two looks at the clock
HELD_OUT = 10  # one image in so many is kept from the moments, to evaluate the bound on
CODEBOOK_IMAGES = 4_000  # images from which whitening and atoms come
MIRRORED = 1_000  # images that are compared with their mirror images
CHIRAL = 0.7  # accuracy of telling images from their mirror images, above which the collection is chiral

STAGES = ("patches", "comparing cells", "solving for cells", "comparing views", "solving for views")
"""Stages of a training, as the progress bar names them."""

SampleViews = Callable[[UInt8[Tensor, "n h w 3"], torch.Generator], Iterable[Float[Tensor, "n k dim"]]]
"""Images -> the samples that each of some moments counts."""

CELL_PAIRS: Mapping[str, Callable[[Float[Tensor, "cells cells"]], Bool[Tensor, "cells cells"]]] = {
    "all": lambda distance: distance > 0,
    "neighbors": lambda distance: distance == 1,
    "distant": lambda distance: distance >= 2,
}
"""Distances between the cells of a grid, in cells -> which of them are pairs."""


@dataclass(frozen=True)
class CcaSettings:
    """How a canonical correlation analysis is set up.

    Attributes:
        images: How many images the moments are summed over, at most.
        ridge: Of the eigenproblem, as a multiple of the mean variance.
        rank: How many directions are kept, at most.
        pairs: Which cells of an image are paired, by name out of CELL_PAIRS. Views are all paired with each other.
        rounds: How many times, at most, a smaller collection is repeated to make up for it, with other views.

    """

    images: int
    ridge: float
    rank: int
    pairs: str = "all"
    rounds: int = 1


@final
class ClosedFormTrainer:
    """Fit the two projections of a SpectralEncoder, with all state that an exact resume needs.

    log.jsonl gets a line for each stage: the Pearson chi2 bound on the images that were learned from, and on others
    where there are enough. last.ckpt is written every CHECKPOINT_SECONDS, and on SIGINT or SIGTERM.

    Args:
        encoder: Fitted in place.
        cells: How the channels are found.
        views: How the code is found.
        augmentation: What counts as a view.
        context: Where to compute, log and save.
        power: Each number of the code is weighted by its canonical correlation to this power.

    """

    def __init__(
        self,
        encoder: SpectralEncoder,
        cells: CcaSettings,
        views: CcaSettings,
        augmentation: ViewSettings,
        context: TrainingContext,
        *,
        power: float = 1.0,
    ) -> None:
        self.encoder, self.cells, self.views, self.augmentation = encoder, cells, views, augmentation
        self.context, self.power = context, power
        self.stage = 0

    def fit(self, pixels: UInt8[np.ndarray, "n h w 3"]) -> None:
        """Fit cells, then views, from the checkpoint of the run on if there is one.

        Args:
            pixels: The images (n, size, size, 3), 0..255.

        Raises:
            InfoMaxError: There are fewer than 2 images, or they are all alike.
            TrainingInterrupted: SIGINT or SIGTERM asked to stop.

        """
        validate_count(len(pixels))
        self.use(pixels)
        with catch_signals() as self._stop, torch.inference_mode():
            with busy(STAGES[0], shown=self.context.progress):
                self.encoder.prepare(torch.from_numpy(np.array(pixels[np.sort(self.order[:CODEBOOK_IMAGES])])))
                self.encoder.to(self.context.device).eval()
                self._refuse_without_words()
            saved = self._resume()
            if self.stage == 0:
                self._fit_cells(saved)
                self.stage, saved = 1, None
                self._save([])
            self._fit_views(saved)

    def use(self, pixels: UInt8[np.ndarray, "n h w 3"]) -> None:
        """Draw the order of the images, which says which are held out.

        Args:
            pixels: The images (n, size, size, 3), 0..255.

        """
        self.pixels, self._began = pixels, time.perf_counter()
        generator = torch.Generator().manual_seed(self.context.seed)
        self.order = torch.randperm(len(pixels), generator=generator).numpy()

    def _fit_cells(self, saved: Checkpoint | None) -> None:
        """Find the channels: two moments for each kind of patch, of symmetric and antisymmetric parts."""
        accuracy = self._mirror_test()
        pairs = self._cell_pairs()
        moments = [
            PairMoments(book.n_pairs, self.context.device, pairs) for book in self.encoder.codebooks for _ in "sa"
        ]
        self._accumulate(STAGES[1], self.cells, moments, self._cell_samples, saved)
        with busy(STAGES[2], shown=self.context.progress):
            held_out = self._held_out(moments, self.cells.images, self._cell_samples)
            rank = min(self.cells.rank, self.encoder.n_channels)
            found = [
                projection.fit(symmetric, antisymmetric, rank, ridge=self.cells.ridge)
                for projection, (symmetric, antisymmetric) in zip(
                    self.encoder.local_projections, _in_twos(moments), strict=True
                )
            ]
            self._refuse_alike_if(not any(each.correlations.any() for each in self.encoder.local_projections))
            self._log(
                "cells",
                _total_bound(found, moments),
                _total_bound(found, held_out) if held_out[0].groups else None,
                len(found) * rank,
                mirror_classification_accuracy=accuracy,
            )

    def _fit_views(self, saved: Checkpoint | None) -> None:
        """Find the code."""
        moments = PairMoments(len(self.encoder.code_projection.mean), self.context.device)
        self._accumulate(STAGES[3], self.views, [moments], self._view_samples, saved)
        with busy(STAGES[4], shown=self.context.progress):
            (held_out,) = self._held_out([moments], self.views.images, self._view_samples)
            found = self.encoder.code_projection.fit(moments, self.views.rank, ridge=self.views.ridge, power=self.power)
            self._refuse_alike_if(not len(found.correlations))
            bound = found.bound_on(held_out) if held_out.groups else None
            self._log("views", found.bound_on(moments), bound, len(found.correlations))

    def _mirror_test(self) -> float | None:
        """Decide whether the collection is chiral; return the accuracy of the test if one was asked for."""
        asked = self.augmentation.mirror == "auto"
        rows = np.sort(self.order[:MIRRORED])
        accuracy = mirror_classification_accuracy(self._antisymmetric_parts(rows)) if asked else None
        chiral = self.augmentation.mirror == "chiral" if accuracy is None else accuracy > CHIRAL
        self.encoder.chiral.fill_(chiral)
        return accuracy

    def _antisymmetric_parts(self, rows: Int[np.ndarray, " n"]) -> Float[Tensor, "n numbers"]:
        """Compute what changes its sign in the mirror: of the histograms of whole images, all kinds of patches."""
        counted = [
            torch.cat([symmetric_parts(each)[1] for each in self.encoder.histograms(part, grid=1)], -1)
            for part in self.encoder.micro_batches(self._images(rows))
        ]
        return torch.cat(counted)[:, 0, 0]

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
            for start in range(done, len(rows), BATCH_IMAGES):
                batch = self._images(rows[start : start + BATCH_IMAGES])
                self._add(moments, sample(batch, numbered_generator(self.context.seed, start, self.context.device)))
                advance(len(batch))
                if self._stop.is_set():
                    self._save(moments, start + len(batch))
                    raise TrainingInterrupted(interruption_message(f"stopped while {stage}", self.context.run))
                if time.monotonic() - written > CHECKPOINT_SECONDS:
                    self._save(moments, start + len(batch))
                    written = time.monotonic()

    def _add(self, moments: list[PairMoments], samples: Iterable[Float[Tensor, "n k dim"]]) -> None:
        for each, these in zip(moments, samples, strict=True):
            each.add(these)

    def _cell_pairs(self) -> Float[Tensor, "cells cells"]:
        """Mark which cells of an image are paired."""
        places = torch.cartesian_prod(*(torch.arange(self.encoder.grid, dtype=torch.float32),) * 2)
        return CELL_PAIRS[self.cells.pairs](torch.cdist(places, places)).float().to(self.context.device)

    def _cell_samples(
        self, images: UInt8[Tensor, "n h w 3"], _: torch.Generator
    ) -> Iterator[Float[Tensor, "n cells n_pairs"]]:
        """Yield the histograms of the cells: for each kind of patch the symmetric and the antisymmetric part."""
        parts = [self.encoder.histograms(part) for part in self.encoder.micro_batches(images)]
        for histograms in zip(*parts, strict=True):
            yield from symmetric_parts(torch.cat(histograms)[:, 0])

    def _view_samples(
        self, images: UInt8[Tensor, "n h w 3"], generator: torch.Generator
    ) -> Iterator[Float[Tensor, "n views numbers"]]:
        """Yield the mirror-averaged feature maps of the views."""
        yield sample_views(self.encoder, images, self.augmentation, generator)

    def _refuse_without_words(self) -> None:
        if not any(codebook.atoms.any() for codebook in self.encoder.codebooks):
            raise InfoMaxError("every image is of one color: there is nothing to learn from; choose other images")

    def _refuse_alike_if(self, nothing: bool) -> None:
        if nothing:
            raise InfoMaxError(
                f"the {len(self.pixels)} images are all alike: there is nothing to learn from; choose other images"
            )

    def _learned_from(self, settings: CcaSettings) -> Int[np.ndarray, " n"]:
        """Draw the rows that the moments come from: all but the held-out ones, repeated as often as allowed."""
        rows = self.order[len(self.order) // HELD_OUT :]
        return np.resize(rows, min(settings.images, settings.rounds * len(rows)))

    def _held_out(self, like: list[PairMoments], most: int, sample: SampleViews) -> list[PairMoments]:
        """Sum up moments of images that were not learned from, a tenth as many as those that were."""
        others = [PairMoments(len(each.first), self.context.device, each.pairs) for each in like]
        rows = self.order[: min(len(self.order), most) // HELD_OUT]
        for start in range(0, len(rows), BATCH_IMAGES):
            generator = numbered_generator(self.context.seed, -1, self.context.device)
            self._add(others, sample(self._images(rows[start : start + BATCH_IMAGES]), generator))
        return others

    def _images(self, rows: Int[np.ndarray, " n"]) -> UInt8[Tensor, "n h w 3"]:
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


def _in_twos(moments: list[PairMoments]) -> Iterator[tuple[PairMoments, PairMoments]]:
    """Pair the moments of the symmetric and the antisymmetric part of each kind of patch."""
    return zip(moments[::2], moments[1::2], strict=True)


def _total_bound(found: list[LocalDirections], moments: list[PairMoments]) -> float:
    """Add up the bounds of all kinds of patches."""
    total = 0.0
    for each, (symmetric, antisymmetric) in zip(found, _in_twos(moments), strict=True):
        total += each.symmetric.bound_on(symmetric)
        total += each.antisymmetric.bound_on(antisymmetric)
    return total
