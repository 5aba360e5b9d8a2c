"""How good features are, in one document: those of a model beside their baselines, or any given vectors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int, Num

from infomax.errors import InfoMaxError
from infomax.evaluation.layers import layer_vectors, lower_layers, untrained_vectors
from infomax.evaluation.scores import FeatureScores, K, LabelSplit, score_features
from infomax.images import LoadedImages
from infomax.model import InfoMax
from infomax.training.diagnostics import effective_rank

RANKED = 1_000
"""Test vectors that the figures without labels are taken of; training looks at no more, so that they compare."""

Rows = Int[np.ndarray, " rows"] | slice


@final
@dataclass(frozen=True)
class LabeledFeatures:
    """The vectors (or pixels) of one split, and the labels: None without any, "" where a single one is missing."""

    vectors: Num[np.ndarray, "n ..."]
    labels: Sequence[str] | None

    @property
    def known(self) -> Rows:
        """The rows that have a label; all of them where labels are not in use."""
        if self.labels is None or all(self.labels):
            return slice(None)
        return np.flatnonzero(self.labels)

    def __len__(self) -> int:
        return len(self.vectors) if self.labels is None else sum(map(bool, self.labels))


@final
@dataclass(frozen=True)
class Evaluation:
    """What is known of features.

    n_train, n_test: vectors that took part: where some have a label, those
    unlabeled: figures that need no labels: effective_rank, of dim at most; spread, the mean standard deviation
    task, code: None where a split has no labels
    baselines: by name: pixels; random, an untrained encoder of the same shape
    layers: by name: conv and fc, below the code
    seconds: wall time of what is no part of a judgment
    """

    n_train: int
    n_test: int
    dim: int
    unlabeled: dict[str, float]
    task: LabelSplit | None = None
    code: FeatureScores | None = None
    baselines: dict[str, FeatureScores] = field(default_factory=dict)
    layers: dict[str, FeatureScores] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; what is not known is left out."""
        document: dict[str, Any] = {"n_train": self.n_train, "n_test": self.n_test, "dim": self.dim}
        seconds = dict(self.seconds)
        if self.task is not None and self.code is not None:
            document |= {"classes": len(self.task.names), "chance": self.task.chance, **self.code.to_dict()}
            seconds |= document["seconds"]
        document |= {"unlabeled": self.unlabeled}
        for name, floor in self.baselines.items():
            full = floor.to_dict()
            document[name] = {"knn": full["knn"]["cosine"], "linear": full["linear"], "detail": full}
            seconds[name] = round(sum(floor.seconds.values()), 2)
        if self.layers:
            document["layers"] = {name: layer.to_dict() for name, layer in self.layers.items()}
        return document | {"seconds": seconds}


def evaluate_vectors(train: LabeledFeatures, test: LabeledFeatures, *, k: int = K, seed: int = 0) -> Evaluation:
    """Judge vectors, whatever made them. Where some of a split have labels, those without take no part.

    Raises InfoMaxError for vectors that are not finite or of two lengths, and for labels that set no task.
    """
    d, other = train.vectors.shape[1], test.vectors.shape[1]
    if d != other:
        raise InfoMaxError(f"training vectors of {d} numbers and test vectors of {other}: give two files of one model")
    for name, split in {"training": train, "test": test}.items():
        if not np.isfinite(split.vectors).all():
            raise InfoMaxError(f"the {name} vectors hold NaN or infinity: evaluate finite ones only")
    task = _task(train, test, k)
    code = score_features(task, train.vectors[train.known], test.vectors[test.known], k=k, seed=seed) if task else None
    return Evaluation(len(train), len(test), d, _without_labels(test.vectors[test.known]), task, code)


def evaluate_model(
    model: InfoMax, train: LoadedImages, test: LoadedImages, *, k: int = K, layers: bool = False, seed: int = 0
) -> Evaluation:
    """Judge the codes of a model beside raw pixels and an untrained encoder, and its lower layers where asked for.

    Floors are judged by the majority of k by cosine and by the linear classifier. Raises as `evaluate_vectors` does.
    """
    began = time.perf_counter()
    codes = LabeledFeatures(model.embed(train), train.labels), LabeledFeatures(model.embed(test), test.labels)
    seconds = {"embed": round(time.perf_counter() - began, 2)}
    found = evaluate_vectors(*codes, k=k, seed=seed)
    if found.task is None:
        return replace(found, seconds=seconds)
    splits = LabeledFeatures(train.pixels, train.labels), LabeledFeatures(test.pixels, test.labels)
    pixels = splits[0].vectors[splits[0].known], splits[1].vectors[splits[1].known]
    baselines = {"pixels": score_pixels(found.task, *splits, k=k, seed=seed)}
    if (untrained := untrained_vectors(model, *pixels, seed)) is not None:
        baselines["random"] = _score_baseline(found.task, *untrained, k=k, seed=seed)
    below: dict[str, FeatureScores] = {}
    for layer in lower_layers(model) if layers else ():
        below[layer] = score_features(
            found.task, *(layer_vectors(model, each, layer) for each in pixels), k=k, seed=seed
        )
    return replace(found, baselines=baselines, layers=below, seconds=seconds)


def score_pixels(
    task: LabelSplit, train: LabeledFeatures, test: LabeledFeatures, *, k: int = K, seed: int = 0
) -> FeatureScores:
    """The floor of raw pixels: -128 to 127, gray at the origin, so that a cosine tells more than brightness."""
    flat = []
    for split in (train, test):
        pixels = split.vectors[split.known]
        flat.append((pixels.reshape(len(pixels), -1) ^ 128).view(np.int8))  # pixels - 128
    return _score_baseline(task, *flat, k=k, seed=seed)


def _score_baseline(
    task: LabelSplit, train: Num[np.ndarray, "m d"], test: Num[np.ndarray, "n d"], *, k: int, seed: int
) -> FeatureScores:
    return score_features(task, train, test, k=k, ks=(k,), metrics=("cosine",), probes=("linear",), seed=seed)


def _task(train: LabeledFeatures, test: LabeledFeatures, k: int) -> LabelSplit | None:
    if train.labels is None or test.labels is None:
        return None
    return LabelSplit.of([label for label in train.labels if label], [label for label in test.labels if label], k)


def _without_labels(vectors: Num[np.ndarray, "n d"]) -> dict[str, float]:
    some = torch.from_numpy(vectors[:: max(1, len(vectors) // RANKED)][:RANKED].astype(np.float64))
    return {"effective_rank": effective_rank(some), "spread": float(some.std(0, correction=0).mean())}
