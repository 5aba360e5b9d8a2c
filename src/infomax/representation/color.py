"""Color changes of images as 3x3 matrices."""

import math
from functools import cache

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)  # weights of red, green and blue in the luma Y (ITU-R BT.601)
_U_SCALE, _V_SCALE = 0.492, 0.877  # U = 0.492 (blue - Y) and V = 0.877 (red - Y) of YUV


def color_matrices(
    brightness: Float[Tensor, " n"],
    contrast: Float[Tensor, " n"],
    saturation: Float[Tensor, " n"],
    hue: Float[Tensor, " n"],
    order: Int[Tensor, "n 4"],
    gray: Bool[Tensor, " n"],
) -> tuple[Float[Tensor, "n 3 3"], Float[Tensor, "n 3 3"]]:
    """Compose all color changes of an image into two matrices.

    A pixel x of a crop with the mean color m becomes A x + B m. Each of the four changes is such a pair (A, B), and B
    is zero for all but contrast. One change after another gives one pair again; the mean becomes (A + B) m on the way.

    Args:
        brightness: Factor on all values.
        contrast: Factor on the distance from the mean luma of the crop.
        saturation: Factor on the distance from the luma of the pixel.
        hue: Rotation of the U-V plane of YUV, in turns. The luma stays.
        order: The order of these four changes, as numbers 0 to 3.
        gray: Whether to replace the colors by their luma at the end.

    Returns:
        The matrices A and B of each image.

    """
    one, luma = torch.eye(3, device=hue.device), _constants(hue.device)[0]

    def toward(factor: Float[Tensor, " n"], limit: Tensor) -> Float[Tensor, "n 3 3"]:
        factor = factor[:, None, None]
        return factor * one + (1 - factor) * limit

    zero = torch.zeros_like(one)
    changes = [toward(brightness, zero), toward(contrast, zero), toward(saturation, luma), _hue_rotation(hue)]
    means = [torch.zeros_like(changes[0])] * 4
    means[1] = (1 - contrast)[:, None, None] * luma
    of_pixel, of_mean = torch.stack(changes, 1), torch.stack(means, 1)
    a, b = one.expand(len(hue), 3, 3), zero.expand(len(hue), 3, 3)
    rows = torch.arange(len(hue), device=hue.device)
    for which in order.unbind(1):
        a, b = of_pixel[rows, which] @ a, of_pixel[rows, which] @ b + of_mean[rows, which] @ (a + b)
    gray = gray[:, None, None]
    return torch.where(gray, luma @ a, a), torch.where(gray, luma @ b, b)


def _hue_rotation(turns: Float[Tensor, " n"]) -> Float[Tensor, "n 3 3"]:
    """Convert RGB to YUV, rotate U and V about Y, and convert back."""
    _, to_yuv, to_rgb = _constants(turns.device)
    angle = 2 * math.pi * turns
    rotation = torch.eye(3, device=turns.device).repeat(len(turns), 1, 1)
    rotation[:, 1, 1] = rotation[:, 2, 2] = angle.cos()
    rotation[:, 1, 2], rotation[:, 2, 1] = -angle.sin(), angle.sin()
    rotated: Tensor = to_rgb @ rotation @ to_yuv
    return rotated


@cache  # a GPU would wait for each copy of these constants
def _constants(device: torch.device) -> tuple[Float[Tensor, "3 3"], Float[Tensor, "3 3"], Float[Tensor, "3 3"]]:
    """Return the matrices from RGB to the luma in all three channels, from RGB to YUV, and from YUV to RGB."""
    red, green, blue = LUMA
    u = (-_U_SCALE * red, -_U_SCALE * green, _U_SCALE * (1 - blue))
    v = (_V_SCALE * (1 - red), -_V_SCALE * green, -_V_SCALE * blue)
    to_yuv = torch.tensor([LUMA, u, v])
    return torch.tensor([LUMA] * 3).to(device), to_yuv.to(device), torch.linalg.inv(to_yuv).to(device)
