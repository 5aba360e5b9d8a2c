"""Answers about cleaning and judging a collection: duplicates, outliers, checks, tags, the trash folder."""

from typing import Literal

from pydantic import BaseModel, Field

from infomax.search.results import GroupKind
from infomax.web.schemas import ImageAnswer


class DuplicateImage(BaseModel):
    """An image of a group of duplicates."""

    image: ImageAnswer = Field(description="The image.")
    best: bool = Field(description="Whether it is the one to keep: most pixels, then bytes, then the oldest.")
    change: str = Field(description="How it differs from the first of its group: mirrored, turned, framed, or nothing.")


class DuplicateGroup(BaseModel):
    """Images that look the same. What is said holds for all pairs of them."""

    kind: GroupKind = Field(description="Same bytes, same image (encoded again, scaled, brightened, gray) or near.")
    similarity: float = Field(description="Least cosine similarity over all pairs.")
    images: list[DuplicateImage] = Field(description="The images, in the order of their paths.")


class DuplicatesAnswer(BaseModel):
    """Groups of duplicates that nobody has reviewed."""

    total: int = Field(description="Number of groups.")
    images: int = Field(description="Number of images in them.")
    groups: list[DuplicateGroup] = Field(description="Some of the groups, the largest first.")


class Listed(BaseModel):
    """Images in an order that says something."""

    images: list[ImageAnswer] = Field(description="The images.")


class ChecksAnswer(BaseModel):
    """Images that a person may want to look at first."""

    blank: list[ImageAnswer] = Field(description="Images of one color, or nearly.")
    dark: list[ImageAnswer] = Field(description="Images with hardly any light.")
    blurred: list[ImageAnswer] = Field(description="Images without sharp edges, as far as thumbnails tell.")
    tiny: list[ImageAnswer] = Field(description="Images much smaller than the rest.")
    counts: dict[Literal["blank", "dark", "blurred", "tiny"], int] = Field(description="How many there are of each.")


class NamedCount(BaseModel):
    """A name and the number of images that it belongs to."""

    name: str = Field(description="The name.")
    images: int = Field(description="Number of images.")


class SkippedFile(BaseModel):
    """A file that was left out when the collection was read."""

    path: str = Field(description="Path of the file.")
    reason: str = Field(description="Why it was left out.")


class OverviewAnswer(BaseModel):
    """What is in the collection, as far as rows tell. Clusters, duplicates and checks are asked for by themselves."""

    images: int = Field(description="Number of images that the page shows.")
    hidden: int = Field(description="Number of images that were hidden.")
    trashed: int = Field(description="Number of images in the trash folder.")
    gone: int = Field(description="Number of images whose file was gone when the images last changed.")
    bytes: int = Field(description="Size of all image files, in bytes.")
    formats: list[NamedCount] = Field(description="Formats of the files, the most frequent first.")
    sizes: list[NamedCount] = Field(description="Megapixels of the images, in classes from small to large.")
    years: list[NamedCount] = Field(description="Years in which they were taken, where files tell it, in order.")
    cameras: list[NamedCount] = Field(description="Cameras, the most frequent first; at most ten.")
    tags: list[NamedCount] = Field(description="Tags, in order.")
    skipped: int = Field(description="Number of files that were left out.")
    first_skipped: list[SkippedFile] = Field(description="The first fifty of them, with reasons.")


class ClusterSummary(BaseModel):
    """A cluster of similar images, found without labels."""

    name: str | None = Field(description="A label or folder that most of its images share, or null.")
    size: int = Field(description="Number of images.")
    medoids: list[ImageAnswer] = Field(description="Images that represent it, the most central first.")


class ClustersAnswer(BaseModel):
    """The clusters of the collection, the largest first."""

    clusters: list[ClusterSummary] = Field(description="The clusters.")


class TagsAnswer(BaseModel):
    """The tags of the index."""

    tags: list[NamedCount] = Field(description="All tags that images have, in order.")
    changed: int = Field(0, description="Number of images that the request changed.")


class DecisionAnswer(BaseModel):
    """A decision that images are all to be kept."""

    id: str = Field(description="Id, by which the decision can be forgotten.")


class Changed(BaseModel):
    """What a request has changed."""

    changed: int = Field(description="Number of images, or of decisions.")


class StayingFile(BaseModel):
    """A file that was not moved."""

    path: str = Field(description="Path of the file.")
    reason: str = Field(description="Why it stays.")


class MovesAnswer(BaseModel):
    """What was moved to the trash folder, or back."""

    folder: str = Field(description="The trash folder.")
    moves: list[int] = Field(description="Numbers of the moves of images, by which they can be undone.")
    ids: list[str] = Field(description="Ids of the images that were moved.")
    left: list[StayingFile] = Field(description="Files that stay, and why.")


class TrashedImage(BaseModel):
    """An image in the trash folder."""

    move: int = Field(description="Number of its move.")
    path: str = Field(description="Where it was.")
    size: int = Field(description="Size of the file, in bytes.")
    image: ImageAnswer | None = Field(description="The image, as long as the index knows it.")


class TrashAnswer(BaseModel):
    """The trash folder. Files in it are never deleted by this program."""

    folder: str = Field(description="The folder.")
    images: list[TrashedImage] = Field(description="Images in it, the latest first.")


class ExplanationAnswer(BaseModel):
    """How much each place of two images speaks for the other image, in nats: pointwise mutual information."""

    query: list[list[float]] = Field(description="Rows of places of the first image, by the code of the other.")
    match: list[list[float]] = Field(description="Rows of places of the other image, by the code of the first.")
    most: float = Field(description="The largest value, up to its sign, that the images have with themselves.")
