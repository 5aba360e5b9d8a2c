"""Evaluation of features in one document: those of a model beside their baselines, or any given vectors."""

import time
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Num

from infomax.errors import InfoMaxError
from infomax.evaluation.labels import DEFAULT_K, LabeledFeatures, LabelSplit
from infomax.evaluation.layers import layer_vectors, lower_layers, untrained_vectors
from infomax.evaluation.scores import FeatureScores, score_features
from infomax.images import LoadedImages
from infomax.model import InfoMax
from infomax.neighbors.spectrum import effective_rank

# Test vectors from which the figures without labels are computed. The log of a training uses as many, so that the
# numbers compare.
_UNLABELED_ROWS = 1_000


@final
@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured of some features.

    Attributes:
        n_train: Training vectors that took part: the labeled ones, when there are any.
        n_test: Test vectors that took part.
        dim: Length of a vector.
        unlabeled: Figures that need no labels: "effective_rank", at most dim; "spread", the standard deviation of a
            feature over test vectors, averaged over features.
        labels: The classes of both splits; None when a split has no labels.
        code: Scores of the features themselves; None when a split has no labels.
        baselines: Scores by name: "pixels"; "random", an untrained encoder of the same architecture.
        layers: Scores of the layers below the code, by name: "conv" and "fc".
        seconds: Wall time of parts that are not scores, in seconds.

    """

    n_train: int
    n_test: int
    dim: int
    unlabeled: dict[str, float]
    labels: LabelSplit | None = None
    code: FeatureScores | None = None
    baselines: dict[str, FeatureScores] = field(default_factory=dict)
    layers: dict[str, FeatureScores] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as a JSON document; unknown figures are left out."""
        document: dict[str, Any] = {"n_train": self.n_train, "n_test": self.n_test, "dim": self.dim}
        seconds = dict(self.seconds)
        if self.labels is not None and self.code is not None:
            document |= {"classes": len(self.labels.names), "chance": self.labels.chance, **self.code.to_dict()}
            seconds |= document["seconds"]
        document |= {"unlabelled": self.unlabeled}  # the names of JSON fields are a contract
        for name, baseline in self.baselines.items():
            detail = baseline.to_dict()
            document[name] = {"knn": detail["knn"]["cosine"], "linear": detail["linear"], "detail": detail}
            seconds[name] = round(sum(baseline.seconds.values()), 2)
        if self.layers:
            document["layers"] = {name: layer.to_dict() for name, layer in self.layers.items()}
        return document | {"seconds": seconds}


def evaluate_vectors(train: LabeledFeatures, test: LabeledFeatures, *, k: int = DEFAULT_K, seed: int = 0) -> Evaluation:
    """Evaluate vectors from any source. When some vectors of a split are labeled, the others take no part.

    Args:
        train: Vectors of the training split, shape (m, d).
        test: Vectors of the test split, shape (n, d).
        k: Number of neighbors in the headline accuracy.
        seed: Seed of the classifiers.

    Returns:
        The evaluation, with scores when both splits have labels.

    Raises:
        InfoMaxError: A vector is not finite, the vectors differ in length, or the labels cannot be used together.

    Example:
        >>> import numpy as np
        >>> rows = np.arange(80)[:, None] % 2 + np.random.default_rng(0).normal(0, 0.1, (80, 3))
        >>> labels = ["even", "odd"] * 40
        >>> found = evaluate_vectors(LabeledFeatures(rows[:60], labels[:60]), LabeledFeatures(rows[60:], labels[60:]))
        >>> found.to_dict()["linear"]
        1.0

    """
    d, other = train.vectors.shape[1], test.vectors.shape[1]
    if d != other:
        raise InfoMaxError(f"training vectors of {d} numbers and test vectors of {other}: give two files of one model")
    for name, split in {"training": train, "test": test}.items():
        if not np.isfinite(split.vectors).all():
            raise InfoMaxError(f"the {name} vectors hold NaN or infinity: evaluate finite ones only")
    labels = LabelSplit.of_features(train, test, k)
    code = None if labels is None else score_features(labels, train.labeled, test.labeled, k=k, seed=seed)
    return Evaluation(len(train), len(test), d, _unlabeled_figures(test.labeled), labels, code)


def evaluate_model(
    model: InfoMax, train: LoadedImages, test: LoadedImages, *, k: int = DEFAULT_K, layers: bool = False, seed: int = 0
) -> Evaluation:
    """Evaluate the codes of a model beside two baselines: raw pixels and an untrained encoder.

    Baselines are scored by the majority of k neighbors by cosine and by the linear classifier.

    Args:
        model: A fitted model.
        train: Training images of the size that the model takes.
        test: Test images of that size.
        k: Number of neighbors in the headline accuracy.
        layers: Whether to score the layers below the code too.
        seed: Seed of the classifiers and of the untrained encoder.

    Returns:
        The evaluation; baselines and layers are scored only when both splits have labels.

    Raises:
        InfoMaxError: See `evaluate_vectors`.

    """
    began = time.perf_counter()
    codes = (
        LabeledFeatures(model.encode(train.pixels), train.labels),
        LabeledFeatures(model.encode(test.pixels), test.labels),
    )
    seconds = {"embed": round(time.perf_counter() - began, 2)}
    found = evaluate_vectors(*codes, k=k, seed=seed)
    if found.labels is None:
        return replace(found, seconds=seconds)
    splits = LabeledFeatures(train.pixels, train.labels), LabeledFeatures(test.pixels, test.labels)
    pixels = splits[0].labeled, splits[1].labeled
    baselines = {
        "pixels": score_pixels(found.labels, *splits, k=k, seed=seed),
        "random": _score_baseline(found.labels, *untrained_vectors(model, *pixels, seed), k=k, seed=seed),
    }
    below: dict[str, FeatureScores] = {}
    for layer in lower_layers(model) if layers else ():
        vectors = (layer_vectors(model, each, layer) for each in pixels)
        below[layer] = score_features(found.labels, *vectors, k=k, seed=seed)
    return replace(found, baselines=baselines, layers=below, seconds=seconds)


def score_pixels(
    labels: LabelSplit, train: LabeledFeatures, test: LabeledFeatures, *, k: int = DEFAULT_K, seed: int = 0
) -> FeatureScores:
    """Score raw pixels as a baseline.

    Pixels are shifted to -128 to 127. With gray at the origin, a cosine depends on more than brightness.

    Args:
        labels: The classes of both splits.
        train: Pixels of the training split, uint8.
        test: Pixels of the test split, uint8.
        k: Number of neighbors that vote.
        seed: Seed of the linear classifier.

    Returns:
        The scores by the majority of k neighbors by cosine and by the linear classifier.

    """
    flat = []
    for split in (train, test):
        pixels = split.labeled
        flat.append((pixels.reshape(len(pixels), -1) ^ 128).view(np.int8))  # equals pixels - 128
    return _score_baseline(labels, *flat, k=k, seed=seed)


def _score_baseline(
    labels: LabelSplit, train: Num[np.ndarray, "m d"], test: Num[np.ndarray, "n d"], *, k: int, seed: int
) -> FeatureScores:
    return score_features(labels, train, test, k=k, ks=(k,), metrics=("cosine",), classifiers=("linear",), seed=seed)


def _unlabeled_figures(vectors: Num[np.ndarray, "n d"]) -> dict[str, float]:
    rows = vectors[:: max(1, len(vectors) // _UNLABELED_ROWS)][:_UNLABELED_ROWS]
    sample = torch.from_numpy(rows.astype(np.float64))
    return {"effective_rank": effective_rank(sample), "spread": float(sample.std(0, correction=0).mean())}
