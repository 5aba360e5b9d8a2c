"""Feature vectors in a parquet file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from infomax.files import written_atomically
from infomax.pictures import Pictures


def write_embeddings(path: Path, pictures: Pictures, vectors: Float[np.ndarray, "n d"]) -> None:
    """Write columns path (the key), row (its place in the source), label (where known) and vector (d float32).

    Raises OSError where that fails; then nothing is left behind.
    """
    values = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    columns = {
        "path": _texts(pictures.keys),
        "row": pa.array(pictures.rows, pa.int64()),
        **({"label": _texts(pictures.labels)} if pictures.labels is not None else {}),
        "vector": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        pq.write_table(pa.table(columns), file)


def _texts(names: Sequence[str]) -> pa.Array:
    """Names of files and folders as valid UTF-8, which they need not be."""
    return pa.array([name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names], pa.string())
