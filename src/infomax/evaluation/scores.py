"""Scores of frozen features on labels: accuracies of nearest neighbors and of classifiers trained on the features."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from infomax.evaluation.classifiers import fit_linear, fit_mlp
from infomax.evaluation.labels import DEFAULT_K, LabelSplit
from infomax.neighbors.distances import Metric
from infomax.neighbors.knn import neighbors, vote, vote_weights

Vote = Literal["majority", "weighted"]
Classifier = Literal["linear", "mlp"]

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")
CLASSIFIERS: tuple[Classifier, ...] = ("linear", "mlp")
KS = (1, 5, 20, 200)  # numbers of neighbors for which accuracies are reported

_VOTES: tuple[Vote, ...] = ("majority", "weighted")
_CONFIDENCE = 0.95


@final
@dataclass(frozen=True)
class Predictions:
    """Predicted classes of the test vectors.

    Attributes:
        predicted: Predicted class of each test vector, shape (n,).
        correct: Whether each prediction is correct, shape (n,).

    """

    predicted: Int[np.ndarray, " n"]
    correct: Bool[np.ndarray, " n"]

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions, 0 to 1."""
        return float(self.correct.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy on images of this kind, for these features and this training split.

        Wilson's score interval (1927) stays within 0 to 1 and keeps its coverage near both ends.
        """
        return wilson_interval(self.correct)

    def on(self, rows: Bool[np.ndarray, " n"]) -> "Predictions":
        """Select the predictions of some test vectors.

        Args:
            rows: Which test vectors to keep, shape (n,).

        Returns:
            Their predictions.

        """
        return Predictions(self.predicted[rows], self.correct[rows])


@final
@dataclass(frozen=True)
class FeatureScores:
    """Predictions from one set of features.

    Attributes:
        dim: Length of a feature vector.
        k: Number of neighbors in the headline accuracy.
        knn: Predictions by number of neighbors, metric and kind of vote.
        classifiers: Predictions by name: "linear" and "mlp", as far as they were asked for.
        settings: Settings that the classifiers chose on held-out training images, by name.
        seconds: Wall time of each part, in seconds.

    """

    dim: int
    k: int
    knn: dict[tuple[int, Metric, Vote], Predictions]
    classifiers: dict[Classifier, Predictions]
    settings: dict[str, float | int]
    seconds: dict[str, float]

    def on(self, rows: Bool[np.ndarray, " n"]) -> "FeatureScores":
        """Select the predictions of some test vectors.

        Args:
            rows: Which test vectors to keep, shape (n,).

        Returns:
            The scores on these.

        """
        knn = {setting: each.on(rows) for setting, each in self.knn.items()}
        return replace(self, knn=knn, classifiers={name: each.on(rows) for name, each in self.classifiers.items()})

    @property
    def headline(self) -> dict[str, Predictions]:
        """The main predictions by name: majority of k by each metric, and the classifiers."""
        found = {f"knn_{metric}": each for metric, each in self._majorities.items()}
        return found | {str(name): each for name, each in self.classifiers.items()}

    @property
    def _majorities(self) -> dict[Metric, Predictions]:
        votes = {metric: self.knn.get((self.k, metric, "majority")) for metric in METRICS}
        return {metric: each for metric, each in votes.items() if each is not None}

    def to_dict(self) -> dict[str, Any]:
        """The scores as a JSON document: accuracies are fractions, an interval is [low, high]."""
        return {
            "dim": self.dim,
            "knn": {
                "k": self.k,
                **{metric: each.accuracy for metric, each in self._majorities.items()},
                "interval": {metric: each.interval for metric, each in self._majorities.items()},
                "votes": [
                    {"k": k, "metric": metric, "vote": kind, "accuracy": each.accuracy, "interval": each.interval}
                    for (k, metric, kind), each in self.knn.items()
                ],
            },
            **{name: each.accuracy for name, each in self.classifiers.items()},
            "interval": {name: each.interval for name, each in self.classifiers.items()},
            "settings": self.settings,
            "seconds": self.seconds,
        }


def wilson_interval(correct: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """95 % interval of a fraction by Wilson's score (1927), which keeps its coverage near 0 and 1.

    Args:
        correct: Outcomes, shape (n,), at least one.

    Returns:
        The lower and the upper end of the interval, 0 to 1.

    """
    from scipy.stats import binomtest

    found = binomtest(int(correct.sum()), len(correct)).proportion_ci(_CONFIDENCE, "wilson")
    return float(found.low), float(found.high)


def score_features(
    labels: LabelSplit,
    train: Num[np.ndarray, "m d"],
    test: Num[np.ndarray, "n d"],
    *,
    k: int = DEFAULT_K,
    ks: Sequence[int] = KS,
    metrics: Sequence[Metric] = METRICS,
    classifiers: Sequence[Classifier] = CLASSIFIERS,
    seed: int = 0,
) -> FeatureScores:
    """Score features by how well they predict labels.

    Args:
        labels: Classes of the training and test vectors.
        train: Features of the labeled training images, shape (m, d).
        test: Features of the labeled test images, shape (n, d).
        k: Number of neighbors in the headline accuracy.
        ks: Further numbers of neighbors; those above m are left out.
        metrics: "cosine", "euclidean" or both.
        classifiers: "linear", "mlp", both or neither.
        seed: Seed of the held-out images and of the hidden layer.

    Returns:
        The predictions of every vote and classifier.

    Raises:
        InfoMaxError: A vector is not finite, or there are too few training images for a classifier.

    Examples:
        >>> rows = np.arange(80)[:, None] % 2 - 0.5 + np.random.default_rng(0).normal(0, 0.1, (80, 3))
        >>> labels = LabelSplit.of(["even", "odd"] * 30, ["even", "odd"] * 10)
        >>> scores = score_features(labels, rows[:60], rows[60:], classifiers=["linear"])
        >>> {name: each.accuracy for name, each in scores.headline.items()}
        {'knn_cosine': 1.0, 'knn_euclidean': 1.0, 'linear': 1.0}

    """
    seconds: dict[str, float] = {}
    counts = sorted({k, *(each for each in ks if each <= len(train))})
    knn: dict[tuple[int, Metric, Vote], Predictions] = {}
    for metric in metrics:
        with _timed(seconds, f"knn_{metric}"):
            knn |= _vote(labels, train, test, counts, metric)
    predictions: dict[Classifier, Predictions] = {}
    settings: dict[str, float | int] = {}
    for name in classifiers:
        with _timed(seconds, name):
            predictions[name], chosen = _classify(name, labels, train, test, seed)
            settings |= chosen
    return FeatureScores(train.shape[1], k, knn, predictions, settings, seconds)


def confusion(labels: LabelSplit, predictions: Predictions) -> Float[np.ndarray, "classes classes"]:
    """Confusion matrix of predictions, normalized by row.

    Args:
        labels: The true classes.
        predictions: The predicted classes.

    Returns:
        A matrix, shape (classes, classes): row i, column j is the fraction of test vectors of class i that were
        predicted as class j. The row of a class without test vectors is 0.

    """
    classes = len(labels.names)
    pairs = labels.test * classes + predictions.predicted
    counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    fractions: Float[np.ndarray, "classes classes"] = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return fractions


def _vote(
    labels: LabelSplit,
    train: Num[np.ndarray, "m d"],
    test: Num[np.ndarray, "n d"],
    counts: Sequence[int],
    metric: Metric,
) -> dict[tuple[int, Metric, Vote], Predictions]:
    """Predict by the vote of the nearest neighbors, for each number of neighbors and kind of vote."""
    found = neighbors(test, train, counts[-1], metric)
    classes, weights = labels.train[found.indices], vote_weights(found.distances, metric)
    knn: dict[tuple[int, Metric, Vote], Predictions] = {}
    for count, kind in product(counts, _VOTES):
        counted = weights[:, :count] if kind == "weighted" else None
        knn[count, metric, kind] = _predictions(vote(classes[:, :count], len(labels.names), counted), labels)
    return knn


def _classify(
    name: Classifier, labels: LabelSplit, train: Num[np.ndarray, "m d"], test: Num[np.ndarray, "n d"], seed: int
) -> tuple[Predictions, dict[str, float | int]]:
    """Predict by a classifier; also return the setting that it chose on held-out training images."""
    if name == "linear":
        linear = fit_linear(train, labels.train, len(labels.names), seed=seed)
        return _predictions(linear.predict(test), labels), {"linear_penalty": linear.penalty}
    mlp = fit_mlp(train, labels.train, len(labels.names), seed=seed)
    return _predictions(mlp.predict(test), labels), {"mlp_epochs": mlp.epochs}


def _predictions(predicted: Int[np.ndarray, " n"], labels: LabelSplit) -> Predictions:
    return Predictions(predicted, predicted == labels.test)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 2)
