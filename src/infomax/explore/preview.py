"""A look at files before anything is learned: they are listed, and what a page shows of them is read when it does.

The preview answers what needs no features: pages, counts, images, thumbnails, statistics. Its ids and paths are those
that the index will have, so links and the browser's cache stay good.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, final

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import ExifTags, Image

from infomax.decoding.broken import BrokenImage
from infomax.decoding.exif import ImageMetadata, read_metadata
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.images.several import without_repeats
from infomax.images.source import Content, Source
from infomax.images.thumbnails import Thumbnail, thumbnail
from infomax.neighbors.distances import Metric
from infomax.search.identity import repeats
from infomax.search.index_folder import IndexFolder
from infomax.search.reader import IndexReader
from infomax.search.row_comparison import Listing, list_images
from infomax.search.row_writer import id_of, mtime_of
from infomax.search.stores.snapshot import HELD, Snapshot
from infomax.search.stores.store import EVERYTHING, Filter, SearchResult, schema, vector_column

if TYPE_CHECKING:
    from infomax.neighbors.distance_scale import DistanceScale

THUMBNAIL_BYTES = 128 << 20
"""Bytes of thumbnails that are held, at most. Those that were asked for longest ago are dropped first."""

_SCANNED_AT_ONCE = 10_000
_UNKNOWN_SIDE = 1  # pixels: side of an image that cannot be decoded
_SIDEWAYS = (5, 6, 7, 8)  # values of EXIF's orientation that swap width and height


class _Facts(NamedTuple):
    """What is known of an image once its header was read."""

    size: int
    width: int
    height: int
    metadata: ImageMetadata


@final
class PreviewStore:
    """Rows of the images of a source, without vectors. They are read-only, and lie in memory.

    Width, height, size and what a file says of itself are read for the rows of a page or of a fetch alone; until then
    they are 1 or unknown. A filter by date therefore finds nothing.

    Args:
        source: The open source.
        options: How images are read.

    """

    dim = 1

    def __init__(self, source: Source, options: ReadingOptions = DEFAULT_OPTIONS) -> None:
        listing = list_images(without_repeats(source))
        leave_out = repeats(listing.paths, listing.keys)  # further paths to the same file
        kept = [position for position in range(len(listing.paths)) if position not in leave_out]
        self._source, self._options = listing.source, options
        self._position = {id_of(listing.paths[position]): position for position in kept}
        self._snapshot = Snapshot([_rows(listing, kept)], self.dim)
        self._facts: dict[str, _Facts] = {}
        self._thumbnails: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()  # of the thumbnails
        self._reading = threading.Lock()  # a table is read by one thread at a time

    def count(self, where: Filter = EVERYTHING) -> int:
        """Count rows."""
        return self._snapshot.count(where)

    def page(self, offset: int, limit: int, columns: Sequence[str], where: Filter = EVERYTHING) -> pa.Table:
        """Get rows in the order of their paths."""
        page = self._snapshot.page(offset, limit, _with_id(columns), where)
        return _with_unknown(self._completed(page, columns), columns)

    def fetch(self, ids: Sequence[str], columns: Sequence[str]) -> pa.Table:
        """Get rows by id. Of an image that cannot be decoded there is no row where a thumbnail is asked for."""
        known = [each for each in dict.fromkeys(ids) if each in self._position]
        if "thumbnail" in columns:
            thumbnails = self._thumbnails_of(known)
            known = list(thumbnails)
        table = self._completed(self._snapshot.fetch(known, _with_id(columns)), columns)
        if "thumbnail" in columns:
            content = pa.array([thumbnails[each] for each in known], schema(1).field("thumbnail").type)
            table = table.append_column("thumbnail", content)
        return _with_unknown(table, columns)

    def scan(self, columns: Sequence[str], where: Filter = EVERYTHING) -> Iterator[pa.RecordBatch]:
        """Get all rows as they were listed, without reading any file."""
        for start in range(0, self.count(where), _SCANNED_AT_ONCE):
            part = self._snapshot.page(start, _SCANNED_AT_ONCE, _with_id(columns), where)
            yield from _with_unknown(part, columns).to_batches()

    def version(self) -> int:
        """Return a number that never changes, as the rows do not."""
        return 0

    def nearest(
        self,
        vector: Float[np.ndarray, " d"],  # noqa: ARG002
        k: int,  # noqa: ARG002
        metric: Metric,  # noqa: ARG002
        columns: Sequence[str],  # noqa: ARG002
        where: Filter = EVERYTHING,  # noqa: ARG002
        *,
        approximate: bool = False,  # noqa: ARG002
    ) -> SearchResult:
        """Refuse: there are no vectors."""
        self._refuse()

    def upsert(self, rows: pa.Table) -> None:  # noqa: ARG002
        """Refuse: the files themselves are the rows."""
        self._refuse()

    def remove(self, paths: Sequence[str]) -> None:  # noqa: ARG002
        """Refuse: the files themselves are the rows."""
        self._refuse()

    def compact(self) -> None:
        """Do nothing: there are no pieces."""

    def _refuse(self) -> NoReturn:
        raise InfoMaxError("a preview has no features, and is never changed: wait until the index is ready")

    def _completed(self, table: pa.Table, columns: Sequence[str]) -> pa.Table:
        """Fill in what only the headers of the files tell."""
        told = {"width", "height", "size", *ImageMetadata._fields}
        if told & set(columns):
            facts = self._facts_of(table.column("id").to_pylist())
            for name in told & set(columns):
                values = [getattr(each if name in _Facts._fields else each.metadata, name) for each in facts]
                field = table.schema.field(name)
                table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        return table

    def _facts_of(self, ids: Sequence[str]) -> list[_Facts]:
        unknown = [each for each in ids if each not in self._facts]
        contents = self._contents(unknown)
        with ThreadPoolExecutor(cores()) as pool:
            self._facts.update(zip(unknown, pool.map(self._read_header, unknown, contents), strict=True))
        return [self._facts[each] for each in ids]

    def _read_header(self, id_: str, content: Content) -> _Facts:
        """Look at the header of an image; decode it where Pillow alone cannot read that."""
        data = content.data
        size = 0 if isinstance(data, BrokenImage) else _size_of(data)
        if isinstance(data, np.ndarray):
            return _Facts(size, data.shape[1], data.shape[0], ImageMetadata())
        if not isinstance(data, BrokenImage):
            try:
                with Image.open(data if isinstance(data, Path) else BytesIO(data)) as image:
                    metadata, turn = read_metadata(image), image.getexif().get(ExifTags.Base.Orientation)
                    width, height = image.size[::-1] if turn in _SIDEWAYS else image.size
                    return _Facts(size, width, height, metadata)
            except Exception:
                pass
        made = self._make_thumbnail(id_, content)
        if made is None:
            return _Facts(size, _UNKNOWN_SIDE, _UNKNOWN_SIDE, ImageMetadata())
        return _Facts(size, made.width, made.height, ImageMetadata())

    def _thumbnails_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Thumbnails by id, made from the files where they are not held; without those of broken images."""
        with self._lock:
            held = {each: self._thumbnails[each] for each in ids if each in self._thumbnails}
            for each in held:
                self._thumbnails.move_to_end(each)
        missing = [each for each in ids if each not in held]
        with ThreadPoolExecutor(cores()) as pool:
            made = list(pool.map(self._make_thumbnail, missing, self._contents(missing)))
        held |= {id_: each.content for id_, each in zip(missing, made, strict=True) if each is not None}
        return {each: held[each] for each in ids if each in held}

    def _make_thumbnail(self, id_: str, content: Content) -> Thumbnail | None:
        """Make and hold a thumbnail; None where the image is broken."""
        try:
            if isinstance(content.data, BrokenImage):
                return None
            made = thumbnail(content.data, self._options)
        except BrokenImage:
            return None
        with self._lock:
            if id_ not in self._thumbnails:
                self._thumbnails[id_] = made.content
                self._held += len(made.content)
            while self._held > THUMBNAIL_BYTES:
                self._held -= len(self._thumbnails.popitem(last=False)[1])
        return made

    def _contents(self, ids: Sequence[str]) -> list[Content]:
        """Read some images as they are stored, in the order of the ids."""
        positions = [self._position[each] for each in ids]
        wanted = sorted(positions)
        with self._reading:
            found = dict(zip(wanted, self._source.read(wanted), strict=True))
        return [found[position] for position in positions]

    def bytes(self) -> int:
        """Return 0: nothing is on the disk."""
        return 0


@final
class Preview(IndexReader):
    """An index of a source that has no features yet, so far as that can be.

    Args:
        source: The open source.
        path: Folder where the index will be.
        options: How images are read.

    """

    def __init__(self, source: Source, path: Path, options: ReadingOptions = DEFAULT_OPTIONS) -> None:
        self.path, self.dim, self.fingerprint = path, 0, ""
        self._folder = IndexFolder(path)
        self._store = PreviewStore(source, replace(options, depth_scale=None))

    def distance_scale(self) -> "DistanceScale":
        """Say nothing: there are no distances."""
        from infomax.neighbors.distance_scale import distance_scale

        return distance_scale(np.empty((0, 1), np.float32))


def _rows(listing: Listing, kept: Sequence[int]) -> pa.RecordBatch:
    """Rows of a listing, as far as it knows them."""
    versions = [listing.source.entries[position].version for position in kept]
    paths = [listing.paths[position] for position in kept]
    known: dict[str, Sequence[Any]] = {
        "path": paths,
        "id": [id_of(path) for path in paths],
        "label": [None if listing.labels is None else listing.labels[position] for position in kept],
        "size": [listing.size(position) or 0 for position in kept],
        "mtime": [mtime_of(version) for version in versions],
        "width": [_UNKNOWN_SIDE] * len(kept),
        "height": [_UNKNOWN_SIDE] * len(kept),
    }
    fields = {name: schema(1).field(name) for name in (*known, *ImageMetadata._fields, "vector")}
    columns = {
        name: pa.array(known.get(name, [None] * len(kept)), field.type)
        for name, field in fields.items()
        if name != "vector"
    }
    columns["vector"] = vector_column(np.zeros((len(kept), 1), np.float32))
    return pa.record_batch(list(columns.values()), schema=pa.schema(list(fields.values())))


def _with_id(columns: Sequence[str]) -> list[str]:
    """The columns that are listed, the id among them."""
    return list(dict.fromkeys(["id", *(name for name in columns if name in HELD)]))


def _with_unknown(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Rows with the columns asked for. What only reading the whole file would tell, such as its hash, is empty."""
    for name in columns:
        if name not in table.column_names:
            table = table.append_column(name, pa.array([""] * len(table), pa.string()))
    return table.select(list(columns))


def _size_of(data: bytes | Path | NDArray[Any]) -> int:
    """Length of an image as it is stored, in bytes; 0 where it cannot be told."""
    if isinstance(data, Path):
        try:
            return data.stat().st_size
        except OSError:
            return 0
    return len(data) if isinstance(data, bytes) else data.nbytes
