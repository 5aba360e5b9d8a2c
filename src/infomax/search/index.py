"""Index: a collection of images that can be searched by image."""

from collections.abc import Collection, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, final

import numpy as np
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.images import ReadingOptions, SourceLike
from infomax.neighbors.distances import Metric
from infomax.paths import printable, quoted_path
from infomax.search.curation import find_outliers
from infomax.search.duplicates import DEFAULT_KINDS, THRESHOLD, DuplicateOptions, find_blank_images, find_duplicates
from infomax.search.index_folder import IndexFolder
from infomax.search.pruning import missing_sources, rows_below
from infomax.search.queries import (
    Conditions,
    Query,
    at_least_one,
    plain_query,
    query_example,
    query_vector,
    valid_metric,
)
from infomax.search.ranking import find_matches
from infomax.search.reader import IndexReader
from infomax.search.results import GroupKind, Groups, IndexedImage, Matches, Outlier
from infomax.search.roots import PresenceFilter, Roots
from infomax.search.scan import FindDecoded, Read, nothing_decoded
from infomax.search.stores.store import Store, vectors_of
from infomax.search.sync import COMMIT_BATCH, Changes, remove_rows, synchronize
from infomax.search.vectors import GivenVectors, add_vectors, vector_of

if TYPE_CHECKING:  # torch and LanceDB load when they are first needed
    from infomax.model import InfoMax
    from infomax.search.index_folder import ModelLike


@final
class Index(IndexReader):
    """A collection of images that can be searched by image, in a folder.

        Index.create("photos.index", model).add("photos/").search("cat.jpg", k=9)
        Index("photos.index").search("cat.jpg", k=9)

    Several processes may read and write one index at once. The folder holds a copy of the model, so it is all that a
    search needs, on this machine or another. A pickled index holds the path, and opens the folder again.

    Args:
        path: Folder or URL (s3, gs, az) of an existing index; `Index.create` makes a new one.
        device: Where the model runs: "auto", "cpu" or "cuda".
        progress: Whether to draw progress bars on stderr.
        store: The rows, where they are not in the folder's own LanceDB table.

    Attributes:
        path: Folder of the index; of a URL, the folder that holds its small files here.
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
        self.fingerprint, self.data = metadata.model, metadata.data
        self.device = device
        self.progress = progress
        self._given_store = store
        self._store = self._folder.open_store(self.dim) if store is None else store

    @classmethod
    def create(
        cls,
        path: str | Path,
        model: "ModelLike",
        *,
        device: str = "auto",
        progress: bool = False,
    ) -> "Index":
        """Make an index for the vectors of a model, or open the one that `path` holds already.

        Args:
            path: Folder of the index.
            model: A fitted model, the RUN folder of one, or an OtherModel, whose vectors come from outside.
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
            device: As of the class.
            progress: As of the class.

        Returns:
            The index.

        """
        return cls(path, device=device, progress=progress)

    @cached_property
    def model(self) -> "InfoMax":
        """The model that embeds images, loaded when it is first needed."""
        return self._folder.load_model(self.device)

    def __repr__(self) -> str:
        return f"Index({str(self._folder.place)!r}, images={len(self)}, dim={self.dim})"

    def __reduce__(self) -> tuple[Any, ...]:
        opening = partial(Index, device=self.device, progress=self.progress, store=self._given_store)
        return opening, (self._folder.absolute_place,)

    def add(
        self,
        source: SourceLike | None = None,
        *,
        prune: bool = False,
        reading: ReadingOptions | None = None,
        **given: Unpack[GivenVectors],
    ) -> "Index":
        """Bring the index up to date with a SOURCE, as `synchronize` does, or add vectors of another model.

        Args:
            source: A folder, files, parquet files, arrays, or a name. With vectors, the folder of their paths.
            prune: Also remove images that have vanished from the source.
            reading: What to leave out of the source, and how large an image may be.
            **given: `vectors` and `paths`, and `labels` perhaps: see `GivenVectors`.

        Returns:
            The index itself.

        """
        if given:
            add_vectors(self._folder, self._store, given, source, reading, progress=self.progress)
        else:
            self.synchronize([] if source is None else source, prune=prune, reading=reading)
        return self

    def synchronize(
        self,
        source: SourceLike,
        *,
        prune: bool = False,
        unmounted: bool = False,
        dry_run: bool = False,
        batch: int = COMMIT_BATCH,
        reading: ReadingOptions | None = None,
        find_decoded: FindDecoded = nothing_decoded,
        named: bool = False,
    ) -> Changes:
        """Embed the new and changed images of a SOURCE; an interruption costs at most one batch.

        Args:
            source: Images, or texts: a folder, files, parquet files, arrays, or a name.
            prune: Also remove images that have vanished from the source, or with it, or are broken now.
            unmounted: Prune also where the source was on a disk that is not mounted now.
            dry_run: Only report what would be done; write nothing.
            batch: Images that are embedded and committed at a time.
            reading: What to leave out of the source, and how large an image may be.
            find_decoded: Finds images that were decoded before as the model takes them.
            named: Whether each text in a list names a file, as on a command line.

        Returns:
            Numbers of images added, updated, unchanged, moved, removed and gone, and the images skipped.

        Raises:
            InfoMaxError: The source is unusable, or the index cannot be written to; the batch is less than 1.

        """
        roots, options = Roots.read(self._folder.roots_file), self.model.reading_options(reading)
        missing, source = missing_sources(self._store, source, roots, unmounted=unmounted) if prune else ([], source)
        if missing and not source:
            return remove_rows(self._store, rows_below(self._store, missing), dry_run=dry_run)
        opened = self._folder.open_source(source, options, roots, self.kind, remember=not dry_run, named=named)
        changes = synchronize(
            *(self._store, opened, self.model.encode, self._reader(options)),
            model=self.fingerprint,
            roots=roots,
            prune=prune,
            dry_run=dry_run,
            batch=batch,
            progress=self.progress,
            find_decoded=find_decoded,
        )
        if not dry_run:
            self._folder.write_skipped(changes.skipped)
        rest = rows_below(self._store, missing)  # without those whose files have moved
        return changes + remove_rows(self._store, rest, dry_run=dry_run) if rest else changes

    def _reader(self, options: ReadingOptions) -> Read:
        return partial(self.kind.read, size=self.model.recipe_.size, options=options)

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
        include_gone: bool = False,
        **conditions: Unpack[Conditions],
    ) -> Matches:
        """Find the k images nearest to a query, nearest first, equally near ones in the order of their paths.

        Args:
            query: A file, its content, a PIL image, an array or tensor (h, w[, c]), or a vector (dim,) of floats. In
                an index of texts: a file, a text, or a vector.
            k: Number of matches; an index of fewer images returns all.
            metric: "cosine" or "euclidean".
            approximate: Search faster in a large index; may miss a few matches. The default is exact.
            include_gone: Whether images count whose file no longer exists.
            **conditions: Which images count: `folder`, `label`, `after`, `tag` ..., see `Conditions`.

        Returns:
            The matches.

        Raises:
            UnusableQuery: The query is no image, or a vector of another length.
            InfoMaxError: k is less than 1, the metric is unknown, or the index cannot be read.

        """
        return self._matches(
            self.embed(query), k, metric, conditions, approximate=approximate, include_gone=include_gone
        )

    def similar(
        self,
        id: str,  # noqa: A002
        k: int = 10,
        *,
        metric: Metric = "cosine",
        approximate: bool = False,
        include_gone: bool = False,
        **conditions: Unpack[Conditions],
    ) -> Matches:
        """Find the k images nearest to an image of the index, which is not among its own matches.

        Args:
            id: Id of the image.
            k: Number of matches; an index of fewer images returns all.
            metric: "cosine" or "euclidean".
            approximate: Search faster in a large index; may miss a few matches. The default is exact.
            include_gone: Whether images count whose file no longer exists.
            **conditions: Which images count: `folder`, `label`, `after`, `tag` ..., see `Conditions`.

        Returns:
            The matches.

        Raises:
            InfoMaxError: No image has this id, k is less than 1, or the metric is unknown.

        """
        rows = self._store.fetch([id], ["vector"])
        if not len(rows):
            raise InfoMaxError(
                f"no image {quoted_path(id)} in {quoted_path(self._folder.place)}: it may have been removed meanwhile"
            )
        return self._matches(
            vectors_of(rows)[0],
            k,
            metric,
            conditions,
            approximate=approximate,
            include_gone=include_gone,
            leave_out=id,
        )

    def _matches(
        self,
        vector: Float[np.ndarray, " d"],
        k: int,
        metric: Metric,
        conditions: Conditions,
        *,
        include_gone: bool,
        **options: Any,
    ) -> Matches:
        """The images nearest to a vector, and what was left out; `options` are those of `find_matches`."""
        presence = PresenceFilter(Roots.read(self._folder.roots_file))
        where, files = self._filter(conditions), None if include_gone else presence
        found = find_matches(self._store, vector, k, valid_metric(metric), where, presence=files, **options)
        left_out, missing = presence.left_out, presence.missing_roots
        return Matches(found, self.thumbnails, left_out=left_out, missing_roots=missing)

    def embed(self, query: Query) -> Float[np.ndarray, " d"]:
        """Compute the vector of a query.

        Args:
            query: A file, its content, a PIL image, an array or tensor (h, w[, c]), or a vector (dim,) of floats.

        Returns:
            The vector, shape (dim,), float32.

        Raises:
            UnusableQuery: The query is no image, or a vector of another length.

        """
        query = plain_query(query)
        if isinstance(query, str | Path) and not self._folder.read_metadata().embeds:
            return vector_of(self._store, query)
        if isinstance(query, np.ndarray) and query.dtype.kind == "f" and query.ndim < 3:
            return query_vector(query, self.dim, self._folder.place)
        example = query_example(query, self.kind, self.model.recipe_.size, self.model.reading_options())
        vector: Float[np.ndarray, " d"] = self.model.encode(example[None])[0]
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
    ) -> Groups:
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
        presence = PresenceFilter(Roots.read(self._folder.roots_file))
        counts = None if include_gone else presence.lets_through
        file = self._folder.miniatures_file
        groups = find_duplicates(self._store, self.dim, self.kind, self.cards, options, counts, file)
        return Groups(self.decisions.separate(groups, self.hashes), presence.left_out, presence.missing_roots)

    def blank_images(self) -> list[IndexedImage]:
        """List blank and nearly blank images: one color, a smooth gradient, a page with a few strokes.

        Returns:
            The images, in the order of their paths.

        """
        return find_blank_images(self._store, self.dim, self.kind, self.cards, self._folder.miniatures_file)

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
        return find_outliers(self._store, self.dim, at_least_one(n, "n"), at_least_one(k), valid_metric(metric))
