"""The original of an image of an index, and queries made of several images or of a part of one."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import open_image, to_rgb
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.opening import open_source
from infomax.images.source import Source, file_version
from infomax.neighbors.distances import directions
from infomax.object_store import find_object, is_url, read_object
from infomax.search.presence import container_of, native

UNLIKE_WEIGHT = 0.5
"""Weight of the images that matches should not be like, beside 1 for those that they should be like."""

SMALLEST_PART = 0.01
"""Least part of a side that a crop takes."""


class Crop(NamedTuple):
    """A part of an image, in parts of its sides: 0, 0, 1, 1 is the whole.

    Attributes:
        x: Left edge.
        y: Upper edge.
        width: Width.
        height: Height.

    """

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def parse(cls, text: str) -> "Crop":
        """Read a crop.

        Args:
            text: Four numbers with commas between, in parts of the sides: "0.1,0.2,0.5,0.5".

        Returns:
            The crop.

        Raises:
            InfoMaxError: It is no crop, or not within the image.

        """
        try:
            x, y, width, height = (float(each) for each in text.split(","))
        except ValueError:
            x = y = width = height = -1.0
        inside = x >= 0 and y >= 0 and x + width <= 1 + 1e-6 and y + height <= 1 + 1e-6
        if not (inside and min(width, height) >= SMALLEST_PART):
            raise InfoMaxError(
                f"{text[:60]!r} is no part of an image: give left, top, width and height in 0..1, "
                "such as 0.1,0.2,0.5,0.5"
            )
        return cls(x, y, width, height)


def original(path: str) -> Path | bytes | NDArray[Any]:
    """Find the content of an image of an index.

    Args:
        path: Path of its row.

    Returns:
        The path of its file; for an image in a file of many its stored bytes or its pixels.

    Raises:
        BrokenImage: It is no longer there.

    """
    file, container = Path(native(path)), container_of(path)
    if file.is_absolute() and file.is_file():
        return file
    if container == path:
        if is_url(path):
            return _object(path)
        raise BrokenImage("its file is gone")
    try:
        source, places = _opened(native(container), _version(native(container)))
        data = next(iter(source.read([places[path]]))).data
    except (InfoMaxError, KeyError, StopIteration):
        raise BrokenImage("it is no longer in its file") from None
    if isinstance(data, BrokenImage):
        raise data
    return data


def _object(url: str) -> bytes:
    """The content of an object of a store. Raises BrokenImage where there is none."""
    try:
        return read_object(url)
    except (FileNotFoundError, InfoMaxError) as error:
        raise BrokenImage(f"it cannot be read from the object store: {error}") from None


def _version(container: str) -> str:
    """What changes with a file of many images."""
    if is_url(container):
        found = find_object(container)
        return "absent" if found is None else found.version
    return file_version(Path(container))


@lru_cache(maxsize=4)
def _opened(container: str, version: str) -> tuple[Source, dict[str, int]]:
    """A file of many images, and the position of each path in it. `version` changes with the file."""
    del version
    source = open_source(container)
    return source, {path: place for place, path in enumerate(source.paths())}


def cropped(
    data: Path | bytes | NDArray[np.uint8], crop: Crop, options: ReadingOptions = DEFAULT_OPTIONS
) -> UInt8[np.ndarray, "h w 3"]:
    """Decode a part of an image.

    Args:
        data: The path of a file, its content, or pixels (h, w) or (h, w, c).
        crop: The part, of the upright image.
        options: How images are read.

    Returns:
        Its pixels, shape (h, w, 3).

    Raises:
        BrokenImage: The image cannot be decoded.

    """
    with open_image(data, 1 << 16, options) as opened:
        image = to_rgb(opened.image)
        width, height = image.size
        left, top = int(crop.x * width), int(crop.y * height)
        right = max(left + 1, round((crop.x + crop.width) * width))
        bottom = max(top + 1, round((crop.y + crop.height) * height))
        return np.asarray(image.crop((left, top, min(right, width), min(bottom, height))))


def combine(
    like: Sequence[Float[np.ndarray, " d"]], unlike: Sequence[Float[np.ndarray, " d"]] = ()
) -> Float[np.ndarray, " d"]:
    """Make one query of several: the mean direction of some vectors, minus half that of others.

    Args:
        like: Vectors that matches should be near to, at least one, each of shape (d,).
        unlike: Vectors that they should not be near to.

    Returns:
        The query, shape (d,), float32; a single vector as it is.

    Raises:
        InfoMaxError: There is no vector to be near to.

    Examples:
        >>> combine([np.array([2.0, 0.0])], [np.array([0.0, 3.0])]).tolist()
        [1.0, -0.5]

    """
    if not like:
        raise InfoMaxError("a query without an image to be like: give at least one")
    if len(like) == 1 and not unlike:
        return like[0].astype(np.float32)
    query = directions(np.stack(like)).mean(0)
    if unlike:
        query = query - UNLIKE_WEIGHT * directions(np.stack(unlike)).mean(0)
    combined: Float[np.ndarray, " d"] = query.astype(np.float32)
    return combined
