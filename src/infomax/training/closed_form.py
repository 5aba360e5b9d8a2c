"""Training in closed form: no gradient descent, two passes over some of the images, two eigenproblems.

The story: whitening and atoms come from a sample of patches. Then the same question is asked twice. Each time the
answer is the optimum of the Pearson chi2 bound for a separable critic (infomax.information.closed_form):

- cells: which linear functions of a cell's histogram best tell whether two cells are of one image?
- views: which linear functions of the whole feature map best tell whether two views are of one image? Views are other
  crops, colors and slants. The mirror image is a view too, unless the collection is chiral.

The answers to the first become the channels of the feature map. Those to the second become the code, each weighted by
its correlation, so that what changes from view to view counts little.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.information.closed_form import PairMoments
from infomax.progress import busy
from infomax.representation.encoders.codebook import symmetric_parts
from infomax.representation.encoders.projections import LocalDirections
from infomax.representation.encoders.spectral import SpectralEncoder
from infomax.training.context import TrainingContext, validate_count
from infomax.training.interruption import catch_signals
from infomax.training.moments import CcaSettings, MomentsTrainer
from infomax.training.run_folder import Checkpoint
from infomax.training.spectral_views import ViewSettings, is_chiral, mirror_classification_accuracy, sample_views

CODEBOOK_IMAGES = 4_000  # images from which whitening and atoms come
MIRRORED = 1_000  # images that are compared with their mirror images

STAGES = ("patches", "comparing cells", "solving for cells", "comparing views", "solving for views")
"""Stages of a training, as the progress bar names them."""

CELL_PAIRS: Mapping[str, Callable[[Float[Tensor, "cells cells"]], Bool[Tensor, "cells cells"]]] = {
    "all": lambda distance: distance > 0,
    "neighbors": lambda distance: distance == 1,
    "distant": lambda distance: distance >= 2,
}
"""Distances between the cells of a grid, in cells -> which of them are pairs."""


@final
class ClosedFormTrainer(MomentsTrainer):
    """Fit the two projections of a SpectralEncoder, with all state that an exact resume needs.

    Args:
        encoder: Fitted in place.
        cells: How the channels are found.
        views: How the code is found.
        augmentation: What counts as a view.
        context: Where to compute, log and save.
        power: Each number of the code is weighted by its canonical correlation to this power.

    """

    encoder: SpectralEncoder

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
        super().__init__(encoder, context)
        self.cells, self.views, self.augmentation, self.power = cells, views, augmentation, power

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
            self._fit_code(
                STAGES[3:], self.views, self.encoder.code_projection, self._view_samples, saved, power=self.power
            )

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

    def _mirror_test(self) -> float | None:
        """Decide whether the collection is chiral; return the accuracy of the test if one was asked for."""
        asked = self.augmentation.mirror == "auto"
        rows = np.sort(self.order[:MIRRORED])
        accuracy = mirror_classification_accuracy(self._antisymmetric_parts(rows)) if asked else None
        self.encoder.chiral.fill_(is_chiral(self.augmentation.mirror, accuracy))
        return accuracy

    def _antisymmetric_parts(self, rows: Int[np.ndarray, " n"]) -> Float[Tensor, "n numbers"]:
        """Compute what changes its sign in the mirror: of the histograms of whole images, all kinds of patches."""
        counted = [
            torch.cat([symmetric_parts(each)[1] for each in self.encoder.histograms(part, grid=1)], -1)
            for part in self.encoder.micro_batches(self._images(rows))
        ]
        return torch.cat(counted)[:, 0, 0]

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
