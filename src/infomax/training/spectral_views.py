"""Views for the closed form, drawn where they cost least: crops from the feature map, colors from the image."""

from dataclasses import dataclass, field, replace
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from infomax.representation.augmentation import CropPolicy, Warp, augment, warp
from infomax.representation.encoders.codebook import WHOLE
from infomax.representation.encoders.spectral import SpectralEncoder

EPSILON = 1e-12  # variance of histograms below which there is nothing but rounding

CHIRAL = 0.7  # accuracy of telling images from their mirror images, above which the collection is chiral

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
        crops: Crops of the image and of each copy. They are taken from the feature map, which costs little. The gray
            copy has one crop: its words of shape are the same in every copy and must not dominate.
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
    views = []
    for number, copy in enumerate(copies):
        boxes = _random_boxes(len(images), settings.crops if number < settings.copies + 1 else 1, settings, generator)
        if number == 0:
            boxes = torch.cat([boxes.new_tensor(WHOLE).expand(len(images), 1, 3), boxes], 1)
        images_in_parts = encoder.micro_batches(copy)
        parts = zip(images_in_parts, torch.split(boxes, len(images_in_parts[0])), strict=True)
        views.append(torch.cat([encoder.mirror_average(encoder.features(*part)) for part in parts]))
    return torch.cat(views, 1)


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


def _random_boxes(n: int, count: int, settings: ViewSettings, generator: torch.Generator) -> Float[Tensor, "n count 3"]:
    """Draw square crops: the side uniform from the least to 1, the place uniform."""
    boxes = torch.rand(n, count, 3, generator=generator, device=generator.device)
    boxes[..., 2] = settings.side + (1 - settings.side) * boxes[..., 2]
    return boxes


def is_chiral(mirror: str, accuracy: float | None) -> bool:
    """Decide whether images differ from their mirror images, which then are no views.

    Args:
        mirror: One of MIRROR.
        accuracy: Of the test, where one was made; it decides.

    Returns:
        Whether they differ.

    """
    return mirror == "chiral" if accuracy is None else accuracy > CHIRAL
