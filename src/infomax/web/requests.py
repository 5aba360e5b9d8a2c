"""What a request may say, and what is allowed: all of it is checked before anything is done."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, Field

from infomax.neighbors.knn import Metric

ID = "^[0-9a-f]{32}$"

Id = Annotated[str, Path(pattern=ID, description="An image of the index.")]
Version = Annotated[str | None, Query(max_length=64, description="Anything; the answer may then be kept.")]
Offset = Annotated[int, Query(ge=0, le=10**9)]
Limit = Annotated[int, Query(ge=1, le=500)]
Folder = Annotated[
    str | None, Query(max_length=4096, description="Only images in this folder and below, as statistics names it.")
]
Label = Annotated[str | None, Query(max_length=4096, description="Only images with this label.")]


class Search(BaseModel):
    """What a search is told beside the image."""

    k: int = Field(20, ge=1, le=1000, description="How many matches; all, where there are fewer.")
    metric: Metric = Field("cosine", description="How far apart two images are.")
    approximate: bool = Field(False, description="Faster in a large index, but may miss a few matches.")
    folder: Folder = None
    label: Label = None

    def options(self) -> dict[str, Any]:
        """The same for the methods of an index."""
        return {
            "k": self.k,
            "metric": self.metric,
            "approximate": self.approximate,
            "folder": folder_path(self.folder),
            "label": self.label,
        }


class SearchByLink(Search):
    """A search with what a link can hold: an image of the index, or the features of another."""

    id: str | None = Field(None, pattern=ID, description="Of an image of the index.")
    vector: str | None = Field(None, description="Features, as matches gives them.")


def folder_path(folder: str | None) -> PurePosixPath | None:
    """A folder as the index names it: nothing is looked up in the file system for a name that a request gives."""
    return None if folder is None else PurePosixPath(folder)
