"""Training of the recipe `backbone`: a frozen net sees views of some of the images, and the head is solved for.

The question is that of the closed form (infomax.training.closed_form), asked of the features of a pretrained net: which
linear functions of them best tell whether two views are of one image of this collection? The answers become the code,
each weighted by its correlation, the best first. So what the net knows and the collection does not need counts little,
and any number of the first numbers is the best code of that length. The numbers of the net are whitened only in part:
what a pretrained net varies most in is what it was trained to tell apart, and keeps some of its weight.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infomax.progress import busy
from infomax.representation.augmentation import CropPolicy, augment
from infomax.representation.encoders.backbone import BackboneEncoder
from infomax.training.context import TrainingContext, validate_count
from infomax.training.interruption import catch_signals
from infomax.training.moments import CcaSettings, MomentsTrainer
from infomax.training.spectral_views import is_chiral, mirror_classification_accuracy

HEAD_STAGES = ("comparing mirror images", "comparing views", "solving for views")
"""Stages of a training, as the progress bar names them."""

BATCH_PHOTOS = 32  # images between two looks at the clock: a large net takes a second for so many views
SEEN = 64  # images by which the net is seen to give no numbers below 0
COMPARED = 300  # images that are compared with their mirror images


@final
@dataclass(frozen=True)
class HeadViews:
    """What counts as a view of an image: itself, crops of it in other colors, and a crop without color.

    Attributes:
        crops: Crops in color.
        area: Least area of a crop, as a fraction of the image's.
        color: Strength of the color changes; 1 changes brightness and contrast by up to 0.4, saturation by 0.8 and hue
            by 0.1.
        mirror: Whether the mirror image is a view too: "invariant", "chiral", or "auto" (test whether the collection is
            left-right symmetric).

    """

    crops: int = 3
    area: float = 0.35
    color: float = 0.75
    mirror: str = "auto"

    def policies(self, size: int, *, chiral: bool) -> list[CropPolicy]:
        """Say how the crops are drawn.

        Args:
            size: Side of the images and of the views, in pixels.
            chiral: Whether images differ from their mirror images.

        Returns:
            The policies.

        """
        colored = CropPolicy(
            size=size,
            count=self.crops,
            scale=(self.area, 1.0),
            flip=0.0 if chiral else 0.5,
            jitter=1.0,
            brightness=0.4 * self.color,
            contrast=0.4 * self.color,
            saturation=0.8 * self.color,
            hue=0.1 * self.color,
            gray=0.0,
        )
        return [colored, replace(colored, count=1, jitter=0.0, gray=1.0)]


@final
class BackboneTrainer(MomentsTrainer):
    """Fit the head of a BackboneEncoder, with all state that an exact resume needs.

    Args:
        encoder: Its head is fitted in place; its net is frozen.
        views: What counts as a view.
        settings: How the code is found.
        context: Where to compute, log and save.
        power: Each number of the code is weighted by its canonical correlation to this power.
        whitening: How far the numbers of the net are whitened for the code, 0 to 1.

    """

    encoder: BackboneEncoder

    def __init__(
        self,
        encoder: BackboneEncoder,
        views: HeadViews,
        settings: CcaSettings,
        context: TrainingContext,
        *,
        power: float = 1.0,
        whitening: float = 1.0,
    ) -> None:
        super().__init__(encoder, context, BATCH_PHOTOS)
        self.views, self.settings, self.power, self.whitening = views, settings, power, whitening
        self._policies: Sequence[CropPolicy] = ()

    def fit(self, pixels: UInt8[np.ndarray, "n h w 3"]) -> None:
        """Fit the head, from the checkpoint of the run on if there is one.

        Args:
            pixels: The images (n, size, size, 3), 0..255.

        Raises:
            InfoMaxError: There are fewer than 2 images, or they are all alike.
            TrainingInterrupted: SIGINT or SIGTERM asked to stop.

        """
        validate_count(len(pixels))
        self.use(pixels)
        with catch_signals() as self._stop, torch.inference_mode():
            self.encoder.to(self.context.device).eval()
            seen = self._images(np.sort(self.order[:SEEN]))
            self._refuse_alike_if(bool((seen == seen[0]).all()))
            self.encoder.prepare(seen)
            saved = self._resume()
            self.encoder.to(self.context.device).eval()
            accuracy = self._mirror_test()
            self._policies = self.views.policies(pixels.shape[1], chiral=is_chiral(self.views.mirror, accuracy))
            self._fit_code(
                HEAD_STAGES[1:],
                self.settings,
                self.encoder.head,
                self._view_samples,
                saved,
                power=self.power,
                whitening=self.whitening,
                mirror_classification_accuracy=accuracy,
            )

    def _mirror_test(self) -> float | None:
        """Test whether images are told from their mirror images; None where the answer is given."""
        if self.views.mirror != "auto":
            return None
        with busy(HEAD_STAGES[0], shown=self.context.progress):
            images = self._images(np.sort(self.order[:COMPARED]))
            difference = self.encoder.numbers(images) - self.encoder.numbers(images.flip(2))
            return mirror_classification_accuracy(difference)

    def _view_samples(
        self, images: UInt8[Tensor, "n h w 3"], generator: torch.Generator
    ) -> Iterator[Float[Tensor, "n views numbers"]]:
        """Yield the summaries of the views, the whole image first."""
        views = [
            images,
            *(each for batch in augment(self._policies, images, generator) for each in torch.split(batch, len(images))),
        ]
        yield torch.stack([self.encoder.numbers(each) for each in views], 1)
