"""The closed form: typed settings, and the presets.

    infomax fit 'train-*.parquet' --recipe spectral-fast --out RUN
    infomax fit 'train-*.parquet' --recipe spectral --out RUN

docs/closed-form.md says what each reaches, and in which time.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, final

import numpy as np
import torch
from jaxtyping import UInt8

from infomax.constraints import FINITE, AtLeast, InRange, OneOf, not_negative
from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.recipes.recipe import Recipe
from infomax.representation.encoders import Encoder, SpectralEncoder
from infomax.representation.encoders.codebook import PatchKind, PatchSettings
from infomax.representation.objectives import Objective
from infomax.training.closed_form import CELL_PAIRS, CODEBOOK_IMAGES, STAGES, ClosedFormTrainer
from infomax.training.context import TrainingContext
from infomax.training.moments import HELD_OUT, MOMENTS_KEYS, MOST_HELD_OUT, CcaSettings
from infomax.training.spectral_views import MIRROR, ViewSettings

DECODE_SECONDS = 5e-4  # to decode an image of the usual kinds to a small square, on two cores
PREPARE_SECONDS = 2e-4  # to cut an image of the sample into patches, for each kind of patch
EIGEN_OPERATIONS = 25.0  # of a matrix product, in whose time an eigenproblem is solved, for each of dim ** 3
VIEW_COST = 1.6  # of a view with its crops, in encodings of an image
LEAST_COMPARED = REPEATED = 5_000  # images whose views are compared, where time or images are few
TIMED_IMAGES = 16  # images that are encoded to see how fast the machine is
CODING_SPEED = 1e11  # operations a second of a core that encodes images; the choice of a recipe must not vary with load
PRODUCT_SPEED = 1.5e11  # operations a second of a core that multiplies large matrices
COSINE = InRange("give a cosine, 0 to 1", 0.0, 1.0)


@final
@dataclass(frozen=True, kw_only=True)
class Spectral(Recipe):
    """Patches as visual words; what distinguishes cells, then views, of one image from those of others.

    Attributes:
        size: Side of the images, in pixels.
        patches: The kinds of patches, each written as [gray]PATCH[@SIDE][/STRIDE]: the side of a patch in pixels,
            the side to which the image is reduced first, and the distance between neighboring patches. `gray9@96/3`
            are patches of 9 x 9 pixels without color, of the image at 96 x 96 pixels, at every third pixel.
        components: Principal components of a patch that are kept, at most. With the threshold 64 numbers make whole
            tiles of a processor's matrix unit.
        atoms: Visual words of each kind, mirror images counted.
        whitening: Added to the variances of the components, of pixels in 0..1.
        similarity: Cosine above which a patch is too near another one to become an atom.
        threshold: Cosine above which an atom counts for a patch.
        grid: Cells along a side.
        chiral_grid: Cells along a side of a chiral collection, at most; never fewer than grid.
        channels: Numbers in the feature of a cell, for each kind of patch; fewer on a chiral grid.
        dim: Numbers in the code.
        cell_images: Images from which the channels are found, at most.
        cell_ridge: Ridge of that eigenproblem.
        cell_pairs: Which cells of an image are paired: all, neighbors or distant.
        view_images: Images from which the code is found, at most.
        view_rounds: How many times, at most, few images are repeated in other views, until there are REPEATED.
        view_ridge: Ridge of that eigenproblem.
        power: Numbers of the code are weighted by their canonical correlations to this power.
        mirror: "invariant", "chiral", or "auto" (test whether the collection is left-right symmetric).
        copies: Recolored copies of each image.
        crops: Crops of the image and of each copy; a gray copy has one.

    """

    kind: ClassVar[str] = "spectral"

    patches: tuple[str, ...] = ("6/2",)
    components: Annotated[int, AtLeast(1)] = 63
    atoms: int = 1024
    whitening: Annotated[float, not_negative(1e-3)] = 1e-3
    similarity: Annotated[float, COSINE] = 0.5
    threshold: Annotated[float, COSINE] = 0.2
    grid: Annotated[int, AtLeast(1)] = 4
    chiral_grid: Annotated[int, AtLeast(1)] = 8
    channels: Annotated[int, AtLeast(1)] = 192
    dim: Annotated[int, AtLeast(1)] = 512
    cell_images: Annotated[int, AtLeast(1)] = 4_000
    cell_ridge: Annotated[float, not_negative(1.0)] = 1.0
    cell_pairs: Annotated[str, OneOf(tuple(CELL_PAIRS))] = "neighbors"
    view_images: Annotated[int, AtLeast(1)] = 12_000
    view_rounds: Annotated[int, AtLeast(1)] = 4
    view_ridge: Annotated[float, not_negative(0.1)] = 0.1
    power: Annotated[float, FINITE] = 1.0
    mirror: Annotated[str, OneOf(MIRROR)] = "auto"
    copies: Annotated[int, AtLeast(1)] = 1
    crops: Annotated[int, AtLeast(1)] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 2 and self.mirror != "invariant":  # the code of a chiral collection has half of them
            raise InfoMaxError(f"channels is {self.channels}: use 2 or more, or mirror=invariant")
        if (self.cell_pairs == "distant" and self.grid < 3) or self.grid < 2:
            raise InfoMaxError(f"a grid of {self.grid} has no {self.cell_pairs} pairs of cells: use a larger one")
        if self.atoms < 2 or self.atoms % 2:
            raise InfoMaxError(f"atoms is {self.atoms}: use an even number, as each is stored with its mirror image")
        if not self.patches:
            raise InfoMaxError("no patches: give a kind of them, patches=6/2 say")
        for text in self.patches:
            self._validate_patch(text)

    def _validate_patch(self, text: str) -> None:
        """Refuse patches that do not fit the image or the grid."""
        try:
            kind = PatchKind.parse(text)
        except ValueError as error:
            raise InfoMaxError(f"setting patches: {error}") from None
        side = kind.side or self.size
        if side > self.size:
            raise InfoMaxError(
                f"patches {text} are of {side} px, more than the images of {self.size} px: use a larger size"
            )
        if kind.stride < 1 or not 1 < kind.patch <= side or (side - kind.patch) % kind.stride:
            raise InfoMaxError(
                f"patches of {kind.patch} px at stride {kind.stride} do not end at the edge of {side} px: "
                "choose patches so that size - patch is a multiple of the stride"
            )
        if (places := kind.places(self.size)) < self.grid:
            raise InfoMaxError(
                f"patches of {kind.patch} px have {places} places along a side, and the grid {self.grid} cells: "
                "use a smaller grid, stride or patch"
            )

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How an image becomes visual words in cells."""
        return self.size, self.patches, self.threshold, self.grid, self.chiral_grid

    @property
    def checkpoint_keys(self) -> tuple[str, ...]:
        """What last.ckpt of the closed form holds."""
        return MOMENTS_KEYS

    def encoder(self) -> SpectralEncoder:
        """Make a new encoder with random maps."""
        patches = PatchSettings(
            tuple(PatchKind.parse(text) for text in self.patches),
            self.components,
            self.atoms,
            self.threshold,
            self.whitening,
            self.similarity,
        )
        return SpectralEncoder(
            self.size,
            patches,
            grid=self.grid,
            chiral_grid=self.chiral_grid,
            channels=self.channels,
            dim=self.dim,
        )

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
        """Fit the encoder in closed form: two passes over some of the images, two eigenproblems."""
        assert isinstance(encoder, SpectralEncoder)
        assert objective is None
        trainer = ClosedFormTrainer(
            encoder,
            CcaSettings(self.cell_images, self.cell_ridge, self.channels, self.cell_pairs),
            self._views,
            ViewSettings(self.mirror, self.copies, self.crops),
            context,
            power=self.power,
        )
        trainer.fit(pixels)

    def within(self, seconds: float, n: int, device: torch.device) -> "Spectral":
        """Compare the views of as many images as the time allows, at most view_images, at least LEAST_COMPARED.

        Args:
            seconds: Time to learn from the collection and to embed it.
            n: Images in the collection.
            device: Where it computes; on a GPU nothing is left out.

        Returns:
            The recipe, with fewer `view_images` where needed.

        """
        found = self
        while (found.usual_seconds(n, device) or 0) > seconds and found.view_images > LEAST_COMPARED:
            found = found.with_settings(view_images=max(found.view_images * 3 // 4000 * 1000, LEAST_COMPARED))
        return found

    @property
    def _views(self) -> CcaSettings:
        """How the code is found."""
        return CcaSettings(self.view_images, self.view_ridge, self.dim, rounds=self.view_rounds, repeated=REPEATED)

    def stage_seconds(self, n: int, device: torch.device) -> dict[str, float]:
        """Estimate the time of decoding and of each stage of the closed form, by the speed of this machine."""
        return self._stage_seconds(n, *_measured_speed(self, device))

    def expected_seconds(self, n: int, device: torch.device) -> float | None:
        """Estimate the time from the size of each stage and the speed of this machine; None on a GPU."""
        return None if device.type == "cuda" else self._seconds(n, *_measured_speed(self, device))

    def usual_seconds(self, n: int, device: torch.device) -> float | None:
        """Estimate the time from the operations of each stage and the usual speed of a core; None on a GPU."""
        if device.type == "cuda":
            return None
        return self._seconds(n, self._operations / (CODING_SPEED * cores()), PRODUCT_SPEED * cores())

    def _seconds(self, n: int, per_image: float, speed: float) -> float:
        """Add up the time of all stages, and that to embed the images."""
        return sum(self._stage_seconds(n, per_image, speed).values()) + n * per_image

    @property
    def _operations(self) -> int:
        """Operations of the products that encode an image: patches with atoms, and codes with cells."""
        places = sum(PatchKind.parse(text).places(self.size) ** 2 for text in self.patches)
        return 2 * places * self.atoms * (self.components + self.grid**2)

    def _stage_seconds(self, n: int, per_image: float, speed: float) -> dict[str, float]:
        """Give the expected seconds of each stage by name, from those of an image and the operations a second."""
        views = self._views.images_of(n)
        cells = min(self.cell_images, n)
        kinds = len(self.patches)
        numbers = self.grid * ((self.grid + 1) // 2) * self.channels * kinds
        samples = (self.crops + 1) * (self.copies + 1) + 1
        coding = (2 + self.copies) * per_image * VIEW_COST  # seconds for the views of an image
        return {
            "decoding": DECODE_SECONDS * n,
            STAGES[0]: PREPARE_SECONDS * kinds * min(n, CODEBOOK_IMAGES),
            STAGES[1]: cells * per_image + cells * 4 * kinds * self.grid**2 * (self.atoms / 2) ** 2 * 2 / speed,
            STAGES[2]: 2 * kinds * EIGEN_OPERATIONS * (self.atoms / 2) ** 3 / speed,
            STAGES[3]: views * coding + views * samples * numbers**2 / speed,  # the moments are symmetric
            STAGES[4]: EIGEN_OPERATIONS * numbers**3 / speed + min(views / HELD_OUT, MOST_HELD_OUT) * coding,
        }


@cache
def _measured_speed(recipe: Spectral, device: torch.device) -> tuple[float, float]:
    """Measure the seconds to encode an image and the operations a second of a matrix product."""
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        encoder = recipe.encoder().to(device).eval()
        images = torch.zeros(TIMED_IMAGES, recipe.size, recipe.size, 3, dtype=torch.uint8, device=device)
        encoder.histograms(images[:2])
        per_image = min(_seconds(lambda: encoder.histograms(images)) for _ in range(2)) / TIMED_IMAGES
        square = torch.ones(768, 768, device=device)
        product = min(_seconds(lambda: square @ square) for _ in range(3))
    return per_image, 2 * 768**3 / product


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


SPECTRAL_FAST = Spectral(name="spectral-fast", size=32, patches=("6/2", "8/2"), cell_images=3_000, view_images=10_000)

SPECTRAL = Spectral(
    name="spectral", size=32, patches=("6", "8", "gray6", "gray9"), cell_images=3_000, view_images=16_000
)

SPECTRAL_64 = Spectral(
    name="spectral-64",
    size=64,
    patches=("6/2", "gray8/2", "6@32", "gray9@32"),
    channels=128,
    cell_images=3_000,
    view_images=20_000,
)

SPECTRAL_96 = Spectral(
    name="spectral-96",
    size=96,
    patches=("9/3", "gray9/3", "6@32", "gray9@32"),
    channels=128,
    cell_images=3_000,
    view_images=20_000,
)
