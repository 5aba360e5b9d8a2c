"""Nearest neighbors against a slow version in NumPy, and the vote against scikit-learn."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.neighbors import brute_force
from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import knn_accuracy, leave_one_out_accuracy, neighbors, vote

METRICS: list[Metric] = ["cosine", "euclidean"]
Vectors = NDArray[np.float32]


def normal(n: int, d: int, seed: int = 0) -> Vectors:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def slow(
    queries: Vectors, collection: Vectors, k: int, metric: Metric, leave_out: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """One query and one vector at a time, in float64; Python's sort keeps the first of equals first."""
    indices, distances = [], []
    for row, query in enumerate(queries.astype(np.float64)):
        every = []
        for index, vector in enumerate(collection.astype(np.float64)):
            if metric == "euclidean":
                every.append(float(np.sqrt(((query - vector) ** 2).sum())))
            else:
                lengths = np.linalg.norm(query) * np.linalg.norm(vector)
                every.append(1 - float(query @ vector / lengths) if lengths else 1.0)
            if leave_out is not None and leave_out[row] == index:
                every[-1] = np.inf
        order = sorted(range(len(every)), key=every.__getitem__)[:k]
        indices.append(order)
        distances.append([every[index] for index in order])
    return np.array(indices), np.array(distances)


@pytest.fixture(params=[1 << 26, 1, 700], ids=["one block", "row by row", "blocks of a few rows"])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brute_force, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("n", "m", "d", "k"), [(7, 60, 5, 4), (1, 1, 1, 1), (5, 30, 3, 30), (20, 100, 16, 9), (3, 900, 4, 150)]
)
def test_the_same_as_the_slow_version(metric: Metric, n: int, m: int, d: int, k: int) -> None:
    queries, collection = normal(n, d), normal(m, d, seed=1)
    found = neighbors(queries, collection, k, metric)
    indices, distances = slow(queries, collection, k, metric)
    assert np.array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("metric", METRICS)
def test_leaving_one_out(metric: Metric) -> None:
    collection = normal(40, 4)
    rows = np.array([3, 0, 39, 3])
    found = neighbors(collection[rows], collection, 39, metric, leave_out=rows)
    indices, distances = slow(collection[rows], collection, 39, metric, rows)
    assert np.array_equal(found.indices, indices)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-6)
    assert not (found.indices == rows[:, None]).any()


whole_numbers = st.integers(-2, 2)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), metric=st.sampled_from(METRICS), m=st.integers(1, 60), d=st.integers(1, 3))
def test_of_equally_near_rows_the_first_counts(data: st.DataObject, metric: Metric, m: int, d: int) -> None:
    """Vectors on a small lattice: many are equal, many more are equally far, and all distances are exact."""
    draw = st.lists(st.lists(whole_numbers, min_size=d, max_size=d), min_size=m, max_size=m)
    collection = np.array(data.draw(draw), np.float32)
    k = data.draw(st.integers(1, m))
    if metric == "cosine":  # only along the axes: other directions have no exact unit vector
        collection[:, 1:] *= collection[:, :1] == 0
    found = neighbors(collection, collection, k, metric)
    indices, distances = slow(collection, collection, k, metric)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-6)
    if metric == "euclidean" or d <= 2:
        assert np.array_equal(found.indices, indices)


@pytest.mark.parametrize("metric", METRICS)
def test_of_many_copies_the_first_count(metric: Metric) -> None:
    collection = np.repeat(normal(3, 8), 100, axis=0)
    found = neighbors(normal(5, 8, seed=1), collection, 7, metric)
    assert all(np.array_equal(row, np.arange(row[0], row[0] + 7)) and row[0] % 100 == 0 for row in found.indices)
    itself = neighbors(collection[[0, 150]], collection, 3, metric, leave_out=np.array([0, 150]))
    assert itself.indices.tolist() == [[1, 2, 3], [100, 101, 102]]


def test_near_copies_far_from_the_origin_are_ranked_exactly() -> None:
    """|x|^2 is ten million times the squared distances, so the matrix product alone ranks by chance."""
    offsets = np.random.default_rng(0).permutation(200).astype(np.float32)
    collection = np.stack([np.full(200, 4096, np.float32), offsets], 1)
    found = neighbors(np.array([[4096, -1]], np.float32), collection, 5, "euclidean")
    assert offsets[found.indices[0]].tolist() == [0, 1, 2, 3, 4]
    assert found.distances[0].tolist() == [1, 2, 3, 4, 5]


def test_distances_of_a_vector_to_itself_and_to_its_opposite() -> None:
    vectors = normal(200, 64)
    assert neighbors(vectors, vectors, 1, "euclidean").distances.max() == 0
    cosine = neighbors(vectors, np.concatenate([vectors, -vectors]), 400, "cosine")
    assert np.array_equal(cosine.indices[:, 0], np.arange(200))
    assert np.array_equal(cosine.indices[:, -1], np.arange(200, 400))
    assert cosine.distances.min() >= 0
    assert cosine.distances.max() <= 2


def test_a_vector_of_zeros_is_orthogonal_to_all() -> None:
    collection = np.array([[0, 0], [1, 0], [-1, 0]], np.float32)
    found = neighbors(np.array([[0, 0], [2, 0]], np.float32), collection, 3)
    assert found.indices.tolist() == [[0, 1, 2], [1, 0, 2]]
    assert found.distances.tolist() == [[1, 1, 1], [0, 1, 2]]


def test_length_does_not_matter_to_cosine() -> None:
    queries, collection = normal(6, 5), normal(30, 5, seed=1)
    lengths = np.exp(normal(30, 1, seed=2)).astype(np.float32)
    one, other = neighbors(queries, collection, 5), neighbors(queries * 8, collection * lengths, 5)
    assert np.array_equal(one.indices, other.indices)


@pytest.mark.parametrize("k", [0, -1, 11])
def test_more_neighbors_than_vectors(k: int) -> None:
    vectors = normal(10, 3)
    with pytest.raises(InfoMaxError, match=f"{k} neighbors of 10 vectors: ask for 1 to 10"):
        neighbors(vectors, vectors, k)
    with pytest.raises(InfoMaxError, match="10 neighbors of 9 vectors: ask for 1 to 9"):
        neighbors(vectors, vectors, 10, leave_out=np.arange(10))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["queries", "collection"])
def test_vectors_that_are_not_finite(which: str, value: float) -> None:
    vectors = {"queries": normal(4, 3), "collection": normal(9, 3)}
    vectors[which][1, 2] = value
    with pytest.raises(InfoMaxError, match=f"the vectors of the {which} hold NaN or infinity"):
        neighbors(vectors["queries"], vectors["collection"], 2)


def test_no_queries_have_no_neighbors() -> None:
    for metric in METRICS:
        assert neighbors(normal(0, 3), normal(9, 3), 2, metric).indices.shape == (0, 2)


def test_the_most_frequent_class_wins_and_of_equal_counts_the_first() -> None:
    labels = np.array([[2, 1, 2], [2, 1, 0], [1, 2, 2], [2, 2, 2]])
    assert vote(labels, 4).tolist() == [2, 0, 2, 2]
    assert vote(np.array([[3, 1, 3, 1]]), 4).tolist() == [1]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 20])
def test_the_vote_is_that_of_scikit_learn(metric: Metric, k: int) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    random = np.random.default_rng(0)
    centers = random.normal(size=(5, 6))
    truth = random.integers(0, 5, 300)
    vectors = (centers[truth] + random.normal(size=(300, 6))).astype(np.float32)
    names = np.array(["ant", "bee", "cat", "dog", "eel"])[truth]
    theirs = KNeighborsClassifier(k, algorithm="brute", metric=metric).fit(vectors[:200], names[:200])
    expected = float(theirs.score(vectors[200:], names[200:]))
    ours = knn_accuracy(vectors[:200], names[:200].tolist(), vectors[200:], names[200:].tolist(), k, metric)
    assert ours == pytest.approx(expected, abs=1e-12)
    assert 0.5 < ours < 1


def test_a_class_without_training_vectors_is_never_predicted() -> None:
    train, test = normal(30, 2), normal(4, 2, seed=1)
    accuracy: Any = knn_accuracy(train, ["a"] * 30, test, ["a", "b", "a", "0"], k=3)
    assert accuracy == 0.5


def test_fewer_training_vectors_than_neighbors() -> None:
    with pytest.raises(InfoMaxError, match="20 neighbors of 5 vectors"):
        knn_accuracy(normal(5, 2), ["a"] * 5, normal(2, 2), ["a"] * 2)


def as_bytes(vectors: Vectors) -> NDArray[np.int8]:
    return np.clip(np.rint(vectors * 50), -128, 127).astype(np.int8)


with_and_without_int8 = pytest.mark.parametrize(
    "int8",
    [
        pytest.param(
            True, marks=pytest.mark.skipif(not brute_force.int8_is_fast(), reason="the CPU has no AVX-512 VNNI")
        ),
        False,
    ],
    ids=["int8", "floats"],
)


@with_and_without_int8
@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("n", "m", "d", "k"), [(7, 60, 5, 4), (1, 1, 1, 1), (20, 300, 3000, 9), (5, 30, 3, 30)])
def test_int8_the_same_as_the_slow_version(
    metric: Metric, n: int, m: int, d: int, k: int, int8: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(brute_force, "int8_is_fast", lambda: int8)
    queries, collection = as_bytes(normal(n, d)), as_bytes(normal(m, d, seed=1))
    collection[0], queries[0] = -128, 0  # the largest possible product, and a vector without a direction
    leave_out = np.arange(n) if k < m else None
    found = neighbors(queries, collection, k, metric, leave_out=leave_out)
    indices, distances = slow(queries.astype(np.float32), collection.astype(np.float32), k, metric, leave_out)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-5, atol=1e-6)
    if metric == "euclidean":  # squares are integers in the slow version too, so ties are exact
        assert np.array_equal(found.indices, indices)


@with_and_without_int8
def test_of_equally_near_int8_rows_the_first_counts(int8: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brute_force, "int8_is_fast", lambda: int8)
    collection = as_bytes(np.repeat(normal(3, 8), 100, axis=0))
    for metric in METRICS:
        found = neighbors(as_bytes(normal(5, 8, seed=1)), collection, 7, metric)
        assert all(np.array_equal(row, np.arange(row[0], row[0] + 7)) and row[0] % 100 == 0 for row in found.indices)


@with_and_without_int8
def test_int8_rows_are_ranked_by_exact_distances(int8: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Squared distances from 24,834,719 on, 1, 3, 5 ... apart, where float32 holds only every second integer."""
    monkeypatch.setattr(brute_force, "int8_is_fast", lambda: int8)
    query = np.zeros((1, 3000), np.int8)
    collection = np.full((40, 3000), 91, np.int8)
    steps = np.random.default_rng(0).permutation(40)
    collection[:, 0] = steps
    found = neighbors(query, collection, 40, "euclidean")
    assert steps[found.indices[0]].tolist() == list(range(40))


def test_leave_one_out_is_the_vote_of_the_five_nearest_others() -> None:
    """The same as a product of all pairs whose diagonal is masked, with the smallest class of equal counts."""
    random = np.random.default_rng(0)
    labels = [("", "ant", "bee", "cat")[each] for each in random.integers(0, 4, 200)]
    names = sorted({*labels} - {""})
    centers = random.normal(size=(4, 6))
    vectors = np.array([centers[["", *names].index(label)] for label in labels]) + random.normal(size=(200, 6))
    known = np.array([bool(label) for label in labels])
    directions = torch.nn.functional.normalize(torch.from_numpy(vectors[known]), dim=1)
    similarity = (directions @ directions.T).fill_diagonal_(-torch.inf)
    truth = torch.tensor([names.index(label) for label in labels if label])
    expected = (truth[similarity.topk(5, dim=1).indices].mode(dim=1).values == truth).double().mean()
    assert leave_one_out_accuracy(vectors, labels) == float(expected)
    assert 0.4 < float(expected) < 1


def test_leave_one_out_needs_more_vectors_than_neighbors_and_two_labels() -> None:
    vectors = normal(6, 3)
    assert leave_one_out_accuracy(vectors, ["a", "b"] * 3) is not None
    assert leave_one_out_accuracy(vectors, ["a", "b", "a", "b", "a", ""]) is None
    assert leave_one_out_accuracy(vectors, ["a"] * 6) is None
    assert leave_one_out_accuracy(vectors, [""] * 6) is None


def test_leave_one_out_of_equal_vectors_is_defined() -> None:
    """A collapsed encoder: all are equally near, so the first five others vote."""
    labels = ["a"] * 6 + ["b"] * 4
    assert leave_one_out_accuracy(np.ones((10, 3)), labels) == 0.6
