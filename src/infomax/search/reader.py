"""What an index tells of its images from the rows alone, without the model: lists, counts, thumbnails, vectors, map."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.images.source import file_version
from infomax.kinds.kind import DataKind
from infomax.kinds.registry import IMAGES, find_kind
from infomax.search.decisions import Decision, Decisions
from infomax.search.index_folder import IndexFolder
from infomax.search.ordering import Order, ordered_ids
from infomax.search.queries import Conditions, at_least_one, row_filter
from infomax.search.results import IndexedImage, Statistics
from infomax.search.rows import (
    contents_at,
    count_rows,
    fetch_hashes,
    fetch_images,
    images_of,
    read_images,
)
from infomax.search.stores.store import IMAGE_COLUMNS, Filter, Store, vectors_of
from infomax.search.tags import HIDDEN, TRASHED, TaggedRows, Tags, valid_tag

if TYPE_CHECKING:  # loads torch, or scikit-learn
    from infomax.neighbors.distance_scale import DistanceScale
    from infomax.search.curation import SelectionRule
    from infomax.search.map import CollectionMap
    from infomax.search.recall import Recall


class IndexReader:
    """The images of an index, read from its rows. `Index` adds the model: search, synchronization and the rest.

    Attributes:
        path: Folder of the index.
        dim: Dimension of the vectors.
        fingerprint: Fingerprint of the model.
        data: The kind of data, by its name in `infomax.kinds`.

    """

    path: Path
    dim: int
    fingerprint: str
    _folder: IndexFolder
    _store: Store
    data: str = IMAGES
    _tagged: tuple[object, TaggedRows] | None = None

    @property
    def place(self) -> Path | str:
        """The absolute path of the folder, or the URL of the index."""
        return self._folder.absolute_place

    def __len__(self) -> int:
        return self._store.count()

    def page(self, offset: int = 0, limit: int = 100, **conditions: Unpack[Conditions]) -> list[IndexedImage]:
        """List images in the order of their paths, also those whose file is gone.

        Args:
            offset: Number of images to pass over.
            limit: Number of images to list, at most.
            **conditions: Which images count: `folder`, `label`, `after`, `tag` ..., see `Conditions`.

        Returns:
            The images.

        Raises:
            InfoMaxError: The offset is negative, or the limit is less than 1.

        """
        if offset < 0:
            raise InfoMaxError(f"an offset of {offset}: give 0 or more")
        rows = self._store.page(offset, at_least_one(limit, "limit"), IMAGE_COLUMNS, self._filter(conditions))
        return images_of(rows)

    def count(self, **conditions: Unpack[Conditions]) -> int:
        """Count images, also those whose file is gone.

        Args:
            **conditions: Which images count: `folder`, `label`, `after`, `tag` ..., see `Conditions`.

        Returns:
            The number of images.

        """
        return self._store.count(self._filter(conditions))

    def _filter(self, conditions: Conditions) -> Filter:
        """The filter of rows for conditions."""
        return row_filter(conditions, self.tagged)

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
        return {id_: self.kind.drawn(card) for id_, card in self.cards(ids).items()}

    @property
    def kind(self) -> DataKind:
        """The kind of data in the index."""
        return find_kind(self.data)

    def cards(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Get what the index keeps to show its items: the thumbnails of images, the beginnings of texts.

        Args:
            ids: Ids of the items.

        Returns:
            The cards by id, as the kind of data has them; ids without an item are left out.

        """
        rows = self._store.fetch(list(dict.fromkeys(ids)), ["id", "thumbnail"])
        return dict(zip(rows.column("id").to_pylist(), rows.column("thumbnail").to_pylist(), strict=True))

    def hashes(self, ids: Sequence[str]) -> dict[str, str]:
        """Get hashes of the contents of images, as they were indexed, by the ids of the images.

        Args:
            ids: Ids of the images.

        Returns:
            Digests (BLAKE2b, 32 hexadecimal digits) by id; ids without an image are left out.

        """
        return fetch_hashes(self._store, ids)

    @property
    def decisions(self) -> Decisions:
        """Reviewed decisions: images that `duplicates` no longer reports together."""
        self._folder.refresh()
        return Decisions(self._folder.decisions_file, self._folder.append)

    def keep_both(self, paths: Sequence[str | Path]) -> Decision:
        """Remember that images look the same and are all to be kept: `duplicates` no longer reports them together.

        Args:
            paths: Paths of two or more images of the index.

        Returns:
            The decision.

        Raises:
            InfoMaxError: An image is not in the index, or there are fewer than two.

        """
        return self.decisions.keep(contents_at(self._store, paths))

    @cached_property
    def _tags(self) -> Tags:
        return Tags(self._folder.tags_file, self._folder.append)

    def tagged(self) -> TaggedRows:
        """Find the images that have tags, and those that the page leaves out.

        Returns:
            Ids of images, by tag.

        """
        self._folder.refresh()
        version = self._tags.version, self._store.version()
        if self._tagged is None or self._tagged[0] != version:
            self._tagged = version, self._tags.resolve(self._store)
        return self._tagged[1]

    def tag(self, ids: Sequence[str], tag: str) -> int:
        """Give images a tag.

        Args:
            ids: Ids of the images; others than those of the index are ignored.
            tag: The tag: a word or a few. `HIDDEN` and `TRASHED` leave images out of the page.

        Returns:
            The number of images that did not have it.

        Raises:
            InfoMaxError: The tag is empty or too long.
            OSError: The folder cannot be written to.

        """
        name = tag if tag in (HIDDEN, TRASHED) else valid_tag(tag)
        had = self.tagged().ids(name)
        new = self.hashes([each for each in dict.fromkeys(ids) if each not in had])
        self._tags.add(name, new)
        return len(new)

    def untag(self, ids: Sequence[str], tag: str) -> int:
        """Take a tag from images.

        Args:
            ids: Ids of the images.
            tag: The tag.

        Returns:
            The number of images that had it.

        Raises:
            OSError: The folder cannot be written to.

        """
        entries = self.tagged().rows.get(tag, {})
        having = [each for each in dict.fromkeys(ids) if each in entries]
        self._tags.remove(tag, [entries[each] for each in having])
        return len(having)

    def vectors(self) -> tuple[list[IndexedImage], Float[np.ndarray, "n d"]]:
        """Read all images, in the order of their paths, and their vectors, shape (n, dim)."""
        return read_images(self._store, self.dim)

    def select(self, n: int, by: "SelectionRule" = "diverse", *, visible: bool = False) -> list[IndexedImage]:
        """Choose images that stand for the collection, to label or to look at first.

        Args:
            n: Number of images; a smaller collection is chosen whole.
            by: "diverse": as different from each other as possible. "typical": one for each of n clusters, the largest
                first. "odd": those least like the rest.
            visible: Whether images that were hidden or trashed on the page are left out.

        Returns:
            The images, in the order in which they were chosen.

        Raises:
            InfoMaxError: n is less than 1, or there is no such rule.

        """
        from infomax.search.curation import select_images  # loads scikit-learn

        without = self.tagged().ids(HIDDEN, TRASHED) if visible else frozenset()
        return select_images(self._store, self.dim, at_least_one(n, "n"), by, without)

    def ordered(
        self,
        order: Order,
        *,
        seed: int = 0,
        places: Mapping[str, int] | None = None,
        **conditions: Unpack[Conditions],
    ) -> list[str]:
        """List the ids of images in an order.

        Args:
            order: "path", "date" (newest first), "likeness" or "random".
            seed: Seed of the random order.
            places: For the order by likeness, the place of each id; see `infomax.search.ordering.walk`.
            **conditions: Which images count: `folder`, `label`, `after`, `tag` ..., see `Conditions`.

        Returns:
            Ids of all images that count.

        """
        return ordered_ids(self._store, order, self._filter(conditions), seed=seed, places=places)

    def images(self, ids: Sequence[str]) -> list[IndexedImage]:
        """Get images by their ids.

        Args:
            ids: Ids of images.

        Returns:
            The images in the order given; ids without an image are left out.

        """
        known = fetch_images(self._store, ids)
        return [known[each] for each in ids if each in known]

    def prepare_approximate(self) -> "Recall | None":
        """Build what approximate searches need, and measure how many of the nearest images they find.

        Returns:
            The recall, measured with images of the index; None where it has fewer than two.

        Raises:
            InfoMaxError: The index cannot be written to.

        """
        from infomax.search.recall import measure_recall

        return measure_recall(self._store) if len(self) > 1 else None

    def distance_scale(self) -> "DistanceScale":
        """Measure what a distance means here: how often images that are paired at random are as near."""
        from infomax.neighbors.distance_scale import distance_scale, sampled_rows

        ids: list[str] = self._store.page(0, max(1, len(self)), ["id"]).column("id").to_pylist()
        found = self.vectors_of([ids[row] for row in sampled_rows(len(ids))])
        return distance_scale(np.array(list(found.values()), np.float32).reshape(len(found), self.dim))

    def vectors_of(self, ids: Sequence[str]) -> dict[str, Float[np.ndarray, " d"]]:
        """Get the vectors of images by their ids.

        Args:
            ids: Ids of images.

        Returns:
            Vectors, each of shape (dim,), by id; ids without an image are left out.

        """
        rows = self._store.fetch(list(dict.fromkeys(ids)), ["id", "vector"])
        return dict(zip(rows.column("id").to_pylist(), vectors_of(rows), strict=True))

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

    @property
    def changes(self) -> tuple[object, ...]:
        """Changes whenever rows, tags or decisions change, whichever process changes them."""
        self._folder.refresh()
        return self.version, self._tags.version, file_version(self._folder.decisions_file)

    def statistics(self) -> Statistics:
        """Count images by label and by folder, and those whose file is gone. Lists every folder of the images."""
        return count_rows(self._store, self.dim, self.fingerprint)
