"""Vectors of other models in an index: rows by path, search by vector, and what is refused."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infomax import Index
from infomax.errors import InfoMaxError
from infomax.search.index_folder import OtherModel
from tests.conftest import Infomax, colored
from tests.images.conftest import put

VECTORS = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
CLIP = OtherModel("clip-b32", 5)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for number, image in enumerate(colored(4)):
        put(tmp_path / "photos" / f"{number}.png", image)
    return tmp_path / "photos"


@pytest.fixture
def index(tmp_path: Path, photos: Path) -> Index:
    paths = ["0.png", "1.png", "2.png", "3.png", "gone.png", "clip#5"]
    labels = ["a", "b", None, "a", "", "b"]
    return Index.create(tmp_path / "v.index", CLIP).add(photos, vectors=VECTORS, paths=paths, labels=labels)


def test_vectors_are_kept_as_they_are_with_their_images(index: Index, photos: Path) -> None:
    images, vectors = index.vectors()
    rows = {image.path: row for row, image in enumerate(images)}
    names = [str(photos / f"{number}.png") for number in range(4)] + ["gone.png", "clip#5"]
    assert rows.keys() == set(names)
    assert np.array_equal(vectors[[rows[name] for name in names]], VECTORS)
    assert [images[rows[name]].label for name in names] == ["a", "b", None, "a", None, "b"]
    assert (images[rows[names[0]]].width, images[rows[names[0]]].format) == (8, "PNG")
    assert (index.fingerprint, index.dim) == ("clip-b32", 5)
    assert "gone.png,there is no such file here" in (index.path / "skipped.csv").read_text()
    assert all(index.thumbnail(image.id) for image in images)


def test_search_by_vector_and_by_an_image_of_the_index(index: Index, photos: Path) -> None:
    cosines = VECTORS @ VECTORS[2] / np.linalg.norm(VECTORS, axis=1) / np.linalg.norm(VECTORS[2])
    found = index.search(VECTORS[2], k=6)
    assert [match.similarity for match in found] == pytest.approx(sorted(cosines.tolist(), reverse=True), abs=1e-6)
    by_path = index.search(photos / "2.png", k=6)
    assert [match.image.path for match in by_path] == [match.image.path for match in found]
    assert found[0].image.path == str(photos / "2.png")


def test_what_needs_the_model_is_refused(index: Index, tmp_path: Path, photos: Path) -> None:
    put(tmp_path / "new.png", colored(5)[4])
    with pytest.raises(InfoMaxError, match="is not in the index, and the model of its vectors is not here"):
        index.search(tmp_path / "new.png")
    with pytest.raises(InfoMaxError, match=r"holds vectors of another model \(clip-b32\), which is not here"):
        index.search(colored(1)[0])
    with pytest.raises(InfoMaxError, match="holds vectors of another model"):
        index.add(photos)


def test_adding_again_replaces(index: Index, photos: Path) -> None:
    index.add(photos, vectors=VECTORS[5:], paths=["0.png"])
    assert len(index) == 6
    assert np.array_equal(index.embed(photos / "0.png"), VECTORS[5])
    assert len(Index.create(index.path, CLIP)) == 6


@pytest.mark.parametrize(
    ("vectors", "paths", "labels", "reason"),
    [
        (VECTORS, ["a"], None, r"vectors of shape \(6, 5\) with 1 paths"),
        (VECTORS[:, :4], list("abcdef"), None, "each of 5 numbers"),
        (VECTORS[:2], ["a", "a"], None, "the path 'a' is there twice"),
        (VECTORS[:2], ["a", "b"], ["x"], "1 labels for 2 paths"),
        (VECTORS[:1] * np.float32(np.nan), ["a"], None, "hold NaN, infinity"),
    ],
)
def test_what_does_not_fit_is_refused_whole(
    index: Index, vectors: np.ndarray, paths: list[str], labels: list[str] | None, reason: str
) -> None:
    before = index.version
    with pytest.raises(InfoMaxError, match=reason):
        index.add(vectors=vectors, paths=paths, labels=labels)
    assert index.version == before


@pytest.mark.parametrize("other", [OtherModel("clip-l14", 5), OtherModel("clip-b32", 6)])
def test_an_index_is_for_one_model(index: Index, other: OtherModel) -> None:
    with pytest.raises(InfoMaxError, match="is for vectors of 5 numbers by the model 'clip-b32'"):
        Index.create(index.path, other)
    with pytest.raises(InfoMaxError, match="need its name, and one number or more"):
        OtherModel("", 5).metadata()


def test_the_command_line(tmp_path: Path, photos: Path, infomax: Infomax) -> None:
    paths = [f"{number}.png" for number in range(4)] + ["x#1", "x#2"]
    file, place = tmp_path / "v.parquet", tmp_path / "cli.index"
    pq.write_table(pa.table({"path": paths, "vector": VECTORS.tolist()}), file)
    done = infomax("index", photos, "--vectors", file, "--index", place, "--fingerprint", "clip-b32")
    assert (done.code, done.stdout) == (0, "added 6, updated 0, without file 2\n")
    assert "2 paths are no images here" in done.stderr
    np.save(tmp_path / "query.npy", VECTORS[1])
    found = infomax("search", tmp_path / "query.npy", "--index", place, "-k", 1)
    assert found.stdout.endswith(f"{photos / '1.png'}\n")
    assert (
        "search with images" in infomax("search", tmp_path / "query.npy", "--index", place, "--figure", "x.png").failure
    )
    assert "choose another --index" in infomax("index", "--vectors", file, "--index", place).failure
    assert infomax("index", photos, "--vectors", file, "--index", place, "--prune").code == 2
    assert infomax("index", "--index", place).code == 2
    pq.write_table(pa.table({"vector": VECTORS.tolist()}), file)
    assert "has no column named path" in infomax("index", "--vectors", file, "--index", tmp_path / "b.index").failure
