"""The closed form as typed settings, and the two recipes that are made of it.

    infomax fit 'train-*.parquet' --recipe spectral-fast --out RUN
    infomax fit 'train-*.parquet' --recipe spectral --out RUN

Measured on CIFAR-10's test images (weighted vote of the 20 nearest training codes, cosine): `spectral` 80.42 % after
440 seconds of two cores of an AMD EPYC, torch 2.13, from the start of the process to both splits embedded;
`spectral-fast` 74.93 % after 75. docs/closed-form.md has the rest.
"""

from dataclasses import dataclass
from typing import final

from infomax.errors import InfoMaxError
from infomax.recipes.recipe import Recipe, TrainingContext
from infomax.representation.encoders import Encoder, SpectralEncoder
from infomax.representation.objectives import Objective
from infomax.training import closed_form as spectral

COUNTS = (
    "stride",
    "components",
    "grid",
    "chiral_grid",
    "channels",
    "dim",
    "cell_images",
    "view_images",
    "view_rounds",
    "crops",
)
"""Settings that are 1 or more."""


@final
@dataclass(frozen=True, kw_only=True)
class Spectral(Recipe):
    """Patches as words; what tells regions, then views, of one image from those of others, in closed form.

    patches, gray_patches: sides of the patches, in pixels, in color and without; stride: between neighboring ones.
    components: principal components of a patch that are kept, at most.
    whitening: added to their variances, of pixels in 0..1.
    atoms: words of each kind of patch, mirror images counted.
    similarity: cosine above which a patch is too near another one to become an atom.
    threshold: cosine above which a patch counts as a word.
    grid: cells along a side; chiral_grid: up to so many, but not fewer, where an image and its mirror image differ.
    channels: features of a cell, for each kind of patch; fewer of a chiral grid, whose code has as many numbers.
    cell_images, cell_ridge: how many images, at most, say which channels tell regions, and how much ridge.
    cell_pairs: which cells of an image are paired for that: all, neighbors or distant.
    view_images, view_ridge: the same of the code; view_rounds: how many times at most fewer images are gone over,
    in other views, to make up for it. power: of the values that weigh the code.
    mirror: whether an image and its mirror image are alike: alike, apart, or auto, as the collection says.
    copies, crops: recolored copies of each image, and the crops of it and of each of these; a gray copy has one.
    """

    patches: tuple[int, ...] = (6,)
    gray_patches: tuple[int, ...] = ()
    stride: int = 2
    components: int = 64
    atoms: int = 1024
    whitening: float = 1e-3
    similarity: float = 0.5
    threshold: float = 0.2
    grid: int = 4
    chiral_grid: int = 8
    channels: int = 192
    dim: int = 512
    cell_images: int = 4_000
    cell_ridge: float = 1.0
    cell_pairs: str = "neighbors"
    view_images: int = 12_000
    view_rounds: int = 4
    view_ridge: float = 0.1
    power: float = 1.0
    mirror: str = "auto"
    copies: int = 1
    crops: int = 4

    def __post_init__(self) -> None:
        for name in COUNTS:
            if (value := getattr(self, name)) < 1:
                raise InfoMaxError(f"{name} is {value}: use 1 or more")
        if self.cell_pairs not in spectral.CELL_PAIRS:
            raise InfoMaxError(
                f"unknown cell_pairs '{self.cell_pairs}': choose one of {', '.join(spectral.CELL_PAIRS)}"
            )
        if self.mirror not in spectral.MIRROR:
            raise InfoMaxError(f"unknown mirror '{self.mirror}': choose one of {', '.join(spectral.MIRROR)}")
        if self.channels < 2 and self.mirror != "invariant":  # a chiral code has half of them
            raise InfoMaxError(f"channels is {self.channels}: use 2 or more, or mirror=invariant")
        if (self.cell_pairs == "distant" and self.grid < 3) or self.grid < 2:
            raise InfoMaxError(f"a grid of {self.grid} has no {self.cell_pairs} pairs of cells: use a larger one")
        if self.atoms < 2 or self.atoms % 2:
            raise InfoMaxError(f"atoms is {self.atoms}: use an even number, as each stands beside its mirror image")
        for patch in (*self.patches, *self.gray_patches):
            if not 1 < patch <= self.size or (self.size - patch) % self.stride:
                raise InfoMaxError(
                    f"patches of {patch} px at stride {self.stride} do not end at the edge of {self.size} px: "
                    "choose patches so that size - patch is a multiple of the stride"
                )
            if (places := (self.size - patch) // self.stride + 1) < self.grid:
                raise InfoMaxError(
                    f"patches of {patch} px have {places} places along a side, and the grid {self.grid} cells: "
                    "use a smaller grid, stride or patch"
                )
        if not self.patches + self.gray_patches:
            raise InfoMaxError("no patches and no gray_patches: give the side of one, 6 say")

    @property
    def input_signature(self) -> tuple[object, ...]:
        """How an image becomes words in cells."""
        return self.size, self.patches, self.gray_patches, self.stride, self.threshold, self.grid, self.chiral_grid

    def encoder(self) -> SpectralEncoder:
        """A new encoder with random maps."""
        return SpectralEncoder(
            self.size,
            self.patches,
            self.gray_patches,
            self.stride,
            self.components,
            self.atoms,
            self.threshold,
            self.grid,
            self.chiral_grid,
            self.channels,
            self.dim,
            whitening=self.whitening,
            similarity=self.similarity,
        )

    def objective(self) -> None:
        """No gradients, no critics: the optimal critic is known."""

    def learn(self, encoder: Encoder, objective: Objective | None, fitting: TrainingContext) -> None:
        """Two passes over some of the images, two eigenproblems."""
        assert isinstance(encoder, SpectralEncoder)
        assert objective is None
        spectral.fit(
            encoder,
            fitting.pixels,
            spectral.CcaSettings(self.cell_images, self.cell_ridge, self.channels, self.cell_pairs),
            spectral.CcaSettings(self.view_images, self.view_ridge, self.dim, rounds=self.view_rounds),
            spectral.ViewSettings(self.mirror, self.copies, self.crops),
            power=self.power,
            seed=fitting.seed,
            device=fitting.device,
            run=fitting.run,
            progress=fitting.progress,
        )

    def with_epochs(self, epochs: int) -> "Spectral":
        """Refused: there is nothing to repeat."""
        raise InfoMaxError(
            f"recipe {self.name} learns in closed form and has no epochs: leave --epochs {epochs} out, "
            "or choose another --recipe, dim-cifar10 say"
        )


SPECTRAL_FAST = Spectral(name="spectral-fast", size=32, patches=(6, 8), cell_images=3_000, view_images=5_000)

SPECTRAL = Spectral(
    name="spectral",
    size=32,
    patches=(6, 8),
    gray_patches=(6, 9),
    stride=1,
    cell_images=3_000,
    view_images=8_000,
)
