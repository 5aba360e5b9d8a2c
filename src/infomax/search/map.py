"""The map of a collection: its images as points of the plane, kept in a file next to the rows it was made of."""

from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from infomax.files import written_atomically
from infomax.neighbors.projection import project
from infomax.search.stores.store import Store, schema, vectors_of


@dataclass(frozen=True)
class CollectionMap:
    """The images of an index as points of the plane, in the order of their paths.

    Attributes:
        ids: Ids of the images.
        paths: Paths of the images.
        labels: Labels of the images; None for those without one.
        positions: Positions in 0..1, shape (n, 2), float32.

    """

    ids: list[str]
    paths: list[str]
    labels: list[str | None]
    positions: Float[np.ndarray, "n 2"]


def load_or_compute_map(store: Store, file: Path) -> CollectionMap:
    """Load the map of a store from a file, or compute it and write the file where rows have changed since.

    Args:
        store: The rows.
        file: File of the map. A map that cannot be written is returned all the same.

    Returns:
        The map of the current rows.

    """
    rows = _ordered_rows(store, vectors=False)
    positions = _read(file, _digest(rows))
    if positions is None:
        rows = _ordered_rows(store, vectors=True)
        positions = project(vectors_of(rows))
        with suppress(OSError):  # the folder may be read-only
            _write(file, _digest(rows), positions)
    ids, paths, labels = (rows.column(name).to_pylist() for name in ("id", "path", "label"))
    return CollectionMap(ids, paths, labels, positions)


def _ordered_rows(store: Store, *, vectors: bool) -> pa.Table:
    """All rows at one moment, in the order of the bytes of their paths."""
    columns = ["path", "id", "hash", "label", *(["vector"] if vectors else [])]
    pieces = list(store.scan(columns))
    rows = pa.Table.from_batches(pieces) if pieces else schema(1).empty_table().select(columns)
    return rows.sort_by("path").combine_chunks()


def _digest(rows: pa.Table) -> str:
    """A digest of what the map depends on: which images there are, and their content."""
    digest = blake2b(digest_size=16)
    for name in ("id", "hash"):
        digest.update("\n".join(rows.column(name).to_pylist()).encode())
    return digest.hexdigest()


def _read(file: Path, digest: str) -> Float[np.ndarray, "n 2"] | None:
    """The positions in a file; None where the file is missing, damaged, or made of other rows."""
    try:
        with safe_open(file, "np") as stored:
            if (stored.metadata() or {}).get("rows") != digest:
                return None
            positions: Float[np.ndarray, "n 2"] = stored.get_tensor("positions")
            return positions
    except (OSError, SafetensorError):
        return None


def _write(file: Path, digest: str, positions: Float[np.ndarray, "n 2"]) -> None:
    """Write the positions, as a whole or not at all. Raises OSError where that fails."""
    with written_atomically(file) as out:
        out.write(save({"positions": np.ascontiguousarray(positions)}, {"rows": digest}))
