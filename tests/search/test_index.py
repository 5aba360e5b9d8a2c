import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infomax import Index, InfoMax, InfoMaxError
from infomax.neighbors.groups import groups_above
from infomax.neighbors.knn import Metric
from infomax.neighbors.knn import neighbors as nearest_of
from infomax.search.store import Store
from infomax.search.thumbnails import thumbnail
from tests.conftest import SMALL, colored, environment, no_room
from tests.search.conftest import NewIndex, content, paths, save
from tests.search.memory import MemoryStore, Vectors, brute_force, cloud, rows_of

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")


def filled(
    index: Index, vectors: Vectors, labels: list[str | None] | None = None, thumbnails: list[bytes] | None = None
) -> list[str]:
    names = [f"/p/{number % 3}/{number:03d}" for number in range(len(vectors))]
    store: Store = index._store
    order = np.random.default_rng(0).permutation(len(names))
    for part in np.array_split(order, 3):
        if len(part):
            some = None if labels is None else [labels[row] for row in part]
            small = None if thumbnails is None else [thumbnails[row] for row in part]
            store.upsert(rows_of([names[row] for row in part], vectors[part], some, thumbnails=small))
    return names


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
def test_ties_go_by_path_however_many_there_are(new_index: NewIndex, metric: Metric, k: int) -> None:
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
    from infomax.search.folder import IndexFolder

    home = IndexFolder(tmp_path / "index")
    if not home.exists:
        home.create(model)
    index, vectors = Index(home, MemoryStore(8)), np.array(rows, np.float32)
    names = filled(index, vectors)
    for metric in METRICS:
        found = [match.distance for match in index.search(vectors[0], 5, metric=metric)]
        expected = [far for _, far in brute_force(vectors[0], names, vectors, 5, metric)]
        np.testing.assert_allclose(found, expected, atol=1e-7, rtol=1e-7)
        assert found == sorted(found)


def test_filters_choose_which_images_count(new_index: NewIndex) -> None:
    index, vectors = new_index(), cloud(60)
    labels: list[str | None] = [("it's", "<b>", None)[number % 4 % 3] for number in range(60)]
    names = filled(index, vectors, labels)
    below = [row for row, name in enumerate(names) if name.startswith("/p/1/")]
    quoted = [row for row in below if labels[row] == "it's"]
    for rows, filters in ((below, {"folder": "/p/1/"}), (quoted, {"folder": "/p/1", "label": "it's"})):
        found = index.search(vectors[0], 10, **filters)  # type: ignore[arg-type]
        assert paths(found) == [
            path for path, _ in brute_force(vectors[0], [names[row] for row in rows], vectors[rows], 10, "cosine")
        ]
        assert index.count(**filters) == len(rows)
        assert [each.path for each in index.page(0, 99, **filters)] == sorted(names[row] for row in rows)
    assert index.search(vectors[0], label="nobody") == []
    assert index.search(vectors[0], folder="/p/'; --") == []


def test_more_like_this_leaves_the_image_itself_out(new_index: NewIndex) -> None:
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


def test_near_duplicates_are_those_of_all_pairs(new_index: NewIndex) -> None:
    index, vectors = new_index(), cloud(90)
    vectors[10:14] = vectors[10] * np.array([[1], [2], [3], [0.5]], np.float32)
    vectors[40] = vectors[41] + 1e-3
    vectors[60:62] = 0
    names = filled(index, vectors, thumbnails=[thumbnail(colored(1, 12)[0]).content] * 90)  # all look the same
    for threshold in (0.9999, 0.9, 0.5):
        found = index.duplicates(threshold)
        assert {tuple(each.path for each in group.images) for group in found} == linked(names, vectors, threshold)
        assert [len(group.images) for group in found] == sorted((len(group.images) for group in found), reverse=True)
        assert all(threshold <= group.similarity <= 1 for group in found)
    assert len(index.duplicates(0.9999)) == 2
    assert index.duplicates(1.0)[0].similarity == 1


def test_what_does_not_look_the_same_is_no_duplicate(new_index: NewIndex) -> None:
    index, vectors = new_index(), np.ones((40, 8), np.float32)
    filled(index, vectors, thumbnails=[thumbnail(each).content for each in colored(40, 12)])
    assert index.duplicates(1.0) == []


def linked(names: list[str], vectors: Vectors, threshold: float) -> set[tuple[str, ...]]:
    """Groups by walking along the links, one pair after the other."""
    near = [
        {
            b
            for b in range(len(names))
            if 1 - brute_force(vectors[a], [names[b]], vectors[[b]], 1, "cosine")[0][1] >= threshold
        }
        for a in range(len(names))
    ]
    groups, seen = set(), set[int]()
    for start in range(len(names)):
        group, pending = set[int](), {start} - seen
        while pending:
            group |= pending
            pending = set().union(*(near[row] for row in pending)) - group
        seen |= group
        if len(group) > 1:
            groups.add(tuple(sorted(names[row] for row in group)))
    return groups


def test_groups_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.repeat(cloud(30), 3, axis=0)
    whole = groups_above(vectors, 0.9)
    monkeypatch.setattr("infomax.neighbors.groups.ROWS", 7)
    parts = groups_above(vectors, 0.9)
    assert {tuple(group.rows) for group in parts} == {tuple(group.rows) for group in whole}


def test_outliers_are_far_from_their_nearest(new_index: NewIndex) -> None:
    index, vectors = new_index(), (1 + cloud(40) / 50).astype(np.float32)
    vectors[17] = -1
    names = filled(index, vectors)
    found = index.outliers(5, k=3, metric="euclidean")
    near = nearest_of(vectors, vectors, 3, "euclidean", leave_out=np.arange(40))
    mean = near.distances.mean(1)
    assert paths(found) == [names[row] for row in np.argsort(-mean)[:5]]
    assert found[0].image.path == names[17]
    np.testing.assert_allclose([each.distance for each in found], np.sort(mean)[::-1][:5], rtol=1e-6)
    assert len(index.outliers(99, k=99)) == 40


def test_an_empty_index_answers_with_nothing(new_index: NewIndex) -> None:
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
    assert found[0].image.label == "cat"


def test_a_query_may_be_a_file_its_content_or_pixels(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    file = photos / "dog" / "01.png"
    pixels = colored(31, 12)[1]
    for query in (file, str(file), file.read_bytes(), pixels):
        assert paths(index.search(query, 1)) == [str(file)]


def test_thumbnails_and_facts_come_from_the_index_alone(model: InfoMax, tmp_path: Path) -> None:
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
    red, gray = index.tiles([two.id, "nobody"], 4)
    assert abs(red.reshape(-1, 3).mean(0) - (200, 0, 0)).max() < 12
    assert (gray == 128).all()
    assert index.thumbnail("nobody") is None
    assert index.image("nobody") is None
    assert index.image(two.id) == two


def test_statistics(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
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


def test_the_folder_is_all_one_needs(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model).add(photos)
    copytree(tmp_path / "index", tmp_path / "elsewhere")
    (tmp_path / "index").rename(tmp_path / "gone")
    moved = Index.open(tmp_path / "elsewhere")
    assert paths(moved.search(photos / "cat" / "00.png", 3)) == paths(
        Index.open(tmp_path / "gone").search(photos / "cat" / "00.png", 3)
    )
    assert content(moved) == content(Index.open(tmp_path / "gone"))
    assert index.fingerprint == moved.model.fingerprint


def test_another_model_is_refused(model: InfoMax, tmp_path: Path) -> None:
    Index.create(tmp_path / "index", model)
    again = Index.create(tmp_path / "index", model)
    assert len(again) == 0
    other = InfoMax(SMALL, seed=1).fit(colored(40))
    with pytest.raises(InfoMaxError, match=r"was made with another model: use that one, which is in '.*model'"):
        Index.create(tmp_path / "index", other)
    other.save(tmp_path / "index" / "model")
    with pytest.raises(InfoMaxError, match="is not the model this index was made with"):
        _ = Index.open(tmp_path / "index").model


def test_a_fingerprint_outlives_saving_and_tells_models_apart(model: InfoMax, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    assert InfoMax.load(tmp_path / "run").fingerprint == model.fingerprint
    others = [InfoMax(SMALL, seed=1), InfoMax(SMALL.with_settings(shift=-0.4))]
    prints = {model.fingerprint, *(each.fit(colored(40)).fingerprint for each in others)}
    assert len(prints) == 3


@pytest.mark.parametrize("k", [0, -1])
def test_k_has_to_be_positive(model: InfoMax, tmp_path: Path, k: int) -> None:
    index = Index.create(tmp_path / "index", model)
    for ask in (lambda: index.search(cloud(1)[0], k), lambda: index.outliers(k), lambda: index.page(0, k)):
        with pytest.raises(InfoMaxError, match=f"is {k}: ask for 1 or more"):
            ask()
    with pytest.raises(InfoMaxError, match="offset of -1"):
        index.page(-1)


def test_queries_that_will_not_do(model: InfoMax, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model)
    (tmp_path / "text.png").write_text("no image")
    refused: dict[str | Path | bytes, str] = {
        tmp_path / "text.png": "not an image",
        tmp_path / "nobody.png": "no such file",
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


def test_folders_that_hold_no_index(model: InfoMax, tmp_path: Path) -> None:
    with pytest.raises(InfoMaxError, match="does not exist: make one with infomax index"):
        Index.open(tmp_path / "nowhere")
    with pytest.raises(InfoMaxError, match="holds no index"):
        Index.open(tmp_path)
    (tmp_path / "file").touch()
    for use in (Index.open, lambda path: Index.create(path, model)):
        with pytest.raises(InfoMaxError, match="is a file, and an index is a folder"):
            use(tmp_path / "file")
    with pytest.raises(InfoMaxError, match="is not empty and holds no index"):
        Index.create(tmp_path, model)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda index: (index / "index.json").write_text("{"), "damaged"),
        (lambda index: (index / "index.json").write_text('{"format": 1}'), "damaged"),
        (lambda index: (index / "index.json").write_text('{"format": 9, "model": "", "dim": 8}'), "has format 9"),
        (
            lambda index: (index / "index.json").write_text('{"format": 1, "model": "", "dim": 9}'),
            "vectors of 8 numbers",
        ),
        (lambda index: (index / "index.json").unlink(), "holds no index"),
        (lambda index: (index / "images.lance").rename(index / "x"), "lacks its table"),
        (lambda index: [file.unlink() for file in (index / "images.lance" / "_versions").iterdir()], "cannot open"),
        (lambda index: (index / "model" / "model.safetensors").unlink(), "has no model yet"),
        (lambda index: (index / "model" / "model.safetensors").write_bytes(b"x"), "is damaged"),
        (lambda index: [file.unlink() for file in (index / "images.lance" / "data").iterdir()], "cannot read"),
    ],
)
def test_a_damaged_index_is_told_in_one_line(
    model: InfoMax, photos: Path, tmp_path: Path, break_it: object, why: str
) -> None:
    Index.create(tmp_path / "index", model).add(photos)
    break_it(tmp_path / "index")  # type: ignore[operator]
    with pytest.raises(InfoMaxError, match=why) as told:
        Index.open(tmp_path / "index").search(photos / "30.png")
    assert "\n" not in str(told.value)


def test_a_full_disk_costs_nothing_that_was_committed(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "index", model)
    index.add(photos / "cat")
    with no_room(2000), pytest.raises(InfoMaxError, match=r"file too large.*make room there"):
        index.add(photos)
    assert len(Index.open(tmp_path / "index")) == 15
    index.add(photos)
    assert len(index) == 31
    with no_room(500), pytest.raises((InfoMaxError, OSError)):
        Index.create(tmp_path / "new", model)
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".new*"))


@pytest.mark.skipif(not hasattr(os, "seteuid") or os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_read_only_index_can_be_searched_but_not_written(model: InfoMax, photos: Path, tmp_path: Path) -> None:
    Index.create(tmp_path / "index", model).add(photos / "cat")
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            folder.chmod(0o755)
    index = Index.open(tmp_path / "index")
    _ = index.model
    os.seteuid(65534)
    try:
        assert len(Index.open(tmp_path / "index").search(photos / "cat" / "00.png")) == 10
        with pytest.raises(InfoMaxError, match=r"permission denied.*that you may write to"):
            index.add(photos)
        with pytest.raises(PermissionError):
            Index.create(tmp_path / "new", model)
    finally:
        os.seteuid(0)


def test_importing_and_fitting_load_no_database(cache: Path) -> None:
    code = "import sys, infomax; assert 'lancedb' not in sys.modules; infomax.Index; assert 'lancedb' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(cache))
    import infomax

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = infomax.nothing
