"""The encoder of the closed form: patches as words, their counts in the cells of a grid, two linear maps of these.

A patch is centered, whitened and brought to unit length (Coates & Ng 2011; the sparse manifold transform, arXiv
2209.15261, reads it as a word); its sparse code is how far its cosine with each of many patches of the collection, the
atoms, exceeds a threshold. The mean code over a cell of the grid, a histogram of words, is projected to the channels of
the feature map; the feature map is averaged with that of the mirror image and projected to the code.

Every atom stands beside its mirror image. A mirrored image then has the same counts with the two exchanged, in the
mirrored cells: sums of the two (even) stay, differences (odd) change sign. So both halves are treated alone, which
takes half the memory and a quarter of the time, and the average over the mirror image costs nothing. A collection that
looks otherwise in the mirror, as writing does (Lin et al. 2020, Visual Chirality, arXiv 2006.09512), is not averaged.
What stands the same way in every image mostly stands at the same place, too: its cells are finer, its code made of as
many numbers of fewer channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, normalize, pad, unfold

from infomax.devices import bfloat16_is_fast
from infomax.representation.augmentation import LUMA
from infomax.representation.encoders.representation import Encoder, Representation

SAMPLED = 200_000  # patches that the whitening and the atoms come from
PLAIN = 1e-4  # a patch of a whitened length below it is of one color, and no word
CODES_AT_ONCE = {"cpu": 2**23, "cuda": 2**30}  # numbers in the sparse codes of the images that are encoded at a time


@dataclass(frozen=True)
class Box:
    """A square part of the feature map: its side as a fraction of the whole; top and left, of what room is left."""

    top: float = 0.0
    left: float = 0.0
    side: float = 1.0


WHOLE = Box()


@final
class PatchCodebook(nn.Module):
    """Images -> counts: the mean sparse code of the patches of one size, in each cell of a grid.

    patch, stride: in pixels; size - patch must be a multiple of stride, so that mirrored patches are patches.
    gray: whether the patches are without color, so that their words are of shape alone.
    components: principal components of the patches that are kept, the finest detail being noise.
    pairs: atoms, of which each stands for itself and its mirror image.
    """

    mean: Tensor
    whitening: Tensor
    mirror: Tensor
    atoms: Tensor

    def __init__(
        self, size: int, patch: int, stride: int, gray: bool, components: int, pairs: int, threshold: float
    ) -> None:
        super().__init__()
        self.patch, self.stride, self.pairs, self.threshold = patch, stride, pairs, threshold
        self.side = (size - patch) // stride + 1
        self.planes = 1 if gray else 3
        numbers = self.planes * patch**2
        components = min(components, numbers)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("whitening", torch.eye(numbers, components))
        self.register_buffer("mirror", torch.eye(components))
        self.register_buffer("atoms", torch.zeros(pairs, components))

    def forward(
        self, planes: Float[Tensor, "n 3 h w"], boxes: Sequence[Box], grid: int, *, bfloat16: bool
    ) -> Float[Tensor, "n boxes cells atoms"]:
        """The mean codes in each cell of a grid over each box: of the atoms, then of their mirror images."""
        kind = torch.bfloat16 if bfloat16 else torch.float32
        words = normalize(self._whitened(planes), dim=-1).to(kind)
        both = torch.cat([self.atoms, self.atoms @ self.mirror])
        codes = torch.relu_(linear(words, both.to(kind), words.new_full((len(both),), -self.threshold)))
        cells = torch.stack([self._cells(box, grid) for box in boxes]).flatten(0, 1).to(codes)
        return (cells @ codes).float().view(len(planes), len(boxes), grid**2, len(both))

    def prepare(
        self, planes: Num[Tensor, "n 3 h w"], *, whitening: float, similarity: float, generator: torch.Generator
    ) -> None:
        """Whitening and atoms from images; where there are too few different patches the last atoms stay 0."""
        each = max(1, min(SAMPLED // len(planes), self.side**2))
        picked = [
            self._unfold(self._colored(image[None].float() / 255))[0][
                torch.randperm(self.side**2, generator=generator)[:each]
            ]
            for image in planes.cpu()
        ]
        patches = torch.cat(picked)
        patches = patches - patches.mean(1, keepdim=True)
        mirrored = torch.arange(len(self.mean)).view(self.planes, self.patch, self.patch).flip(2).flatten()
        mean = (patches.mean(0) + patches.mean(0)[mirrored]) / 2
        spread = (patches - mean).T @ (patches - mean) / len(patches)
        spread = (spread + spread[mirrored][:, mirrored]) / 2  # as if every patch had been seen in the mirror too
        values, vectors = torch.linalg.eigh(spread)
        kept = self.whitening.shape[1]
        values, vectors = values[-kept:].clamp(min=0), vectors[:, -kept:]
        self.mean.copy_(mean)
        self.whitening.copy_(vectors * (values + whitening).rsqrt())
        self.mirror.copy_(vectors.T @ vectors[mirrored])  # components are even or odd: it only changes signs
        words = (patches - mean) @ self.whitening.cpu()
        lengths = words.norm(dim=1, keepdim=True)
        words = (words / lengths)[lengths[:, 0] > PLAIN]
        words = words[torch.randperm(len(words), generator=generator)]
        atoms = self._kept_apart(words, similarity)
        self.atoms.zero_()[: len(atoms)] = atoms

    def _whitened(self, planes: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n positions components"]:
        """Every patch less its own mean and the mean patch, whitened: a convolution."""
        centered = self.whitening - self.whitening.mean(0)  # subtracting a patch's mean is a linear map too
        kernel = centered.T.reshape(-1, self.planes, self.patch, self.patch)
        return conv2d(self._colored(planes), kernel, -(self.mean @ self.whitening), self.stride).flatten(2).mT

    def _colored(self, planes: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n planes h w"]:
        return planes if self.planes == 3 else (planes * planes.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)

    def _unfold(self, planes: Float[Tensor, "n planes h w"]) -> Float[Tensor, "n positions numbers"]:
        return unfold(planes, self.patch, stride=self.stride).mT

    def _kept_apart(self, words: Float[Tensor, "n components"], similarity: float) -> Float[Tensor, "pairs components"]:
        """The first words of which none, nor its mirror image, has a cosine of `similarity` or more with an earlier."""
        kept, mirror = words[:0], self.mirror.cpu()
        for block in torch.split(words, 1000):
            if len(kept) >= self.pairs:
                break
            if len(kept):
                near = block @ torch.cat([kept, kept @ mirror]).T
                block = block[near.amax(1) < similarity]
            near = torch.maximum(block @ block.T, block @ (block @ mirror).T)
            free = torch.ones(len(block), dtype=torch.bool)
            for row in range(len(block)):
                if free[row]:
                    free[row + 1 :] &= near[row, row + 1 :] < similarity
            kept = torch.cat([kept, block[free]])
        return kept[: self.pairs].clone()

    def _cells(self, box: Box, grid: int) -> Float[Tensor, "cells positions"]:
        """The weights that take the mean over each cell of a grid over a box; cells overlap where they must."""
        side = max(grid, round(box.side * self.side))
        weights = torch.zeros(grid, grid, self.side, self.side, device=self.mean.device)
        starts = [round(place * (self.side - side)) for place in (box.top, box.left)]
        edges = [(step * side // grid, -(-(step + 1) * side // grid)) for step in range(grid)]
        for row, (top, bottom) in enumerate(edges):
            for column, (left, right) in enumerate(edges):
                part = weights[row, column, starts[0] + top : starts[0] + bottom, starts[1] + left : starts[1] + right]
                part.fill_(1 / part.numel())
        return weights.view(grid**2, -1)


def symmetric_parts(counts: Float[Tensor, "... atoms"]) -> Float[Tensor, "2 ... pairs"]:
    """The even and the odd half: sums of each atom's count with its mirror image's, and differences."""
    plain, mirrored = counts.chunk(2, -1)
    return torch.stack([plain + mirrored, plain - mirrored]) / 2**0.5


@final
class LocalProjection(nn.Module):
    """Counts -> the feature of each cell: a linear map of the even and the odd half, brought to unit length.

    weights: of both halves; a channel has weights in one of them alone. sign: 1 of an even channel, -1 of an odd one,
    which changes its sign in the mirror. values: the singular values that the channels have in the density ratio.
    """

    mean: Tensor
    weights: Tensor
    sign: Tensor
    values: Tensor

    def __init__(self, pairs: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(pairs))
        self.register_buffer("sign", 1.0 - 2 * (torch.arange(channels) % 2))
        weights = torch.randn(2, pairs, channels) / pairs**0.5
        self.register_buffer("weights", weights * torch.stack([self.sign > 0, self.sign < 0])[:, None])
        self.register_buffer("values", torch.zeros(channels))

    def forward(self, counts: Float[Tensor, "... atoms"], n_channels: int) -> Float[Tensor, "... leading"]:
        """The feature of each cell, of its leading channels."""
        return normalize(self.functions(counts, n_channels), dim=-1)

    def functions(self, counts: Float[Tensor, "... atoms"], n_channels: int) -> Float[Tensor, "... leading"]:
        """The leading singular functions of the density ratio, of each cell."""
        even, odd = self.weights[..., :n_channels]
        of_atoms = torch.cat([even + odd, even - odd]) / 2**0.5  # the halves are never made: these are fewer numbers
        return linear(counts, of_atoms.T, -(self.mean @ even))


@final
class CodeProjection(nn.Module):
    """A folded feature map -> the code: a linear map."""

    mean: Tensor
    weights: Tensor

    def __init__(self, numbers: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("weights", torch.randn(numbers, dim) / numbers**0.5)

    def forward(self, folded: Float[Tensor, "n numbers"]) -> Float[Tensor, "n dim"]:
        """The code."""
        return (folded - self.mean) @ self.weights


@final
class SpectralEncoder(Encoder):
    """Images -> Representation: the unit-length features of the cells of a grid, and a code without a posterior.

    Args:
        size: side of the images, in pixels.
        patches, gray_patches: sides of the patches in pixels, in color and without.
        stride: of the patches, in pixels.
        components: principal components of the patches that are kept.
        atoms: words of each kind of patch, mirror images counted.
        threshold: a cosine above it counts.
        grid: cells along a side.
        chiral_grid: the same, at most, of a collection that looks otherwise in the mirror: as fine as the places of the
            patches and 2 channels to a cell let it be, and never coarser than grid.
        channels: of the feature of a cell, for each kind of patch; of a chiral collection as many fewer as its code,
            which is not folded, has more cells.
        dim: of the code.

    A new one has random maps and no atoms: `prepare` takes whitening and atoms from images, which needs no learning,
    and the maps, and whether the collection is `chiral`, are what infomax.training.closed_form learns.

    """

    chiral: Tensor

    def __init__(
        self,
        size: int,
        patches: Sequence[int],
        gray_patches: Sequence[int],
        stride: int,
        components: int,
        atoms: int,
        threshold: float,
        grid: int,
        chiral_grid: int,
        channels: int,
        dim: int,
        *,
        whitening: float = 1e-3,
        similarity: float = 0.5,
    ) -> None:
        super().__init__()
        kinds = [*((patch, False) for patch in patches), *((patch, True) for patch in gray_patches)]
        self.size, self.dim = size, dim
        self.register_buffer("chiral", torch.tensor(False))
        self.whitening, self.similarity = whitening, similarity
        self.codebooks = [
            PatchCodebook(size, patch, stride, gray, components, atoms // 2, threshold) for patch, gray in kinds
        ]
        self.local_projections = [LocalProjection(atoms // 2, channels) for _ in kinds]
        folded = grid * ((grid + 1) // 2) * channels  # numbers of each kind that the code is made from
        finer = range(min(chiral_grid, *(words.side for words in self.codebooks)), grid, -1)
        finest = next((cells for cells in finer if folded // cells**2 > 1), grid)
        self.layouts = (grid, channels), (finest, folded // finest**2)
        self.parts = nn.ModuleList(
            [*self.codebooks, *self.local_projections]
        )  # a plain list keeps its type, and registers nothing
        self.code_projection = CodeProjection(folded * len(kinds), dim)
        self.seed = int(torch.randint(2**62, ()))

    def forward(self, images: Num[Tensor, "n h w 3"]) -> Representation:
        """The features of the cells, of unit length for each patch size, and the code."""
        features = torch.cat([self.features(part)[:, 0] for part in self.micro_batches(images)])
        return Representation(
            features, self.code_projection(self.mirror_average(features)), None, (self.grid, self.grid)
        )

    def prepare(self, images: Num[Tensor, "n h w 3"]) -> None:
        """Take whitening and atoms from a sample of the collection."""
        generator = torch.Generator().manual_seed(self.seed)
        planes = images.permute(0, 3, 1, 2)
        for words in self.codebooks:
            words.prepare(planes, whitening=self.whitening, similarity=self.similarity, generator=generator)

    def micro_batches(self, images: Num[Tensor, "n h w 3"]) -> tuple[Num[Tensor, "m h w 3"], ...]:
        """A batch in parts whose sparse codes lie in a fast memory."""
        most = max(words.side**2 * 2 * len(words.atoms) for words in self.codebooks)
        return torch.split(images, max(1, CODES_AT_ONCE[images.device.type] // most))

    def histograms(
        self, images: Num[Tensor, "n h w 3"], boxes: Sequence[Box] = (WHOLE,), grid: int | None = None
    ) -> list[Float[Tensor, "n boxes cells atoms"]]:
        """For each kind of patch the mean codes in the cells over each box: of the atoms, then their mirror images."""
        planes = images.permute(0, 3, 1, 2).float() / 255
        bfloat16 = bfloat16_is_fast(images.device)
        return [words(planes, boxes, grid or self.grid, bfloat16=bfloat16) for words in self.codebooks]

    def features(
        self, images: Num[Tensor, "n h w 3"], boxes: Sequence[Box] = (WHOLE,)
    ) -> Float[Tensor, "n boxes cells channels"]:
        """The feature maps over each box."""
        counts = self.histograms(images, boxes)
        return torch.cat(
            [maps(each, self.n_channels) for maps, each in zip(self.local_projections, counts, strict=True)], -1
        )

    def scores(self, images: Num[Tensor, "n h w 3"], others: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n cells"]:
        """The regions' critic, for Pearson's divergence: each cell of an image with the cells of another on average.

        The mean over the patch sizes, each of which has a critic of its own.
        """
        found = []
        for maps, one, two in zip(
            self.local_projections, self.histograms(images), self.histograms(others), strict=True
        ):
            whole = maps.functions(two[:, 0], self.n_channels).mean(1, keepdim=True)
            cells = maps.functions(one[:, 0], self.n_channels)
            found.append(2 * (cells * maps.values[: self.n_channels] * whole).sum(-1))
        return torch.stack(found).mean(0)

    @property
    def grid(self) -> int:
        """Cells along a side."""
        return self.layouts[bool(self.chiral)][0]

    @property
    def n_channels(self) -> int:
        """How many channels a cell has of each kind of patch."""
        return self.layouts[bool(self.chiral)][1]

    @property
    def channels(self) -> int:  # type: ignore[override]  # only here the collection has a say in it
        """How many channels a cell has in all."""
        return self.n_channels * len(self.local_projections)

    def mirror_average(self, features: Float[Tensor, "... cells channels"]) -> Float[Tensor, "... numbers"]:
        """What the code is made from.

        The mean of a feature map and that of the mirror image, of which half of the cells say it all; of a chiral
        collection the feature map itself, and zeros if it does not come out even.
        """
        if self.chiral:
            numbers = features.flatten(-2)
            return pad(numbers, (0, len(self.code_projection.mean) - numbers.shape[-1]))
        sign = torch.cat([maps.sign for maps in self.local_projections])
        rows = features.reshape(*features.shape[:-2], self.grid, self.grid, self.channels)
        mean = (rows + rows.flip(-2) * sign) / 2
        return mean[..., : (self.grid + 1) // 2, :].flatten(-3)
