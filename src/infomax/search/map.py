"""The map of an index, kept in a file beside the rows it was made of."""

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
from infomax.search.store import Store, schema, vectors_of


@dataclass(frozen=True)
class CollectionMap:
    """The images of an index in the order of their paths, and where they lie, in 0..1."""

    ids: list[str]
    paths: list[str]
    labels: list[str | None]
    positions: Float[np.ndarray, "n 2"]


def map_of(store: Store, file: Path) -> CollectionMap:
    """The map of a store, from the file where that is of the same rows; else computed, and written there."""
    rows = ordered_rows(store, vectors=False)
    positions = read(file, digest_of(rows))
    if positions is None:
        rows = ordered_rows(store, vectors=True)
        positions = project(vectors_of(rows))
        with suppress(OSError):  # an index that may only be read has its map in memory
            write(file, digest_of(rows), positions)
    ids, paths, labels = (rows.column(name).to_pylist() for name in ("id", "path", "label"))
    return CollectionMap(ids, paths, labels, positions)


def ordered_rows(store: Store, *, vectors: bool) -> pa.Table:
    """All rows, at one moment, in the order of the bytes of their paths."""
    columns = ["path", "id", "hash", "label", *(["vector"] if vectors else [])]
    pieces = list(store.scan(columns))
    rows = pa.Table.from_batches(pieces) if pieces else schema(1).empty_table().select(columns)
    return rows.sort_by("path").combine_chunks()


def digest_of(rows: pa.Table) -> str:
    """What a map depends on: which images there are, and their content."""
    digest = blake2b(digest_size=16)
    for name in ("id", "hash"):
        digest.update("\n".join(rows.column(name).to_pylist()).encode())
    return digest.hexdigest()


def read(file: Path, digest: str) -> Float[np.ndarray, "n 2"] | None:
    """The positions in a file; None where it is missing, damaged, or of other rows."""
    try:
        with safe_open(file, "np") as stored:
            if (stored.metadata() or {}).get("rows") != digest:
                return None
            positions: Float[np.ndarray, "n 2"] = stored.get_tensor("positions")
            return positions
    except (OSError, SafetensorError):
        return None


def write(file: Path, digest: str, positions: Float[np.ndarray, "n 2"]) -> None:
    """Put the positions in a file, whole or not at all. Raises OSError where that fails."""
    with written_atomically(file) as out:
        out.write(save({"positions": np.ascontiguousarray(positions)}, {"rows": digest}))
