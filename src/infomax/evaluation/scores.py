"""All figures that labels give of frozen features: nearest neighbors that vote, and classifiers trained on them."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from infomax.errors import InfoMaxError
from infomax.evaluation.classifiers import fit_linear, fit_mlp
from infomax.neighbors.knn import Metric, neighbors, vote, vote_weights

Vote = Literal["majority", "weighted"]
Probe = Literal["linear", "mlp"]

METRICS: tuple[Metric, ...] = ("cosine", "euclidean")
VOTES: tuple[Vote, ...] = ("majority", "weighted")
PROBES: tuple[Probe, ...] = ("linear", "mlp")

K = 20
"""Neighbors that vote in the figure that stands for all."""

KS = (1, 5, 20, 200)

CONFIDENCE = 0.95


@final
@dataclass(frozen=True)
class LabelSplit:
    """What is to be told: the classes' names, in order, and the class of every training and test vector."""

    names: list[str]
    train: Int[np.ndarray, " m"]
    test: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, train_labels: Sequence[str], test_labels: Sequence[str], k: int = K) -> "LabelSplit":
        """The task that these labels set.

        Raises InfoMaxError for fewer than k training labels, for a single class, and where the test split has a label
        that the training split has not.
        """
        names, train = np.unique(np.asarray(train_labels, dtype=str), return_inverse=True)
        if not 1 <= k <= len(train):
            raise InfoMaxError(f"{k} neighbors of {len(train)} labeled training images: let 1 to {len(train)} vote")
        if len(names) < 2:
            raise InfoMaxError(f"all training images are labeled '{names[0]}': give images of two labels or more")
        if not len(test_labels):
            raise InfoMaxError("no labeled test images: give some")
        if unknown := sorted({*test_labels} - {*names.tolist()}):
            count = sum(label in unknown for label in test_labels)
            raise InfoMaxError(
                f"{count} test images have labels that no training image has, '{unknown[0]}' first: "
                "give two sources of the same labels"
            )
        return cls(names.tolist(), train, np.searchsorted(names, np.asarray(test_labels, dtype=str)))

    @property
    def chance(self) -> float:
        """The accuracy of calling everything by the commonest training label."""
        return float((self.test == np.bincount(self.train).argmax()).mean())


@final
@dataclass(frozen=True)
class Predictions:
    """What a classifier called the test vectors, and which of them it got right."""

    predicted: Int[np.ndarray, " n"]
    correct: Bool[np.ndarray, " n"]

    @property
    def accuracy(self) -> float:
        """The fraction that is right, 0..1."""
        return float(self.correct.mean())

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the accuracy on images of this kind, for these features and this training split.

        Wilson's score interval (1927): it stays in 0..1 and holds near both ends.
        """
        from scipy.stats import binomtest

        found = binomtest(int(self.correct.sum()), len(self.correct)).proportion_ci(CONFIDENCE, "wilson")
        return float(found.low), float(found.high)


@final
@dataclass(frozen=True)
class FeatureScores:
    """The predictions on one set of features.

    k: the number of neighbors whose majority stands for all
    knn: by number of neighbors, metric and kind of vote
    probes: linear and mlp, as far as they were asked for
    settings: what the probes chose on held-out training images
    seconds: the wall time of each part
    """

    dim: int
    k: int
    knn: dict[tuple[int, Metric, Vote], Predictions]
    probes: dict[Probe, Predictions]
    settings: dict[str, float]
    seconds: dict[str, float]

    @property
    def headline(self) -> dict[str, Predictions]:
        """The figures that stand for all: majority of k by either metric, and the probes."""
        votes = {f"knn_{metric}": self.knn.get((self.k, metric, "majority")) for metric in METRICS}
        return {name: each for name, each in [*votes.items(), *self.probes.items()] if each is not None}

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it: accuracies are fractions, an interval is [low, high]."""
        chosen = {metric: vote for metric in METRICS if (vote := self.knn.get((self.k, metric, "majority")))}
        return {
            "dim": self.dim,
            "knn": {
                "k": self.k,
                **{metric: predicted.accuracy for metric, predicted in chosen.items()},
                "interval": {metric: predicted.interval for metric, predicted in chosen.items()},
                "votes": [
                    {"k": k, "metric": metric, "vote": kind, "accuracy": each.accuracy, "interval": each.interval}
                    for (k, metric, kind), each in self.knn.items()
                ],
            },
            **{name: predicted.accuracy for name, predicted in self.probes.items()},
            "interval": {name: predicted.interval for name, predicted in self.probes.items()},
            "settings": self.settings,
            "seconds": self.seconds,
        }


def score_features(
    task: LabelSplit,
    train: Num[np.ndarray, "m d"],
    test: Num[np.ndarray, "n d"],
    *,
    k: int = K,
    ks: Sequence[int] = KS,
    metrics: Sequence[Metric] = METRICS,
    probes: Sequence[Probe] = PROBES,
    seed: int = 0,
) -> FeatureScores:
    """Judge features by what they tell of the task. `ks` that exceed the training vectors are left out.

    Raises InfoMaxError for vectors that are not finite, and where there is too little to train a probe on.
    """
    seconds: dict[str, float] = {}
    asked = sorted({k, *(each for each in ks if each <= len(train))})
    knn: dict[tuple[int, Metric, Vote], Predictions] = {}
    for metric in metrics:
        with _timed(seconds, f"knn_{metric}"):
            found = neighbors(test, train, asked[-1], metric)
            labels, weights = task.train[found.indices], vote_weights(found.distances, metric)
            for few, kind in product(asked, VOTES):
                counted = weights[:, :few] if kind == "weighted" else None
                knn[few, metric, kind] = _predictions(vote(labels[:, :few], len(task.names), counted), task)
    predictions: dict[Probe, Predictions] = {}
    settings: dict[str, float] = {}
    for probe in probes:
        with _timed(seconds, probe):
            if probe == "linear":
                line = fit_linear(train, task.train, len(task.names), seed=seed)
                predictions[probe], settings["linear_penalty"] = _predictions(line.predict(test), task), line.penalty
            else:
                deeper = fit_mlp(train, task.train, len(task.names), seed=seed)
                predictions[probe], settings["mlp_epochs"] = _predictions(deeper.predict(test), task), deeper.epochs
    return FeatureScores(train.shape[1], k, knn, predictions, settings, seconds)


def confusion(task: LabelSplit, predicted: Predictions) -> Float[np.ndarray, "classes classes"]:
    """Row i, column j: the fraction of the test vectors of class i that were called j; 0 for a class without any."""
    classes = len(task.names)
    counts = np.bincount(task.test * classes + predicted.predicted, minlength=classes**2).reshape(classes, classes)
    shares: Float[np.ndarray, "classes classes"] = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares


def _predictions(predicted: Int[np.ndarray, " n"], task: LabelSplit) -> Predictions:
    return Predictions(predicted, predicted == task.test)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 2)
