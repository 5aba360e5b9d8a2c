"""Bag of visual words: sparse codes of image patches, averaged over the cells of a grid.

A patch is centered, whitened and scaled to unit length (Coates & Ng 2011; the sparse manifold transform, arXiv
2209.15261, treats it as a word). Its sparse code holds one number per atom: by how much the cosine of patch and atom
exceeds a threshold. The atoms are patches of the collection. The mean code over a cell is a histogram of visual words.

Every atom is stored with its mirror image. A mirrored image has the same histograms with the two exchanged, in the
mirrored cells. So the sum of the two (symmetric) stays and the difference (antisymmetric) changes its sign. Treating
both parts separately takes half the memory and a quarter of the time.
"""

import re
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad, unfold

from infomax.representation.color import LUMA

SAMPLED = 200_000  # patches from which whitening and atoms are computed
CODES_AT_ONCE = {"cpu": 2**21, "cuda": 2**28}  # numbers in the sparse codes of the images that are encoded at a time
WHOLE = (0.0, 0.0, 1.0)  # the box that is not cropped
PLAIN = 1e-4  # a patch whose whitened length is below it has a single color, and is not a word


_WRITTEN = re.compile(r"(gray)?(\d+)(?:@(\d+))?(?:/(\d+))?")


@dataclass(frozen=True)
class PatchKind:
    """One kind of patches: of one size, of the image at one resolution.

    Written `6`, `gray9`, `6/2` or `gray9@96/3`: the side of a patch in pixels, the side to which the image is reduced,
    and the distance between neighboring patches.

    Attributes:
        patch: Side of a patch, in pixels.
        gray: Whether the patches have no color, so that their words describe shape alone.
        side: Side to which the image is reduced first, in pixels; None for the image as it is.
        stride: Distance between neighboring patches, in pixels.

    """

    patch: int
    gray: bool = False
    side: int | None = None
    stride: int = 1

    @classmethod
    def parse(cls, text: str) -> "PatchKind":
        """Read a kind of patches as it is written.

        Args:
            text: `6`, `gray9`, `6/2`, `gray9@96/3` or the like.

        Returns:
            The kind of patches.

        Raises:
            ValueError: The text is not of that form.

        """
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no kind of patches, such as 6, gray9, 6/2 or gray9@96/3")
        gray, patch, side, stride = found.groups()
        return cls(int(patch), bool(gray), int(side) if side else None, int(stride or 1))

    def places(self, size: int) -> int:
        """Count the patches along a side.

        Args:
            size: Side of the images, in pixels.

        Returns:
            The number of places; 0 or less where a patch is larger than the image.

        """
        return ((self.side or size) - self.patch) // self.stride + 1


@dataclass(frozen=True)
class PatchSettings:
    """How images are cut into patches and how patches become words.

    Attributes:
        kinds: The kinds of patches.
        components: Principal components of a patch that are kept; the finest detail is noise.
        atoms: Words of each kind, mirror images counted.
        threshold: Cosine of patch and atom above which the atom counts.
        whitening: Added to the variances of the components, of pixels in 0..1.
        similarity: Cosine above which two patches are too near to be two atoms.

    """

    kinds: tuple[PatchKind, ...] = (PatchKind(6, stride=2),)
    components: int = 63
    atoms: int = 1024
    threshold: float = 0.2
    whitening: float = 1e-3
    similarity: float = 0.5

    def codebooks(self, size: int) -> "list[PatchCodebook]":
        """Make an empty codebook for each kind of patches.

        Args:
            size: Side of the images, in pixels.

        Returns:
            The codebooks.

        """
        return [
            PatchCodebook(
                each.side or size, each.patch, each.stride, each.gray, self.components, self.atoms // 2, self.threshold
            )
            for each in self.kinds
        ]


@final
class PatchCodebook(nn.Module):
    """Bag of visual words: average the sparse codes of all patches of one size in each grid cell.

    Args:
        size: Side of the images once they are reduced, in pixels. size - patch is a multiple of stride, so that
            mirrored patches are patches.
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
        self.size, self.patch, self.stride, self.n_pairs, self.threshold = size, patch, stride, n_pairs, threshold
        self.side = (size - patch) // stride + 1
        self.planes = 1 if gray else 3
        numbers = self.planes * patch**2
        components = min(components, numbers)
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("whitening", torch.eye(numbers, components))
        self.register_buffer("mirror", torch.eye(components))
        self.register_buffer("atoms", torch.zeros(n_pairs, components))

    def forward(
        self, planes: Float[Tensor, "n 3 h w"], boxes: Float[Tensor, "n boxes 3"], grid: int, *, bfloat16: bool
    ) -> Float[Tensor, "n boxes cells atoms"]:
        """Average the sparse codes in each cell of a grid over each box: of the atoms, then of their mirror images.

        The codes of a few images at a time are computed, cut off and averaged, so that they stay in a fast memory.

        Args:
            planes: The images, reduced to the side of the codebook, 0..1.
            boxes: Crops of the feature map: the offsets from the top and from the left as fractions of the room that is
                left, and the side as a fraction of the whole.
            grid: Cells along a side.
            bfloat16: Whether to compute in bfloat16.

        Returns:
            The histogram of each cell.

        """
        kind = torch.bfloat16 if bfloat16 else torch.float32
        words, both = self._words(planes, kind), self._rows().to(kind)
        cells = self._cells(boxes, grid).mT.to(kind)
        sums = words.new_empty(len(words), len(both), cells.shape[2])
        tile = min(len(words), max(1, CODES_AT_ONCE[words.device.type] // (len(both) * words.shape[2])))
        codes = words.new_empty(tile, len(both), words.shape[2])
        for some, where, into in zip(*(torch.split(each, tile) for each in (words, cells, sums)), strict=True):
            hot = codes[: len(some)]
            torch.bmm(both.expand(len(some), -1, -1), some, out=hot)
            # the sign of a bfloat16 is that of the integer of the same bits, whose maximum is several times faster
            (hot.view(torch.int16) if bfloat16 else hot).clamp_(min=0)
            torch.bmm(hot, where, out=into)
        return sums.mT.float().reshape(len(planes), boxes.shape[1], grid**2, len(both))

    def of_whole(self, planes: Float[Tensor, "n 3 h w"], grid: int) -> Float[Tensor, "n cells atoms"]:
        """Average the sparse codes in each cell over whole images, all at once and in float32.

        `forward` computes the same a few images at a time and in place, which `torch.export` cannot follow.

        Args:
            planes: The images, reduced to the side of the codebook, 0..1.
            grid: Cells along a side.

        Returns:
            The histogram of each cell.

        """
        whitened = self._whitened(planes)
        words = whitened / whitened.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12)
        atoms = torch.cat([self.atoms, self.atoms @ self.mirror])
        codes = (atoms @ words - self.threshold).clamp(min=0)
        return (codes @ self._cells(planes.new_tensor([[WHOLE]]), grid)[0].T).mT

    def prepare(
        self, planes: Float[Tensor, "n 3 h w"], *, whitening: float, similarity: float, generator: torch.Generator
    ) -> None:
        """Compute whitening and atoms from images. With too few different patches the last atoms stay 0.

        Args:
            planes: The images (n, 3, h, w), reduced to the side of the codebook, 0..1.
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

    def _sampled(
        self, planes: Float[Tensor, "n 3 h w"], generator: torch.Generator
    ) -> Float[Tensor, "patches numbers"]:
        """Draw patches at random places of each image, each less its own mean."""
        each = max(1, min(SAMPLED // len(planes), self.side**2))
        picked = [
            self._unfold(self._without_color(image[None]))[0][torch.randperm(self.side**2, generator=generator)[:each]]
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

    def _words(self, planes: Float[Tensor, "n 3 h w"], kind: torch.dtype) -> Float[Tensor, "n numbers positions"]:
        """Whiten every patch, scale it to unit length, and append a 1 for the threshold."""
        whitened = self._whitened(planes)
        words = whitened.new_ones(len(planes), whitened.shape[1] + 1, whitened.shape[2], dtype=kind)
        lengths = whitened.square().sum(1, keepdim=True).sqrt_().clamp_(min=1e-12)
        torch.div(whitened, lengths, out=words[:, :-1])
        return words

    def _whitened(self, planes: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n components positions"]:
        """Whiten every patch, less its own mean, by one convolution."""
        centered = self.whitening - self.whitening.mean(0)  # subtracting a patch's mean is a linear map too
        kernel = centered.T.reshape(-1, self.planes, self.patch, self.patch)
        bias = -(self.mean @ self.whitening)
        return conv2d(self._without_color(planes), kernel, bias, self.stride).flatten(2)

    def _rows(self) -> Float[Tensor, "atoms numbers"]:
        """The atoms, then their mirror images, each followed by the threshold, with a minus."""
        return pad(torch.cat([self.atoms, self.atoms @ self.mirror]), (0, 1), value=-self.threshold)

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

    def _cells(self, boxes: Float[Tensor, "n boxes 3"], grid: int) -> Float[Tensor, "n all_cells positions"]:
        """Give the weights of the mean over each cell of a grid over each box; cells overlap where they must."""
        top, left, side = boxes.unbind(-1)
        side = (side * self.side).round().clamp(min=grid)
        rows, columns = (self._windows((place * (self.side - side)).round(), side, grid) for place in (top, left))
        return torch.einsum("nbry,nbcx->nbrcyx", rows, columns).reshape(len(boxes), -1, self.side**2)

    def _windows(
        self, start: Float[Tensor, "n boxes"], side: Float[Tensor, "n boxes"], grid: int
    ) -> Float[Tensor, "n boxes grid side"]:
        """Give the weights of the mean over each of `grid` equal parts of a line of places."""
        places = torch.arange(self.side, device=start.device)
        steps = torch.arange(grid, device=start.device) * side[..., None]
        first = (start[..., None] + (steps / grid).floor())[..., None]
        last = (start[..., None] + ((steps + side[..., None]) / grid).ceil())[..., None]
        inside = ((places >= first) & (places < last)).float()
        return inside / inside.sum(-1, keepdim=True)


def symmetric_parts(histograms: Float[Tensor, "... atoms"]) -> Float[Tensor, "2 ... n_pairs"]:
    """Split histograms into a symmetric and an antisymmetric part under reflection.

    Args:
        histograms: Counts of the atoms, then of their mirror images.

    Returns:
        The sums of each atom's count with its mirror image's, and the differences, both divided by sqrt 2.

    """
    plain, mirrored = histograms.chunk(2, -1)
    return torch.stack([plain + mirrored, plain - mirrored]) / 2**0.5
