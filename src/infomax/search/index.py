"""Index: a collection of images that can be searched by image.

    Index.create("photos.index", model).add("photos/").search("cat.jpg", k=9)

The rows lie behind the small protocol `Store`; all that makes results exact and their order exact is here, once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Literal, TypeAlias, final

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images import SourceLike, write_skipped
from infomax.images.decoding import BrokenImage, center_crop_resize, decode, no_pillow_warnings
from infomax.images.opening import open_source
from infomax.model import InfoMax
from infomax.neighbors.groups import groups_above
from infomax.neighbors.knn import Metric, neighbors
from infomax.paths import shown, text
from infomax.search.folder import IndexFolder
from infomax.search.lance import LanceStore
from infomax.search.map import CollectionMap, map_of
from infomax.search.near_duplicates import ImageComparer
from infomax.search.store import EVERYTHING, IMAGE_COLUMNS, Filter, SearchResult, Store, path_bytes, vectors_of
from infomax.search.sync import BATCH, Changes, id_of, synchronize

SPARE = 8
"""Candidates beyond k, so that a tie at the end of the list is seen to be one."""

MARGIN = 1e-4
"""How far, relatively, a distance of the store in float32 may be from the same in float64."""

THRESHOLD = 0.8
"""The cosine from which on two images are compared: what was brightened, say, is not quite the same to a model."""

Query: TypeAlias = str | Path | bytes | NDArray[Any]
"""An image: a file, the content of one, or uint8 pixels (h, w) or (h, w, c). Or a vector (d,) of floats."""


@dataclass(frozen=True)
class IndexedImage:
    """What the index knows of an image.

    id: 32 hexadecimal digits made from the path
    label: None where its source has none
    width, height: in pixels, of the image itself, upright
    size: of its content, in bytes
    mtime: of its file, in seconds since 1970; None where there is no file
    """

    id: str
    path: str
    label: str | None
    width: int
    height: int
    size: int
    mtime: float | None


@dataclass(frozen=True)
class Match:
    """An image found: rank from 1 on, distance (1 - cosine, in 0..2, or Euclidean), and the cosine itself."""

    rank: int
    image: IndexedImage
    distance: float
    similarity: float


@dataclass(frozen=True)
class Group:
    """SearchResult-identical images, in the order of their paths; `similarity` is the least that links one to the others."""

    images: tuple[IndexedImage, ...]
    similarity: float


@dataclass(frozen=True)
class Outlier:
    """An image and its mean distance to its nearest neighbors."""

    image: IndexedImage
    distance: float


@dataclass(frozen=True)
class Statistics:
    """Numbers about an index: images by label (None: without) and by folder, size of a vector, bytes on the disk."""

    images: int
    labels: dict[str | None, int]
    folders: dict[str, int]
    dim: int
    model: str
    bytes: int


@final
class Index:
    """Images and their vectors in a folder, which several processes may read and write at once.

    The folder holds a copy of the model: it is all one needs to search, here or on another machine, and what is
    embedded later is embedded by the same. Made by `create` or `open`; the constructor is for other stores.
    """

    def __init__(self, home: IndexFolder, store: Store, *, device: str = "auto", progress: bool = False) -> None:
        card = home.read()
        self.path = home.path
        self.dim = card.dim
        self.fingerprint = card.model
        self.device = device
        self.progress = progress
        self._home = home
        self._store = store

    @classmethod
    def create(
        cls, path: str | Path, model: InfoMax | str | Path, *, device: str = "auto", progress: bool = False
    ) -> "Index":
        """A new index for the vectors of a fitted model, or of the RUN of one; where `path` holds one already, that.

        Raises InfoMaxError where it was made with another model, or where anything else is in the way.
        """
        home = IndexFolder(path)
        fitted = model if isinstance(model, InfoMax) else InfoMax.load(model)
        if not home.exists:
            home.create(fitted)
        index = cls.open(path, device=device, progress=progress)
        if index.fingerprint != fitted.fingerprint:
            raise InfoMaxError(
                f"{shown(index.path)} was made with another model: use that one, which is in "
                f"{shown(home.model_folder)}, or choose another --index"
            )
        return index

    @classmethod
    def open(cls, path: str | Path, *, device: str = "auto", progress: bool = False) -> "Index":
        """The index at `path`. Raises InfoMaxError where there is none, or none that is whole."""
        home = IndexFolder(path)
        card = home.read()
        store = LanceStore(home.path)
        if store.dim != card.dim:
            raise InfoMaxError(
                f"{shown(home.path)} has vectors of {store.dim} numbers, and its model gives {card.dim}: "
                "index again into a new folder"
            )
        return cls(home, store, device=device, progress=progress)

    @cached_property
    def model(self) -> InfoMax:
        """The model that embeds, loaded when it is first needed."""
        return self._home.load_model(self.device)

    def __len__(self) -> int:
        return self._store.count()

    def add(self, source: SourceLike, *, prune: bool = False) -> "Index":
        """Bring the index up to date with a SOURCE, as `synchronize` does; returns self."""
        self.synchronize(source, prune=prune)
        return self

    def synchronize(
        self, source: SourceLike, *, prune: bool = False, dry_run: bool = False, batch: int = BATCH
    ) -> Changes:
        """Embed what is new or changed in a SOURCE; with `prune` also remove what has vanished from it.

        Every `batch` images are committed, so that a kill costs no more than those; calling again goes on. What was
        skipped is listed in skipped.csv. See `sync.synchronize`.
        """
        changes = synchronize(
            self._store,
            source,
            self.model.transform,
            size=self.model.recipe_.size,
            model=self.fingerprint,
            prune=prune,
            dry_run=dry_run,
            batch=batch,
            progress=self.progress,
        )
        if not dry_run:
            write_skipped(self._home.skipped_file, changes.skipped)
        return changes

    def remove(self, paths: Sequence[str]) -> None:
        """Take images out of the index by the paths it has for them; the files stay."""
        self._store.remove([text(path) for path in paths])

    def search(
        self,
        query: Query,
        k: int = 10,
        *,
        metric: Metric = "cosine",
        approximate: bool = False,
        folder: str | PurePath | None = None,
        label: str | None = None,
    ) -> list[Match]:
        """The k images nearest to a query, nearest first, equally near ones in the order of their paths.

        All there are where they are fewer. Exact unless `approximate`, which may miss a few. `folder` and `label` say
        which images count. Raises InfoMaxError for a query that is no image.
        """
        return self._matches(self.embed(query), k, metric, filter_of(folder, label), approximate=approximate)

    def similar(
        self,
        id: str,  # noqa: A002
        k: int = 10,
        *,
        metric: Metric = "cosine",
        approximate: bool = False,
        folder: str | PurePath | None = None,
        label: str | None = None,
    ) -> list[Match]:
        """The same for an image of the index, which is not among its own matches."""
        rows = self._store.fetch([id], ["vector"])
        if not len(rows):
            raise InfoMaxError(f"no image {shown(id)} in {shown(self.path)}: it may have been removed meanwhile")
        where = filter_of(folder, label)
        found = self._matches(vectors_of(rows)[0], checked(k) + 1, metric, where, approximate=approximate)
        others = [match for match in found if match.image.id != id][:k]
        return [Match(rank, each.image, each.distance, each.similarity) for rank, each in enumerate(others, 1)]

    def embed(self, query: Query) -> Float[np.ndarray, " d"]:
        """The vector of a query. Raises InfoMaxError where it is no image, or a vector of another length."""
        if isinstance(query, np.ndarray) and query.dtype.kind == "f":
            if query.shape != (self.dim,) or not np.isfinite(query).all():
                raise InfoMaxError(
                    f"a vector of shape {query.shape}: {shown(self.path)} takes ({self.dim},), of finite numbers"
                )
            return query.astype(np.float32)
        name = shown(query) if isinstance(query, str | Path) else "the image given"
        try:
            with no_pillow_warnings():
                pixels = center_crop_resize(
                    Path(query).expanduser() if isinstance(query, str) else query, self.model.recipe_.size
                )
        except (BrokenImage, TypeError, ValueError) as error:
            raise InfoMaxError(f"{name} cannot be searched with ({error}): give an image") from None
        vector: Float[np.ndarray, " d"] = self.model.transform(pixels[None])[0]
        return vector

    def duplicates(self, threshold: float = THRESHOLD) -> list[Group]:
        """Groups of near-identical images: copies, whatever their size, quality and brightness, or nearly copies.

        Linked are images of a cosine of at least `threshold` that also look the same, see `looks`. The largest group,
        then the likest, comes first.
        """
        if not -1 <= threshold <= 1:
            raise InfoMaxError(f"a threshold of {threshold}: a cosine lies in -1..1; try {THRESHOLD}")
        ids, vectors = self._all()
        found = groups_above(vectors, threshold, ImageComparer(ids, self.thumbnails).same)
        known = self._images([ids[row] for group in found for row in group.rows])
        groups = [
            Group(
                tuple(sorted((known[ids[row]] for row in group.rows if ids[row] in known), key=path_of)), group.weakest
            )
            for group in found
        ]
        return sorted(groups, key=lambda group: (-len(group.images), -group.similarity, group.images[0].path))

    def outliers(self, n: int = 20, *, k: int = 10, metric: Metric = "cosine") -> list[Outlier]:
        """The n images with the largest mean distance to their k nearest: the ones least like the rest."""
        checked(n, "n")
        ids, vectors = self._all()
        if len(ids) < 2:
            return []
        near = neighbors(vectors, vectors, min(checked(k), len(ids) - 1), metric, leave_out=np.arange(len(ids)))
        mean = near.distances.mean(1, dtype=np.float64)
        worst = np.argsort(-mean, kind="stable")[:n].tolist()
        known = self._images([ids[row] for row in worst])
        return [Outlier(known[ids[row]], float(mean[row])) for row in worst if ids[row] in known]

    def page(
        self, offset: int = 0, limit: int = 100, *, folder: str | PurePath | None = None, label: str | None = None
    ) -> list[IndexedImage]:
        """`limit` images from the `offset`-th on, in the order of their paths."""
        if offset < 0:
            raise InfoMaxError(f"an offset of {offset}: give 0 or more")
        rows = self._store.page(offset, checked(limit, "limit"), IMAGE_COLUMNS, filter_of(folder, label))
        return images_of(rows)

    def count(self, *, folder: str | PurePath | None = None, label: str | None = None) -> int:
        """How many images there are below a folder, or with a label."""
        return self._store.count(filter_of(folder, label))

    def image(self, id: str) -> IndexedImage | None:  # noqa: A002
        """The image with this id, if there is one."""
        return self._images([id]).get(id)

    def thumbnail(self, id: str) -> bytes | None:  # noqa: A002
        """The thumbnail of the image with this id, a WebP, if there is one. Never reads the image itself."""
        return self.thumbnails([id]).get(id)

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The thumbnails of those of the images that are in the index, by id. Many cost little more than one."""
        rows = self._store.fetch(list(dict.fromkeys(ids)), ["id", "thumbnail"])
        return dict(zip(rows.column("id").to_pylist(), rows.column("thumbnail").to_pylist(), strict=True))

    def tiles(self, ids: Sequence[str], side: int) -> list[NDArray[np.uint8]]:
        """The thumbnails with these ids as squares of pixels (side, side, 3), to draw; gray where there is none."""
        known = self.thumbnails(ids)
        gray = np.full((side, side, 3), 128, np.uint8)
        return [decode(known[each], side) if each in known else gray for each in ids]

    def vectors(self) -> tuple[list[IndexedImage], Float[np.ndarray, "n d"]]:
        """All images, in the order of their paths, and their vectors."""
        ids, vectors = self._all()
        known = self._images(ids)
        there = [row for row, each in enumerate(ids) if each in known]
        return [known[ids[row]] for row in there], vectors[there]

    def map(self) -> CollectionMap:
        """All images as points of a plane, near ones close together; see `projection`.

        Computed when it is first asked for, and again after the rows have changed: seconds for thousands of images.
        """
        return map_of(self._store, self._home.map_file)

    @property
    def version(self) -> int:
        """A number that is another one whenever the rows are, whichever process has changed them."""
        return self._store.version()

    def statistics(self) -> Statistics:
        """Numbers about the index."""
        labels: Counter[str | None] = Counter()
        folders: Counter[str] = Counter()
        for rows in self._store.scan(["path", "label"]):
            labels.update(rows.column("label").to_pylist())
            folders.update(PurePath(path).parent.as_posix() for path in rows.column("path").to_pylist())
        order = sorted(labels, key=lambda label: (label is None, label or ""))
        return Statistics(
            labels.total(),
            {label: labels[label] for label in order},
            dict(sorted(folders.items())),
            self.dim,
            self.fingerprint,
            self._store.bytes(),
        )

    def _matches(
        self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, where: Filter, *, approximate: bool
    ) -> list[Match]:
        near = self._nearest(vector, checked(k), metric, where, approximate=approximate)
        rows = zip(near.columns[:k], near.distances[:k].tolist(), near.cosines[:k].tolist(), strict=True)
        return [Match(rank, IndexedImage(*facts), far, cosine) for rank, (facts, far, cosine) in enumerate(rows, 1)]

    def _nearest(
        self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, where: Filter, *, approximate: bool
    ) -> SearchResult:
        """The k nearest, or a few more, in their order: asked for as widely as it takes to be certain of them."""
        wide = k + SPARE
        while True:
            near = self._store.nearest(vector, wide, metric, IMAGE_COLUMNS, where, approximate=approximate)
            if near.exact:
                return near
            best = first(near, k)
            last = float(best.distances[-1]) if best.columns else 0.0
            if approximate or is_certain(near.distances, last, metric, enough=len(near.columns) == wide):
                return best
            total = self._store.count(where)
            if len(near.columns) == total:
                return best
            if len(near.columns) < wide or wide >= total:  # the store has left out vectors without a direction
                return self._nearest_of_all(vector, k, metric, where)
            wide *= 4

    def _nearest_of_all(self, vector: Float[np.ndarray, " d"], k: int, metric: Metric, where: Filter) -> SearchResult:
        """The k nearest by looking at every row, a piece at a time."""
        best = SearchResult([], np.empty(0), np.empty(0))
        for piece in self._store.scan([*IMAGE_COLUMNS, "vector"], where):
            more = SearchResult.of(piece, IMAGE_COLUMNS, vector, metric)
            distances, cosines = np.append(best.distances, more.distances), np.append(best.cosines, more.cosines)
            best = first(SearchResult(best.columns + more.columns, distances, cosines), k)
        return best

    def _all(self) -> tuple[list[str], Float[np.ndarray, "n d"]]:
        """The ids of all rows, in the order of their paths, and their vectors."""
        names: list[str] = []
        parts = [np.empty((0, self.dim), np.float32)]
        for rows in self._store.scan(["path", "vector"]):
            names += rows.column("path").to_pylist()
            parts.append(vectors_of(rows))
        order = np.argsort(np.array([name.encode() for name in names], object), kind="stable")
        return [id_of(names[row]) for row in order], np.concatenate(parts)[order]

    def _images(self, ids: Sequence[str]) -> dict[str, IndexedImage]:
        """Those of the images that are in the index, by id."""
        found: dict[str, IndexedImage] = {}
        for start in range(0, len(ids), 1000):
            rows = self._store.fetch(ids[start : start + 1000], IMAGE_COLUMNS)
            found |= {image.id: image for image in images_of(rows)}
        return found


def plan(source: SourceLike, model: str | Path | None) -> Changes:
    """What a synchronization would do to an index that is still to be made. Raises InfoMaxError where it could not."""
    if model is None:
        raise InfoMaxError("a new index needs a model: give --model RUN, the folder that infomax fit wrote")
    InfoMax.load(model)
    return Changes(len(open_source(source).entries), 0, 0, 0, [])


def first(near: SearchResult, k: int) -> SearchResult:
    """Those of the k least distances, ties in the order of the bytes of the paths."""
    keys = [(far, path_bytes(facts)) for far, facts in zip(near.distances.tolist(), near.columns, strict=True)]
    order = sorted(range(len(keys)), key=keys.__getitem__)[:k]
    return SearchResult([near.columns[row] for row in order], near.distances[order], near.cosines[order])


def is_certain(distances: Float[np.ndarray, " n"], last: float, metric: Metric, *, enough: bool) -> bool:
    """Whether no row that the store left out can be as near as the last match, although the store rounds.

    Filter the metric is cosine, vectors of zeros, which the store leaves out, are at 1.
    """
    margin = MARGIN * max(1.0, last) if metric == "cosine" else MARGIN * last
    return enough and float(distances.max()) > last + margin and (metric == "euclidean" or last < 1 - margin)


def filter_of(folder: str | PurePath | None, label: str | None) -> Filter:
    """The rows below a folder, or with a label. A path that is only pure is taken as it stands, as the index has it."""
    if isinstance(folder, str | Path):
        folder = Path(folder).expanduser().resolve()
    place = None if folder is None else text(folder.as_posix().rstrip("/"))
    return EVERYTHING if place is None and label is None else Filter(place, None if label is None else text(label))


def images_of(rows: pa.Table) -> list[IndexedImage]:
    """Rows with the columns IMAGE."""
    columns = [rows.column(name).to_pylist() for name in IMAGE_COLUMNS]
    return [IndexedImage(*values) for values in zip(*columns, strict=True)]


def path_of(image: IndexedImage) -> bytes:
    """What images are ordered by."""
    return image.path.encode()


def checked(count: int, name: Literal["k", "n", "limit"] = "k") -> int:
    """The count, or InfoMaxError where it is not positive."""
    if count < 1:
        raise InfoMaxError(f"{name} is {count}: ask for 1 or more")
    return count
