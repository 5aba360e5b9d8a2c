"""Comparison of several runs on the same images: scores, differences with intervals, neighbors, maps and settings."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped, UInt8

from infomax.errors import InfoMaxError
from infomax.evaluation.altered_copies import find_altered_copies
from infomax.evaluation.evaluate import Evaluation, evaluate_split
from infomax.evaluation.labels import LabeledFeatures, validate_labels
from infomax.evaluation.scores import FeatureScores
from infomax.evaluation.split_scorer import SplitScorer
from infomax.evaluation.splits import Split, split_items
from infomax.images import LoadedImages
from infomax.model import InfoMax
from infomax.neighbors.knn import neighbors
from infomax.neighbors.projection import project
from infomax.training.learning_log import LearningLog, read_learning
from infomax.training.run_folder import Run

_QUERIES, _MATCHES = 8, 8  # test images whose neighbors are shown, and neighbors of each
_MAPPED = 1_000  # test images on a map
_RESAMPLES = 10_000  # bootstrap samples of the test images
_TAIL = 2.5  # percent on either side of an interval


@final
@dataclass(frozen=True)
class RunScores:
    """Everything that a comparison shows of one run.

    Attributes:
        name: The shortest end of the run's path that identifies it among the runs.
        settings: Settings of the run by name, as text.
        evaluation: Evaluation of the run's codes.
        learning: How the run was learned, as its log has it.
        weights: Size of the model's file, in bytes.
        matches: Rows of the training images nearest to each query by cosine distance, shape (q, k).
        queried: Pixels of the queries, of the size that the run takes.
        matched: Pixels of their matches.
        places: Position of each mapped test image in the unit square, shape (mapped, 2).

    """

    name: str
    settings: dict[str, str]
    evaluation: Evaluation
    learning: LearningLog
    weights: int
    matches: Int[np.ndarray, "q k"]
    queried: UInt8[np.ndarray, "q s s 3"]
    matched: UInt8[np.ndarray, "q k s s 3"]
    places: Float[np.ndarray, "mapped 2"]


@final
@dataclass(frozen=True)
class Comparison:
    """Runs evaluated on the same images.

    Attributes:
        runs: The runs, in the order given.
        train: The SOURCE of training images.
        test: The SOURCE of test images; None if the first was split by itself.
        split: How the images were split.
        train_labels: Labels of the training images; None without any.
        test_labels: Labels of the test images; None without any.
        queries: Rows of the test images whose neighbors are shown.
        queried: Pixels of these images, of the size that the first run takes.
        mapped: Rows of the test images on the maps.
        pixels: Scores of raw pixels as a baseline; None without labels.

    """

    runs: list[RunScores]
    train: str
    test: str | None
    split: Split
    train_labels: Sequence[str] | None
    test_labels: Sequence[str] | None
    queries: Int[np.ndarray, " q"]
    queried: UInt8[np.ndarray, "q s s 3"]
    mapped: Int[np.ndarray, " mapped"]
    pixels: FeatureScores | None


def compare(
    paths: Sequence[Path],
    train: str,
    test: str | None = None,
    *,
    k: int | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Comparison:
    """Evaluate several runs on the same images.

    Progress bars go to stderr.

    Args:
        paths: Folders of finished runs, each different.
        train: SOURCE of the training images, whose labels classifiers and neighbors may use.
        test: SOURCE of the test images; None to split the first source by itself.
        k: Number of neighbors in the headline accuracy; None for 20, or fewer if a split by itself has fewer.
        seed: Seed of the classifiers, of the images shown, of the maps and of a split by itself.
        device: "auto", "cpu" or "cuda".

    Returns:
        The runs beside each other.

    Raises:
        InfoMaxError: A folder holds no finished run or is given twice, or the sources cannot be evaluated on; see
            `evaluate_vectors`.

    """
    models = {name: InfoMax.load(path, device=device, progress=True) for name, path in _run_names(paths).items()}
    runs: list[RunScores] = []
    for path, (name, model) in zip(paths, models.items(), strict=True):
        sources = model.load_images(train), None if test is None else model.load_images(test)
        if not runs:
            validate_labels(sources[0].labels, None if sources[1] is None else sources[1].labels, k)
            split = split_items(*sources, seed=seed)
            first = split.parts(*sources)
            shown = _queries(first[1].labels, ~split.leaked, seed), _sampled_rows(len(first[1].keys), _MAPPED, seed)
        runs.append(_run_scores(name, path, model, split, split.parts(*sources), shown, k, seed))
    scorer = SplitScorer.of(split, *(LabeledFeatures(each.pixels, each.labels) for each in first), k=k, seed=seed)
    pixels = None if scorer is None else scorer.score_pixels(first[0].pixels, first[1].pixels)
    labels = first[0].labels, first[1].labels
    return Comparison(runs, train, test, split, *labels, shown[0], first[1].pixels[shown[0]], shown[1], pixels)


def bootstrap_interval(values: Shaped[np.ndarray, " n"], seed: int = 0) -> tuple[float, float]:
    """95 % percentile interval of a mean over images (Efron 1979): the images are resampled with replacement.

    How often each image is drawn follows a multinomial distribution, so images need not be drawn one by one.

    When all values are equal, resampling shows no spread, though other images may differ. The fraction of other images
    with the farthest other value is then at most 1 - 0.025^(1/n) (Clopper & Pearson 1934).

    Args:
        values: For each image whether its prediction is correct (bool), or a paired difference of two runs: correct
            predictions of one minus those of the other (integers from -1 to 1). Shape (n,).
        seed: Seed of the resampling.

    Returns:
        The lower and the upper end of the interval.

    Examples:
        >>> import numpy as np
        >>> low, high = bootstrap_interval(np.arange(100) < 80)
        >>> round(low, 2), round(high, 2)
        (0.72, 0.88)

    """
    kinds, counts = np.unique(values.astype(np.int64), return_counts=True)
    if len(kinds) == 1:
        least, most = (0, 1) if values.dtype == bool else (-1, 1)
        only, share = int(kinds[0]), 1 - (_TAIL / 100) ** (1 / len(values))
        return only - share * (only - least), only + share * (most - only)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), _RESAMPLES)
    low, high = np.percentile(drawn @ kinds / len(values), (_TAIL, 100 - _TAIL))
    return float(low), float(high)


def differing_settings(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """Names of the settings that are not the same in all runs.

    Args:
        settings: Settings of each run by name, as text.

    Returns:
        The names in the order of their first appearance.

    Examples:
        >>> differing_settings([{"dim": "64", "seed": "0"}, {"dim": "64", "seed": "1"}])
        ['seed']

    """
    names = dict.fromkeys(name for each in settings for name in each)
    return [name for name in names if len({each.get(name) for each in settings}) > 1]


def _run_scores(
    name: str,
    path: Path,
    model: InfoMax,
    split: Split,
    images: tuple[LoadedImages, LoadedImages],
    shown: tuple[Int[np.ndarray, " q"], Int[np.ndarray, " mapped"]],
    k: int | None,
    seed: int,
) -> RunScores:
    """Evaluate one run, and find the neighbors of the queries and the places on the map."""
    train, test = images
    codes, test_codes = model.encode(train.pixels), model.encode(test.pixels)
    features = LabeledFeatures(codes, train.labels), LabeledFeatures(test_codes, test.labels)
    evaluation = evaluate_split(split, *features, k=k, seed=seed)
    if evaluation.code is None:
        everything = np.concatenate([train.pixels, test.pixels]), np.concatenate([codes, test_codes])
        evaluation = replace(evaluation, altered=find_altered_copies(model, *everything, seed=seed))
    queries, mapped = shown
    nearest = neighbors(test_codes[queries], codes, min(_MATCHES, len(codes))).indices
    run = Run(path)
    return RunScores(
        name,
        dict(_flattened(model.config_)),
        evaluation,
        read_learning(run),
        run.weights_file.stat().st_size,
        nearest,
        test.pixels[queries],
        train.pixels[nearest],
        project(test_codes[mapped], seed),
    )


def _queries(labels: Sequence[str] | None, allowed: Bool[np.ndarray, " n"], seed: int) -> Int[np.ndarray, " q"]:
    """Draw the test images whose neighbors are shown: one of each label in turn, and none that leaked."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(allowed) if allowed.any() else len(allowed))
    seen: Counter[str] = Counter()
    turns = []
    for row in rows.tolist():
        label = "" if labels is None else labels[row]
        turns.append(seen[label])
        seen[label] += 1
    return np.sort(rows[np.argsort(turns, kind="stable")][:_QUERIES])


def _run_names(paths: Sequence[Path]) -> dict[str, Path]:
    """The runs by name: the folder, preceded by as many parent folders as it takes to tell all runs apart."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise InfoMaxError("the same run is given twice: name each once")
    parts = [path.resolve().parts for path in paths]
    depth = next(depth for depth in range(1, 99) if len({each[-depth:] for each in parts}) == len(paths))
    return {"/".join(each[-depth:]): path for each, path in zip(parts, paths, strict=True)}


def _sampled_rows(n: int, count: int, seed: int) -> Int[np.ndarray, " rows"]:
    return np.sort(np.random.default_rng(seed).choice(n, min(n, count), replace=False))


def _flattened(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{prefix}{name} ")
        else:
            yield prefix + name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)
