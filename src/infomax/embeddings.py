"""Feature vectors in a parquet file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from infomax.errors import InfoMaxError
from infomax.files import written_atomically


@runtime_checkable
class Named(Protocol):
    """What is written beside vectors."""

    @property
    def keys(self) -> list[str]:
        """Name of each item."""

    @property
    def rows(self) -> list[int]:
        """Position of each item in the source."""

    @property
    def labels(self) -> list[str] | None:
        """Label of each item, "" if it has none; None if no item has any."""


def write_embeddings(path: Path, items: Named, vectors: Float[np.ndarray, "n d"]) -> None:
    """Write feature vectors to a parquet file.

    The columns are path (the key of the image), row (its position in the source), label (if the source has labels) and
    vector (d numbers in float32). The folder is created if it does not exist.

    Args:
        path: File to write.
        items: Images, or other items, that the vectors belong to.
        vectors: One vector per item.

    Raises:
        OSError: The file cannot be written. Nothing is left behind then.

    """
    values = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    columns = {
        "path": _valid_text(items.keys),
        "row": pa.array(items.rows, pa.int64()),
        **({"label": _valid_text(items.labels)} if items.labels is not None else {}),
        "vector": pa.FixedSizeListArray.from_arrays(values, vectors.shape[1]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_atomically(path) as file:
        pq.write_table(pa.table(columns), file)


@dataclass(frozen=True)
class Embeddings:
    """Feature vectors read from a file.

    Attributes:
        vectors: Vectors, one per row of the file.
        labels: Label of each vector, "" if that one is missing. None if the file has no labels.
        paths: Path of the image of each vector. None if the file has none.

    """

    vectors: Float[np.ndarray, "n d"]
    labels: list[str] | None
    paths: list[str] | None = None


def read_embeddings(path: Path) -> Embeddings:
    """Read feature vectors from a parquet file.

    Args:
        path: Parquet file with a column `vector` (lists of d numbers each). A column `label`, of any type, and a column
            `path` are optional. In a ClassLabel, -1 stands for a missing label.

    Returns:
        The vectors and their labels.

    Raises:
        InfoMaxError: The file is missing or does not hold vectors.

    """
    try:
        schema = pq.read_schema(path)
        wanted = [name for name in ("vector", "label", "path") if name in schema.names]
        table = pq.read_table(path, columns=wanted)
    except FileNotFoundError:
        raise InfoMaxError(f"no such file: {path}: give one that infomax embed wrote") from None
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise InfoMaxError(f"{path} is not a parquet file ({reason}): give one that infomax embed wrote") from None
    if "vector" not in wanted or not len(table):
        problem = "holds no vectors" if "vector" in wanted else "has no column named vector"
        raise InfoMaxError(f"{path} {problem}: give a file that infomax embed wrote")
    column = table["vector"].combine_chunks()
    is_list = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    numbers = column.flatten() if any(is_kind(column.type) for is_kind in is_list) else None
    if numbers is None or column.null_count or numbers.null_count or len({*map(len, column)}) != 1:
        raise InfoMaxError(f"{path}: its column vector does not hold lists of one length: write it again")
    vectors = numbers.to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(table), -1)
    labels = _labels(table["label"].to_pylist(), schema.metadata or {}) if "label" in wanted else None
    paths = [str(each) for each in table["path"].to_pylist()] if "path" in wanted else None
    return Embeddings(vectors, labels, paths)


def _labels(values: Sequence[object], metadata: Mapping[bytes, bytes]) -> list[str]:
    """Labels as text, "" where one is missing. A ClassLabel of Hugging Face that is below 0 is missing, too."""
    try:
        is_class = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["_type"] == "ClassLabel"
    except (KeyError, TypeError, ValueError):
        is_class = False
    missing = [each is None or (is_class and isinstance(each, int) and each < 0) for each in values]
    return ["" if none else str(each) for each, none in zip(values, missing, strict=True)]


def _valid_text(names: Sequence[str]) -> pa.Array:
    """File and folder names as valid UTF-8, with U+FFFD for each undecodable byte."""
    return pa.array([name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names], pa.string())
