"""Augmentation: random crops of images in random colors, computed in batches on the device of the images.

All steps but clamping and solarizing are linear in the image, and are computed as matrix products. Crop, flip,
resampling and blur are one matrix for the rows and one for the columns of each image. Brightness, contrast,
saturation, hue and gray are one matrix for the colors. The parameters are drawn for each image, from a generator only.
Rotation and shear do not separate into rows and columns; `warp` does them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from infomax.errors import InfoMaxError
from infomax.representation.color import color_matrices
from infomax.representation.resampling import blur_matrices, resampling_matrices

_TRIES = 10  # boxes drawn for each image; the first that fits is taken. torchvision draws as many


@final
@dataclass(frozen=True)
class CropPolicy:
    """How one kind of view is drawn. The defaults are those of SimCLR for CIFAR-10 (arXiv 2002.05709, app. B.9).

    Attributes:
        size: Side of the view, in pixels; at most the smaller side of the images.
        count: Views drawn of each image.
        scale: Range of the area of the crop, as a fraction of the image's area.
        ratio: Range of the width of the crop over its height.
        flip: Probability of a horizontal flip.
        jitter: Probability that the colors change at all. The next four settings apply, in random order.
        brightness: Range of a factor: between 1 - value and 1 + value, and not below 0.
        contrast: Range of a factor, as for brightness.
        saturation: Range of a factor, as for brightness.
        hue: Largest rotation of the color circle, as a fraction of a whole turn, up to 0.5.
        gray: Probability of a gray view.
        blur: Probability of a Gaussian blur, whose kernel reaches a twentieth of the view.
        blur_sigma: Range of the standard deviation of the blur, in pixels.
        solarize: Probability that high values are inverted.
        solarize_threshold: Smallest value that solarizing inverts, in 0..255.

    Raises:
        InfoMaxError: If a setting is out of its range.

    """

    size: int = 32
    count: int = 2
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    gray: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarize: float = 0.0
    solarize_threshold: float = 128.0

    def __post_init__(self) -> None:
        if self.size < 1 or self.count < 1:
            raise InfoMaxError(f"a view of size {self.size}, {self.count} times: use 1 or more of each")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise InfoMaxError(
                f"scale of a view is {self.scale}: give two fractions of the area in order, such as 0.25 and 1"
            )
        for name in ("ratio", "blur_sigma"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise InfoMaxError(f"{name} of a view is {low}, {high}: give two positive numbers in order")
        for name in ("flip", "jitter", "gray", "blur", "solarize"):
            if not 0 <= getattr(self, name) <= 1:
                raise InfoMaxError(f"{name} of a view is {getattr(self, name)}: give a probability, 0 to 1")
        for name in ("brightness", "contrast", "saturation", "hue"):
            most = 0.5 if name == "hue" else math.inf
            if not 0 <= getattr(self, name) <= most or math.isinf(getattr(self, name)):
                raise InfoMaxError(f"{name} of a view is {getattr(self, name)}: give a number from 0 to {most}")


@dataclass(frozen=True)
class CropParameters:
    """The random numbers of n views: what `sample_parameters` draws and `apply_parameters` uses.

    Attributes:
        top: First row of the crop, in pixels.
        left: First column of the crop, in pixels.
        height: Rows of the crop, in pixels.
        width: Columns of the crop, in pixels.
        flip: Whether to flip the view horizontally.
        brightness: Factor; 1 changes nothing.
        contrast: Factor; 1 changes nothing.
        saturation: Factor; 1 changes nothing.
        hue: Rotation of the color circle, in turns; 0 changes nothing.
        order: Order of brightness (0), contrast (1), saturation (2) and hue (3).
        gray: Whether the view is gray.
        sigma: Standard deviation of the blur in pixels, 0 for a view without blur. None if no view is blurred.
        solarize_threshold: Smallest value that is inverted, infinity for a view that is not solarized. None if no view
            is solarized.

    """

    top: Int[Tensor, " n"]
    left: Int[Tensor, " n"]
    height: Int[Tensor, " n"]
    width: Int[Tensor, " n"]
    flip: Bool[Tensor, " n"]
    brightness: Float[Tensor, " n"]
    contrast: Float[Tensor, " n"]
    saturation: Float[Tensor, " n"]
    hue: Float[Tensor, " n"]
    order: Int[Tensor, "n 4"]
    gray: Bool[Tensor, " n"]
    sigma: Float[Tensor, " n"] | None
    solarize_threshold: Float[Tensor, " n"] | None

    def __getitem__(self, rows: slice | Int[Tensor, " m"]) -> "CropParameters":
        """Return the parameters of some of the views."""
        parts: dict[str, Any] = {name: None if each is None else each[rows] for name, each in vars(self).items()}
        return CropParameters(**parts)


def augment(
    policies: Sequence[CropPolicy],
    images: Num[Tensor, "n h w 3"],
    generator: torch.Generator | None = None,
    shard: tuple[int, int] = (0, 1),
) -> list[Float[Tensor, "m size size 3"]]:
    """Draw random views of each image.

    The images may be one of several equal shards of a batch. A shard gets the views that it would get in the whole
    batch, and the generator advances as for the whole batch.

    Args:
        policies: The kinds of views.
        images: Images with values 0..255.
        generator: Draws the parameters, on the device of the images; None uses PyTorch's global random state.
        shard: The index of the shard and the number of shards: (0, 2) is the first of two.

    Returns:
        For each policy a batch of count * n views, float32 with values 0..255, not rounded. One view of each of the n
        images comes first, then the second view of each image, and so on.

    Raises:
        InfoMaxError: If a view is larger than the images.

    Examples:
        >>> import torch
        >>> from infomax.representation.augmentation import CropPolicy, augment
        >>> images = torch.randint(0, 256, (10, 32, 32, 3), dtype=torch.uint8)
        >>> policies = [CropPolicy(size=24, count=2), CropPolicy(size=16, count=4, scale=(0.08, 0.25))]
        >>> views, local_crops = augment(policies, images, torch.Generator().manual_seed(0))
        >>> views.shape, local_crops.shape
        (torch.Size([20, 24, 24, 3]), torch.Size([40, 16, 16, 3]))
        >>> first, second = views.split(10)  # row i of both shows image i

    """
    side = min(images.shape[1:3])
    if (largest := max(policy.size for policy in policies)) > side:
        raise InfoMaxError(f"a view of {largest} px is larger than the images of {side} px: make it {side} or less")
    planes, n_total = _to_planes(images), len(images) * shard[1]
    own = slice(len(images) * shard[0], len(images) * (shard[0] + 1))
    batches = []
    for policy in policies:
        parameters = sample_parameters(policy, policy.count * n_total, planes.shape[2:], generator, images.device)
        if shard[1] > 1:
            rows = torch.arange(policy.count * n_total, device=images.device).view(-1, n_total)
            parameters = parameters[rows[:, own].flatten()]
        repeated = planes.expand(policy.count, *planes.shape).flatten(0, 1)  # no copy for a single view
        batches.append(_apply(repeated, parameters, policy.size).permute(0, 2, 3, 1))
    return batches


def sample_parameters(
    policy: CropPolicy,
    n: int,
    shape: Sequence[int],
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> CropParameters:
    """Draw the parameters of random views.

    Args:
        policy: The kind of views.
        n: Number of views.
        shape: (height, width) of the images, in pixels.
        generator: Draws the parameters; None uses PyTorch's global random state.
        device: Device of the generator and of the parameters; None means PyTorch's default device.

    Returns:
        The parameters of n views.

    """
    uniform = torch.rand(n, 2 * _TRIES + 16, generator=generator, device=device)
    boxes, place, chance, amount, keys = torch.split(uniform, [2 * _TRIES, 2, 5, 5, 4], 1)
    jitter, blur, solarize = (
        chance[:, column] < below for column, below in ((1, policy.jitter), (3, policy.blur), (4, policy.solarize))
    )

    def factor(column: int, spread: float) -> Float[Tensor, " n"]:
        low = max(0.0, 1 - spread)
        return torch.where(jitter, low + (1 + spread - low) * amount[:, column], 1.0)

    low, high = policy.blur_sigma
    return CropParameters(
        **_sample_boxes(policy, boxes, place, shape),
        flip=chance[:, 0] < policy.flip,
        brightness=factor(0, policy.brightness),
        contrast=factor(1, policy.contrast),
        saturation=factor(2, policy.saturation),
        hue=torch.where(jitter, policy.hue * (2 * amount[:, 3] - 1), 0.0),
        order=keys.argsort(1),
        gray=chance[:, 2] < policy.gray,
        sigma=torch.where(blur, low + (high - low) * amount[:, 4], 0.0) if policy.blur else None,
        solarize_threshold=torch.where(solarize, policy.solarize_threshold, math.inf) if policy.solarize else None,
    )


def apply_parameters(
    images: Num[Tensor, "n h w 3"], parameters: CropParameters, size: int
) -> Float[Tensor, "n size size 3"]:
    """Compute one view of each image with given parameters.

    The steps in order: crop and resample (bilinear and antialiased), flip, jitter, gray, blur, clamp, solarize. Hue
    rotates the U-V plane of YUV, which is linear and keeps the luma; torchvision changes the hue of HSV. Contrast is
    about the mean luma of the crop. Values outside 0..255 are clamped once, at the end.

    Args:
        images: Images with values 0..255.
        parameters: The parameters of each view.
        size: Side of the views, in pixels.

    Returns:
        The views, float32 with values 0..255, not rounded.

    """
    return _apply(_to_planes(images), parameters, size).permute(0, 2, 3, 1)


@final
@dataclass(frozen=True)
class Warp:
    """Ranges of small affine changes of an image, as they occur in handwriting or with a hand-held camera.

    Such changes keep the content of the image (Simard, LeCun & Denker 1993, tangent distance). Each amount is drawn
    uniformly between minus and plus the given value.

    Attributes:
        degrees: Rotation, in degrees.
        shear: Horizontal shift of a row, in pixels for each row below the middle.
        stretch: Logarithm of the factor on the width. The height changes by the inverse factor.

    """

    degrees: float = 15.0
    shear: float = 0.2
    stretch: float = 0.1


def warp(
    images: Float[Tensor, "n side side 3"], limits: Warp, generator: torch.Generator | None = None
) -> Float[Tensor, "n side side 3"]:
    """Apply a random affine change about the middle of each image, with bilinear interpolation.

    Pixels from outside the image take the value of the nearest edge.

    Args:
        images: Square images.
        limits: Ranges of the changes.
        generator: Draws the changes, on the device of the images; None uses PyTorch's global random state.

    Returns:
        One changed image for each image.

    """
    uniform = 2 * torch.rand(3, len(images), generator=generator, device=images.device) - 1
    angle = math.radians(limits.degrees) * uniform[0]
    shear, width = limits.shear * uniform[1], (limits.stretch * uniform[2]).exp()
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2)
    shape = torch.stack([width, shear, torch.zeros_like(width), 1 / width], 1).view(-1, 2, 2)
    to_source = pad(rotation @ shape, (0, 1))  # (x, y) of an output pixel to its source; the third column is no shift
    planes = _to_planes(images)
    source = affine_grid(to_source, list(planes.shape), align_corners=False)
    warped: Tensor = grid_sample(planes, source, padding_mode="border", align_corners=False)
    return warped.permute(0, 2, 3, 1)


def _to_planes(images: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    return images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def _apply(planes: Float[Tensor, "n 3 h w"], p: CropParameters, size: int) -> Float[Tensor, "n 3 size size"]:
    height, width = planes.shape[2:]
    rows = resampling_matrices(p.top, p.height, height, size)
    columns = resampling_matrices(p.left, p.width, width, size)
    columns = torch.where(p.flip[:, None, None], columns.flip(1), columns)
    with torch.autocast(planes.device.type, enabled=False):  # half precision has too few digits for 256 levels
        mean = rows.mean(1, keepdim=True).unsqueeze(1) @ planes @ columns.mean(1)[:, None, :, None]
        if p.sigma is not None:
            blur = blur_matrices(p.sigma, size)
            rows, columns = blur @ rows, blur @ columns
        crops = rows.unsqueeze(1) @ (planes.flatten(1, 2) @ columns.mT).view(-1, 3, height, size)
        of_pixel, of_mean = color_matrices(p.brightness, p.contrast, p.saturation, p.hue, p.order, p.gray)
        views = torch.baddbmm(of_mean @ mean.flatten(2), of_pixel, crops.flatten(2)).clamp_(0, 255).view_as(crops)
    if p.solarize_threshold is not None:
        views = torch.where(views < p.solarize_threshold[:, None, None, None], views, 255 - views)
    return views


def _sample_boxes(
    policy: CropPolicy, uniform: Float[Tensor, "n tries2"], place: Float[Tensor, "n 2"], shape: Sequence[int]
) -> dict[str, Int[Tensor, " n"]]:
    """Turn uniform numbers into top, left, height and width of crops, as torchvision's RandomResizedCrop does.

    Area and logarithm of the ratio are uniform, and so is the place among those where the box fits. The first of
    _TRIES boxes that fits is taken. If none fits, the crop is the middle of the image.
    """
    rows, columns = shape
    area, log_ratio = uniform.chunk(2, 1)
    low, high = policy.scale
    area = rows * columns * (low + (high - low) * area)
    low, high = math.log(policy.ratio[0]), math.log(policy.ratio[1])
    ratio = (low + (high - low) * log_ratio).exp()
    width, height = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (width >= 1) & (width <= columns) & (height >= 1) & (height <= rows)
    first = fits.int().argmax(1, keepdim=True)
    found = fits.any(1)
    fallback = min(max(columns / rows, policy.ratio[0]), policy.ratio[1])  # the ratio nearest to the image's
    width = torch.where(found, width.gather(1, first).squeeze(1), min(columns, round(rows * fallback)))
    height = torch.where(found, height.gather(1, first).squeeze(1), min(rows, round(columns / fallback)))
    room = torch.stack([rows - height, columns - width], 1)
    place = torch.minimum((room + 1) * place, room).floor()  # in float32, 0.99999999 * 4 rounds to 4
    top, left = torch.where(found.unsqueeze(1), place, (room / 2).floor()).unbind(1)
    box = {"top": top, "left": left, "height": height, "width": width}
    return {side: pixels.long() for side, pixels in box.items()}
