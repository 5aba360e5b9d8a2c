"""What an index tells of its images from the rows alone, without the model: lists, counts, thumbnails, vectors, map."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import numpy as np
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.search.decisions import Decision, Decisions
from infomax.search.index_folder import IndexFolder
from infomax.search.queries import Conditions, at_least_one, row_filter
from infomax.search.results import IndexedImage, Statistics
from infomax.search.rows import contents_at, count_rows, fetch_hashes, fetch_images, images_of, read_images
from infomax.search.stores.store import IMAGE_COLUMNS, Store

if TYPE_CHECKING:  # loads torch
    from infomax.search.map import CollectionMap


class IndexReader:
    """The images of an index, read from its rows. `Index` adds the model: search, synchronization and the rest.

    Attributes:
        dim: Dimension of the vectors.
        fingerprint: Fingerprint of the model.

    """

    dim: int
    fingerprint: str
    _folder: IndexFolder
    _store: Store

    def __len__(self) -> int:
        return self._store.count()

    def page(self, offset: int = 0, limit: int = 100, **conditions: Unpack[Conditions]) -> list[IndexedImage]:
        """List images in the order of their paths, also those whose file is gone.

        Args:
            offset: Number of images to pass over.
            limit: Number of images to list, at most.
            **conditions: Which images count: `folder`, `label`, `after` and `before`, see `Conditions`.

        Returns:
            The images.

        Raises:
            InfoMaxError: The offset is negative, or the limit is less than 1.

        """
        if offset < 0:
            raise InfoMaxError(f"an offset of {offset}: give 0 or more")
        rows = self._store.page(offset, at_least_one(limit, "limit"), IMAGE_COLUMNS, row_filter(conditions))
        return images_of(rows)

    def count(self, **conditions: Unpack[Conditions]) -> int:
        """Count images, also those whose file is gone.

        Args:
            **conditions: Which images count: `folder`, `label`, `after` and `before`, see `Conditions`.

        Returns:
            The number of images.

        """
        return self._store.count(row_filter(conditions))

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
        return Decisions(self._folder.decisions_file)

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
        """Count images by label and by folder, and those whose file is gone. Lists every folder of the images."""
        return count_rows(self._store, self.dim, self.fingerprint)
