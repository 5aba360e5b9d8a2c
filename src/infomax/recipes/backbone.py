"""A pretrained net made better for one collection: typed settings, and the preset.

    infomax fit photos/ --recipe backbone --out RUN
    infomax fit photos/ --recipe backbone --set backbone=transformers:facebook/dinov2-small --out RUN

docs/results/backbones.md has what it reaches.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, final

import numpy as np
import torch
from jaxtyping import UInt8

from infomax.constraints import FINITE, FRACTION, AtLeast, InRange, OneOf, not_negative, positive
from infomax.errors import InfoMaxError
from infomax.progress import staged_progress
from infomax.recipes.recipe import Recipe
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_64, SPECTRAL_96, SPECTRAL_FAST, Spectral
from infomax.representation.backbones.frozen import FrozenNet
from infomax.representation.backbones.registry import open_backbone
from infomax.representation.encoders import Encoder
from infomax.representation.encoders.backbone import BackboneEncoder
from infomax.representation.encoders.spectral import SpectralEncoder
from infomax.representation.objectives import Objective
from infomax.training.backbone import HEAD_STAGES, BackboneTrainer, HeadViews
from infomax.training.context import TrainingContext
from infomax.training.moments import MOMENTS_KEYS, CcaSettings
from infomax.training.spectral_views import MIRROR

PHOTO_SECONDS = 5e-3  # to decode a photo to a square of 224 pixels
NET_SECONDS = 0.015  # of efficientnet-lite0 for an image, on two cores; larger nets only weigh the stages wrongly
SOLVE_SECONDS = 5.0
REDUCED_AT_ONCE = 500  # images that are reduced for the closed form at a time

CLOSED_FORMS = {each.name: each for each in (SPECTRAL_FAST, SPECTRAL, SPECTRAL_64, SPECTRAL_96)}
"""Recipes whose code can stand beside that of the head, by name."""


@final
@dataclass(frozen=True, kw_only=True)
class Backbone(Recipe):
    """A frozen pretrained net, and what distinguishes views of one image from those of others of this collection.

    Attributes:
        size: Side of the images, in pixels; 0 for the net's own.
        backbone: The net: efficientnet-lite0, timm:NAME, torchvision:NAME, transformers:REPOSITORY-OR-FOLDER,
            onnx:FILE, or a name that was registered.
        weights: A file of its weights, safetensors or tensors alone; empty for its own.
        sha256: Digest that this file must have; empty where it is not known.
        dim: Numbers in the code. Any number of the first of them is a code, too.
        spectral: A recipe in closed form whose code makes the second half: spectral-64, say; or none.
        spectral_weight: Length of that code, where the code of the head has length 1.
        images: Images from which the code is found, at most.
        rounds: How many times, at most, fewer images are repeated in other views to make up for it.
        crops: Crops of an image in color, beside itself and a crop without color.
        min_crop_area: Least area of a crop, as a fraction of the image's.
        color: Strength of the color changes of a crop; 1 is strong.
        mirror: "invariant", "chiral", or "auto" (test whether the collection is left-right symmetric).
        ridge: Ridge of the eigenproblem.
        power: Numbers of the code are weighted by their canonical correlations to this power.
        whitening: How far the numbers of the net are whitened for the code: 1 in full, 0 not at all.

    """

    kind: ClassVar[str] = "backbone"

    size: Annotated[int, AtLeast(0)] = 0
    backbone: str = "efficientnet-lite0"
    weights: str = ""
    sha256: str = ""
    dim: Annotated[int, AtLeast(1)] = 256
    spectral: Annotated[str, OneOf(lambda: ("none", *CLOSED_FORMS))] = "none"
    spectral_weight: Annotated[float, positive(0.75)] = 0.75
    images: Annotated[int, AtLeast(1)] = 2_000
    rounds: Annotated[int, AtLeast(1)] = 2
    crops: Annotated[int, AtLeast(1)] = 3
    min_crop_area: Annotated[float, InRange("give a fraction above 0, 0.35 say", 0.0, 1.0, open_low=True)] = 0.35
    color: Annotated[float, FRACTION] = 0.75
    mirror: Annotated[str, OneOf(MIRROR)] = "auto"
    ridge: Annotated[float, not_negative(0.3)] = 0.3
    power: Annotated[float, FINITE] = 0.5
    whitening: Annotated[float, FRACTION] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.spectral != "none" and self.dim < 2:
            raise InfoMaxError(f"dim is {self.dim}: use 2 or more where a closed form makes half of the code")

    @property
    def input_signature(self) -> tuple[object, ...]:
        """The side of the images; all else is in the description of the net, which is among the weights."""
        return (self.size,)

    @property
    def checkpoint_keys(self) -> tuple[str, ...]:
        """What last.ckpt of the closed form holds."""
        return MOMENTS_KEYS

    def completed(self) -> "Backbone":
        """Fill in the side of the images that the net takes. Raises InfoMaxError where the net cannot be had."""
        return self if self.size else replace(self, size=self._open().description.size)

    def encoder(self) -> BackboneEncoder:
        """Make a new encoder, which has no net yet: `fit` opens the net, and a fitted model carries it."""
        spectral = self._closed_form.encoder() if self.spectral != "none" else None
        return BackboneEncoder(self.dim - (self.dim // 2 if spectral else 0), spectral, self.spectral_weight)

    def objective(self) -> None:
        """Make no objective: the optimal critic is known."""

    def fit(
        self,
        encoder: Encoder,
        objective: Objective | None,
        pixels: UInt8[np.ndarray, "n h w 3"],
        labels: Sequence[str] | None,  # noqa: ARG002
        context: TrainingContext,
    ) -> None:
        """Open the net and fit the head in closed form."""
        assert isinstance(encoder, BackboneEncoder)
        assert objective is None
        encoder.attach(self._open())
        if encoder.spectral is not None and not (context.run is not None and context.run.checkpoint_file.exists()):
            self._fit_spectral(encoder, encoder.spectral, pixels, context)  # else it is in the checkpoint
        BackboneTrainer(
            encoder,
            HeadViews(self.crops, self.min_crop_area, self.color, self.mirror),
            CcaSettings(self.images, self.ridge, encoder.head_dim, rounds=self.rounds),
            context,
            power=self.power,
            whitening=self.whitening,
        ).fit(pixels)

    def _fit_spectral(
        self,
        encoder: BackboneEncoder,
        spectral: SpectralEncoder,
        pixels: UInt8[np.ndarray, "n h w 3"],
        context: TrainingContext,
    ) -> None:
        """Fit the closed form on the reduced images. It has no checkpoint of its own."""
        small = np.concatenate(
            [
                encoder.reduced(torch.from_numpy(np.array(pixels[start : start + REDUCED_AT_ONCE]))).byte().numpy()
                for start in range(0, len(pixels), REDUCED_AT_ONCE)
            ]
        )
        alone = replace(context, run=None, logger=None)
        self._closed_form.fit(spectral, None, small, None, alone)

    def progress(self, n: int, device: torch.device, *, shown: bool) -> AbstractContextManager[None]:  # noqa: ARG002
        """Draw one bar over decoding and all stages."""
        views = min(self.images, self.rounds * n) * (2 + self.crops)
        mirrored = 600 * NET_SECONDS if self.mirror == "auto" else 0.0
        times = (mirrored, views * NET_SECONDS, SOLVE_SECONDS)
        stages = {"decoding": PHOTO_SECONDS * n, **dict(zip(HEAD_STAGES, times, strict=True))}
        return staged_progress(stages if shown else {}, shown=shown)

    @property
    def _closed_form(self) -> Spectral:
        """The recipe that makes the second half of the code."""
        return CLOSED_FORMS[self.spectral].with_settings(dim=self.dim // 2)

    def _open(self) -> FrozenNet:
        return open_backbone(self.backbone, self.size, self.weights, self.sha256)


BACKBONE = Backbone(name="backbone")
