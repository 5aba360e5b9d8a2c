"""Write images that a scan has found into the rows of an index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Shaped

from infomax.decoding.exif import ImageMetadata
from infomax.errors import InfoMaxError
from infomax.search.row_comparison import LostRow
from infomax.search.scan import DecodedImage, ScanResult
from infomax.search.stores.store import Store, schema, vector_column

COMPACT_EVERY = 100  # commits after which the store is compacted, even in the middle of a synchronization
_REMOVED_AT_ONCE = 500

Embed = Callable[[Shaped[np.ndarray, "n ..."]], Float[np.ndarray, "n d"]]


def id_of(path: str) -> str:
    """Id of a row, for links. It does not reveal the path to those who see it.

    Args:
        path: Path of the image in the index.

    Returns:
        32 hexadecimal digits.

    """
    return blake2b(path.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Reuse:
    """An image whose content has a row already, under a path that no longer serves.

    Attributes:
        result: The scanned image.
        row: Path of the row.
        moves: Whether the row goes over to the image, rather than being copied.

    """

    result: ScanResult
    row: str
    moves: bool


class ContentReuse:
    """Assigns rows whose path no longer serves to images of the same content, each row to one image.

    Where there are more images than rows, the others get copies.

    Args:
        lost: Such rows, by content hash.

    """

    def __init__(self, lost: dict[str, list[LostRow]]) -> None:
        self._moving = {digest: [row.path for row in rows if row.moves] for digest, rows in lost.items()}
        self._row_now = {digest: rows[0].path for digest, rows in lost.items()}

    def assign(self, results: Sequence[ScanResult]) -> list[Reuse]:
        """Find the rows for the images of a batch. All rows named exist until the batch is written.

        Args:
            results: Scanned images.

        Returns:
            One for each image whose content is known.

        """
        reused: list[Reuse] = []
        for result in (each for each in results if each.is_known):
            moving = self._moving[result.hash]
            reused.append(
                Reuse(result, moving.pop(0), moves=True)
                if moving
                else Reuse(result, self._row_now[result.hash], moves=False)
            )
        self._row_now |= {each.result.hash: each.result.path for each in reused}
        return reused


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

    def write(self, results: Sequence[ScanResult], reused: Sequence[Reuse] = ()) -> None:
        """Commit a batch: new rows for changed images, new versions and labels for images with the same content.

        A row that moves is first written under its new path and then removed from the old one. So a process that is
        killed in between loses nothing.

        Args:
            results: Scanned images. Broken ones are ignored.
            reused: Rows for those images of the batch whose content is known.

        Raises:
            InfoMaxError: The model gives vectors that are not finite, or the store cannot be written to.

        """
        parts = [self._new_rows(results), self._touched_rows(results), self._reused_rows(reused)]
        tables = [part for part in parts if part is not None and len(part)]
        if tables:
            self._store.upsert(pa.concat_tables([table.cast(tables[0].schema) for table in tables]))
        written = {result.path for result in results}
        self._store.remove([each.row for each in reused if each.moves and each.row not in written])
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
            "mtime": [mtime_of(result.version) for result, _ in decoded],
            "width": [image.thumbnail.width for _, image in decoded],
            "height": [image.thumbnail.height for _, image in decoded],
            "label": [result.label for result, _ in decoded],
            "inode": [result.inode for result, _ in decoded],
            **{name: [getattr(image.metadata, name) for _, image in decoded] for name in ImageMetadata._fields},
            "thumbnail": [image.thumbnail.content for _, image in decoded],
            "model": [self._model] * len(decoded),
            "vector": vector_column(vectors),
        }
        return pa.table(columns, schema=schema(vectors.shape[1]))

    def _touched_rows(self, results: Sequence[ScanResult]) -> pa.Table | None:
        """Update version, time and label of rows whose image has the same content. None if there are none."""
        touched = {id_of(each.path): each for each in results if each.image is None and not each.is_known}
        if not touched:
            return None
        rows = self._store.fetch(list(touched), schema(1).names)
        return _refreshed(rows, [touched[row] for row in rows.column("id").to_pylist()])

    def _reused_rows(self, reused: Sequence[Reuse]) -> pa.Table | None:
        """Rows of known content under the paths where it was found. None if there are none."""
        if not reused:
            return None
        rows = self._store.fetch(list({id_of(each.row) for each in reused}), schema(1).names)
        places = {path: place for place, path in enumerate(rows.column("path").to_pylist())}
        if any(each.row not in places for each in reused):
            raise InfoMaxError("another process has removed rows meanwhile: run the command again")
        results = [each.result for each in reused]
        rows = rows.take([places[each.row] for each in reused])
        rows = _with_column(rows, "path", [result.path for result in results])
        return _refreshed(_with_column(rows, "id", [id_of(result.path) for result in results]), results)


def _refreshed(rows: pa.Table, results: Sequence[ScanResult]) -> pa.Table:
    """Rows with what may differ between files of the same content."""
    rows = _with_column(rows, "version", [result.version for result in results])
    rows = _with_column(rows, "mtime", [mtime_of(result.version) for result in results])
    rows = _with_column(rows, "inode", [result.inode for result in results])
    return _with_column(rows, "label", [result.label for result in results])


def _with_column(rows: pa.Table, name: str, values: Sequence[object]) -> pa.Table:
    """Rows with one column replaced."""
    field = rows.schema.field(name)
    return rows.set_column(rows.schema.get_field_index(name), field, pa.array(values, field.type))


def mtime_of(version: str) -> float | None:
    """Read the time of the last change from the version of an entry.

    Args:
        version: The version, `size:nanoseconds` for a file. A row of a table that names a file has that file's, too.

    Returns:
        Seconds since 1970; None if the version has no time.

    Examples:
        >>> mtime_of("1024:1500000000 absent"), mtime_of("")
        (1.5, None)

    """
    _, colon, nanoseconds = version.partition(" ")[0].partition(":")
    return int(nanoseconds) / 1e9 if colon else None
