"""The encoder of the closed form: a bag of visual words in each cell of a grid, and two linear maps.

The histogram of a cell is projected to the channels of the feature map (`LocalProjection`). The feature map is averaged
with that of the mirror image and projected to the code (`CodeProjection`). By the symmetric and antisymmetric parts of
the histograms that average costs nothing.

A chiral collection, whose images differ from their mirror images as writing does, is not averaged (Lin et al. 2020,
Visual Chirality, arXiv 2006.09512). What looks the same way round in every image mostly has the same place in every
image, too. So the cells of a chiral collection are finer, and its code is made of as many numbers of fewer channels.
"""

from copy import deepcopy
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import pad

from infomax.devices import bfloat16_is_fast
from infomax.representation.encoders.codebook import WHOLE, PatchSettings
from infomax.representation.encoders.projections import CodeProjection, LocalProjection
from infomax.representation.encoders.representation import Encoder, Representation
from infomax.representation.resampling import reduced

IMAGES_AT_ONCE = {"cpu": 64, "cuda": 256}


@final
class SpectralEncoder(Encoder):
    """Unit-length features of the cells of a grid, and a deterministic code.

    A new encoder has random maps and no atoms. `prepare` computes whitening and atoms from images, without learning.
    `infomax.training.closed_form` fits the maps and decides whether the collection is `chiral`.

    Args:
        size: Side of the images, in pixels.
        patches: How patches become words.
        grid: Cells along a side.
        chiral_grid: Cells along a side for a chiral collection, at most: as fine as the number of patches and 2
            channels a cell allow, and never coarser than grid.
        channels: Numbers in the feature of a cell, for each kind of patch. A chiral collection has fewer: its code is
            made of as many numbers of more cells.
        dim: Numbers in the code.

    """

    chiral: Tensor

    def __init__(
        self, size: int, patches: PatchSettings, *, grid: int, chiral_grid: int, channels: int, dim: int
    ) -> None:
        super().__init__()
        self.size, self.dim, self.patches = size, dim, patches
        self.register_buffer("chiral", torch.tensor(False))
        self.codebooks = patches.codebooks(size)
        self.local_projections = [LocalProjection(patches.atoms // 2, channels) for _ in self.codebooks]
        numbers = grid * ((grid + 1) // 2) * channels  # of each kind of patch, that the code is made of
        finer = range(min(chiral_grid, *(each.side for each in self.codebooks)), grid, -1)
        finest = next((cells for cells in finer if numbers // cells**2 > 1), grid)
        self.layouts = (grid, channels), (finest, numbers // finest**2)
        self.parts = nn.ModuleList([*self.codebooks, *self.local_projections])  # the plain lists register nothing
        self.code_projection = CodeProjection(numbers * len(self.codebooks), dim)
        self.seed = int(torch.randint(2**62, ()))

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """Represent images of values 0..255: the features of the cells, and the code."""
        features = torch.cat([self.features(part)[:, 0] for part in self.micro_batches(images)])
        code = self.code_projection(self.mirror_average(features))
        return Representation(features, code, None, (self.grid, self.grid))

    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """Compute whitening and atoms from a sample of the collection."""
        generator = torch.Generator().manual_seed(self.seed)
        whitening, similarity = self.patches.whitening, self.patches.similarity
        for codebook in self.codebooks:
            planes = torch.cat([self.pyramid(part)[codebook.size] for part in self.micro_batches(images)])
            codebook.prepare(planes, whitening=whitening, similarity=similarity, generator=generator)

    def micro_batches(self, images: Num[Tensor, "n h w 3"]) -> tuple[Num[Tensor, "m h w 3"], ...]:
        """Split a batch so that what is computed of a part fits a fast memory.

        Args:
            images: The batch.

        Returns:
            Its parts, in order.

        """
        return torch.split(images, IMAGES_AT_ONCE[images.device.type])

    def pyramid(self, images: Num[Tensor, "n h w 3"]) -> dict[int, Float[Tensor, "n 3 side side"]]:
        """Reduce images to each side at which a kind of patches is taken.

        Args:
            images: Values 0..255.

        Returns:
            Values 0..1, by side.

        """
        planes = images.permute(0, 3, 1, 2).float() / 255
        sides = dict.fromkeys(codebook.size for codebook in self.codebooks)
        return {side: planes if side == self.size else reduced(planes, side) for side in sides}

    def histograms(
        self, images: Num[Tensor, "n h w 3"], boxes: Float[Tensor, "n boxes 3"] | None = None, grid: int | None = None
    ) -> list[Float[Tensor, "n boxes cells atoms"]]:
        """Average the sparse codes in the cells over each box.

        Args:
            images: Values 0..255.
            boxes: Crops of the feature map of each image: offsets from the top and from the left as fractions of the
                room that is left, and side as a fraction of the whole. None for the whole.
            grid: Cells along a side; None for the encoder's own.

        Returns:
            For each kind of patches the histograms, of the atoms, then of their mirror images.

        """
        if boxes is None:
            boxes = torch.tensor(WHOLE, device=images.device).expand(len(images), 1, 3)
        planes, grid, bfloat16 = self.pyramid(images), grid or self.grid, bfloat16_is_fast(images.device)
        return [codebook(planes[codebook.size], boxes, grid, bfloat16=bfloat16) for codebook in self.codebooks]

    def features(
        self, images: Num[Tensor, "n h w 3"], boxes: Float[Tensor, "n boxes 3"] | None = None
    ) -> Float[Tensor, "n boxes cells channels"]:
        """Compute the feature map over each box.

        Args:
            images: Values 0..255.
            boxes: Crops of the feature map of each image, as `histograms` takes them. None for the whole.

        Returns:
            The feature of each cell, one kind of patches after the other.

        """
        projected = zip(self.local_projections, self.histograms(images, boxes), strict=True)
        return torch.cat([project(histogram, self.n_channels) for project, histogram in projected], -1)

    def scores(self, images: Num[Tensor, "n h w 3"], others: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n cells"]:
        """Score each cell of an image with the cells of another on average: the local critic, for Pearson's divergence.

        Args:
            images: Values 0..255; each cell is scored.
            others: Values 0..255; image i is paired with other i.

        Returns:
            The scores, averaged over the kinds of patches, each of which has a critic of its own.

        """
        found = []
        histograms = zip(self.local_projections, self.histograms(images), self.histograms(others), strict=True)
        for project, one, two in histograms:
            whole = project.functions(two[:, 0], self.n_channels).mean(1, keepdim=True)
            cells = project.functions(one[:, 0], self.n_channels)
            found.append(2 * (cells * project.correlations[: self.n_channels] * whole).sum(-1))
        return torch.stack(found).mean(0)

    def exportable(self) -> nn.Module:
        """Make a module that maps images of values 0..255 to codes, all at once and in float32."""
        return _SpectralCode(self)

    @property
    def grid(self) -> int:
        """Cells along a side."""
        return self.layouts[bool(self.chiral)][0]

    @property
    def n_channels(self) -> int:
        """Channels of a cell, for each kind of patch."""
        return self.layouts[bool(self.chiral)][1]

    @property
    def channels(self) -> int:  # type: ignore[override]  # here alone it depends on the collection
        """Channels of a cell in all."""
        return self.n_channels * len(self.local_projections)

    def mirror_average(self, features: Float[Tensor, "... cells channels"]) -> Float[Tensor, "... numbers"]:
        """Average a feature map with that of the mirror image and keep the half of the cells that says it all.

        Args:
            features: A feature map.

        Returns:
            The numbers that the code is made of. For a chiral collection they are the feature map itself, padded with
            zeros.

        """
        if self.chiral:
            numbers = features.flatten(-2)
            return pad(numbers, (0, len(self.code_projection.mean) - numbers.shape[-1]))
        sign = torch.cat([project.sign for project in self.local_projections])
        rows = features.reshape(*features.shape[:-2], self.grid, self.grid, self.channels)
        mean = (rows + rows.flip(-2) * sign) / 2
        return mean[..., : (self.grid + 1) // 2, :].flatten(-3)


@final
class _SpectralCode(nn.Module):
    """Pixels to code of a fitted encoder, with the answer whether the collection is chiral as a constant."""

    def __init__(self, encoder: SpectralEncoder) -> None:
        super().__init__()
        chiral = bool(encoder.chiral)
        self.encoder = deepcopy(encoder)
        del self.encoder.chiral
        vars(self.encoder)["chiral"] = chiral

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n dim"]:
        encoder, kinds = self.encoder, []
        planes = encoder.pyramid(images)
        for codebook, project in zip(encoder.codebooks, encoder.local_projections, strict=True):
            kinds.append(project(codebook.of_whole(planes[codebook.size], encoder.grid), encoder.n_channels))
        code: Tensor = encoder.code_projection(encoder.mirror_average(torch.cat(kinds, -1)))
        return code
