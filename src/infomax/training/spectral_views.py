"""Views for the closed form, drawn where they cost least: crops from the feature map, colors from the image."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infomax.representation.augmentation import CropPolicy, Warp, augment, warp
from infomax.representation.encoders.codebook import WHOLE, Box
from infomax.representation.encoders.spectral import SpectralEncoder

EPSILON = 1e-12  # variance of histograms below which there is nothing but rounding

MIRROR = ("auto", "invariant", "chiral")
"""Whether the mirror image is a view: as the collection shows, always, never."""


@final
@dataclass(frozen=True)
class ViewSettings:
    """What counts as a view of an image: itself, crops of it and of recolored copies, and one crop of a gray copy.

    Attributes:
        mirror: Whether the mirror image of each is a view too: "invariant", "chiral", or "auto" (test whether the
            collection is left-right symmetric).
        copies: Recolored copies of each image.
        crops: Crops of the image and of each copy. They are taken from the feature map, which costs little; images that
            are encoded together are cropped alike. The gray copy has one crop: its words of shape are the same in every
            copy and must not dominate.
        side: Least side of a crop, as a fraction of the image's.
        brightness: As in CropPolicy.
        contrast: As in CropPolicy.
        saturation: As in CropPolicy.
        hue: As in CropPolicy.
        warp: How the copies are turned, slanted and stretched, the gray one too.

    """

    mirror: str = "auto"
    copies: int = 1
    crops: int = 4
    side: float = 0.6
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.8
    hue: float = 0.1
    warp: Warp = field(default_factory=Warp)


def sample_views(
    encoder: SpectralEncoder, images: UInt8[Tensor, "n h w 3"], settings: ViewSettings, generator: torch.Generator
) -> Float[Tensor, "n views numbers"]:
    """Encode the views of each image.

    Args:
        encoder: Maps an image to its mirror-averaged feature map.
        images: The images (n, h, w, 3), 0..255.
        settings: What counts as a view.
        generator: Draws colors, warps and crops.

    Returns:
        The mirror-averaged feature map of each view, the whole image first.

    """
    copies = _copies(images, settings, generator)
    parts = zip(*map(encoder.micro_batches, copies), strict=True)
    return torch.cat([_crops(encoder, copies_of_part, settings, generator) for copies_of_part in parts])


def mirror_classification_accuracy(antisymmetric: Float[Tensor, "n numbers"]) -> float:
    """Test whether images can be told from their mirror images; 1/2 is chance.

    A mirror image has the same numbers with opposite signs. The linear discriminant w = (E t t^T + ridge)^-1 E t of
    each half of the rows classifies the other half, with the mean variance for a ridge.

    Args:
        antisymmetric: Numbers of each image that change their sign in the mirror.

    Returns:
        The fraction of rows that are classified correctly.

    """
    correct = 0.0
    for one, other in (antisymmetric.double().chunk(2), antisymmetric.double().chunk(2)[::-1]):
        second = one.T @ one / len(one)
        ridge = second.diagonal().mean().clamp(min=EPSILON) * torch.eye(len(second)).to(second)
        side = other @ torch.linalg.solve(second + ridge, one.mean(0))
        correct += float((side > 0).double().sum() + (side == 0).double().sum() / 2)
    return correct / len(antisymmetric)


def _copies(
    images: UInt8[Tensor, "n h w 3"], settings: ViewSettings, generator: torch.Generator
) -> list[Float[Tensor, "n h w 3"]]:
    """Make the image itself, recolored copies and a gray one; all copies are warped."""
    s = settings
    colors = CropPolicy(
        size=images.shape[1],
        count=s.copies,
        scale=(1.0, 1.0),
        ratio=(1.0, 1.0),
        flip=0.0,
        jitter=1.0,
        brightness=s.brightness,
        contrast=s.contrast,
        saturation=s.saturation,
        hue=s.hue,
        gray=0.0,
    )
    gray = replace(colors, count=1, jitter=0.0, gray=1.0)
    copies = list(torch.split(augment((colors,), images, generator)[0], len(images)))
    copies += augment((gray,), images, generator)
    return [images.float(), *(warp(copy, s.warp, generator) for copy in copies)]


def _crops(
    encoder: SpectralEncoder,
    copies: Iterable[Float[Tensor, "m h w 3"]],
    settings: ViewSettings,
    generator: torch.Generator,
) -> Float[Tensor, "m views numbers"]:
    """Crop the feature maps of the copies: the image whole and cropped, the last, gray copy once."""
    s, views = settings, []
    for number, copy in enumerate(copies):
        boxes = [_random_box(s.side, generator) for _ in range(s.crops if number < s.copies + 1 else 1)]
        boxes = [WHOLE, *boxes] if number == 0 else boxes
        views.append(encoder.mirror_average(encoder.features(copy, boxes)))
    return torch.cat(views, 1)


def _random_box(least: float, generator: torch.Generator) -> Box:
    """Draw a square crop: its side uniform from `least` to 1, its place uniform."""
    side, top, left = torch.rand(3, generator=generator, device=generator.device).tolist()
    return Box(top, left, least + (1 - least) * side)
