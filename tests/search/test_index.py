"""Search: exact against brute force with every store, and what a query may be."""

import inspect
import pickle
from io import BytesIO
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from infomax import Index, InfoMax, InfoMaxError
from infomax.neighbors.distances import Metric
from infomax.search.display import decode_tiles
from infomax.search.index_folder import IndexFolder
from infomax.search.queries import Conditions, UnusableQuery, valid_metric
from tests.conftest import colored, labeled
from tests.search.conftest import NewIndex, filled, paths, save
from tests.search.memory import MemoryStore, brute_force, cloud

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


@pytest.mark.parametrize("metric", METRICS)
def test_matches_are_those_of_brute_force(new_index: NewIndex, metric: Metric) -> None:
    index, vectors = new_index(), cloud(150)
    names = filled(index, vectors)
    for query in (*cloud(4, seed=1), vectors[7], vectors[8] * 3):
        for k in (1, 10, 150):
            found = index.search(query, k, metric=metric)
            expected = brute_force(query, names, vectors, k, metric)
            assert paths(found) == [path for path, _ in expected]
            assert [match.rank for match in found] == list(range(1, k + 1))
            np.testing.assert_allclose([match.distance for match in found], [far for _, far in expected], atol=1e-9)
            cosines = [
                1 - brute_force(query, [name], vectors[[names.index(name)]], 1, "cosine")[0][1] for name in paths(found)
            ]
            np.testing.assert_allclose([match.similarity for match in found], cosines, atol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 3, 10, 40, 90, 97])
def test_equally_near_images_are_ordered_by_path(new_index: NewIndex, metric: Metric, k: int) -> None:
    """Whole numbers and few of them: most distances are shared, and half of the vectors are copies of one."""
    vectors = np.random.default_rng(0).integers(-1, 2, (97, 8)).astype(np.float32)
    vectors[::2] = vectors[0]
    index = new_index()
    names = filled(index, vectors)
    for query in (vectors[0], vectors[1], vectors[0] + np.eye(8, dtype=np.float32)[3]):
        assert paths(index.search(query, k, metric=metric)) == [
            path for path, _ in brute_force(query, names, vectors, k, metric)
        ]


@pytest.mark.parametrize("k", [1, 5, 30, 50])
def test_a_vector_of_zeros_is_at_cosine_distance_one(new_index: NewIndex, k: int) -> None:
    vectors = cloud(50)
    vectors[[3, 20, 21]] = 0
    index = new_index()
    names = filled(index, vectors)
    for query in (vectors[0], -vectors[5], vectors[3]):
        found = index.search(query, k)
        assert paths(found) == [path for path, _ in brute_force(query, names, vectors, k, "cosine")]
        assert all(match.distance == 1 for match in found if match.image.path in {names[3], names[20], names[21]})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(st.sampled_from([-1e4, -1.0, 0.0, 1e-3, 1.0, 1.001]), min_size=8, max_size=8), min_size=1)
)
def test_any_vectors_are_ranked_as_by_brute_force(rows: list[list[float]], model: InfoMax, tmp_path: Path) -> None:
    folder = IndexFolder(tmp_path / "index")
    if not folder.exists:
        folder.create(model)
    index, vectors = Index(folder.path, store=MemoryStore(8)), np.array(rows, np.float32)
    names = filled(index, vectors)
    for metric in METRICS:
        found = [match.distance for match in index.search(vectors[0], 5, metric=metric)]
        expected = [far for _, far in brute_force(vectors[0], names, vectors, 5, metric)]
        np.testing.assert_allclose(found, expected, atol=1e-7, rtol=1e-7)
        assert found == sorted(found)


def test_filters_select_images(new_index: NewIndex) -> None:
    index, vectors = new_index(), cloud(60)
    labels: list[str | None] = [("it's", "<b>", None)[number % 4 % 3] for number in range(60)]
    names = filled(index, vectors, labels)
    below = [row for row, name in enumerate(names) if name.startswith("/p/1/")]
    quoted = [row for row in below if labels[row] == "it's"]
    choices: list[tuple[list[int], Conditions]] = [
        (below, {"folder": "/p/1/"}),
        (quoted, {"folder": "/p/1", "label": "it's"}),
    ]
    for rows, filters in choices:
        found = index.search(vectors[0], 10, **filters)
        assert paths(found) == [
            path for path, _ in brute_force(vectors[0], [names[row] for row in rows], vectors[rows], 10, "cosine")
        ]
        assert index.count(**filters) == len(rows)
        assert [each.path for each in index.page(0, 99, **filters)] == sorted(names[row] for row in rows)
    assert index.search(vectors[0], label="unknown") == []
    assert index.search(vectors[0], folder="/p/'; --") == []


def test_similar_leaves_the_image_itself_out(new_index: NewIndex) -> None:
    index, vectors = new_index(), cloud(30)
    vectors[9] = vectors[4]
    names = filled(index, vectors)
    four = next(each for each in index.page(0, 30) if each.path == names[4])
    found = index.similar(four.id, 5)
    others = [row for row in range(30) if row != 4]
    expected = brute_force(vectors[4], [names[row] for row in others], vectors[others], 5, "cosine")
    assert paths(found) == [path for path, _ in expected]
    assert [match.rank for match in found] == [1, 2, 3, 4, 5]
    assert found[0].distance == 0
    assert len(index.similar(four.id, 99)) == 29
    with pytest.raises(InfoMaxError, match="no image"):
        index.similar("x' OR '1'='1")


def test_an_empty_index_returns_nothing(new_index: NewIndex) -> None:
    index = new_index()
    assert index.search(cloud(1)[0]) == []
    assert index.duplicates() == []
    assert index.outliers() == []
    assert index.page() == []
    assert len(index) == 0
    assert index.vectors()[1].shape == (0, 8)
    assert index.statistics().labels == {}


def test_the_three_lines_of_the_readme(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    found = Index.create(tmp_path / "photos.index", model).add(photos).search(photos / "cat" / "04.png", k=9)
    codes, keys = model.transform(photos), model.load_images(photos).keys
    expected = brute_force(codes[keys.index("cat/04.png")], [str(photos / key) for key in keys], codes, 9, "cosine")
    assert paths(found) == [path for path, _ in expected]
    assert found[0].distance == pytest.approx(0, abs=1e-6)
    assert found[0].image.label is None


def test_a_query_may_be_a_file_its_content_or_pixels(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    file = photos / "dog" / "01.png"
    pixels = colored(31, 12)[1]
    for query in (file, str(file), file.read_bytes(), pixels):
        assert paths(index.search(query, 1)) == [str(file)]


def test_a_query_may_be_an_object_in_memory(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    file = photos / "dog" / "01.png"
    pixels = colored(31, 12)[1]
    first = np.moveaxis(pixels, 2, 0)
    with Image.open(file) as image:
        for query in (
            *(image, [image], (file,), [str(file)], pixels[None], pixels / 255, image.convert("RGBA")),
            *(torch.from_numpy(pixels), torch.from_numpy(first / 255).float(), torch.from_numpy(first)[None]),
        ):
            (match,) = index.search(query, 1)
            assert match.image.path == str(file)
            assert match.distance == pytest.approx(0, abs=1e-6)
    vector = torch.from_numpy(model.transform(file)[0])
    assert paths(index.search(vector, 1)) == [str(file)]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ([], "a list of 0 images"),
        (["a.png", "b.png"], "a list of 2 images"),
        (np.zeros((9, 9, 3), np.uint16), "uint16 of shape"),
        (np.full((9, 9, 3), 7.0), "floats from 7 to 7"),
        (np.full((9, 9, 3), np.nan), "NaN"),
        (np.zeros((2, 9, 9, 3), np.uint8), "an item of a list is one image"),
    ],
)
def test_an_object_that_is_no_image_is_one_line(query: Any, reason: str, model: InfoMax, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model)
    with pytest.raises(UnusableQuery, match=reason) as raised:
        index.search(query)
    assert "\n" not in str(raised.value)


def test_images_in_memory_keep_their_rows_when_others_are_added(model: InfoMax, tmp_path: Path) -> None:
    index, pixels = Index.create(tmp_path / "index", model), colored(6)
    index.add([Image.fromarray(each) for each in pixels[:3]]).add([Image.fromarray(each) for each in pixels[3:]])
    index.add(list(pixels[:3]))
    assert len(index) == 6
    (match,) = index.search(pixels[4], 1)
    assert match.image.path.startswith("item#1-")
    assert match.distance == pytest.approx(0, abs=1e-6)


def test_a_file_that_a_list_names_twice_is_one_row(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    files = sorted(photos.rglob("*.png"))
    index = Index.create(tmp_path / "index", model)
    assert index.synchronize(iter([files[3], files[1], files[3]]), dry_run=True).added == 2
    assert index.synchronize(iter([files[3], files[1], files[3]])).added == 2
    assert index.synchronize([files[1], files[3]]).unchanged == 2
    assert {each.path for each in index.page()} == {str(files[1]), str(files[3])}


def test_a_folder_is_a_place_and_no_label(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    assert index.statistics().labels == {None: 31}
    assert index.count(label="cat") == 0
    assert index.count(folder=photos / "cat") == 15
    assert index.synchronize(photos / "cat").unchanged == 15


def test_thumbnails_and_sizes_come_from_the_index_alone(model: InfoMax, tmp_path: Path) -> None:
    wide = np.zeros((600, 1200, 3), np.uint8)
    wide[..., 0] = 200
    file = save(tmp_path / "p" / "wide.png", wide)
    small = save(tmp_path / "p" / "small.png", colored(1, 12)[0])
    index = Index.create(tmp_path / "index", model).add(tmp_path / "p")
    file.unlink()
    one, two = index.page()
    assert (two.path, two.width, two.height) == (str(file), 1200, 600)
    assert (one.width, one.height, one.size) == (12, 12, small.stat().st_size)
    assert one.mtime == pytest.approx(small.stat().st_mtime)
    from io import BytesIO

    from PIL import Image

    data = index.thumbnail(two.id)
    assert data is not None
    with Image.open(BytesIO(data)) as image:
        assert (image.format, image.size) == ("WEBP", (256, 128))
    red, gray = decode_tiles(index.thumbnails([two.id, "unknown"]), [two.id, "unknown"], 4)
    assert abs(red.reshape(-1, 3).mean(0) - (200, 0, 0)).max() < 12
    assert (gray == 128).all()
    assert index.thumbnail("unknown") is None
    assert index.image("unknown") is None
    assert index.image(two.id) == two


def test_statistics(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(labeled(photos))
    numbers = index.statistics()
    assert (numbers.images, numbers.dim, numbers.model) == (31, 8, model.fingerprint)
    assert numbers.labels == {"cat": 15, "dog": 15, None: 1}
    assert numbers.folders == {str(photos): 1, str(photos / "cat"): 15, str(photos / "dog"): 15}
    assert numbers.bytes > 0


def test_images_are_removed_by_path(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    index.remove([str(photos / "30.png")])
    assert len(index) == 30
    assert index.count(folder=photos / "cat") == 15


@pytest.mark.parametrize("k", [0, -1])
def test_k_must_be_positive(model: InfoMax, tmp_path: Path, k: int) -> None:
    index = Index.create(tmp_path / "index", model)
    for ask in (lambda: index.search(cloud(1)[0], k), lambda: index.outliers(k), lambda: index.page(0, k)):
        with pytest.raises(InfoMaxError, match=f"is {k}: ask for 1 or more"):
            ask()
    with pytest.raises(InfoMaxError, match="offset of -1"):
        index.page(-1)


def test_unusable_queries_are_refused(model: InfoMax, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model)
    (tmp_path / "text.png").write_text("no image")
    refused: dict[str | Path | bytes, str] = {
        tmp_path / "text.png": "not an image",
        tmp_path / "missing.png": "no such file",
        tmp_path: "a folder",
        b"": "an empty file",
        b"GIF89a": "searched with",
    }
    for query, why in refused.items():
        with pytest.raises(InfoMaxError, match=why):
            index.search(query)
    for vector in (np.ones(7), np.full(8, np.nan), np.ones((1, 8))):
        with pytest.raises(InfoMaxError, match=r"takes \(8,\), of finite numbers"):
            index.search(vector)
    with pytest.raises(InfoMaxError, match="searched with"):
        index.search(np.zeros((3, 3, 7), np.uint8))
    with pytest.raises(InfoMaxError, match="a cosine lies in"):
        index.duplicates(1.5)


def test_an_unusable_query_says_why(model: InfoMax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index.create(tmp_path / "index", model)
    with pytest.raises(UnusableQuery, match=r"^the image given cannot be searched with \(not an image\): ") as raised:
        index.embed(b"text")
    assert (raised.value.reason, raised.value.too_large) == ("not an image", False)
    assert isinstance(raised.value, InfoMaxError)
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.reason, again.too_large) == (str(raised.value), "not an image", False)
    large = BytesIO()
    Image.new("L", (200, 100)).save(large, "png")
    for limit in (19_999, 9_000):  # Pillow itself refuses more than twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(UnusableQuery, match="give a smaller image") as raised:
            index.search(large.getvalue())
        assert raised.value.too_large
        assert raised.value.reason.startswith("too large")
    with pytest.raises(UnusableQuery) as raised:
        index.search(np.ones(7))
    assert raised.value.reason == "a vector of shape (7,)"


def test_an_array_is_encoded_as_the_model_encodes_it(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model, device="cpu")
    pixels = colored(1)  # of the size that the model takes
    np.testing.assert_array_equal(index.embed(pixels[0]), model.encode(pixels)[0])
    file = photos / "cat" / "04.png"
    np.testing.assert_array_equal(index.embed(file.read_bytes()), index.embed(file))


def test_the_next_nearest_take_the_place_of_gone_files(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    query = photos / "30.png"
    ranked = index.search(query, 31).paths
    for path in ranked[1:20]:
        Path(path).unlink()
    found = index.search(query, 5)
    assert found.paths == [ranked[0], *ranked[20:24]]
    assert [match.rank for match in found] == [1, 2, 3, 4, 5]
    assert found.left_out == tuple(sorted(ranked[1:20]))
    assert found[:2].left_out == found.left_out
    assert index.search(query, 99).paths == [ranked[0], *ranked[20:]]
    assert index.search(query, 31, include_gone=True).paths == ranked
    assert [match.image.gone for match in index.search(query, 3, include_gone=True)] == [False, True, True]
    first = index.search(query, 1)[0].image.id
    assert index.similar(first, 3).paths == ranked[20:23]
    assert index.similar(first, 3, include_gone=True).paths == ranked[1:4]
    assert index.search(query, 3, approximate=True).paths == [ranked[0], *ranked[20:22]]
    assert (index.statistics().images, index.statistics().gone) == (31, 19)
    assert len(index.page(0, 99)) == index.count() == 31


def test_a_search_gives_up_where_nearly_all_files_are_gone(
    model: InfoMax, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infomax.search.ranking.ASKED_AT_MOST", 8)
    index = Index.create(tmp_path / "index", model).add(photos)
    ranked = index.search(photos / "30.png", 31).paths
    for path in ranked[1:25]:
        Path(path).unlink()
    found = index.search(photos / "30.png", 2)
    assert found.paths == ranked[:1]
    assert set(found.left_out) == set(ranked[1:8])


def test_duplicates_leave_out_gone_files_unless_asked_for(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    copy = photos / "copy.png"
    copy.write_bytes((photos / "30.png").read_bytes())
    index = Index.create(tmp_path / "index", model).add(photos)
    copy.unlink()
    pair = {str(copy), str(photos / "30.png")}
    assert not any({image.path for image in group.images} >= pair for group in index.duplicates())
    assert any({image.path for image in group.images} >= pair for group in index.duplicates(include_gone=True))


def test_an_index_on_another_machine_still_answers(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    """None of its folders is there."""
    index = Index.create(tmp_path / "index", model).add(photos)
    query = (photos / "30.png").read_bytes()
    photos.rename(tmp_path / "elsewhere")
    found = index.search(query, 3)
    assert found.paths[0] == str(photos / "30.png")
    assert (len(found), found.left_out, found.missing_roots) == (3, (), (str(photos),))
    assert all(match.image.gone for match in found)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("size", [1e300, 1e38, 1e16])
def test_a_vector_too_large_for_float32_is_refused(new_index: NewIndex, metric: Metric, size: float) -> None:
    index = new_index()
    filled(index, cloud(20))
    with pytest.raises(UnusableQuery, match="of finite numbers of at most 1e\\+15"):
        index.search(np.full(8, size), metric=metric)
    assert len(index.search(np.full(8, 1e14), metric=metric)) == 10


def test_an_unknown_metric_is_refused() -> None:
    """The tests check types, which users do not: so the check itself is asked."""
    check = inspect.unwrap(valid_metric)
    assert check("euclidean") == "euclidean"
    with pytest.raises(InfoMaxError, match="no metric 'manhattan': choose cosine or euclidean"):
        check("manhattan")


@pytest.mark.parametrize("time", ["May", "2024-13", "2024-02-30", "24", "2024-5-1", ""])
def test_a_time_that_is_none_is_refused(new_index: NewIndex, time: str) -> None:
    with pytest.raises(InfoMaxError, match="give a year, month, day or time"):
        new_index().count(after=time)


def test_a_deleted_index_is_told_in_one_line(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    ids = [image.id for image in index.page()]
    rmtree(tmp_path / "index")
    for ask in (lambda: index.thumbnails(ids), lambda: index.page(), lambda: len(index), lambda: index.similar(ids[0])):
        with pytest.raises(InfoMaxError, match="cannot read the index") as told:
            ask()
        assert "\n" not in str(told.value)
