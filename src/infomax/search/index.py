"""Index: a collection of images that can be searched by image."""

from collections.abc import Collection, Sequence
from functools import cached_property, partial
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, final

import numpy as np
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.images import SourceLike, write_skipped
from infomax.neighbors.distances import Metric
from infomax.paths import printable, quoted_path
from infomax.search.curation import find_outliers
from infomax.search.duplicates import DEFAULT_KINDS, THRESHOLD, DuplicateOptions, find_blank_images, find_duplicates
from infomax.search.index_folder import IndexFolder
from infomax.search.presence import is_gone
from infomax.search.queries import Query, at_least_one, query_pixels, query_vector, row_filter
from infomax.search.ranking import find_matches
from infomax.search.results import Group, GroupKind, IndexedImage, Matches, Outlier, Statistics
from infomax.search.rows import count_rows, fetch_images, images_of, read_images
from infomax.search.stores.store import IMAGE_COLUMNS, Store, vectors_of
from infomax.search.sync import COMMIT_BATCH, Changes, synchronize

if TYPE_CHECKING:  # torch and LanceDB load when they are first needed
    from infomax.model import InfoMax
    from infomax.search.map import CollectionMap


@final
class Index:
    """A collection of images that can be searched by image, in a folder.

        Index.create("photos.index", model).add("photos/").search("cat.jpg", k=9)
        Index("photos.index").search("cat.jpg", k=9)

    Several processes may read and write one index at once. The folder holds a copy of the model, so it is all that a
    search needs, on this machine or another. Images that are added later are embedded by the same model. A pickled
    index holds the path, and opens the folder again when it is unpickled.

    Args:
        path: Folder of an existing index; `Index.create` makes a new one.
        device: Where the model runs: "auto", "cpu" or "cuda".
        progress: Whether to draw progress bars on stderr.
        store: The rows, where they are not in the folder's own LanceDB table.

    Attributes:
        path: Folder of the index.
        dim: Dimension of the vectors.
        fingerprint: Fingerprint of the model.

    Raises:
        InfoMaxError: There is no index at `path`, or it is damaged.

    """

    def __init__(
        self, path: str | Path, *, device: str = "auto", progress: bool = False, store: Store | None = None
    ) -> None:
        self._folder = IndexFolder(path)
        metadata = self._folder.read_metadata()
        self.path = self._folder.path
        self.dim = metadata.dim
        self.fingerprint = metadata.model
        self.device = device
        self.progress = progress
        self._given_store = store
        self._store = self._folder.open_store(self.dim) if store is None else store

    @classmethod
    def create(
        cls, path: str | Path, model: "InfoMax | str | Path", *, device: str = "auto", progress: bool = False
    ) -> "Index":
        """Make an index for the vectors of a model, or open the one that `path` holds already.

        Args:
            path: Folder of the index.
            model: A fitted model, or the RUN folder of one.
            device: Where the model runs: "auto", "cpu" or "cuda".
            progress: Whether to draw progress bars on stderr.

        Returns:
            The index.

        Raises:
            InfoMaxError: The index was made with another model, or something else is in the way.

        """
        IndexFolder(path).create_for(model)
        return cls(path, device=device, progress=progress)

    @classmethod
    def open(cls, path: str | Path, *, device: str = "auto", progress: bool = False) -> "Index":
        """Open an existing index, as `Index(path)` does.

        Args:
            path: Folder of the index.
            device: Where the model runs: "auto", "cpu" or "cuda".
            progress: Whether to draw progress bars on stderr.

        Returns:
            The index.

        """
        return cls(path, device=device, progress=progress)

    @cached_property
    def model(self) -> "InfoMax":
        """The model that embeds images, loaded when it is first needed."""
        return self._folder.load_model(self.device)

    def __len__(self) -> int:
        return self._store.count()

    def __repr__(self) -> str:
        return f"Index({str(self.path)!r}, images={len(self)}, dim={self.dim})"

    def __reduce__(self) -> tuple[Any, ...]:
        opening = partial(Index, device=self.device, progress=self.progress, store=self._given_store)
        return opening, (self.path.absolute(),)

    def add(self, source: SourceLike, *, prune: bool = False) -> "Index":
        """Bring the index up to date with a SOURCE, as `synchronize` does.

        Args:
            source: Images: a folder, files, parquet files, arrays, or a name.
            prune: Also remove images that have vanished from the source.

        Returns:
            The index itself.

        """
        self.synchronize(source, prune=prune)
        return self

    def synchronize(
        self, source: SourceLike, *, prune: bool = False, dry_run: bool = False, batch: int = COMMIT_BATCH
    ) -> Changes:
        """Embed the images of a SOURCE that are new or changed; with `prune` also remove those that have vanished.

        Images are committed in batches, so an interruption costs at most one batch, and calling again continues.
        Images that were skipped are listed in skipped.csv.

        Args:
            source: Images: a folder, files, parquet files, arrays, or a name.
            prune: Also remove images that have vanished from the source, or are broken now.
            dry_run: Only report what would be done; write nothing.
            batch: Images that are embedded and committed at a time.

        Returns:
            Numbers of images added, updated, unchanged and removed, and the images skipped.

        Raises:
            InfoMaxError: The source is unusable, or the index cannot be written to.

        """
        changes = synchronize(
            self._store,
            source,
            self.model.encode,
            size=self.model.recipe_.size,
            model=self.fingerprint,
            prune=prune,
            dry_run=dry_run,
            batch=batch,
            progress=self.progress,
        )
        if not dry_run:
            write_skipped(self._folder.skipped_file, changes.skipped)
        return changes

    def remove(self, paths: Sequence[str]) -> None:
        """Remove images from the index; their files stay.

        Args:
            paths: Paths of the images, as the index has them.

        """
        self._store.remove([printable(path) for path in paths])

    def search(
        self,
        query: Query,
        k: int = 10,
        *,
        metric: Metric = "cosine",
        approximate: bool = False,
        folder: str | PurePath | None = None,
        label: str | None = None,
    ) -> Matches:
        """Find the k images nearest to a query, nearest first, equally near ones in the order of their paths.

        Args:
            query: An image file, the content of one, uint8 pixels (h, w) or (h, w, c), or a vector (dim,) of floats.
            k: Number of matches; an index of fewer images returns all.
            metric: "cosine" or "euclidean".
            approximate: Search faster in a large index; may miss a few matches. The default is exact.
            folder: Only images below this folder count.
            label: Only images with this label count.

        Returns:
            The matches.

        Raises:
            UnusableQuery: The query is no image, or a vector of another length.
            InfoMaxError: k is less than 1, or the index cannot be read.

        """
        where, vector = row_filter(folder, label), self.embed(query)
        found = find_matches(self._store, vector, k, metric, where, approximate=approximate)
        return Matches(found, self.thumbnails)

    def similar(
        self,
        id: str,  # noqa: A002
        k: int = 10,
        *,
        metric: Metric = "cosine",
        approximate: bool = False,
        folder: str | PurePath | None = None,
        label: str | None = None,
    ) -> Matches:
        """Find the k images nearest to an image of the index, which is not among its own matches.

        Args:
            id: Id of the image.
            k: Number of matches; an index of fewer images returns all.
            metric: "cosine" or "euclidean".
            approximate: Search faster in a large index; may miss a few matches. The default is exact.
            folder: Only images below this folder count.
            label: Only images with this label count.

        Returns:
            The matches.

        Raises:
            InfoMaxError: No image has this id, or k is less than 1.

        """
        rows = self._store.fetch([id], ["vector"])
        if not len(rows):
            raise InfoMaxError(
                f"no image {quoted_path(id)} in {quoted_path(self.path)}: it may have been removed meanwhile"
            )
        where, vector = row_filter(folder, label), vectors_of(rows)[0]
        found = find_matches(self._store, vector, k, metric, where, approximate=approximate, leave_out=id)
        return Matches(found, self.thumbnails)

    def embed(self, query: Query) -> Float[np.ndarray, " d"]:
        """Compute the vector of a query.

        Args:
            query: An image file, the content of one, uint8 pixels (h, w) or (h, w, c), or a vector (dim,) of floats.

        Returns:
            The vector, shape (dim,), float32.

        Raises:
            UnusableQuery: The query is no image, or a vector of another length.

        """
        if isinstance(query, np.ndarray) and query.dtype.kind == "f":
            return query_vector(query, self.dim, self.path)
        vector: Float[np.ndarray, " d"] = self.model.encode(query_pixels(query, self.model.recipe_.size)[None])[0]
        return vector

    def duplicates(
        self,
        threshold: float = THRESHOLD,
        kinds: Collection[GroupKind] = DEFAULT_KINDS,
        *,
        mirrored: bool = False,
        turned: bool = False,
        framed: bool = False,
        include_gone: bool = False,
    ) -> list[Group]:
        """Find groups of duplicates. What is said of a group holds for all its pairs, and an image is in one group.

        Blank images are only grouped when their bytes are equal; `blank_images` lists them. Further paths of one file
        are left out.

        Args:
            threshold: Least cosine of two images that are near, in -1..1. Other kinds do not depend on it.
            kinds: Kinds of groups to find: "same bytes", "same image", "near".
            mirrored: Whether mirrored copies are the same image, too.
            turned: Whether copies turned by 90, 180 or 270 degrees are the same image, too.
            framed: Whether copies with a frame or bars of one color are the same image, too.
            include_gone: Whether images count whose file no longer exists.

        Returns:
            The groups, the largest first; of equally large ones the most similar first.

        Raises:
            InfoMaxError: The threshold is outside -1..1, or a kind is unknown.

        """
        options = DuplicateOptions(threshold, kinds, mirrored, turned, framed)
        counts = None if include_gone else (lambda path: not is_gone(path))
        file = self._folder.miniatures_file
        return find_duplicates(self._store, self.dim, self.thumbnails, options, counts, file)

    def blank_images(self) -> list[IndexedImage]:
        """List blank and nearly blank images: one color, a smooth gradient, a page with a few strokes.

        Returns:
            The images, in the order of their paths.

        """
        return find_blank_images(self._store, self.dim, self.thumbnails, self._folder.miniatures_file)

    def outliers(self, n: int = 20, *, k: int = 10, metric: Metric = "cosine") -> list[Outlier]:
        """Find the n images with the largest mean distance to their k nearest: those least like the rest.

        Args:
            n: Number of images.
            k: Number of nearest neighbors over which the distance is averaged.
            metric: "cosine" or "euclidean".

        Returns:
            The outliers, the farthest first.

        Raises:
            InfoMaxError: n or k is less than 1.

        """
        return find_outliers(self._store, self.dim, at_least_one(n, "n"), at_least_one(k), metric)

    def page(
        self, offset: int = 0, limit: int = 100, *, folder: str | PurePath | None = None, label: str | None = None
    ) -> list[IndexedImage]:
        """List images in the order of their paths.

        Args:
            offset: Number of images to pass over.
            limit: Number of images to list, at most.
            folder: Only images below this folder count.
            label: Only images with this label count.

        Returns:
            The images.

        Raises:
            InfoMaxError: The offset is negative, or the limit is less than 1.

        """
        if offset < 0:
            raise InfoMaxError(f"an offset of {offset}: give 0 or more")
        rows = self._store.page(offset, at_least_one(limit, "limit"), IMAGE_COLUMNS, row_filter(folder, label))
        return images_of(rows)

    def count(self, *, folder: str | PurePath | None = None, label: str | None = None) -> int:
        """Count the images below a folder, or with a label.

        Args:
            folder: Only images below this folder count.
            label: Only images with this label count.

        Returns:
            The number of images.

        """
        return self._store.count(row_filter(folder, label))

    def image(self, id: str) -> IndexedImage | None:  # noqa: A002
        """Get an image by its id.

        Args:
            id: Id of the image.

        Returns:
            The image; None where no image has this id.

        """
        return fetch_images(self._store, [id]).get(id)

    def thumbnail(self, id: str) -> bytes | None:  # noqa: A002
        """Get a thumbnail by the id of its image. Never reads the image itself.

        Args:
            id: Id of the image.

        Returns:
            The content of a WebP; None where no image has this id.

        """
        return self.thumbnails([id]).get(id)

    def thumbnails(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Get thumbnails by the ids of their images. Many cost little more than one.

        Args:
            ids: Ids of the images.

        Returns:
            Contents of WebPs by id; ids without an image are left out.

        """
        rows = self._store.fetch(list(dict.fromkeys(ids)), ["id", "thumbnail"])
        return dict(zip(rows.column("id").to_pylist(), rows.column("thumbnail").to_pylist(), strict=True))

    def vectors(self) -> tuple[list[IndexedImage], Float[np.ndarray, "n d"]]:
        """Read all images, in the order of their paths, and their vectors, shape (n, dim)."""
        return read_images(self._store, self.dim)

    def map(self) -> "CollectionMap":
        """Lay out all images in the plane, near ones close together; see `infomax.neighbors.projection`.

        The map is computed when it is first asked for, and again after rows have changed: seconds for thousands of
        images.
        """
        from infomax.search.map import load_or_compute_map

        return load_or_compute_map(self._store, self._folder.map_file)

    @property
    def version(self) -> int:
        """A number that changes whenever the rows change, whichever process changes them."""
        return self._store.version()

    def statistics(self) -> Statistics:
        """Count images by label and by folder."""
        return count_rows(self._store, self.dim, self.fingerprint)
