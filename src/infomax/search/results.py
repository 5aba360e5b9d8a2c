"""What an index answers with: images, matches, groups of near-duplicates, outliers, and statistics."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, SupportsIndex, TypeAlias, final, overload

from PIL import Image

from infomax.errors import InfoMaxError
from infomax.search.display import contact_sheet, html_gallery
from infomax.search.presence import is_gone

Thumbnails: TypeAlias = Callable[[Sequence[str]], dict[str, bytes]]
"""Maps ids of images to their thumbnails (WebP), as `Index.thumbnails` does; ids without one are left out."""

GroupKind: TypeAlias = Literal["same bytes", "same image", "near"]
"""How the images of a group are related: the weakest relation among its pairs."""


METADATA = ("format", "taken", "camera", "latitude", "longitude")
"""Fields of an image that its file says of itself."""


@dataclass(frozen=True)
class IndexedImage:
    """An image of an index.

    Attributes:
        id: 32 hexadecimal digits derived from the path.
        path: Absolute path of the file; `file#row` for an image in a file of many, or `digits#row`.
        label: Label of the image; None where its source has none.
        width: Width of the upright image, in pixels.
        height: Height of the upright image, in pixels.
        size: Size of the image's content, in bytes.
        mtime: Time of the last change of its file, in seconds since 1970; None where there is no file.
        format: Format of the file, such as "JPEG"; None where there is no file.
        taken: When it was taken, by its EXIF: ISO 8601 in local time, such as "2024-05-01T12:30:05". None if unknown.
        camera: Maker and model of the camera, by its EXIF; None if unknown.
        latitude: Degrees north of the place, by its EXIF; None if unknown.
        longitude: Degrees east of the place, by its EXIF; None if unknown.

    """

    id: str
    path: str
    label: str | None
    width: int
    height: int
    size: int
    mtime: float | None
    format: str | None = None
    taken: str | None = None
    camera: str | None = None
    latitude: float | None = None
    longitude: float | None = None

    @property
    def gone(self) -> bool:
        """Whether its file no longer exists. Each call asks the file system."""
        return is_gone(self.path)


@dataclass(frozen=True)
class Match:
    """An image that a search has found.

    Attributes:
        rank: Rank among the matches, from 1 on.
        image: The image.
        distance: Distance to the query: 1 - cosine, in 0..2, or Euclidean.
        similarity: Cosine similarity to the query, in -1..1.

    """

    rank: int
    image: IndexedImage
    distance: float
    similarity: float


@final
class Matches(list[Match]):
    """The matches of a search, nearest first: a list of `Match` that a notebook shows as images.

    A pickled `Matches` holds the path of its index, and opens that index again when it is unpickled.

    Args:
        matches: The matches, nearest first.
        thumbnails: Where the thumbnails come from when the matches are shown.
        left_out: Paths of the images that would be among the matches, but their files are gone.
        missing_roots: Folders that are missing, so that nobody can tell whether the files below them are gone: their
            disk may be unplugged, or the index is on another machine. Images below them are among the matches.

    Attributes:
        left_out: As given, in order.
        missing_roots: As given, in order.

    """

    def __init__(
        self,
        matches: Iterable[Match],
        thumbnails: Thumbnails,
        *,
        left_out: Collection[str] = (),
        missing_roots: Collection[str] = (),
    ) -> None:
        super().__init__(matches)
        self._thumbnails = thumbnails
        self.left_out = tuple(sorted(left_out))
        self.missing_roots = tuple(sorted(missing_roots))

    @overload
    def __getitem__(self, index: SupportsIndex) -> Match: ...

    @overload
    def __getitem__(self, index: slice) -> "Matches": ...

    def __getitem__(self, index: SupportsIndex | slice) -> "Match | Matches":
        if isinstance(index, slice):
            part = super().__getitem__(index)
            return Matches(part, self._thumbnails, left_out=self.left_out, missing_roots=self.missing_roots)
        return super().__getitem__(index)

    @property
    def paths(self) -> list[str]:
        """Paths of the matches."""
        return [match.image.path for match in self]

    @property
    def distances(self) -> list[float]:
        """Distances of the matches to the query."""
        return [match.distance for match in self]

    def show(self) -> Image.Image:
        """Draw the thumbnails in rows, with rank and distance below each; a notebook displays the image returned.

        Thumbnails come from the index, so the files may be gone. `infomax.figures.matches` draws figures with queries
        and labels.
        """
        found = self._thumbnails([match.image.id for match in self])
        return contact_sheet([(found.get(each.image.id), f"{each.rank}   {each.distance:.3f}") for each in self])

    def to_pandas(self) -> Any:
        """Convert the matches to a pandas DataFrame, one row a match.

        The columns are rank, path, label, distance, similarity, format, taken, camera, latitude, longitude and gone.

        Raises:
            InfoMaxError: pandas is not installed.

        """
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise InfoMaxError("to_pandas needs pandas, which is not installed: pip install pandas") from None
        return pandas.DataFrame(
            {
                "rank": [match.rank for match in self],
                "path": self.paths,
                "label": [match.image.label for match in self],
                "distance": self.distances,
                "similarity": [match.similarity for match in self],
                **{name: [getattr(match.image, name) for match in self] for name in METADATA},
                "gone": [match.image.gone for match in self],
            }
        )

    def _repr_html_(self) -> str:
        """The thumbnails with rank, label and distance, for notebooks."""
        found = self._thumbnails([match.image.id for match in self])
        return html_gallery(
            [
                (
                    found.get(each.image.id),
                    each.image.path,
                    [f"{each.rank}   {each.distance:.3f}", *([each.image.label] if each.image.label else [])],
                )
                for each in self
            ]
        )


@dataclass(frozen=True)
class Group:
    """A group of duplicates. What it says holds for all pairs of its images.

    Attributes:
        images: The images, in the order of their paths.
        similarity: Least cosine over all pairs, in -1..1. A gray copy is the same image at a small cosine.
        kind: "same bytes": equal content. "same image": encoded again, scaled, brightened, gray or cropped by a
            little, verified on pixels. "near": similar to the model and at a glance, but not the same.
        changes: How each image differs from the first: "", or words such as "mirrored", "turned", "framed".

    """

    images: tuple[IndexedImage, ...]
    similarity: float
    kind: GroupKind
    changes: tuple[str, ...] = ()


@final
class Groups(list[Group]):
    """Groups of duplicates: a list of `Group` that also knows what was left out.

    Args:
        groups: The groups.
        left_out: Paths of images that would count, but their files are gone.
        missing_roots: Folders that are missing: images below them count, though their files cannot be seen.

    """

    def __init__(
        self, groups: Iterable[Group], left_out: Iterable[str] = (), missing_roots: Iterable[str] = ()
    ) -> None:
        super().__init__(groups)
        self.left_out = sorted(left_out)
        self.missing_roots = sorted(missing_roots)


@dataclass(frozen=True)
class Outlier:
    """An image that is unlike the rest.

    Attributes:
        image: The image.
        distance: Mean distance to its nearest neighbors.

    """

    image: IndexedImage
    distance: float


@dataclass(frozen=True)
class Statistics:
    """Numbers about an index.

    Attributes:
        images: Number of images.
        labels: Number of images for each label; None counts those without a label and comes last.
        folders: Number of images directly in each folder.
        dim: Dimension of a vector.
        model: Fingerprint of the model.
        bytes: Size of the rows on the disk.
        gone: Number of images whose file no longer exists.

    """

    images: int
    labels: dict[str | None, int]
    folders: dict[str, int]
    dim: int
    model: str
    bytes: int
    gone: int = 0
