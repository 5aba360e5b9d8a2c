"""Views: random crops of an image in random colors, drawn in batches where the images are.

    views = draw((CropPolicy(size=32, count=2), CropPolicy(size=16, scale=(0.08, 0.25), count=4)), images, generator)

All but clamping and solarizing is linear in the image, and done as the matrix products that it is: crop, flip,
resampling and blur are one matrix for the rows and one for the columns of each image; brightness, contrast,
saturation, hue and gray are one matrix for the colors. CropParameters are drawn for each image, from a generator alone.
What rows and columns cannot do each by themselves, a turn or a slant, is `warp`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import torch
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, one_hot, pad

from infomax.errors import InfoMaxError

TRIES = 10  # boxes drawn for each image, of which the first that fits is taken; as many as torchvision draws
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
BLUE, RED = 0.492, 0.877  # U and V of YUV: these times the differences of blue and red from the luma


@final
@dataclass(frozen=True)
class CropPolicy:
    """How one kind of view is drawn. The defaults are those of SimCLR for CIFAR-10 (arXiv 2002.05709, app. B.9).

    size: side of the view, in pixels; at most that of the images.
    count: how many views of this kind are drawn of each image.
    scale: range of the crop's area, as a fraction of the image's.
    ratio: range of the crop's width over its height.
    flip: probability of a mirror image, left to right.
    jitter: probability that the colors are changed at all, by the four settings that follow, in random order.
    brightness, contrast, saturation: each a factor within 1 - value and 1 + value, not below 0.
    hue: the color circle is turned by at most this fraction of a whole turn, up to 0.5.
    gray: probability that no color is left.
    blur: probability of a Gaussian blur, its deviation within blur_sigma, in pixels, its reach a twentieth of the view.
    solarize: probability that every value of solarize_threshold or more, in 0..255, is inverted.

    Raises InfoMaxError for settings that no view can have.
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
            raise InfoMaxError(f"scale of a view is {self.scale}: give fractions of the area in order, 0.25 and 1 say")
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
    """What was drawn for each of n images: `apply` does it.

    top, left, height, width: the box that is cut out, in whole pixels.
    flip, gray: whether to do so.
    brightness, contrast, saturation: factors; hue: in turns. 1, 1, 1 and 0 change nothing.
    order: in which order these four are done, 0 to 3 as listed here.
    sigma: deviation of the blur in pixels, 0 for none; None where no image is blurred.
    solarize_threshold: values of this or more are inverted, infinity for none; None where no image is solarized.
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
        """Those of some of the images."""
        parts: dict[str, Any] = {name: None if each is None else each[rows] for name, each in vars(self).items()}
        return CropParameters(**parts)


def augment(
    kinds: Sequence[CropPolicy],
    images: Num[Tensor, "n h w 3"],
    generator: torch.Generator | None = None,
    share: tuple[int, int] = (0, 1),
) -> list[Float[Tensor, "m size size 3"]]:
    """For each kind its views, float32 in 0..255 and not rounded: all n images once, then again, `count` times.

    The images may be one of several equal shares of a batch, (0, 2) the first of two: they are drawn as they would be
    in the whole batch, and the generator moves on as it would.

    Raises InfoMaxError for a view larger than the images.
    """
    side = min(images.shape[1:3])
    if (largest := max(kind.size for kind in kinds)) > side:
        raise InfoMaxError(f"a view of {largest} px is larger than the images of {side} px: make it {side} or less")
    planes, whole = _planes(images), len(images) * share[1]
    own = slice(len(images) * share[0], len(images) * (share[0] + 1))
    batches = []
    for kind in kinds:
        drawn = sample_parameters(kind, kind.count * whole, planes.shape[2:], generator, images.device)
        if share[1] > 1:
            drawn = drawn[torch.arange(kind.count * whole, device=images.device).view(-1, whole)[:, own].flatten()]
        again = planes.expand(kind.count, *planes.shape).flatten(0, 1)  # no copy for a single view
        batches.append(_apply(again, drawn, kind.size).permute(0, 2, 3, 1))
    return batches


def sample_parameters(
    kind: CropPolicy,
    n: int,
    shape: Sequence[int],
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> CropParameters:
    """Draw the parameters of n views of images of that shape (h, w)."""
    uniform = torch.rand(n, 2 * TRIES + 16, generator=generator, device=device)
    boxes, place, chance, amount, keys = torch.split(uniform, [2 * TRIES, 2, 5, 5, 4], 1)
    jitter, blur, solarize = (
        chance[:, column] < below for column, below in ((1, kind.jitter), (3, kind.blur), (4, kind.solarize))
    )

    def factor(column: int, spread: float) -> Float[Tensor, " n"]:
        low = max(0.0, 1 - spread)
        return torch.where(jitter, low + (1 + spread - low) * amount[:, column], 1.0)

    low, high = kind.blur_sigma
    return CropParameters(
        **_boxes(kind, boxes, place, shape),
        flip=chance[:, 0] < kind.flip,
        brightness=factor(0, kind.brightness),
        contrast=factor(1, kind.contrast),
        saturation=factor(2, kind.saturation),
        hue=torch.where(jitter, kind.hue * (2 * amount[:, 3] - 1), 0.0),
        order=keys.argsort(1),
        gray=chance[:, 2] < kind.gray,
        sigma=torch.where(blur, low + (high - low) * amount[:, 4], 0.0) if kind.blur else None,
        solarize_threshold=torch.where(solarize, kind.solarize_threshold, math.inf) if kind.solarize else None,
    )


def apply_parameters(
    images: Num[Tensor, "n h w 3"], parameters: CropParameters, size: int
) -> Float[Tensor, "n size size 3"]:
    """Views of `size` px by these parameters, float32 in 0..255, not rounded.

    In this order: crop and resample (bilinear, each output pixel a triangle as wide as the step between them where that
    is more than a pixel: no aliasing), flip, jitter, gray, blur, clamp, solarize. Hue turns the color plane of YUV,
    which is linear and keeps the luma, where others turn that of HSV; contrast is about the mean luma of the crop.
    Values that leave 0..255 on the way are clamped at the end alone.
    """
    return _apply(_planes(images), parameters, size).permute(0, 2, 3, 1)


@final
@dataclass(frozen=True)
class Warp:
    """Small affine changes of an image, as a hand makes them in writing or a camera in being held.

    Along these directions a thing stays what it is (Simard, LeCun & Denker 1993, tangent distance). Each amount is
    drawn uniformly from minus to plus what is said.

    turn: in degrees.
    shear: pixels that a row is moved to the side, for each row below the middle.
    stretch: logarithm of the width, and minus that of the height.
    """

    turn: float = 15.0
    shear: float = 0.2
    stretch: float = 0.1


def warp(
    images: Float[Tensor, "n side side 3"], how: Warp, generator: torch.Generator | None = None
) -> Float[Tensor, "n side side 3"]:
    """Each image changed about its middle, its edges drawn out where it does not reach; bilinear."""
    drawn = 2 * torch.rand(3, len(images), generator=generator, device=images.device) - 1
    turn, shear, wide = math.radians(how.turn) * drawn[0], how.shear * drawn[1], (how.stretch * drawn[2]).exp()
    turned = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()], 1).view(-1, 2, 2)
    shaped = torch.stack([wide, shear, torch.zeros_like(wide), 1 / wide], 1).view(-1, 2, 2)
    source = pad(turned @ shaped, (0, 1))  # of each pixel, which lies at x, y: about the middle, nothing is moved
    planes = _planes(images)
    places = affine_grid(source, list(planes.shape), align_corners=False)
    warped: Tensor = grid_sample(planes, places, padding_mode="border", align_corners=False)
    return warped.permute(0, 2, 3, 1)


def _planes(images: Num[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    return images.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def _apply(planes: Float[Tensor, "n 3 h w"], p: CropParameters, size: int) -> Float[Tensor, "n 3 size size"]:
    height, width = planes.shape[2:]
    rows, columns = _resampling(p.top, p.height, height, size), _resampling(p.left, p.width, width, size)
    columns = torch.where(p.flip[:, None, None], columns.flip(1), columns)
    with torch.autocast(planes.device.type, enabled=False):  # three digits are too few for 256 levels
        mean = rows.mean(1, keepdim=True).unsqueeze(1) @ planes @ columns.mean(1)[:, None, :, None]
        if p.sigma is not None:
            blur = _blurring(p.sigma, size)
            rows, columns = blur @ rows, blur @ columns
        crops = rows.unsqueeze(1) @ (planes.flatten(1, 2) @ columns.mT).view(-1, 3, height, size)
        own, common = _color_maps(p)
        views = torch.baddbmm(common @ mean.flatten(2), own, crops.flatten(2)).clamp_(0, 255).view_as(crops)
    if p.solarize_threshold is not None:
        views = torch.where(views < p.solarize_threshold[:, None, None, None], views, 255 - views)
    return views


def _boxes(
    kind: CropPolicy, uniform: Float[Tensor, "n tries2"], place: Float[Tensor, "n 2"], shape: Sequence[int]
) -> dict[str, Int[Tensor, " n"]]:
    """top, left, height and width: area uniform in scale, log of the ratio uniform, place uniform among those that fit.

    The first of TRIES boxes that fits; where none does, the middle of the image, as torchvision has it.
    """
    rows, columns = shape
    area, log_ratio = uniform.chunk(2, 1)
    low, high = kind.scale
    area = rows * columns * (low + (high - low) * area)
    low, high = math.log(kind.ratio[0]), math.log(kind.ratio[1])
    ratio = (low + (high - low) * log_ratio).exp()
    width, height = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (width >= 1) & (width <= columns) & (height >= 1) & (height <= rows)
    first = fits.int().argmax(1, keepdim=True)
    found = fits.any(1)
    middle = min(max(columns / rows, kind.ratio[0]), kind.ratio[1])  # the ratio nearest to that of the whole image
    width = torch.where(found, width.gather(1, first).squeeze(1), min(columns, round(rows * middle)))
    height = torch.where(found, height.gather(1, first).squeeze(1), min(rows, round(columns / middle)))
    room = torch.stack([rows - height, columns - width], 1)
    place = torch.minimum((room + 1) * place, room).floor()  # 0.99999999 * 4 rounds to 4
    top, left = torch.where(found.unsqueeze(1), place, (room / 2).floor()).unbind(1)
    box = {"top": top, "left": left, "height": height, "width": width}
    return {side: pixels.long() for side, pixels in box.items()}


def _resampling(
    start: Int[Tensor, " n"], length: Int[Tensor, " n"], pixels: int, size: int
) -> Float[Tensor, "n size pixels"]:
    """Rows of weights: a triangle about the center of each output pixel, which sees nothing outside the box."""
    start, length = start.float()[:, None, None], length.float()[:, None, None]
    step = length / size
    outputs = torch.arange(size, device=start.device, dtype=torch.float32)[:, None]
    inputs = torch.arange(pixels, device=start.device, dtype=torch.float32)
    offset = (inputs + 0.5 - start) - step * (outputs + 0.5)
    weights = (1 - offset.abs() / step.clamp(min=1)).clamp_(min=0)
    weights = weights.masked_fill_((inputs < start) | (inputs >= start + length), 0)
    return weights / weights.sum(2, keepdim=True)


def _blurring(sigma: Float[Tensor, " n"], size: int) -> Float[Tensor, "n size size"]:
    """Weights of a Gaussian as far as a twentieth of the view, mirrored at its edges; the identity for sigma 0."""
    radius = max(1, size // 20)
    offsets = torch.arange(-radius, radius + 1, device=sigma.device)
    kernel = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3).unsqueeze(1)).square())
    mirrored = torch.arange(size, device=sigma.device).unsqueeze(1) + offsets
    mirrored = (size - 1 - (size - 1 - mirrored.abs()).abs()).clamp_(0)  # a view of one pixel has no other side
    taps = one_hot(mirrored.T, size).float()
    blur: Tensor = (kernel / kernel.sum(1, keepdim=True)) @ taps.flatten(1)
    return blur.view(-1, size, size)


def _color_maps(p: CropParameters) -> tuple[Float[Tensor, "n 3 3"], Float[Tensor, "n 3 3"]]:
    """(A, B): a pixel x of a crop whose mean color is m becomes A x + B m.

    Each of the four changes is such a pair, B being that of contrast alone; one after another they make one pair, the
    mean becoming (A + B) m on the way.
    """
    one, luma = torch.eye(3, device=p.hue.device), _constants(p.hue.device)[0]

    def toward(factor: Float[Tensor, " n"], gray: Tensor) -> Float[Tensor, "n 3 3"]:
        factor = factor[:, None, None]
        return factor * one + (1 - factor) * gray

    nothing = torch.zeros_like(one)
    changes = [toward(p.brightness, nothing), toward(p.contrast, nothing), toward(p.saturation, luma), _hue(p.hue)]
    means = [torch.zeros_like(changes[0])] * 4
    means[1] = (1 - p.contrast)[:, None, None] * luma
    each, of_mean = torch.stack(changes, 1), torch.stack(means, 1)
    own, common = one.expand(len(p.hue), 3, 3), nothing.expand(len(p.hue), 3, 3)
    rows = torch.arange(len(p.hue), device=p.hue.device)
    for which in p.order.unbind(1):
        own, common = each[rows, which] @ own, each[rows, which] @ common + of_mean[rows, which] @ (own + common)
    gray = p.gray[:, None, None]
    return torch.where(gray, luma @ own, own), torch.where(gray, luma @ common, common)


def _hue(turns: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    """RGB to YUV, U and V turned about Y, and back."""
    _, to_yuv, back = _constants(turns.device)
    angle = 2 * math.pi * turns
    turn = torch.eye(3, device=turns.device).repeat(len(turns), 1, 1)
    turn[:, 1, 1] = turn[:, 2, 2] = angle.cos()
    turn[:, 1, 2], turn[:, 2, 1] = -angle.sin(), angle.sin()
    turned: Tensor = back @ turn @ to_yuv
    return turned


@cache
def _constants(device: torch.device) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3 3"], Float[Tensor, "3 3"]]:
    """RGB to the luma in all three channels, RGB to YUV, and back; made once, for a GPU would wait for them."""
    red, green, blue = LUMA
    to_yuv = torch.tensor(
        [LUMA, (-BLUE * red, -BLUE * green, BLUE * (1 - blue)), (RED * (1 - red), -RED * green, -RED * blue)]
    )
    return torch.tensor([LUMA] * 3).to(device), to_yuv.to(device), torch.linalg.inv(to_yuv).to(device)
