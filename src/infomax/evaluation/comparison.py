"""Comparison of several runs on the same images: scores, differences with intervals, neighbors, maps and settings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from infomax.errors import InfoMaxError
from infomax.evaluation.evaluate import Evaluation, evaluate_vectors, score_pixels
from infomax.evaluation.labels import DEFAULT_K, LabeledFeatures
from infomax.evaluation.scores import FeatureScores
from infomax.images import LoadedImages
from infomax.model import InfoMax
from infomax.neighbors.knn import neighbors
from infomax.neighbors.projection import project
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
        curves: (steps, values) of each quantity in the log, by name, shape (2, points); bounds are in nats.
        matches: Rows of the training images nearest to each query by cosine distance, shape (q, k).
        queried: Pixels of the queries, of the size that the run takes.
        matched: Pixels of their matches.
        places: Position of each mapped test image in the unit square, shape (mapped, 2).

    """

    name: str
    settings: dict[str, str]
    evaluation: Evaluation
    curves: dict[str, Float[np.ndarray, "2 points"]]
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
        test: The SOURCE of test images.
        train_labels: Labels of the training images; None without any.
        test_labels: Labels of the test images; None without any.
        queries: Rows of the test images whose neighbors are shown.
        queried: Pixels of these images, of the size that the first run takes.
        mapped: Rows of the test images on the maps.
        pixels: Scores of raw pixels as a baseline; None without labels.

    """

    runs: list[RunScores]
    train: str
    test: str
    train_labels: Sequence[str] | None
    test_labels: Sequence[str] | None
    queries: Int[np.ndarray, " q"]
    queried: UInt8[np.ndarray, "q s s 3"]
    mapped: Int[np.ndarray, " mapped"]
    pixels: FeatureScores | None


def compare(
    paths: Sequence[Path], train: str, test: str, *, k: int = DEFAULT_K, seed: int = 0, device: str = "auto"
) -> Comparison:
    """Evaluate several runs on the same images.

    Progress bars go to stderr.

    Args:
        paths: Folders of finished runs, each different.
        train: SOURCE of the training images, whose labels classifiers and neighbors may use.
        test: SOURCE of the test images.
        k: Number of neighbors in the headline accuracy.
        seed: Seed of the classifiers, of the images shown and of the maps.
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
        sources = model.load_images(train), model.load_images(test)
        if not runs:
            queries, mapped = (_sampled_rows(len(sources[1].keys), count, seed) for count in (_QUERIES, _MAPPED))
            first = sources
        runs.append(_run_scores(name, path, model, sources, queries, mapped, k, seed))
    splits = [LabeledFeatures(each.pixels, each.labels) for each in first]
    labels = runs[0].evaluation.labels
    pixels = None if labels is None else score_pixels(labels, *splits, k=k, seed=seed)
    train_labels, test_labels = (split.labels for split in splits)
    return Comparison(runs, train, test, train_labels, test_labels, queries, first[1].pixels[queries], mapped, pixels)


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

    Example:
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

    Example:
        >>> differing_settings([{"dim": "64", "seed": "0"}, {"dim": "64", "seed": "1"}])
        ['seed']

    """
    names = dict.fromkeys(name for each in settings for name in each)
    return [name for name in names if len({each.get(name) for each in settings}) > 1]


def _run_scores(
    name: str,
    path: Path,
    model: InfoMax,
    sources: tuple[LoadedImages, LoadedImages],
    queries: Int[np.ndarray, " q"],
    mapped: Int[np.ndarray, " mapped"],
    k: int,
    seed: int,
) -> RunScores:
    train, test = sources
    codes, test_codes = model.encode(train.pixels), model.encode(test.pixels)
    evaluation = evaluate_vectors(
        LabeledFeatures(codes, train.labels), LabeledFeatures(test_codes, test.labels), k=k, seed=seed
    )
    nearest = neighbors(test_codes[queries], codes, min(_MATCHES, len(codes))).indices
    return RunScores(
        name,
        dict(_flattened(model.config_)),
        evaluation,
        _curves(Run(path)),
        nearest,
        test.pixels[queries],
        train.pixels[nearest],
        project(test_codes[mapped], seed),
    )


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


def _curves(run: Run) -> dict[str, Float[np.ndarray, "2 points"]]:
    """Bounds in the log, in nats: one point each few hundred steps, or one each epoch or stage without such lines."""
    lines = list(run.read_log())
    kinds = ("step",) if sum(line["kind"] == "step" for line in lines) > 1 else ("epoch", "stage")
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in (line for line in lines if line["kind"] in kinds):
        for name, value in line.items():
            if isinstance(value, float) and name not in ("seconds", "images_per_second"):
                curves.setdefault(name, []).append((line["step"], value))
    return {name: np.array(points).T for name, points in curves.items()}
