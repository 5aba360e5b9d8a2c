"""Feature vectors in a parquet file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax.embeddings import read_embeddings, write_embeddings
from infomax.images import LoadedImages, load_images
from tests.conftest import colored
from tests.images.conftest import put

VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def collection() -> LoadedImages:
    return load_images(colored(5), 8)


def test_columns_and_their_types(tmp_path: Path) -> None:
    path = tmp_path / "new" / "vectors.parquet"
    write_embeddings(path, replace(collection(), labels=["a", "b", "a", "", "c"]), VECTORS)
    table = pq.read_table(path)
    assert table.schema == pa.schema(
        {"path": pa.string(), "row": pa.int64(), "label": pa.string(), "vector": pa.list_(pa.float32(), 3)}
    )
    assert np.array_equal(np.stack(table["vector"].to_numpy()), VECTORS)
    assert table["label"].to_pylist() == ["a", "b", "a", "", "c"]
    assert table["row"].to_pylist() == [*range(5)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vectors.parquet"]


def test_without_labels_there_is_no_label_column(tmp_path: Path) -> None:
    write_embeddings(tmp_path / "vectors.parquet", collection(), VECTORS.astype(np.float64))
    table = pq.read_table(tmp_path / "vectors.parquet")
    assert table.column_names == ["path", "row", "vector"]
    assert np.array_equal(np.stack(table["vector"].to_numpy()), VECTORS)


def test_skipped_images_leave_gaps_in_the_rows(tmp_path: Path) -> None:
    for name, image in zip("abde", colored(4), strict=True):
        put(tmp_path / "photos" / f"{name}.png", image)
    put(tmp_path / "photos" / "c.png", b"")
    write_embeddings(tmp_path / "vectors.parquet", load_images(tmp_path / "photos", 8), VECTORS[:4])
    table = pq.read_table(tmp_path / "vectors.parquet")
    assert table["path"].to_pylist() == ["a.png", "b.png", "d.png", "e.png"]
    assert table["row"].to_pylist() == [0, 1, 3, 4]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """File names are bytes. In paths and labels the bytes that are not UTF-8 become U+FFFD."""
    for index, image in enumerate(colored(2)):
        put(tmp_path / "photos" / "caf\udce9" / f"\udcff\n東{index}.png", image)
    loaded = load_images(tmp_path / "photos", 8)
    write_embeddings(tmp_path / "vectors.parquet", loaded, VECTORS[:2])
    table = pq.read_table(tmp_path / "vectors.parquet")
    assert table["path"].to_pylist() == [f"caf�/�\n東{index}.png" for index in range(2)]
    assert table["label"].to_pylist() == ["caf�", "caf�"]


def test_a_failure_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match=r"No space left on device: .*vectors\.parquet"):
        write_embeddings(tmp_path / "vectors.parquet", collection(), VECTORS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("labels", [None, ["a", "b", "a", "", "c"]], ids=["without labels", "with labels"])
def test_written_embeddings_are_read(tmp_path: Path, labels: list[str] | None) -> None:
    write_embeddings(tmp_path / "vectors.parquet", replace(collection(), labels=labels), VECTORS)
    found = read_embeddings(tmp_path / "vectors.parquet")
    assert found.vectors.dtype == np.float32
    assert np.array_equal(found.vectors, VECTORS)
    assert found.labels == labels


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float16(), 3)], ids=str
)
def test_vectors_of_other_programs_are_read(tmp_path: Path, kind: pa.DataType) -> None:
    """Any kind of list is accepted, in several row groups, and labels may be numbers or missing."""
    vectors = VECTORS.astype(np.float16)
    table = pa.table({"label": pa.array([3, None, 3, 4, 4]), "vector": pa.array(list(vectors)).cast(kind)})
    pq.write_table(table, tmp_path / "vectors.parquet", row_group_size=2)
    found = read_embeddings(tmp_path / "vectors.parquet")
    assert np.array_equal(found.vectors, vectors)
    assert found.labels == ["3", "", "3", "4", "4"]
