"""What the interface answers, as JSON: these classes are also its documentation in OpenAPI."""

from collections import Counter
from os import stat_result
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from infomax.neighbors.knn import Metric
from infomax.search.index import Index, Match, Picture
from infomax.web.uploads import BYTES

State = Literal["there", "changed", "gone"]


class Failure(BaseModel):
    """Why a request was refused."""

    error: str = Field(description="One line: what is wrong, and what to do.")


class PictureAnswer(BaseModel):
    """A picture of the index."""

    id: str
    path: str
    label: str | None
    width: int = Field(description="Of the picture itself, upright, in pixels.")
    height: int
    size: int = Field(description="Of its content, in bytes.")
    state: State = Field(description="Of the file just now, beside what was indexed.")
    thumbnail: str = Field(description="The address of its thumbnail, another one whenever the picture is.")


class PageAnswer(BaseModel):
    """Some pictures of all that count, in the order of their paths."""

    total: int
    pictures: list[PictureAnswer]


class MatchAnswer(BaseModel):
    """A picture found."""

    rank: int
    picture: PictureAnswer
    distance: float = Field(description="1 - cosine, in 0..2, or Euclidean.")
    similarity: float = Field(description="The cosine.")


class MatchesAnswer(BaseModel):
    """The nearest pictures, nearest first."""

    query: PictureAnswer | None = Field(description="The picture asked with, where it is one of the index.")
    vector: str | None = Field(description="The features asked with, where it is not: put them into a link.")
    metric: Metric
    exact: bool = Field(description="Whether these are the nearest for certain; an approximate search may miss some.")
    matches: list[MatchAnswer]


class LabelCount(BaseModel):
    """A label and how many pictures have it."""

    label: str
    pictures: int


class FolderCount(BaseModel):
    """A folder and how many pictures are in it, those in its sub-folders among them."""

    folder: str
    pictures: int


class StatisticsAnswer(BaseModel):
    """What the index holds."""

    name: str
    pictures: int
    root: str | None = Field(description="The folder that all pictures with a folder are below.")
    labels: list[LabelCount]
    folders: list[FolderCount]
    dim: int = Field(description="Numbers in a vector.")
    model: str = Field(description="The fingerprint of the model.")
    bytes: int = Field(description="That the rows take on the disk.")
    upload_bytes: int = Field(description="That a picture to search with may have at most.")


class MapAnswer(BaseModel):
    """All pictures as points of a plane, column by column, in the order of their paths."""

    current: bool = Field(description="Whether it is of the pictures of this moment; else a newer one is being made.")
    ids: list[str]
    x: list[float] = Field(description="In 0..1, to the right.")
    y: list[float] = Field(description="In 0..1, downward.")
    labels: list[str]
    label: list[int] = Field(description="For each picture its place in labels; -1: it has none.")
    folders: list[str]
    folder: list[int] = Field(description="For each picture its place in folders; -1: it has none.")


class Computing(BaseModel):
    """The first map is being made: ask again in a second or so."""

    computing: int = Field(description="Of so many pictures.")


def picture_answer(picture: Picture) -> PictureAnswer:
    """A picture and the state of its file."""
    return PictureAnswer(
        id=picture.id,
        path=picture.path,
        label=picture.label,
        width=picture.width,
        height=picture.height,
        size=picture.size,
        state=state_of(picture),
        thumbnail=thumbnail_address(picture),
    )


def match_answer(match: Match) -> MatchAnswer:
    """A match and the state of its file."""
    return MatchAnswer(
        rank=match.rank, picture=picture_answer(match.picture), distance=match.distance, similarity=match.similarity
    )


def thumbnail_address(picture: Picture) -> str:
    """Where the thumbnail is; a browser may keep what has a version, which is given where it is known to change."""
    version = "" if picture.mtime is None else f"?v={picture.size}-{picture.mtime:.6f}"
    return f"/api/thumbnails/{picture.id}{version}"


def state_of(picture: Picture) -> State:
    """Whether the file of a picture is as it was indexed; nothing of it but size and time of change is read.

    A row of a table is `file#row`: there as long as the file is. What lies in no file (`digits#row`) is there.
    """
    own = Path(picture.path)
    if not own.is_absolute():
        return "there"
    if (status := status_of(own)) is not None:
        same = (status.st_size, status.st_mtime_ns / 1e9) == (picture.size, picture.mtime)
        return "there" if same else "changed"
    table = picture.path.rpartition("#")[0]
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
        pictures=statistics.pictures,
        root=root,
        labels=[
            LabelCount(label=label, pictures=count) for label, count in statistics.labels.items() if label is not None
        ],
        folders=[FolderCount(folder=folder, pictures=folders[folder]) for folder in sorted(folders)],
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
