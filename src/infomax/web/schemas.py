"""Answers of the HTTP API as JSON. The classes are also the user documentation in OpenAPI."""

from collections import Counter
from os import stat_result
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from infomax.neighbors.distances import Metric
from infomax.search.presence import native
from infomax.search.reader import IndexReader
from infomax.search.results import IndexedImage, Match
from infomax.search.tags import TaggedRows
from infomax.web.permissions import Permissions

_FileState = Literal["there", "changed", "gone"]


class Failure(BaseModel):
    """The reason why a request failed."""

    error: str = Field(description="One line that says what is wrong and what to do.")


class ImageAnswer(BaseModel):
    """An image of the index."""

    id: str = Field(description="32 hexadecimal digits made from the path.")
    path: str = Field(description="Path of the file, or name of the row in a table.")
    label: str | None = Field(description="Label of the image, or null if it has no label.")
    width: int = Field(description="Width of the upright original image, in pixels.")
    height: int = Field(description="Height of the upright original image, in pixels.")
    size: int = Field(description="Size of the image file, in bytes.")
    format: str | None = Field(description="Format of the image file, such as JPEG, or null if there is no file.")
    taken: str | None = Field(description="When it was taken, in local time as ISO 8601, or null if unknown.")
    camera: str | None = Field(description="Maker and model of the camera, or null if unknown.")
    latitude: float | None = Field(description="Degrees north of the place, or null if unknown.")
    longitude: float | None = Field(description="Degrees east of the place, or null if unknown.")
    tags: list[str] = Field(description="Tags that people gave it, in order.")
    state: _FileState = Field(description="State of the file now, compared with its state when it was indexed.")
    thumbnail: str = Field(description="Address of the thumbnail below the page. It changes when the image changes.")


class PageAnswer(BaseModel):
    """Some of the images, in the order that was asked for."""

    total: int = Field(description="Number of images that the filters let through.")
    images: list[ImageAnswer] = Field(description="The images from the offset on.")


class IdsAnswer(BaseModel):
    """Ids of images, in the order that was asked for."""

    ids: list[str] = Field(description="Ids of all images that the filters let through.")


class MatchAnswer(BaseModel):
    """An image that was found."""

    rank: int = Field(description="Rank among the matches, from 1.")
    image: ImageAnswer = Field(description="The image that was found.")
    distance: float = Field(description="Cosine distance (1 - cosine, in 0..2) or Euclidean distance to the query.")
    similarity: float = Field(description="Cosine similarity to the query.")


class MatchesAnswer(BaseModel):
    """The images nearest to a query, nearest first."""

    query: ImageAnswer | None = Field(description="The query, if it is an image of the index.")
    vector: str | None = Field(
        description="The features of the query, if it is not an image of the index. A link with them finds the same."
    )
    like: list[ImageAnswer] = Field(description="Further images that the query is made of.")
    unlike: list[ImageAnswer] = Field(description="Images that the matches should not be like.")
    metric: Metric = Field(description="Distance between features.")
    exact: bool = Field(description="Whether these are certainly the nearest. An approximate search may miss a few.")
    matches: list[MatchAnswer] = Field(description="The matches, nearest first.")
    left_out: int = Field(description="Number of images that would be among them, but their files are gone.")


class LabelCount(BaseModel):
    """A label and the number of images that have it."""

    label: str = Field(description="The label.")
    images: int = Field(description="Number of images with this label.")


class FolderCount(BaseModel):
    """A folder and the number of images in it."""

    folder: str = Field(description="Absolute path of the folder.")
    images: int = Field(description="Number of images in the folder and its subfolders.")


class ScaleAnswer(BaseModel):
    """How near images are that are paired at random, by cosine distance."""

    shares: list[float] = Field(description="Shares of the pairs, from 0 to 1.")
    distances: list[float] = Field(description="The distance that each share of the pairs does not exceed.")
    pairs: int = Field(description="Number of pairs that were measured.")


class StatisticsAnswer(BaseModel):
    """Numbers about the index."""

    name: str = Field(description="Name of the collection, or of the index folder.")
    images: int = Field(description="Number of images.")
    gone: int = Field(description="Number of images whose file was gone when the images last changed.")
    root: str | None = Field(description="The lowest folder that contains all image files.")
    labels: list[LabelCount] = Field(description="All labels, in order.")
    folders: list[FolderCount] = Field(description="All folders below the root, in order.")
    dim: int = Field(description="Number of features of each image.")
    model: str = Field(description="Fingerprint of the model.")
    bytes: int = Field(description="Size of the index on disk, in bytes.")
    upload_bytes: int = Field(description="Maximum size of an uploaded image, in bytes.")
    dated: bool = Field(description="Whether it is known of any image when it was taken.")
    changes: bool = Field(description="Whether the page may tag images, and move them to the trash folder.")
    originals: bool = Field(description="Whether the page may open the images themselves.")
    scale: ScaleAnswer | None = Field(description="What distances mean here; null while there are fewer than 2 images.")


class ClusterAnswer(BaseModel):
    """Images that lie together on the map, found without labels."""

    name: str | None = Field(description="Label or folder of at least 80 % of the images, or null.")
    size: int = Field(description="Number of images.")
    medoids: list[str] = Field(description="Ids of up to 8 images that stand for the cluster, the most central first.")
    center: list[float] = Field(description="Position x, y in the middle of the images.")
    outline: list[list[float]] = Field(description="Closed curves around the images, each as x, y, x, y ...")


class MapAnswer(BaseModel):
    """The images as points of a plane, as columns, in the order of their paths."""

    current: bool = Field(description="Whether the map shows the present images. If not, a new map is being computed.")
    images: int = Field(description="Number of images. If there are fewer points, the map is a sample of them.")
    ids: list[str] = Field(description="Id of each image.")
    x: list[float] = Field(description="Horizontal position of each image, in 0..1 from left to right.")
    y: list[float] = Field(description="Vertical position of each image, in 0..1 from top to bottom.")
    labels: list[str] = Field(description="All labels, in order.")
    label: list[int] = Field(description="Index into `labels` for each image, or -1 if it has no label.")
    folders: list[str] = Field(description="All folders, in order.")
    folder: list[int] = Field(description="Index into `folders` for each image, or -1 if it has no folder.")
    clusters: list[ClusterAnswer] = Field(description="All clusters, the largest first.")
    cluster: list[int] = Field(description="Index into `clusters` for each image, or -1 if it is in none.")
    outlier: list[float] = Field(description="Rank by distance to the nearest images: 0 is typical, 1 is odd.")
    taken: list[int | None] = Field(
        description="When each image was taken, in seconds of local time since 1970, or null. Empty if none is known."
    )


class Excluded(BaseModel):
    """The images of the map that do not count."""

    ids: list[str] = Field(description="Their ids.")


class LearningAnswer(BaseModel):
    """How far the learning of features is."""

    state: Literal["none", "learning", "ready", "failed"] = Field(
        description="none: the index is complete, and nothing is learned. learning: there are no features yet, and "
        "what needs them is refused with status 409. ready: there are. failed: there will be none."
    )
    stage: str | None = Field(description="What is being done, or null. It may go on when ready: an update, say.")
    part: float | None = Field(description="Part of the work that is done, 0 to 1, or null if unknown.")
    seconds_left: float | None = Field(description="Seconds that the rest will take, or null if unknown.")
    images: int = Field(description="Number of images that are shown.")
    error: str | None = Field(description="Why it failed and what to do, in one line, or null.")
    note: str | None = Field(description="What may be done to have better features, in one line, or null.")


class Computing(BaseModel):
    """The first map is being computed. Ask again in a second."""

    computing: int = Field(description="Number of images on the map.")


def image_answer(image: IndexedImage, tagged: TaggedRows) -> ImageAnswer:
    """Describe an image and the present state of its file.

    Args:
        image: An image of the index.
        tagged: The tags of the index.

    Returns:
        The image as JSON.
    """
    return ImageAnswer(
        id=image.id,
        path=image.path,
        label=image.label,
        width=image.width,
        height=image.height,
        size=image.size,
        format=image.format,
        taken=image.taken,
        camera=image.camera,
        latitude=image.latitude,
        longitude=image.longitude,
        tags=tagged.of(image.id),
        state=_file_state(image),
        thumbnail=_thumbnail_address(image),
    )


def match_answer(match: Match, tagged: TaggedRows) -> MatchAnswer:
    """Describe a match.

    Args:
        match: A result of a search.
        tagged: The tags of the index.

    Returns:
        The match as JSON.
    """
    return MatchAnswer(
        rank=match.rank, image=image_answer(match.image, tagged), distance=match.distance, similarity=match.similarity
    )


def statistics_answer(
    index: IndexReader, upload_bytes: int, permissions: Permissions, name: str | None = None
) -> StatisticsAnswer:
    """Describe an index.

    Args:
        index: The index.
        upload_bytes: Maximum size of an upload, in bytes.
        permissions: What the page may do.
        name: Name of the collection; None for that of the folder of the index.

    Returns:
        Numbers about the index as JSON. The count of a folder includes its subfolders.
    """
    statistics = index.statistics()
    scale = index.distance_scale()
    counts = {folder: count for folder, count in statistics.folders.items() if folder.startswith("/")}
    root = _common_folder(list(counts))
    folders: Counter[str] = Counter()
    for folder, count in counts.items():
        for depth in range(folder.count("/") + 1):
            ancestor = folder.rsplit("/", depth)[0]
            if not ancestor.startswith(f"{root}/"):
                break
            folders[ancestor] += count
    return StatisticsAnswer(
        name=index.path.resolve().name if name is None else name,
        images=statistics.images,
        gone=statistics.gone,
        root=root,
        labels=[
            LabelCount(label=label, images=count) for label, count in statistics.labels.items() if label is not None
        ],
        folders=[FolderCount(folder=folder, images=folders[folder]) for folder in sorted(folders)],
        dim=statistics.dim,
        model=statistics.model,
        bytes=statistics.bytes,
        upload_bytes=upload_bytes,
        dated=index.count(after="0001") > 0,
        changes=permissions.changes,
        originals=permissions.originals,
        scale=ScaleAnswer(shares=list(scale.shares), distances=scale.distances.tolist(), pairs=scale.pairs)
        if scale.pairs
        else None,
    )


def _thumbnail_address(image: IndexedImage) -> str:
    """Return the address of the thumbnail.

    A browser may cache an address with a version. Images without a file time have no version: a change to them would
    go unnoticed.
    """
    version = "" if image.mtime is None else f"?v={image.size}-{image.mtime:.6f}"
    return f"/api/thumbnails/{image.id}{version}"


def _file_state(image: IndexedImage) -> _FileState:
    """Compare the file of an image with the index. Only size and modification time are read, never the content.

    The path of a row in a table is `file#row`. The row counts as there if the file exists. Rows without a file
    (`digits#row`) are always there.
    """
    status = _stat(native(image.path)) if image.path.startswith("/") else None
    if status is None:
        return "gone" if image.gone else "there"
    is_same = (status.st_size, status.st_mtime_ns / 1e9) == (image.size, image.mtime)
    return "there" if is_same else "changed"


def _stat(path: str) -> stat_result | None:
    """Return size and times of a file, or None if it is not found."""
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None


def _common_folder(folders: list[str]) -> str | None:
    """Return the lowest folder that is, or contains, all of these. "" is the root of the file system."""
    if not folders:
        return None
    first, last = min(folders).split("/"), max(folders).split("/")
    common = next((depth for depth, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return "/".join(first[: min(common, len(last))])
