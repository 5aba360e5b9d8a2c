"""Images that people hold in memory: arrays, tensors and PIL images, as 8-bit pixels with the channels last.

uint8 is taken as it is, bool as black and white, floats in 0..1. What could mean two things is refused.
"""

import sys
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import to_rgb
from infomax.errors import InfoMaxError

CHANNELS = (1, 3, 4)
"""Gray, RGB, and RGB with transparency."""

EXPECTED = "expected uint8 of shape (n, h, w), or (n, h, w, c) with c = 1, 3 or 4"
"""End of an error message. Channels first, bool and floats in 0..1 are taken, too."""

_WIDEST_STRIP = 4  # pixels: a last axis up to here is channels rather than the width of an image
_SMALLEST_COLOR = 16  # pixels: below, three planes are three gray images rather than one in color
_SLACK = 0.5 / 255  # half a gray level, by which floats may leave 0..1: rounding, and resizing, do that


@runtime_checkable
class SupportsArray(Protocol):
    """Whatever NumPy reads as an array: a tensor, a column of a data frame."""

    def __array__(self) -> NDArray[Any]: ...


def as_array(value: object) -> NDArray[Any] | None:
    """Read anything that holds numbers as an array: a NumPy array, a tensor on any device, a pandas Series.

    Args:
        value: Any object.

    Returns:
        The array, None if the object is none.

    Raises:
        InfoMaxError: The values are masked, or cannot be had as an array.

    Examples:
        >>> as_array(np.zeros((2, 2))).shape, as_array("a.png")
        ((2, 2), None)

    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InfoMaxError("an array with masked values: fill them first, images.filled(0)")
    if isinstance(value, np.ndarray):
        return np.asarray(value) if isinstance(value, np.ma.MaskedArray) else value
    torch = sys.modules.get("torch")  # a tensor exists only where torch is loaded
    is_tensor = torch is not None and isinstance(value, torch.Tensor)
    if isinstance(value, Image.Image) or not (is_tensor or isinstance(value, SupportsArray)):
        return None
    try:
        return _of_tensor(value) if is_tensor else np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        kind, reason = type(value).__name__, str(error).partition("\n")[0]
        raise InfoMaxError(f"this {kind} cannot be read as an array ({reason}): give a NumPy array") from None


def _of_tensor(tensor: Any) -> NDArray[Any]:
    """Copy a tensor to the CPU. NumPy has no bfloat16."""
    tensor = tensor.detach().cpu()
    array: NDArray[Any] = (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    return array


def validate_batch(dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> None:
    """Check that an array holds images, and that it cannot be taken for a single one.

    Refused are (h, w); (h, w, c) with up to 4 channels, unless the images of such a batch would be 4 pixels high or
    less; and (3, h, w) from 16 x 16 pixels on, which may be one image with the channels first or three gray ones.

    Args:
        dtype: Type of the numbers.
        shape: Shape of the array.
        name: Name of the array in messages.

    Raises:
        InfoMaxError: The array holds no images, or may hold one image.

    """
    if problem := batch_problem(dtype, shape):
        raise InfoMaxError(f"{name} is {dtype} of shape {shape}: {problem}")


def batch_problem(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str | None:
    """Say why an array is not a batch of images.

    Args:
        dtype: Type of the numbers.
        shape: Shape of the array.

    Returns:
        The reason and what to do, None if the array is fine.

    """
    if (wrong := _type_problem(dtype)) or min(shape, default=0) == 0:
        return wrong or f"{EXPECTED}, and no side 0"
    if len(shape) == 2:
        return f"{EXPECTED}; give images[None] for one gray image, images.reshape(n, h, w) for flattened ones"
    if len(shape) == 3 and shape[2] <= _WIDEST_STRIP < shape[1]:
        return f"give images[None] for one image, or images[..., None] for {shape[0]} gray ones"
    if len(shape) == 3 and shape[0] == 3 and min(shape[1:]) >= _SMALLEST_COLOR:
        return "give images[None] for one image with the channels first, or images[..., None] for 3 gray ones"
    return None if len(shape) == 3 or (len(shape) == 4 and _has_channels(shape[1:])) else EXPECTED


def _has_channels(shape: tuple[int, ...]) -> bool:
    """Whether an image is (h, w, c), or (c, h, w) of more than a few pixels."""
    return shape[2] in CHANNELS or (shape[0] in CHANNELS and min(shape[1:]) > _WIDEST_STRIP)


def validate_image(dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> None:
    """Check that an array is one image.

    Args:
        dtype: Type of the numbers.
        shape: Shape of the array: (h, w), (h, w, c) or (c, h, w).
        name: Name of the array in messages.

    Raises:
        InfoMaxError: It is not.

    """
    is_image = len(shape) == 2 or (len(shape) == 3 and _has_channels(shape))
    problem = _type_problem(dtype)
    if not problem and len(shape) == 4:
        problem = "an item of a list is one image; join batches with numpy.concatenate"
    if not problem and len(shape) == 2 and shape[1] <= _WIDEST_STRIP < shape[0]:
        problem = "this looks like a row of an image in color; give [image] for one image"
    if not problem and not (is_image and min(shape) > 0):
        problem = "expected one image, (h, w) or (h, w, c) with c = 1, 3 or 4"
    if problem:
        raise InfoMaxError(f"{name} is {dtype} of shape {shape}: {problem}")


def _type_problem(dtype: np.dtype[Any]) -> str | None:
    if dtype in (np.uint8, np.bool_) or dtype.kind == "f":
        return None
    if dtype == np.uint16:
        return f"{EXPECTED}; give (images // 257).astype('uint8') if 65535 is white"
    if dtype.kind in "iu":
        return f"{EXPECTED}; give images.astype('uint8') if the values are 0 to 255"
    return EXPECTED


def to_pixels(image: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Convert one image, whose type and shape have been checked.

    Args:
        image: Array (h, w), (h, w, c) or (c, h, w). Where both ends may be channels, the last ones are.
        name: Name of the image in messages.

    Returns:
        Pixels (h, w) or (h, w, c), 0 to 255.

    Raises:
        InfoMaxError: The image holds floats outside 0..1, or NaN.

    Examples:
        >>> to_pixels(np.array([[0.0, 1.0]]), "image").tolist()
        [[0, 255]]

    """
    if image.ndim == 3 and image.shape[2] not in CHANNELS:
        image = np.moveaxis(image, 0, 2)
    if image.dtype.kind == "f":
        low, high = float(image.min()), float(image.max())
        if np.isnan(low):
            raise InfoMaxError(f"{name} holds NaN: replace it, numpy.nan_to_num(images)")
        if low < -_SLACK or high > 1 + _SLACK:
            raise InfoMaxError(
                f"{name} holds floats from {low:.4g} to {high:.4g}, and 0 to 1 is expected: "
                "give images / 255 or images.astype('uint8') for 0 to 255, and undo a normalization"
            )
        return np.rint(np.clip(image.astype(np.float32), 0, 1) * 255).astype(np.uint8)
    return image * np.uint8(255) if image.dtype == np.bool_ else image


def pixels_of_pil(image: Image.Image) -> NDArray[np.uint8] | BrokenImage:
    """Convert a PIL image as its file would be decoded: upright, RGB, transparency on white.

    Args:
        image: The image in any mode; its present frame counts.

    Returns:
        Pixels (h, w, 3), 0 to 255, or why there are none: a file that PIL opened but cannot read, say.

    """
    try:
        return np.array(to_rgb(ImageOps.exif_transpose(image)))
    except Exception as error:  # Pillow's readers raise nearly every exception
        return BrokenImage(f"damaged: {' '.join(str(error).split()) or type(error).__name__}")
