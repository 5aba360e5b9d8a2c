"""All figures of given features, against scikit-learn's classifiers and by hand."""

import numpy as np
import pytest

from infomax.errors import InfoMaxError
from infomax.evaluation.scores import KS, METRICS, LabelSplit, Predictions, confusion, score_features
from infomax.neighbors.knn import Metric, vote, vote_weights
from tests.evaluation.test_classifiers import clusters

NAMES = np.array(["ant", "bee", "cat", "dog"])


def setting(train: int = 250, test: int = 300) -> tuple[LabelSplit, np.ndarray, np.ndarray]:
    (vectors, labels), (others, truth) = clusters(train), clusters(test, seed=1)
    return LabelSplit.of(NAMES[labels].tolist(), NAMES[truth].tolist()), vectors, others


@pytest.mark.parametrize("metric", METRICS)
def test_every_vote_is_scikit_learns(metric: Metric) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    task, train, test = setting()
    found = score_features(task, train, test, probes=()).knn
    assert {key for key in found if key[1] == metric} == {(k, metric, v) for k in KS for v in ("majority", "weighted")}
    for k in KS:
        theirs = KNeighborsClassifier(k, algorithm="brute", metric=metric).fit(train, task.train)
        assert np.array_equal(found[k, metric, "majority"].predicted, theirs.predict(test))
        weights = "distance" if metric == "euclidean" else lambda far: np.exp((1 - far) / 0.07)
        theirs = KNeighborsClassifier(k, algorithm="brute", metric=metric, weights=weights).fit(train, task.train)
        assert (found[k, metric, "weighted"].predicted == theirs.predict(test)).mean() > 0.99  # theirs is less exact


def test_k_1_is_the_nearest_whatever_the_vote() -> None:
    task, train, test = setting()
    found = score_features(task, train, test, probes=()).knn
    for metric in METRICS:
        assert np.array_equal(found[1, metric, "majority"].predicted, found[1, metric, "weighted"].predicted)


def test_near_ones_outvote_many_far_ones() -> None:
    labels = np.array([[2, 0, 0]])
    assert vote(labels, 3).tolist() == [0]
    for metric, distances in (("cosine", [[0.0, 0.5, 0.5]]), ("euclidean", [[1.0, 3.0, 3.0]])):
        weights = vote_weights(np.array(distances, np.float32), metric)  # type: ignore[arg-type]
        assert vote(labels, 3, weights).tolist() == [2]
    assert vote_weights(np.array([[0, 0, 2]], np.float32), "euclidean").tolist() == [[1, 1, 0]]


def test_probes_agree_with_what_the_judgment_says_of_them() -> None:
    task, train, test = setting()
    found = score_features(task, train, test, k=7)
    document = found.to_dict()
    assert (document["dim"], document["knn"]["k"]) == (10, 7)
    assert document["knn"]["cosine"] == found.knn[7, "cosine", "majority"].accuracy
    assert [each["k"] for each in document["knn"]["votes"][::2]] == [1, 5, 7, 20, 200] * 2
    for probe in ("linear", "mlp"):
        low, high = document["interval"][probe]
        assert 0.4 < low < document[probe] < high < 1  # chance is a quarter
    assert {*document["settings"]} == {"linear_penalty", "mlp_epochs"}
    assert {*document["seconds"]} == {"knn_cosine", "knn_euclidean", "linear", "mlp"}
    assert [*found.headline] == ["knn_cosine", "knn_euclidean", "linear", "mlp"]


def test_more_neighbors_than_training_vectors_are_left_out() -> None:
    task, train, test = setting(train=60)
    assert {k for k, _, _ in score_features(task, train, test, probes=()).knn} == {1, 5, 20}


def test_the_interval_is_wilsons() -> None:
    """The worked example of 81 in 263 (Newcombe 1998, table I), and both ends."""
    right = np.arange(263) < 81
    assert Predictions(right.astype(int), right).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Predictions(np.zeros(50, int), np.zeros(50, bool)).interval[0] == pytest.approx(0, abs=1e-12)
    assert Predictions(np.zeros(50, int), np.ones(50, bool)).interval[1] == pytest.approx(1, abs=1e-12)


def test_the_confusion_has_rows_of_what_is() -> None:
    task = LabelSplit(["a", "b", "c"], np.array([0, 1, 2]), np.array([0, 0, 0, 1]))
    predicted = np.array([0, 0, 2, 0])
    shares = confusion(task, Predictions(predicted, predicted == task.test))
    assert shares.tolist() == [[2 / 3, 0, 1 / 3], [1, 0, 0], [0, 0, 0]]


def test_chance_is_the_commonest_training_label() -> None:
    assert LabelSplit.of(["a", "a", "b"], ["b", "a", "b", "b"], k=1).chance == 0.25


BAD: dict[str, tuple[list[str], list[str], int, str]] = {
    "no training labels": ([], ["a"], 20, "20 neighbors of 0 labeled training images"),
    "fewer than k": (["a", "b"] * 3, ["a"], 20, "20 neighbors of 6 labeled training images: let 1 to 6 vote"),
    "one class": (["a"] * 30, ["a"], 20, "all training images are labeled 'a'"),
    "no test labels": (["a", "b"] * 20, [], 20, "no labeled test images"),
    "a label that training lacks": (["a", "b"] * 20, ["a", "c", "c"], 20, "2 test images have labels .* 'c' first"),
}


@pytest.mark.parametrize("case", BAD)
def test_labels_that_set_no_task(case: str) -> None:
    train, test, k, message = BAD[case]
    with pytest.raises(InfoMaxError, match=message):
        LabelSplit.of(train, test, k)


def test_a_class_that_only_training_has_is_no_error() -> None:
    assert LabelSplit.of(["a", "b", "c"] * 9, ["a", "b"]).names == ["a", "b", "c"]
