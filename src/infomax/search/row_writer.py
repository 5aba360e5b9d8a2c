"""Write images that a scan has found into the rows of an index."""

from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from jaxtyping import Float, UInt8

from infomax.errors import InfoMaxError
from infomax.search.scan import DecodedImage, ScanResult
from infomax.search.stores.store import Store, schema, vector_column

COMPACT_EVERY = 100  # commits after which the store is compacted, even in the middle of a synchronization
_REMOVED_AT_ONCE = 500

Embed = Callable[[UInt8[np.ndarray, "n s s 3"]], Float[np.ndarray, "n d"]]


def id_of(path: str) -> str:
    """Id of a row, for links. It does not reveal the path to those who see it.

    Args:
        path: Path of the image in the index.

    Returns:
        32 hexadecimal digits.

    """
    return blake2b(path.encode(), digest_size=16).hexdigest()


class RowWriter:
    """Write scanned images to a store, one commit per batch.

    Args:
        store: Rows of the index.
        embed: Function from images (n, s, s, 3) to vectors (n, d).
        model: Fingerprint of the model, stored in new rows.

    """

    def __init__(self, store: Store, embed: Embed, model: str) -> None:
        self._store = store
        self._embed = embed
        self._model = model
        self._commits = 0

    def write(self, results: Sequence[ScanResult]) -> None:
        """Commit a batch: new rows for changed images, new versions and labels for images with the same content.

        Args:
            results: Scanned images. Broken ones are ignored.

        Raises:
            InfoMaxError: The model gives vectors that are not finite, or the store cannot be written to.

        """
        parts = [self._new_rows(results), self._touched_rows(results)]
        tables = [part for part in parts if part is not None and len(part)]
        if tables:
            self._store.upsert(pa.concat_tables([table.cast(tables[0].schema) for table in tables]))
        self._commits += 1
        if self._commits % COMPACT_EVERY == 0:
            self._store.compact()

    def finish(self, vanished: Sequence[str]) -> None:
        """Remove rows, a few hundred per commit, and compact the store if there was anything to write.

        Args:
            vanished: Paths of the rows to remove.

        Raises:
            InfoMaxError: The store cannot be written to.

        """
        for start in range(0, len(vanished), _REMOVED_AT_ONCE):
            self._store.remove(vanished[start : start + _REMOVED_AT_ONCE])
        if self._commits or vanished:
            self._store.compact()

    def _new_rows(self, results: Sequence[ScanResult]) -> pa.Table | None:
        """Embed the decoded images. None if there are none."""
        decoded = [(result, result.image) for result in results if isinstance(result.image, DecodedImage)]
        if not decoded:
            return None
        vectors = self._embed(np.stack([image.pixels for _, image in decoded]))
        if not np.isfinite(vectors).all():
            raise InfoMaxError("the model gives vectors that hold NaN or infinity: fit again")
        columns = {
            "path": [result.path for result, _ in decoded],
            "id": [id_of(result.path) for result, _ in decoded],
            "hash": [result.hash for result, _ in decoded],
            "version": [result.version for result, _ in decoded],
            "size": [result.size for result, _ in decoded],
            "mtime": [_mtime_of(result.version) for result, _ in decoded],
            "width": [image.thumbnail.width for _, image in decoded],
            "height": [image.thumbnail.height for _, image in decoded],
            "label": [result.label for result, _ in decoded],
            "thumbnail": [image.thumbnail.content for _, image in decoded],
            "model": [self._model] * len(decoded),
            "vector": vector_column(vectors),
        }
        return pa.table(columns, schema=schema(vectors.shape[1]))

    def _touched_rows(self, results: Sequence[ScanResult]) -> pa.Table | None:
        """Update version, time and label of rows whose image has the same content. None if there are none."""
        touched = {id_of(result.path): result for result in results if result.image is None}
        if not touched:
            return None
        rows = self._store.fetch(list(touched), schema(1).names)
        fresh = [touched[row] for row in rows.column("id").to_pylist()]
        for name, values in {
            "version": [result.version for result in fresh],
            "mtime": [_mtime_of(result.version) for result in fresh],
            "label": [result.label for result in fresh],
        }.items():
            column = rows.schema.get_field_index(name)
            field = rows.schema.field(name)
            rows = rows.set_column(column, field, pa.array(values, field.type))
        return rows


def _mtime_of(version: str) -> float | None:
    """Time of the last change, in seconds since 1970, from a version `size:nanoseconds`. None if it has none."""
    _, colon, nanoseconds = version.partition(":")
    return int(nanoseconds) / 1e9 if colon else None
