"""What an index is asked with: an image or a vector, and which images count."""

from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image

from infomax.errors import InfoMaxError
from infomax.images.decoding import BrokenImage, center_crop_resize, no_pillow_warnings
from infomax.images.pixels import SupportsArray, as_array, pixels_of_pil, to_pixels, validate_image
from infomax.paths import expand_home, printable, quoted_path
from infomax.search.stores.store import EVERYTHING, Filter

Query: TypeAlias = str | Path | bytes | Image.Image | NDArray[Any] | Sequence[Any] | SupportsArray
"""An image: a file, the content of one, a PIL image, pixels (h, w) or (h, w, c) in an array or a tensor; or a list of
one such. Or a vector (d,) of floats."""


class UnusableQuery(InfoMaxError):
    """A query that is no image, or a vector that does not fit the index.

    Args:
        message: One line: what is wrong, and what to do.
        reason: What is wrong, without the name of the query: "not an image", say.
        too_large: Whether the image has too many pixels; a smaller version of it would do.

    """

    def __init__(self, message: str, reason: str = "", *, too_large: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.too_large = too_large


def query_pixels(query: Query, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Decode a query as the model sees it: upright, cropped to the central square, resized.

    Args:
        query: An image as `plain_query` leaves it.
        size: Side of the square, in pixels.

    Returns:
        Pixels, shape (size, size, 3).

    Raises:
        UnusableQuery: The query is no image.

    """
    try:
        with no_pillow_warnings():
            return center_crop_resize(_content(query), size)
    except (BrokenImage, TypeError, ValueError) as error:
        name = quoted_path(query) if isinstance(query, str | Path) else "the image given"
        reason = str(error)
        large = isinstance(error, BrokenImage) and reason.startswith("too large")
        message = f"{name} cannot be searched with ({reason}): give {'a smaller' if large else 'an'} image"
        raise UnusableQuery(message, reason, too_large=large) from None


def _content(query: Query) -> bytes | Path | NDArray[np.uint8]:
    """What a query is decoded from. Raises BrokenImage or InfoMaxError if it is no image."""
    if isinstance(query, Image.Image):
        pixels = pixels_of_pil(query)
        if isinstance(pixels, BrokenImage):
            raise pixels
        return pixels
    if isinstance(query, np.ndarray):
        validate_image(query.dtype, query.shape, "an array that")
        return to_pixels(query, "an array that")
    if isinstance(query, str | bytes | Path):
        return expand_home(query) if isinstance(query, str) else query
    raise BrokenImage(f"a {type(query).__name__}")


def plain_query(query: Query) -> Query:
    """Read a tensor as an array, and a list of one as the one.

    Args:
        query: Anything that may be searched with.

    Returns:
        The query, no longer within a list.

    Raises:
        UnusableQuery: The list holds more or less than one.
        InfoMaxError: The object cannot be read as an array.

    """
    if isinstance(query, list | tuple):
        if len(query) != 1:
            raise UnusableQuery(f"a list of {len(query)} images: search with one at a time", "not one image")
        query = query[0]
    array = as_array(query)
    if array is None:
        return query
    return array[0] if array.ndim > 2 and len(array) == 1 else array


def query_vector(query: Float[np.ndarray, "..."], dim: int, index: Path) -> Float[np.ndarray, " d"]:
    """Check a query that is a vector.

    Args:
        query: Floats, which must be finite and of shape (dim,).
        dim: Dimension of the index.
        index: Folder of the index, for the error message.

    Returns:
        The vector in float32.

    Raises:
        UnusableQuery: The vector has another shape, or holds NaN or infinity.

    """
    if query.shape != (dim,) or not np.isfinite(query).all():
        reason = f"a vector of shape {query.shape}"
        raise UnusableQuery(f"{reason}: {quoted_path(index)} takes ({dim},), of finite numbers", reason)
    return query.astype(np.float32)


def row_filter(folder: str | PurePath | None, label: str | None) -> Filter:
    """Make the filter for the images below a folder, or with a label, or both.

    Args:
        folder: A folder; None for all. A `PurePath` that is no `Path` is taken as it stands in the index, and not
            looked up on the disk.
        label: A label; None for all.

    Returns:
        The filter for a store.

    """
    if isinstance(folder, str | Path):
        folder = expand_home(folder).resolve()
    below = None if folder is None else printable(folder.as_posix().rstrip("/"))
    return EVERYTHING if below is None and label is None else Filter(below, None if label is None else printable(label))


def at_least_one(count: int, name: Literal["k", "n", "limit"] = "k") -> int:
    """Check that a number of images is positive.

    Args:
        count: The number.
        name: Its name, for the error message.

    Returns:
        The number.

    Raises:
        InfoMaxError: The number is less than 1.

    """
    if count < 1:
        raise InfoMaxError(f"{name} is {count}: ask for 1 or more")
    return count
