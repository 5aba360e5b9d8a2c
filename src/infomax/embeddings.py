"""Feature vectors in a parquet file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.images import LoadedImages


def write_embeddings(path: Path, images: LoadedImages, vectors: Float[np.ndarray, "n d"]) -> None:
    """Write columns path (the key), row (its place in the source), label (where known) and vector (d float32).

    Raises OSError where that fails; then nothing is left behind.
    """
    values = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    columns = {
        "path": _texts(images.keys),
        "row": pa.array(images.rows, pa.int64()),
        **({"label": _texts(images.labels)} if images.labels is not None else {}),
        "vector": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        pq.write_table(pa.table(columns), file)


@dataclass(frozen=True)
class Embeddings:
    """Vectors as read from a file; labels are None where it has none, and "" where a single one is missing."""

    vectors: Float[np.ndarray, "n d"]
    labels: list[str] | None


def read_embeddings(path: Path) -> Embeddings:
    """Read the columns vector (lists of d numbers each) and label (where there is one, of any kind).

    Raises InfoMaxError for a file that is missing, or is none of vectors.
    """
    try:
        schema = pq.read_schema(path)
        wanted = [name for name in ("vector", "label") if name in schema.names]
        table = pq.read_table(path, columns=wanted)
    except FileNotFoundError:
        raise InfoMaxError(f"no such file: {path}: give one that infomax embed wrote") from None
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise InfoMaxError(f"{path} is no parquet file ({reason}): give one that infomax embed wrote") from None
    if "vector" not in wanted or not len(table):
        lack = "holds no vectors" if "vector" in wanted else "has no column named vector"
        raise InfoMaxError(f"{path} {lack}: give a file that infomax embed wrote")
    column = table["vector"].combine_chunks()
    is_list = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    numbers = column.flatten() if any(is_kind(column.type) for is_kind in is_list) else None
    if numbers is None or column.null_count or numbers.null_count or len({*map(len, column)}) != 1:
        raise InfoMaxError(f"{path}: its column vector is no list of as many numbers in every row: write it again")
    vectors = numbers.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(table), -1)
    labels = ["" if each is None else str(each) for each in table["label"].to_pylist()] if "label" in wanted else None
    return Embeddings(vectors, labels)


def _texts(names: Sequence[str]) -> pa.Array:
    """Names of files and folders as valid UTF-8, which they need not be."""
    return pa.array([name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names], pa.string())
