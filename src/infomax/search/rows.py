"""Read whole collections of rows from a store: images, vectors, and statistics."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.object_store import is_url, url_of
from infomax.paths import printable, quoted_path
from infomax.search.presence import gone_among
from infomax.search.results import IndexedImage, Statistics
from infomax.search.row_writer import id_of
from infomax.search.stores.store import IMAGE_COLUMNS, Store, vectors_of

FETCHED_AT_ONCE = 1000
"""Rows that a store is asked for at a time."""

COLUMNS_MOVED = 32
"""Numbers of each vector that are moved at a time when vectors are put into order."""


def images_of(rows: pa.Table) -> list[IndexedImage]:
    """Convert rows to images.

    Args:
        rows: A table with the columns `IMAGE_COLUMNS`.

    Returns:
        One image a row.

    """
    columns = [rows.column(name).to_pylist() for name in IMAGE_COLUMNS]
    return [IndexedImage(*values) for values in zip(*columns, strict=True)]


def fetch_images(store: Store, ids: Sequence[str]) -> dict[str, IndexedImage]:
    """Fetch images by id.

    Args:
        store: The rows.
        ids: Ids of images.

    Returns:
        The images by id; ids without an image are left out.

    """
    found: dict[str, IndexedImage] = {}
    for start in range(0, len(ids), FETCHED_AT_ONCE):
        rows = store.fetch(ids[start : start + FETCHED_AT_ONCE], IMAGE_COLUMNS)
        found |= {image.id: image for image in images_of(rows)}
    return found


def fetch_hashes(store: Store, ids: Sequence[str]) -> dict[str, str]:
    """Fetch hashes of contents by id.

    Args:
        store: The rows.
        ids: Ids of images.

    Returns:
        The hashes by id; ids without an image are left out.

    """
    found: dict[str, str] = {}
    for start in range(0, len(ids), FETCHED_AT_ONCE):
        rows = store.fetch(ids[start : start + FETCHED_AT_ONCE], ["id", "hash"])
        found |= dict(zip(rows.column("id").to_pylist(), rows.column("hash").to_pylist(), strict=True))
    return found


def contents_at(store: Store, paths: Sequence[str | Path]) -> list[tuple[str, str]]:
    """Look up images that a user names.

    Args:
        store: The rows.
        paths: Paths of images, as the index has them or relative to the current folder. Repeats count once.

    Returns:
        Path in the index, and hash of the content, of each image.

    Raises:
        InfoMaxError: An image is not in the index.

    """
    found: dict[str, str] = {}
    for each in (url_of(path) if is_url(path) else str(path) for path in paths):
        absolute = Path(each).absolute()
        names = dict.fromkeys(map(printable, (each, str(absolute), str(absolute.parent.resolve() / absolute.name))))
        by_id = {id_of(name): name for name in names}
        rows = fetch_hashes(store, list(by_id))
        if not rows:
            raise InfoMaxError(f"no image {quoted_path(each)} in the index: give a path that infomax duplicates lists")
        first = next(row for row in by_id if row in rows)
        found[by_id[first]] = rows[first]
    return list(found.items())


def read_vectors(store: Store, dim: int) -> tuple[list[str], Float[np.ndarray, "n d"]]:
    """Read the vectors of all images.

    Args:
        store: The rows.
        dim: Dimension of the vectors.

    Returns:
        Ids, in the order of the bytes of the paths, and vectors, shape (n, dim).

    """
    (paths,), vectors = read_columns(store, dim, ["path"])
    return [id_of(path) for path in paths], vectors


def read_columns(store: Store, dim: int, columns: Sequence[str]) -> tuple[list[list[Any]], Float[np.ndarray, "n d"]]:
    """Read some columns and the vectors of all rows; each vector is in memory once.

    Args:
        store: The rows.
        dim: Dimension of the vectors.
        columns: The columns, the path first.

    Returns:
        The values of each column, in the order of the bytes of the paths, and vectors, shape (n, dim).

    """
    values: list[list[Any]] = [[] for _ in columns]
    vectors, filled = np.empty((store.count(), dim), np.float32), 0
    for rows in store.scan([*columns, "vector"]):
        for name, held in zip(columns, values, strict=True):
            held += rows.column(name).to_pylist()
        if filled + len(rows) > len(vectors):  # another process has added some meanwhile
            vectors = np.concatenate([vectors[:filled], np.empty((len(rows) + filled // 8, dim), np.float32)])
        vectors[filled : filled + len(rows)] = vectors_of(rows)
        filled += len(rows)
    vectors = vectors[:filled]
    order = sorted(range(filled), key=[path.encode() for path in values[0]].__getitem__)
    _reorder(vectors, order)
    return [[held[row] for row in order] for held in values], vectors


def _reorder(vectors: Float[np.ndarray, "n d"], order: Sequence[int]) -> None:
    """Put rows into another order in place, a few columns at a time: a second copy of all may not fit."""
    for start in range(0, vectors.shape[1], COLUMNS_MOVED):
        vectors[:, start : start + COLUMNS_MOVED] = vectors[order, start : start + COLUMNS_MOVED]


def read_images(store: Store, dim: int) -> tuple[list[IndexedImage], Float[np.ndarray, "n d"]]:
    """Read all images and their vectors.

    Args:
        store: The rows.
        dim: Dimension of the vectors.

    Returns:
        Images, in the order of the bytes of their paths, and vectors, shape (n, dim).

    """
    ids, vectors = read_vectors(store, dim)
    known = fetch_images(store, ids)
    there = [row for row, each in enumerate(ids) if each in known]  # some may have been removed meanwhile
    return [known[ids[row]] for row in there], vectors[there]


def count_rows(store: Store, dim: int, model: str) -> Statistics:
    """Count images by label and by folder, and those whose file is gone.

    Args:
        store: The rows.
        dim: Dimension of the vectors, which is passed on.
        model: Fingerprint of the model, which is passed on.

    Returns:
        The statistics of the rows.

    """
    labels: Counter[str | None] = Counter()
    folders: Counter[str] = Counter()
    every_path: list[str] = []
    for rows in store.scan(["path", "label"]):
        labels.update(rows.column("label").to_pylist())
        paths = rows.column("path").to_pylist()
        folders.update(_folder_of(path) for path in paths)
        every_path += paths
    order = sorted(labels, key=lambda label: (label is None, label or ""))
    return Statistics(
        images=labels.total(),
        labels={label: labels[label] for label in order},
        folders=dict(sorted(folders.items())),
        dim=dim,
        model=model,
        bytes=store.bytes(),
        gone=len(gone_among(every_path)),
    )


def _folder_of(path: str) -> str:
    """The folder of a row, or the URL that it is below; "." for a name."""
    return path.rpartition("/")[0] if is_url(path) else PurePath(path).parent.as_posix()
