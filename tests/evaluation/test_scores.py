"""Scores of given features, compared with scikit-learn's classifiers and with hand-made cases."""

import numpy as np
import pytest

from infomax.evaluation.labels import LabelSplit
from infomax.evaluation.scores import KS, METRICS, Predictions, confusion, score_features
from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import vote, vote_weights
from tests.evaluation.test_classifiers import clusters

NAMES = np.array(["ant", "bee", "cat", "dog"])


def setting(train: int = 250, test: int = 300) -> tuple[LabelSplit, np.ndarray, np.ndarray]:
    (vectors, labels), (others, truth) = clusters(train), clusters(test, seed=1)
    return LabelSplit.of(NAMES[labels].tolist(), NAMES[truth].tolist()), vectors, others


@pytest.mark.parametrize("metric", METRICS)
def test_every_vote_matches_scikit_learns(metric: Metric) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    labels, train, test = setting()
    found = score_features(labels, train, test, classifiers=()).knn
    assert {key for key in found if key[1] == metric} == {(k, metric, v) for k in KS for v in ("majority", "weighted")}
    for k in KS:
        theirs = KNeighborsClassifier(k, algorithm="brute", metric=metric).fit(train, labels.train)
        assert np.array_equal(found[k, metric, "majority"].predicted, theirs.predict(test))
        weights = "distance" if metric == "euclidean" else lambda far: np.exp((1 - far) / 0.07)
        theirs = KNeighborsClassifier(k, algorithm="brute", metric=metric, weights=weights).fit(train, labels.train)
        assert (found[k, metric, "weighted"].predicted == theirs.predict(test)).mean() > 0.99


def test_both_votes_of_one_neighbor_agree() -> None:
    labels, train, test = setting()
    found = score_features(labels, train, test, classifiers=()).knn
    for metric in METRICS:
        assert np.array_equal(found[1, metric, "majority"].predicted, found[1, metric, "weighted"].predicted)


def test_near_neighbors_outvote_many_far_ones() -> None:
    labels = np.array([[2, 0, 0]])
    assert vote(labels, 3).tolist() == [0]
    for metric, distances in (("cosine", [[0.0, 0.5, 0.5]]), ("euclidean", [[1.0, 3.0, 3.0]])):
        weights = vote_weights(np.array(distances, np.float32), metric)  # type: ignore[arg-type]
        assert vote(labels, 3, weights).tolist() == [2]
    assert vote_weights(np.array([[0, 0, 2]], np.float32), "euclidean").tolist() == [[1, 1, 0]]


def test_the_document_has_the_accuracies_of_the_scores() -> None:
    labels, train, test = setting()
    found = score_features(labels, train, test, k=7)
    document = found.to_dict()
    assert (document["dim"], document["knn"]["k"]) == (10, 7)
    assert document["knn"]["cosine"] == found.knn[7, "cosine", "majority"].accuracy
    assert [each["k"] for each in document["knn"]["votes"][::2]] == [1, 5, 7, 20, 200] * 2
    for name in ("linear", "mlp"):
        low, high = document["interval"][name]
        assert 0.4 < low < document[name] < high < 1  # chance is a quarter
    assert {*document["settings"]} == {"linear_penalty", "mlp_epochs"}
    assert {*document["seconds"]} == {"knn_cosine", "knn_euclidean", "linear", "mlp"}
    assert [*found.headline] == ["knn_cosine", "knn_euclidean", "linear", "mlp"]


def test_numbers_of_neighbors_above_the_training_vectors_are_left_out() -> None:
    labels, train, test = setting(train=60)
    assert {k for k, _, _ in score_features(labels, train, test, classifiers=()).knn} == {1, 5, 20}


def test_the_interval_is_that_of_wilson() -> None:
    """The worked example of 81 in 263 (Newcombe 1998, table I), and both ends."""
    correct = np.arange(263) < 81
    assert Predictions(correct.astype(int), correct).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Predictions(np.zeros(50, int), np.zeros(50, bool)).interval[0] == pytest.approx(0, abs=1e-12)
    assert Predictions(np.zeros(50, int), np.ones(50, bool)).interval[1] == pytest.approx(1, abs=1e-12)


def test_rows_of_the_confusion_matrix_are_true_classes() -> None:
    labels = LabelSplit(["a", "b", "c"], np.array([0, 1, 2]), np.array([0, 0, 0, 1]))
    predicted = np.array([0, 0, 2, 0])
    fractions = confusion(labels, Predictions(predicted, predicted == labels.test))
    assert fractions.tolist() == [[2 / 3, 0, 1 / 3], [1, 0, 0], [0, 0, 0]]
