"""What an index is asked with: an image or a vector, and which images count."""

from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images.decoding import BrokenImage, center_crop_resize, no_pillow_warnings
from infomax.paths import printable, quoted_path
from infomax.search.stores.store import EVERYTHING, Filter

Query: TypeAlias = str | Path | bytes | NDArray[Any]
"""An image: a file, the content of one, or uint8 pixels (h, w) or (h, w, c). Or a vector (d,) of floats."""


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
        query: A file, the content of one, or uint8 pixels (h, w) or (h, w, c).
        size: Side of the square, in pixels.

    Returns:
        Pixels, shape (size, size, 3).

    Raises:
        UnusableQuery: The query is no image.

    """
    image = Path(query).expanduser() if isinstance(query, str) else query
    try:
        with no_pillow_warnings():
            return center_crop_resize(image, size)
    except (BrokenImage, TypeError, ValueError) as error:
        name = quoted_path(query) if isinstance(query, str | Path) else "the image given"
        reason = str(error)
        large = isinstance(error, BrokenImage) and reason.startswith("too large")
        message = f"{name} cannot be searched with ({reason}): give {'a smaller' if large else 'an'} image"
        raise UnusableQuery(message, reason, too_large=large) from None


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
        folder = Path(folder).expanduser().resolve()
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
