"""Bag of visual words: sparse codes of image patches, averaged over the cells of a grid.

A patch is centered, whitened and scaled to unit length (Coates & Ng 2011; the sparse manifold transform, arXiv
2209.15261, treats it as a word). Its sparse code holds one number per atom: by how much the cosine of patch and atom
exceeds a threshold. The atoms are patches of the collection. The mean code over a cell is a histogram of visual words.

Every atom is stored with its mirror image. A mirrored image has the same histograms with the two exchanged, in the
mirrored cells. So the sum of the two (symmetric) stays and the difference (antisymmetric) changes its sign. Treating
both parts separately takes half the memory and a quarter of the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Num
from torch import Tensor, nn
from torch.nn.functional import conv2d, linear, normalize, unfold

from infomax.representation.color import LUMA

SAMPLED = 200_000  # patches from which whitening and atoms are computed
PLAIN = 1e-4  # a patch whose whitened length is below it has a single color, and is not a word


@dataclass(frozen=True)
class Box:
    """A square crop of the feature map.

    Attributes:
        top: Offset from the top, as a fraction of the room that is left.
        left: Offset from the left, as a fraction of the room that is left.
        side: Side of the crop, as a fraction of the whole.

    """

    top: float = 0.0
    left: float = 0.0
    side: float = 1.0


WHOLE = Box()


@dataclass(frozen=True)
class PatchSettings:
    """How images are cut into patches and how patches become words.

    Attributes:
        patches: Sides of the color patches, in pixels.
        gray_patches: Sides of the patches without color, in pixels.
        stride: Distance between neighboring patches, in pixels.
        components: Principal components of a patch that are kept; the finest detail is noise.
        atoms: Words of each kind of patch, mirror images counted.
        threshold: Cosine of patch and atom above which the atom counts.
        whitening: Added to the variances of the components, of pixels in 0..1.
        similarity: Cosine above which two patches are too near to be two atoms.

    """

    patches: tuple[int, ...] = (6,)
    gray_patches: tuple[int, ...] = ()
    stride: int = 2
    components: int = 64
    atoms: int = 1024
    threshold: float = 0.2
    whitening: float = 1e-3
    similarity: float = 0.5

    def codebooks(self, size: int) -> "list[PatchCodebook]":
        """Make an empty codebook for each kind of patch.

        Args:
            size: Side of the images, in pixels.

        Returns:
            The codebooks, of color patches first.

        """
        kinds = [*((patch, False) for patch in self.patches), *((patch, True) for patch in self.gray_patches)]
        return [
            PatchCodebook(size, patch, self.stride, gray, self.components, self.atoms // 2, self.threshold)
            for patch, gray in kinds
        ]


@final
class PatchCodebook(nn.Module):
    """Bag of visual words: average the sparse codes of all patches of one size in each grid cell.

    Args:
        size: Side of the images, in pixels. size - patch is a multiple of stride, so that mirrored patches are patches.
        patch: Side of a patch, in pixels.
        stride: Distance between neighboring patches, in pixels.
        gray: Whether the patches have no color, so that their words describe shape alone.
        components: Principal components of a patch that are kept.
        n_pairs: Atoms without their mirror images.
        threshold: Cosine of patch and atom above which the atom counts.

    """

    mean: Tensor
    whitening: Tensor
    mirror: Tensor
    atoms: Tensor

    def __init__(
        self, size: int, patch: int, stride: int, gray: bool, components: int, n_pairs: int, threshold: float
    ) -> None:
        super().__init__()
        self.patch, self.stride, self.n_pairs, self.threshold = patch, stride, n_pairs, threshold
        self.side = (size - patch) // stride + 1
        self.planes = 1 if gray else 3
        numbers = self.planes * patch**2
        components = min(components, numbers)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("whitening", torch.eye(numbers, components))
        self.register_buffer("mirror", torch.eye(components))
        self.register_buffer("atoms", torch.zeros(n_pairs, components))

    def forward(
        self, planes: Float[Tensor, "n 3 h w"], boxes: Sequence[Box], grid: int, *, bfloat16: bool
    ) -> Float[Tensor, "n boxes cells atoms"]:
        """Average the sparse codes in each cell of a grid over each box: of the atoms, then of their mirror images."""
        kind = torch.bfloat16 if bfloat16 else torch.float32
        words = normalize(self._whitened(planes), dim=-1).to(kind)
        both = torch.cat([self.atoms, self.atoms @ self.mirror])
        codes = torch.relu_(linear(words, both.to(kind), words.new_full((len(both),), -self.threshold)))
        cells = torch.stack([self._cells(box, grid) for box in boxes]).flatten(0, 1).to(codes)
        return (cells @ codes).float().view(len(planes), len(boxes), grid**2, len(both))

    def prepare(
        self, planes: Num[Tensor, "n 3 h w"], *, whitening: float, similarity: float, generator: torch.Generator
    ) -> None:
        """Compute whitening and atoms from images. With too few different patches the last atoms stay 0.

        Args:
            planes: The images (n, 3, h, w), 0..255.
            whitening: Added to the variances of the components.
            similarity: Cosine above which two patches are too near to be two atoms.
            generator: Draws the patches.

        """
        patches = self._sampled(planes, generator)
        vectors = self._fit_whitening(patches, whitening)
        mirrored = self._mirrored_pixels()
        self.mirror.copy_(vectors.T @ vectors[mirrored])  # components are even or odd: it only changes signs
        words = (patches - self.mean.cpu()) @ self.whitening.cpu()
        lengths = words.norm(dim=1, keepdim=True)
        words = (words / lengths)[lengths[:, 0] > PLAIN]
        words = words[torch.randperm(len(words), generator=generator)]
        atoms = self._distinct(words, similarity)
        self.atoms.zero_()[: len(atoms)] = atoms

    def _sampled(self, planes: Num[Tensor, "n 3 h w"], generator: torch.Generator) -> Float[Tensor, "patches numbers"]:
        """Draw patches at random places of each image, each less its own mean."""
        each = max(1, min(SAMPLED // len(planes), self.side**2))
        picked = [
            self._unfold(self._without_color(image[None].float() / 255))[0][
                torch.randperm(self.side**2, generator=generator)[:each]
            ]
            for image in planes.cpu()
        ]
        patches = torch.cat(picked)
        return patches - patches.mean(1, keepdim=True)

    def _fit_whitening(
        self, patches: Float[Tensor, "n numbers"], whitening: float
    ) -> Float[Tensor, "numbers components"]:
        """Compute mean and whitening as if every patch had been seen mirrored too; return the principal axes."""
        mirrored = self._mirrored_pixels()
        mean = (patches.mean(0) + patches.mean(0)[mirrored]) / 2
        covariance = (patches - mean).T @ (patches - mean) / len(patches)
        covariance = (covariance + covariance[mirrored][:, mirrored]) / 2
        values, vectors = torch.linalg.eigh(covariance)
        kept = self.whitening.shape[1]
        values, vectors = values[-kept:].clamp(min=0), vectors[:, -kept:]
        self.mean.copy_(mean)
        self.whitening.copy_(vectors * (values + whitening).rsqrt())
        axes: Tensor = vectors
        return axes

    def _mirrored_pixels(self) -> Tensor:
        """Give for each number of a patch the place of the mirrored one."""
        return torch.arange(len(self.mean)).view(self.planes, self.patch, self.patch).flip(2).flatten()

    def _whitened(self, planes: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n positions components"]:
        """Whiten every patch less its own mean and the mean patch, by one convolution."""
        centered = self.whitening - self.whitening.mean(0)  # subtracting a patch's mean is a linear map too
        kernel = centered.T.reshape(-1, self.planes, self.patch, self.patch)
        return conv2d(self._without_color(planes), kernel, -(self.mean @ self.whitening), self.stride).flatten(2).mT

    def _without_color(self, planes: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n planes h w"]:
        """Take the luma where the patches have no color."""
        return planes if self.planes == 3 else (planes * planes.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)

    def _unfold(self, planes: Float[Tensor, "n planes h w"]) -> Float[Tensor, "n positions numbers"]:
        return unfold(planes, self.patch, stride=self.stride).mT

    def _distinct(self, words: Float[Tensor, "n components"], similarity: float) -> Float[Tensor, "n_pairs components"]:
        """Keep the first words whose cosine with every earlier one, and its mirror image, is below `similarity`."""
        kept, mirror = words[:0], self.mirror.cpu()
        for block in torch.split(words, 1000):
            if len(kept) >= self.n_pairs:
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
        return kept[: self.n_pairs].clone()

    def _cells(self, box: Box, grid: int) -> Float[Tensor, "cells positions"]:
        """Give the weights of the mean over each cell of a grid over a box; cells overlap where they must."""
        side = max(grid, round(box.side * self.side))
        weights = torch.zeros(grid, grid, self.side, self.side, device=self.mean.device)
        starts = [round(place * (self.side - side)) for place in (box.top, box.left)]
        edges = [(step * side // grid, -(-(step + 1) * side // grid)) for step in range(grid)]
        for row, (top, bottom) in enumerate(edges):
            for column, (left, right) in enumerate(edges):
                cell = weights[row, column, starts[0] + top : starts[0] + bottom, starts[1] + left : starts[1] + right]
                cell.fill_(1 / cell.numel())
        return weights.view(grid**2, -1)


def symmetric_parts(histograms: Float[Tensor, "... atoms"]) -> Float[Tensor, "2 ... n_pairs"]:
    """Split histograms into a symmetric and an antisymmetric part under reflection.

    Args:
        histograms: Counts of the atoms, then of their mirror images.

    Returns:
        The sums of each atom's count with its mirror image's, and the differences, both divided by sqrt 2.

    """
    plain, mirrored = histograms.chunk(2, -1)
    return torch.stack([plain + mirrored, plain - mirrored]) / 2**0.5
