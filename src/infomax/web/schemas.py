"""What the interface answers, as JSON: these classes are also its documentation in OpenAPI."""

from collections import Counter
from os import stat_result
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from infomax.neighbors.knn import Metric
from infomax.search.index import Index, IndexedImage, Match
from infomax.web.uploads import BYTES

State = Literal["there", "changed", "gone"]


class Failure(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="One line: what is wrong, and what to do.")


class ImageAnswer(BaseModel):
    """An image of the index."""

    id: str
    path: str
    label: str | None
    width: int = Field(description="Of the image itself, upright, in pixels.")
    height: int
    size: int = Field(description="Of its content, in bytes.")
    state: State = Field(description="Of the file just now, beside what was indexed.")
    thumbnail: str = Field(description="The address of its thumbnail, another one whenever the image is.")


class PageAnswer(BaseModel):
    """Some images of all that count, in the order of their paths."""

    total: int
    images: list[ImageAnswer]


class MatchAnswer(BaseModel):
    """An image found."""

    rank: int
    image: ImageAnswer
    distance: float = Field(description="1 - cosine, in 0..2, or Euclidean.")
    similarity: float = Field(description="The cosine.")


class MatchesAnswer(BaseModel):
    """The nearest images, nearest first."""

    query: ImageAnswer | None = Field(description="The image asked with, where it is one of the index.")
    vector: str | None = Field(description="The features asked with, where it is not: put them into a link.")
    metric: Metric
    exact: bool = Field(description="Whether these are the nearest for certain; an approximate search may miss some.")
    matches: list[MatchAnswer]


class LabelCount(BaseModel):
    """A label and how many images have it."""

    label: str
    images: int


class FolderCount(BaseModel):
    """A folder and how many images are in it, those in its sub-folders among them."""

    folder: str
    images: int


class StatisticsAnswer(BaseModel):
    """What the index holds."""

    name: str
    images: int
    root: str | None = Field(description="The folder that all images with a folder are below.")
    labels: list[LabelCount]
    folders: list[FolderCount]
    dim: int = Field(description="Numbers in a vector.")
    model: str = Field(description="The fingerprint of the model.")
    bytes: int = Field(description="That the rows take on the disk.")
    upload_bytes: int = Field(description="That an image to search with may have at most.")


class MapAnswer(BaseModel):
    """All images as points of a plane, column by column, in the order of their paths."""

    current: bool = Field(description="Whether it is of the images of this moment; else a newer one is being made.")
    ids: list[str]
    x: list[float] = Field(description="In 0..1, to the right.")
    y: list[float] = Field(description="In 0..1, downward.")
    labels: list[str]
    label: list[int] = Field(description="For each image its place in labels; -1: it has none.")
    folders: list[str]
    folder: list[int] = Field(description="For each image its place in folders; -1: it has none.")


class Computing(BaseModel):
    """The first map is being made: ask again in a second or so."""

    computing: int = Field(description="Of so many images.")


def image_answer(image: IndexedImage) -> ImageAnswer:
    """An image and the state of its file."""
    return ImageAnswer(
        id=image.id,
        path=image.path,
        label=image.label,
        width=image.width,
        height=image.height,
        size=image.size,
        state=state_of(image),
        thumbnail=thumbnail_address(image),
    )


def match_answer(match: Match) -> MatchAnswer:
    """A match and the state of its file."""
    return MatchAnswer(
        rank=match.rank, image=image_answer(match.image), distance=match.distance, similarity=match.similarity
    )


def thumbnail_address(image: IndexedImage) -> str:
    """Where the thumbnail is; a browser may keep what has a version, which is given where it is known to change."""
    version = "" if image.mtime is None else f"?v={image.size}-{image.mtime:.6f}"
    return f"/api/thumbnails/{image.id}{version}"


def state_of(image: IndexedImage) -> State:
    """Whether the file of an image is as it was indexed; nothing of it but size and time of change is read.

    A row of a table is `file#row`: there as long as the file is. What lies in no file (`digits#row`) is there.
    """
    own = Path(image.path)
    if not own.is_absolute():
        return "there"
    if (status := status_of(own)) is not None:
        same = (status.st_size, status.st_mtime_ns / 1e9) == (image.size, image.mtime)
        return "there" if same else "changed"
    table = image.path.rpartition("#")[0]
    return "there" if table and status_of(Path(table)) is not None else "gone"


def status_of(path: Path) -> stat_result | None:
    """Size and time of a file, where it is found: a name that was no valid Unicode is not by what it was escaped to."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def statistics_answer(index: Index) -> StatisticsAnswer:
    """What the index holds, folders counted with all below them."""
    statistics = index.statistics()
    own = {folder: count for folder, count in statistics.folders.items() if folder.startswith("/")}
    root = common_folder(list(own))
    folders: Counter[str] = Counter()
    for folder, count in own.items():
        for depth in range(folder.count("/") + 1):
            ancestor = folder.rsplit("/", depth)[0]
            if not ancestor.startswith(f"{root}/"):
                break
            folders[ancestor] += count
    return StatisticsAnswer(
        name=index.path.resolve().name,
        images=statistics.images,
        root=root,
        labels=[
            LabelCount(label=label, images=count) for label, count in statistics.labels.items() if label is not None
        ],
        folders=[FolderCount(folder=folder, images=folders[folder]) for folder in sorted(folders)],
        dim=statistics.dim,
        model=statistics.model,
        bytes=statistics.bytes,
        upload_bytes=BYTES,
    )


def common_folder(folders: list[str]) -> str | None:
    """The lowest folder that is, or lies above, all of these; "" is the top of the file system."""
    if not folders:
        return None
    least, most = min(folders).split("/"), max(folders).split("/")
    same = next((depth for depth, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), len(least))
    return "/".join(least[: min(same, len(most))])
