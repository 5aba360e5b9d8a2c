"""What an index is asked with: an image or a vector, and which images count."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias, TypedDict, get_args

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import NDArray
from PIL import Image

from infomax.constraints import whole_number
from infomax.decoding.broken import BrokenImage, TooLargeImage
from infomax.decoding.image import no_pillow_warnings
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.pixels import SupportsArray, as_array
from infomax.kinds.kind import DataKind
from infomax.kinds.registry import IMAGES, find_kind
from infomax.neighbors.distances import Metric
from infomax.object_store import is_url, read_object, url_of
from infomax.paths import expand_home, printable, quoted_path
from infomax.search.stores.store import Filter
from infomax.search.tags import HIDDEN, TRASHED, TaggedRows

LARGEST = 1e15
"""Largest number in a vector: no model gives larger ones, and their squares would overflow float32."""

_TIME = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d)?)?)?)?)?")

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


def query_pixels(
    query: Query, size: int, options: ReadingOptions = DEFAULT_OPTIONS
) -> UInt8[np.ndarray, "size size 3"]:
    """Decode a query as a model of images sees it: upright, cropped to the central square, resized.

    Args:
        query: An image as `plain_query` leaves it.
        size: Side of the square, in pixels.
        options: How images are read. Content that comes without a file, such as an upload, is held to Pillow's limit.

    Returns:
        Pixels, shape (size, size, 3).

    Raises:
        UnusableQuery: The query is no image.

    """
    return query_example(query, find_kind(IMAGES), size, options)


def query_example(
    query: Query, kind: DataKind, size: int, options: ReadingOptions = DEFAULT_OPTIONS
) -> Shaped[np.ndarray, "..."]:
    """Read a query as a model takes it.

    Args:
        query: An image, or what else the kind reads, as `plain_query` leaves it.
        kind: The kind of data.
        size: Side of the square, in pixels, or words of a text.
        options: How images are read. Content that comes without a file, such as an upload, is held to Pillow's limit.

    Returns:
        What the model takes of it.

    Raises:
        UnusableQuery: The query is nothing of the kind.

    """
    if isinstance(query, bytes):
        options = replace(options, max_pixels=None)
    content = _content(query) if isinstance(query, str | Path) and is_url(query) else query
    try:
        with no_pillow_warnings():
            return kind.example(content, size, options)
    except (BrokenImage, TypeError, ValueError) as error:
        name = quoted_path(query) if isinstance(query, str | Path) else f"the {kind.noun} given"
        large = isinstance(error, TooLargeImage)
        reason = error.size if isinstance(error, TooLargeImage) else str(error)
        better = f"a smaller {kind.noun}" if large else kind.wanted
        message = f"{name} cannot be searched with ({reason}): give {better}"
        raise UnusableQuery(message, reason, too_large=large) from None


def _below(folder: str | PurePath) -> str:
    """A folder or URL as the paths of rows begin with it."""
    if is_url(folder):
        return url_of(folder)
    whole = expand_home(folder).resolve() if isinstance(folder, str | Path) else folder
    return whole.as_posix().rstrip("/")


def _content(query: str | Path) -> bytes:
    """The content of an object of a store."""
    try:
        return read_object(url_of(query))
    except FileNotFoundError:
        raise UnusableQuery(
            f"there is no object {quoted_path(url_of(query))}: check the URL", "no such object"
        ) from None


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


def query_vector(query: Float[np.ndarray, "..."], dim: int, index: Path | str) -> Float[np.ndarray, " d"]:
    """Check a query that is a vector.

    Args:
        query: Floats, which must be finite and of shape (dim,).
        dim: Dimension of the index.
        index: Folder or URL of the index, for the error message.

    Returns:
        The vector in float32.

    Raises:
        UnusableQuery: The vector has another shape, or holds NaN, infinity or numbers above LARGEST.

    """
    if query.shape != (dim,) or not (np.abs(query) <= LARGEST).all():
        reason = f"a vector of shape {query.shape}"
        takes = f"takes ({dim},), of finite numbers of at most {LARGEST:g}"
        raise UnusableQuery(f"{reason}: {quoted_path(index)} {takes}", reason)
    return query.astype(np.float32)


class Conditions(TypedDict, total=False):
    """Which images count, as keywords of `Index.search` and others. Without a condition, or with None, all do.

    Attributes:
        folder: Only images below this folder. A `PurePath` that is no `Path` is taken as it stands in the index, and
            not looked up on the disk.
        label: Only images with this label.
        after: Only images taken at this time or later: a year, month, day or time in ISO 8601, such as "2024-05", or a
            date. The local time of the place counts.
        before: Only images taken before this time. Images without a time are left out by `after` and `before`.
        tag: Only images with this tag.
        visible: Whether images that were hidden, or moved to the trash of the page, are left out.

    """

    folder: str | PurePath | None
    label: str | None
    after: str | date | None
    before: str | date | None
    tag: str | None
    visible: bool


def row_filter(conditions: Conditions, tagged: Callable[[], TaggedRows]) -> Filter:
    """Make the filter for images that meet all conditions.

    Args:
        conditions: The conditions.
        tagged: Finds the tags of the index; only called where a condition needs them.

    Returns:
        The filter for a store.

    Raises:
        InfoMaxError: A time is not in ISO 8601.

    """
    folder, label = conditions.get("folder"), conditions.get("label")
    return Filter(
        None if folder is None else printable(_below(folder)),
        None if label is None else printable(label),
        time_bound(conditions.get("after"), "after"),
        time_bound(conditions.get("before"), "before"),
        None if (tag := conditions.get("tag")) is None else tagged().ids(tag),
        tagged().ids(HIDDEN, TRASHED) if conditions.get("visible") else frozenset(),
    )


def time_bound(given: str | date | None, name: str = "the time") -> str | None:
    """Check a time that images are filtered by.

    Args:
        given: A year, month, day or time in ISO 8601, or a date; None for no bound.
        name: Name of the bound, for the error message.

    Returns:
        The time, or its beginning, as the index has it.

    Raises:
        InfoMaxError: It is no time.

    """
    if given is None:
        return None
    text = given.isoformat()[: len("2024-05-31T12:30:05")] if isinstance(given, date) else given
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        date.fromisoformat(text[:10] + "2000-01-01"[len(text) :])
    except ValueError:
        example = "such as 2024, 2024-05 or 2024-05-31T12:30"
        raise InfoMaxError(f"{name} is {text!r}: give a year, month, day or time, {example}") from None
    return text.replace(" ", "T")


def valid_metric(metric: Metric) -> Metric:
    """Check the name of a metric.

    Args:
        metric: The name.

    Returns:
        The name.

    Raises:
        InfoMaxError: There is no such metric.

    """
    if metric not in get_args(Metric):
        raise InfoMaxError(f"no metric {metric!r}: choose {' or '.join(get_args(Metric))}")
    return metric


def at_least_one(count: int, name: Literal["k", "n", "limit", "batch"] = "k") -> int:
    """Check that a number of images is positive.

    Args:
        count: The number.
        name: Its name, for the error message.

    Returns:
        The number.

    Raises:
        InfoMaxError: The number is no whole number, or less than 1.

    """
    count = whole_number(name, count)
    if count < 1:
        raise InfoMaxError(f"{name} is {count}: ask for 1 or more")
    return count
