"""The closed form as typed settings, and the two recipes that are made of it.

    infomax fit 'train-*.parquet' --recipe spectral-fast --out RUN
    infomax fit 'train-*.parquet' --recipe spectral --out RUN

Measured on CIFAR-10's test pictures (weighted vote of the 20 nearest training codes, cosine): `spectral` 80.42 % after
440 seconds of two cores of an AMD EPYC, torch 2.13, from the start of the process to both splits embedded;
`spectral-fast` 74.93 % after 75. docs/closed-form.md has the rest.
"""

from dataclasses import dataclass
from typing import final

from infomax.errors import InfoMaxError
from infomax.recipes.recipe import Fitting, Recipe
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
    "region_pictures",
    "view_pictures",
    "view_rounds",
    "crops",
)
"""Settings that are 1 or more."""


@final
@dataclass(frozen=True, kw_only=True)
class Spectral(Recipe):
    """Patches as words; what tells regions, then views, of one picture from those of others, in closed form.

    patches, grey_patches: sides of the patches, in pixels, in colour and without; stride: between neighbouring ones.
    components: principal components of a patch that are kept, at most.
    whitening: added to their variances, of pixels in 0..1.
    atoms: words of each kind of patch, mirror images counted.
    similarity: cosine above which a patch is too near another one to become an atom.
    threshold: cosine above which a patch counts as a word.
    grid: cells along a side; chiral_grid: up to so many, but not fewer, where a picture and its mirror image differ.
    channels: features of a cell, for each kind of patch; fewer of a chiral grid, whose code has as many numbers.
    region_pictures, region_ridge: how many pictures, at most, say which channels tell regions, and how much ridge.
    region_pairs: which cells of a picture are paired for that: all, neighbours or distant.
    view_pictures, view_ridge: the same of the code; view_rounds: how many times at most fewer pictures are gone over,
    in other views, to make up for it. power: of the values that weigh the code.
    mirror: whether a picture and its mirror image are alike: alike, apart, or auto, as the collection says.
    copies, crops: recoloured copies of each picture, and the crops of it and of each of these; a grey copy has one.
    """

    patches: tuple[int, ...] = (6,)
    grey_patches: tuple[int, ...] = ()
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
    region_pictures: int = 4_000
    region_ridge: float = 1.0
    region_pairs: str = "neighbours"
    view_pictures: int = 12_000
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
        if self.region_pairs not in spectral.PAIRS:
            raise InfoMaxError(f"unknown region_pairs '{self.region_pairs}': choose one of {', '.join(spectral.PAIRS)}")
        if self.mirror not in spectral.MIRROR:
            raise InfoMaxError(f"unknown mirror '{self.mirror}': choose one of {', '.join(spectral.MIRROR)}")
        if self.channels < 2 and self.mirror != "alike":  # a chiral code has half of them
            raise InfoMaxError(f"channels is {self.channels}: use 2 or more, or mirror=alike")
        if (self.region_pairs == "distant" and self.grid < 3) or self.grid < 2:
            raise InfoMaxError(f"a grid of {self.grid} has no {self.region_pairs} pairs of cells: use a larger one")
        if self.atoms < 2 or self.atoms % 2:
            raise InfoMaxError(f"atoms is {self.atoms}: use an even number, as each stands beside its mirror image")
        for patch in (*self.patches, *self.grey_patches):
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
        if not self.patches + self.grey_patches:
            raise InfoMaxError("no patches and no grey_patches: give the side of one, 6 say")

    @property
    def entrance(self) -> tuple[object, ...]:
        """How a picture becomes words in cells."""
        return self.size, self.patches, self.grey_patches, self.stride, self.threshold, self.grid, self.chiral_grid

    def encoder(self) -> SpectralEncoder:
        """A new encoder with random maps."""
        return SpectralEncoder(
            self.size,
            self.patches,
            self.grey_patches,
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

    def learn(self, encoder: Encoder, objective: Objective | None, fitting: Fitting) -> None:
        """Two passes over some of the pictures, two eigenproblems."""
        assert isinstance(encoder, SpectralEncoder)
        assert objective is None
        spectral.fit(
            encoder,
            fitting.pixels,
            spectral.Question(self.region_pictures, self.region_ridge, self.channels, self.region_pairs),
            spectral.Question(self.view_pictures, self.view_ridge, self.dim, rounds=self.view_rounds),
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
            "or choose another --recipe, seed-cifar10 say"
        )


SPECTRAL_FAST = Spectral(name="spectral-fast", size=32, patches=(6, 8), region_pictures=3_000, view_pictures=5_000)

SPECTRAL = Spectral(
    name="spectral",
    size=32,
    patches=(6, 8),
    grey_patches=(6, 9),
    stride=1,
    region_pictures=3_000,
    view_pictures=8_000,
)
