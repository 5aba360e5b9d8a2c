"""Parameters of requests. All of them are checked before any work starts."""

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import PurePosixPath
from typing import Annotated, Any

import numpy as np
from fastapi import Path, Query
from jaxtyping import Float
from pydantic import AfterValidator, BaseModel, Field

from infomax.neighbors.distances import Metric
from infomax.search.ordering import Order
from infomax.search.queries import Conditions, time_bound
from infomax.search.tags import HIDDEN
from infomax.web.errors import refuse

ID_PATTERN = re.compile("[0-9a-f]{32}")
"""What ids of images look like."""

_ID_PATTERN = f"^{ID_PATTERN.pattern}$"
_MAX_FEATURE = 1e15  # no model gives features this large, and the square of a larger one can overflow float32

_ID_LIST = f"^{ID_PATTERN.pattern}(,{ID_PATTERN.pattern}){{0,63}}$"

ImageId = Annotated[str, Path(pattern=_ID_PATTERN, description="Id of an image in the index.")]
ThumbnailVersion = Annotated[
    str | None, Query(max_length=64, description="Any text. If it is given, the browser may cache the thumbnail.")
]
Offset = Annotated[int, Query(ge=0, le=10**9, description="Number of images to skip.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Maximum number of images to list.")]
FolderFilter = Annotated[
    str | None,
    Query(
        max_length=4096,
        description="Only images in this folder and its subfolders. The statistics list all folders.",
    ),
]
LabelFilter = Annotated[str | None, Query(max_length=4096, description="Only images with this label.")]

TimeFilter = Annotated[
    str | None,
    AfterValidator(time_bound),
    Query(
        pattern=r"^\d{4}(-\d\d(-\d\d)?)?$",
        description="Only images taken since, or before, a year, month or day in local time, such as 2024-05.",
    ),
]


TagFilter = Annotated[str | None, Query(max_length=400, description="Only images with this tag.")]


class ImageConditions(BaseModel):
    """Which images count on the page. Hidden and trashed ones do not, unless only hidden ones are asked for.

    Attributes:
        folder: Only images in this folder and its subfolders.
        label: Only images with this label.
        tag: Only images with this tag.
        after: Only images taken at this time or later.
        before: Only images taken before this time.
        hidden: Only images that were hidden.
    """

    folder: FolderFilter = None
    label: LabelFilter = None
    tag: TagFilter = None
    after: TimeFilter = None
    before: TimeFilter = None
    hidden: bool = Field(False, description="Only images that were hidden, instead of all others.")

    def conditions(self) -> Conditions:
        """Return the conditions as keyword arguments for the methods of `Index`."""
        return {
            "folder": folder_path(self.folder),
            "label": self.label,
            "tag": HIDDEN if self.hidden else self.tag,
            "after": self.after,
            "before": self.before,
            "visible": not self.hidden,
        }


class ImageOrder(ImageConditions):
    """Which images count, and in which order.

    Attributes:
        order: The order.
        seed: Seed of the random order.
    """

    order: Order = Field("path", description="By path, date (newest first), likeness (along the map), or random.")
    seed: int = Field(0, ge=0, le=10**9, description="Seed of the random order.")

    def key(self) -> str:
        """Return the same text for requests that ask for the same list, whichever part of it they ask for."""
        return self.model_dump_json(include=set(ImageOrder.model_fields))


class ImagePage(ImageOrder):
    """Which part of an ordered list to answer with.

    Attributes:
        offset: Number of images to skip.
        limit: Maximum number of images.
    """

    offset: Offset = 0
    limit: Limit = 100


class SearchOptions(ImageConditions):
    """Options of a search.

    Attributes:
        k: Number of matches.
        metric: Distance between features.
        approximate: Whether a faster search may miss a few matches.
        include_gone: Whether images count whose file no longer exists.
    """

    k: int = Field(20, ge=1, le=1000, description="Number of matches. The answer has fewer if there are fewer images.")
    metric: Metric = Field("cosine", description="Distance between the features of two images.")
    approximate: bool = Field(False, description="Search faster in a large index. A few matches may be missing.")
    include_gone: bool = Field(False, description="Also find images whose file no longer exists.")

    def index_options(self) -> dict[str, Any]:
        """Return the options as keyword arguments for `Index.search` and `Index.similar`."""
        return {
            "k": self.k,
            "metric": self.metric,
            "approximate": self.approximate,
            "include_gone": self.include_gone,
            **self.conditions(),
        }


class SearchByLink(SearchOptions):
    """Options and query of a search that fits into a link."""

    id: str | None = Field(None, pattern=_ID_PATTERN, description="Id of an image in the index.")
    crop: str | None = Field(
        None, max_length=80, description="With id: only this part of it: left, top, width, height in 0..1."
    )
    like: str | None = Field(None, pattern=_ID_LIST, description="Further images that matches should be like.")
    unlike: str | None = Field(None, pattern=_ID_LIST, description="Images that matches should not be like.")
    vector: str | None = Field(None, description="Features, as in the field `vector` of an answer with matches.")


def folder_path(folder: str | None) -> PurePosixPath | None:
    """Convert a folder in a request to the form that the index takes.

    The path is pure: a name in a request is never looked up in the file system.

    Args:
        folder: The folder, as the statistics list it.

    Returns:
        The path of the folder, or None for all folders.
    """
    return None if folder is None else PurePosixPath(folder)


def encode_vector(vector: Float[np.ndarray, " d"]) -> str:
    """Encode features for a link, without any loss.

    Args:
        vector: Features, (d,), float32.

    Returns:
        Every bit of the numbers, little-endian, in base64url without padding.
    """
    return urlsafe_b64encode(vector.astype("<f4").tobytes()).decode().rstrip("=")


def decode_vector(text: str, dim: int) -> Float[np.ndarray, " d"]:
    """Decode the features in a link.

    Args:
        text: What `encode_vector` returned.
        dim: Number of features d.

    Returns:
        Features, (d,), float32.

    Raises:
        HTTPException: 422 if the text does not hold `dim` finite numbers of reasonable size.
    """
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        vector: Float[np.ndarray, " d"] = np.frombuffer(content, "<f4").astype(np.float32)
    except (binascii.Error, ValueError):
        vector = np.empty(0, np.float32)
    if vector.shape != (dim,) or not (np.abs(vector) < _MAX_FEATURE).all():
        refuse(422, "this link holds no features of this index: drop or choose the image again")
    return vector
