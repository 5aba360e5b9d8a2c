"""Rows for the vectors of any other model: each under the path of its image, or under a name where there is no file."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TypedDict

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.decoding.exif import ImageMetadata
from infomax.decoding.image import no_pillow_warnings
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.devices import cores
from infomax.errors import InfoMaxError
from infomax.images import Skipped, SourceLike
from infomax.images.source import content_digest, file_version
from infomax.images.thumbnails import Thumbnail, decode_views
from infomax.paths import expand_home, printable, quoted_path
from infomax.progress import progress_bar
from infomax.search.index_folder import IndexFolder
from infomax.search.presence import file_key
from infomax.search.queries import LARGEST
from infomax.search.row_writer import id_of, mtime_of
from infomax.search.rows import contents_at, fetch_hashes
from infomax.search.scan import DecodedImage, ScanResult
from infomax.search.stores.store import Store, schema, vector_column, vectors_of
from infomax.search.sync import COMMIT_BATCH, Changes

_SQUARE = 8  # pixels of the square that nobody asks for


class GivenVectors(TypedDict, total=False):
    """Vectors of another model, as keywords of `Index.add`.

    Attributes:
        vectors: One a row, shape (n, d).
        paths: The image of each vector: a file, absolute or below the folder that is given; or any name.
        labels: The label of each image, None where it has none.

    """

    vectors: Float[np.ndarray, "n d"]
    paths: Sequence[str | Path]
    labels: Sequence[str | None] | None


def add_vectors(
    index: IndexFolder,
    store: Store,
    given: GivenVectors,
    folder: SourceLike | None = None,
    reading: ReadingOptions | None = None,
    *,
    progress: bool = False,
) -> Changes:
    """Write vectors into an index, and replace those that it has under the same paths.

    Args:
        index: Folder of the index. Its skipped.csv lists the paths without an image.
        store: Its rows.
        given: The vectors, with the paths of their images.
        folder: The folder that relative paths start from; None for the current one.
        reading: How images are read, for their thumbnails; None for nothing special.
        progress: Whether to draw a progress bar.

    Returns:
        The changes. Skipped are paths without an image file: their rows have a gray thumbnail.

    Raises:
        InfoMaxError: Vectors, paths or labels do not fit each other or the store, or a path is there twice.

    """
    if "vectors" not in given or "paths" not in given:
        raise InfoMaxError("vectors need the paths of their images, and paths need vectors: give both")
    vectors, names = np.asarray(given["vectors"], np.float32), _names(given["paths"], folder)
    labels = given.get("labels") or [None] * len(names)
    _validate(vectors, names, labels, store.dim)
    marks = [printable(each) if each else None for each in labels]
    known = fetch_hashes(store, [id_of(name) for name in names])
    model = index.read_metadata().model
    skipped, inspect = list[Skipped](), partial(_inspect, options=reading or DEFAULT_OPTIONS)
    bar = progress_bar("indexing", len(names), shown=progress)
    with no_pillow_warnings(), bar as advance, ThreadPoolExecutor(cores()) as pool:
        for start in range(0, len(names), COMMIT_BATCH):
            part = slice(start, start + COMMIT_BATCH)
            results = list(pool.map(inspect, names[part], marks[part]))
            skipped += [Skipped(each.path, str(each.image)) for each in results if isinstance(each.image, BrokenImage)]
            store.upsert(_rows(results, vectors[part], model))
            advance(len(results))
    store.compact()
    index.write_skipped(skipped)
    added = sum(id_of(name) not in known for name in names)
    return Changes(added, len(names) - added, 0, 0, skipped)


def vector_of(store: Store, path: str | Path) -> Float[np.ndarray, " d"]:
    """Look up the vector of an image that an index has.

    Args:
        store: Rows of the index.
        path: Path of the image, as the index has it or relative to the current folder.

    Returns:
        The vector.

    Raises:
        InfoMaxError: The image is not in the index.

    """
    try:
        ((name, _),) = contents_at(store, [path])
    except InfoMaxError:
        raise InfoMaxError(
            f"{quoted_path(path)} is not in the index, and the model of its vectors is not here: search with a vector, "
            "a .npy file say, or with an image of the index"
        ) from None
    vector: Float[np.ndarray, " d"] = vectors_of(store.fetch([id_of(name)], ["vector"]))[0]
    return vector


def _names(paths: Sequence[str | Path], folder: SourceLike | None) -> list[str]:
    """The paths as rows have them: absolute where there is such a file, else as given."""
    if folder is not None and not isinstance(folder, str | Path):
        raise InfoMaxError("with vectors, the source is the folder that their paths start from: give that folder")
    root = Path.cwd() if folder is None else expand_home(folder)
    return [_name(Path(path), root) for path in paths]


def _name(path: Path, root: Path) -> str:
    file = root / path
    return printable(str(file.parent.resolve() / file.name) if file.is_file() else str(path))


def _validate(vectors: Float[np.ndarray, "..."], names: Sequence[str], labels: Sequence[str | None], dim: int) -> None:
    if vectors.ndim != 2 or vectors.shape != (len(names), dim):
        raise InfoMaxError(
            f"vectors of shape {vectors.shape} with {len(names)} paths: give one path a vector, each of {dim} numbers"
        )
    if len(labels) != len(names):
        raise InfoMaxError(f"{len(labels)} labels for {len(names)} paths: give one a path, or none at all")
    if not (np.abs(vectors) <= LARGEST).all():
        raise InfoMaxError(f"the vectors hold NaN, infinity or numbers above {LARGEST:g}: give finite ones")
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise InfoMaxError(f"the path {twice!r} is there twice: give each image one vector")


def _inspect(name: str, label: str | None, options: ReadingOptions) -> ScanResult:
    """What the index keeps of an image besides its vector."""
    file, key = Path(name), file_key(name)
    found = partial(ScanResult, name, file_version(file) if key else "", label, key[1] if key else None)
    try:
        if key is None:
            raise BrokenImage("there is no such file here")
        digest, length = content_digest(file)
        return found(digest, length, DecodedImage(*decode_views(file, _SQUARE, options)))
    except BrokenImage as broken:
        return found("", 0, broken)


def _rows(results: Sequence[ScanResult], vectors: Float[np.ndarray, "n d"], model: str) -> pa.Table:
    """Rows of images, with their vectors."""
    images = [each.image if isinstance(each.image, DecodedImage) else _UNSEEN for each in results]
    columns = {
        "path": [each.path for each in results],
        "id": [id_of(each.path) for each in results],
        "hash": [each.hash or id_of(each.path) for each in results],  # else images that nobody has seen were copies
        "version": [each.version for each in results],
        "size": [each.size for each in results],
        "mtime": [mtime_of(each.version) for each in results],
        "width": [image.thumbnail.width for image in images],
        "height": [image.thumbnail.height for image in images],
        "label": [each.label for each in results],
        "inode": [each.inode for each in results],
        **{name: [getattr(image.metadata, name) for image in images] for name in ImageMetadata._fields},
        "thumbnail": [image.thumbnail.content for image in images],
        "model": [model] * len(results),
        "vector": vector_column(vectors),
    }
    return pa.table(columns, schema=schema(vectors.shape[1]))


def _gray() -> bytes:
    file = BytesIO()
    Image.new("RGB", (_SQUARE, _SQUARE), (128, 128, 128)).save(file, "webp")
    return file.getvalue()


# stands for an image that cannot be read here
_UNSEEN = DecodedImage(np.empty((0, 0, 3), np.uint8), Thumbnail(_SQUARE, _SQUARE, _gray()), ImageMetadata())
