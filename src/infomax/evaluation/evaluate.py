"""Evaluation of features in one document: those of a model beside their baselines, or any given vectors."""

import time
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Num

from infomax.errors import InfoMaxError
from infomax.evaluation.altered_copies import AlteredCopies, find_altered_copies
from infomax.evaluation.labels import LabeledFeatures, LabelSplit, validate_labels
from infomax.evaluation.layers import layer_vectors, lower_layers, untrained_vectors
from infomax.evaluation.scores import FeatureScores
from infomax.evaluation.split_scorer import SplitScorer
from infomax.evaluation.splits import Split, split_features, split_items
from infomax.images import LoadedImages
from infomax.kinds.kind import Loaded
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
        n_test: Test vectors that took part, without those that leaked from the training split.
        dim: Length of a vector.
        unlabeled: Figures that need no labels: "effective_rank", at most dim; "spread", the standard deviation of a
            feature over test vectors, averaged over features.
        labels: The classes of both splits; None when a split has no labels.
        code: Scores of the features themselves; None when a split has no labels.
        baselines: Scores by name: "pixels", or of texts "common words"; "random", an untrained encoder of the same
            architecture.
        layers: Scores of the layers below the code, by name: "conv" and "fc".
        seconds: Wall time of parts that are not scores, in seconds.
        split: How the images were split, and which of them leaked; None if this was not examined.
        as_given: Scores of the features on all test vectors, when some of them leaked; else None.
        altered: How often altered copies find their original, when labels cannot be used.
        notes: What could not be measured as asked for, in words.

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
    split: Split | None = None
    as_given: FeatureScores | None = None
    altered: AlteredCopies | None = None
    notes: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the images, and what to do."""
        return () if self.split is None else self.split.warnings

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
            document[name] = {"knn": detail["knn"]["cosine"], "linear": detail.get("linear"), "detail": detail}
            seconds[name] = round(sum(baseline.seconds.values()), 2)
        if self.layers:
            document["layers"] = {name: layer.to_dict() for name, layer in self.layers.items()}
        if self.altered is not None:
            document["altered_copies"] = self.altered.to_dict()
        return document | self._split_document() | {"notes": list(self.notes), "seconds": seconds}

    def _split_document(self) -> dict[str, Any]:
        """How the images were split, and which leaked."""
        if self.split is None:
            return {}
        given = {} if self.as_given is None else {"as_given": self.as_given.to_dict()}
        leaks = {"same": self.split.same, "near": self.split.near, **given}
        how = "itself" if self.split.by_itself else "sources"
        return {"split": how, "leaks": leaks, "without_label": self.split.unlabeled}


def evaluate_vectors(
    train: LabeledFeatures, test: LabeledFeatures | None = None, *, k: int | None = None, seed: int = 0
) -> Evaluation:
    """Evaluate vectors from any source. When some vectors of a split are labeled, the others take no part.

    Test vectors that equal a training vector are left out of the figures.

    Args:
        train: Vectors of the training split, shape (m, d), or all vectors.
        test: Vectors of the test split, shape (n, d); None to split all vectors by themselves.
        k: Number of neighbors in the headline accuracy; None for 20, or fewer if a split by itself has fewer.
        seed: Seed of the classifiers and of a split by itself.

    Returns:
        The evaluation, with scores when both splits have labels.

    Raises:
        InfoMaxError: A vector is not finite, the vectors differ in length, or the labels cannot be used together.

    Examples:
        >>> import numpy as np
        >>> rows = np.arange(80)[:, None] % 2 + np.random.default_rng(0).normal(0, 0.1, (80, 3))
        >>> labels = ["even", "odd"] * 40
        >>> found = evaluate_vectors(LabeledFeatures(rows[:60], labels[:60]), LabeledFeatures(rows[60:], labels[60:]))
        >>> found.to_dict()["linear"]
        1.0

    """
    _validate_vectors(train, test)
    validate_labels(train.labels, None if test is None else test.labels, k)
    split = split_features(train, test, seed=seed)
    return evaluate_split(split, *split.parts(train, test), k=k, seed=seed)


def evaluate_model(
    model: InfoMax,
    train: Loaded,
    test: Loaded | None = None,
    *,
    k: int | None = None,
    layers: bool = False,
    seed: int = 0,
) -> Evaluation:
    """Evaluate the codes of a model beside two baselines: raw pixels, or common words, and an untrained encoder.

    Baselines are scored by the majority of k neighbors by cosine and by the linear classifier. Test images that are
    among the training images, too, are left out of the figures. Without labels, altered copies of images search their
    originals; of other kinds of data, only figures without labels remain.

    Args:
        model: A fitted model.
        train: Training images of the size that the model takes, or all images; of text, `load_examples` gives them.
        test: Test images of that size; None to split all images by themselves.
        k: Number of neighbors in the headline accuracy; None for 20, or fewer if a split by itself has fewer.
        layers: Whether to score the layers below the code too.
        seed: Seed of the classifiers, of the untrained encoder, of a split by itself and of altered copies.

    Returns:
        The evaluation; baselines and layers are scored only when both splits have labels.

    Raises:
        InfoMaxError: See `evaluate_vectors`.

    """
    validate_labels(train.labels, None if test is None else test.labels, k)
    split = split_items(train, test, seed=seed)
    first, second = split.parts(train, test)
    began = time.perf_counter()
    codes, test_codes = (LabeledFeatures(model.encode(each.examples), each.labels) for each in (first, second))
    seconds = {"embed": round(time.perf_counter() - began, 2)}
    scorer = SplitScorer.of(split, codes, test_codes, k=k, seed=seed)
    found = replace(_evaluated(split, codes, test_codes, scorer), seconds=seconds)
    if scorer is None:
        return replace(found, altered=_search_copies(model, split, (first, second), (codes, test_codes), seed))
    examples = first.examples, second.examples
    raw = model.recipe_.data_kind.raw(*examples, model.recipe_.dim)
    unlearned = {**raw, "random": untrained_vectors(model, *examples, seed)}
    baselines = {name: scorer.score_baseline(*vectors) for name, vectors in unlearned.items()}
    below: dict[str, FeatureScores] = {}
    for layer in lower_layers(model) if layers else ():
        below[layer] = scorer.score(*(layer_vectors(model, each, layer) for each in examples)).on(scorer.clean)
    return replace(found, baselines=baselines, layers=below)


def evaluate_split(
    split: Split, train: LabeledFeatures, test: LabeledFeatures, *, k: int | None = None, seed: int = 0
) -> Evaluation:
    """Evaluate the vectors of a split.

    Args:
        split: How the images were split; its `parts` gave the next two.
        train: Vectors of the images to learn from, shape (m, d).
        test: Vectors of the images to test on, shape (n, d).
        k: Number of neighbors in the headline accuracy; None for 20, or fewer if a split by itself has fewer.
        seed: Seed of the classifiers.

    Returns:
        The evaluation, with scores when labels can be used.

    Raises:
        InfoMaxError: See `evaluate_vectors`.

    """
    return _evaluated(split, train, test, SplitScorer.of(split, train, test, k=k, seed=seed))


def _search_copies(
    model: InfoMax,
    split: Split,
    items: tuple[Loaded, Loaded],
    codes: tuple[LabeledFeatures, LabeledFeatures],
    seed: int,
) -> AlteredCopies | None:
    """Search altered copies among the images of both splits, each image once. None for what is no image."""
    first, second = items
    if not (isinstance(first, LoadedImages) and isinstance(second, LoadedImages)):
        return None
    new = slice(None) if split.by_itself else ~split.leaked
    pairs = (first.pixels, second.pixels), (codes[0].vectors, codes[1].vectors)
    everything = (np.concatenate([one, other[new]]) for one, other in pairs)
    return find_altered_copies(model, *everything, seed=seed)


def _evaluated(split: Split, train: LabeledFeatures, test: LabeledFeatures, scorer: SplitScorer | None) -> Evaluation:
    """Score the vectors of a split, if labels can be used, and measure what needs none."""
    _validate_vectors(train, test)
    clean = ~split.leaked if scorer is None else scorer.clean
    tested = test.vectors[clean] if clean.any() else test.vectors
    figures = _unlabeled_figures(tested if len(tested) else train.vectors)
    counts = len(train.vectors), int(clean.sum()), train.vectors.shape[1]
    if scorer is None:
        return Evaluation(*counts, figures, split=split)
    given = scorer.score(train.vectors, test.vectors)
    return Evaluation(
        *counts,
        figures,
        scorer.labels.on(scorer.clean),
        given.on(scorer.clean),
        split=split,
        as_given=None if scorer.clean.all() else given,
        notes=scorer.notes,
    )


def _validate_vectors(train: LabeledFeatures, test: LabeledFeatures | None) -> None:
    """Refuse vectors of two lengths, or with NaN or infinity."""
    parts = {"training": train} if test is None else {"training": train, "test": test}
    lengths = [each.vectors.shape[1] for each in parts.values()]
    if len({*lengths}) > 1:
        d, other = lengths
        raise InfoMaxError(f"training vectors of {d} numbers and test vectors of {other}: give two files of one model")
    for name, part in parts.items():
        if not np.isfinite(part.vectors).all():
            raise InfoMaxError(f"the {name} vectors hold NaN or infinity: evaluate finite ones only")


def _unlabeled_figures(vectors: Num[np.ndarray, "n d"]) -> dict[str, float]:
    rows = vectors[:: max(1, len(vectors) // _UNLABELED_ROWS)][:_UNLABELED_ROWS]
    sample = torch.from_numpy(rows.astype(np.float64))
    return {"effective_rank": effective_rank(sample), "spread": float(sample.std(0, correction=0).mean())}
