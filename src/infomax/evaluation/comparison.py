"""Several runs judged by the same images: what sets them apart, and how sure that is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from infomax.errors import InfoMaxError
from infomax.evaluation.evaluate import Evaluation, LabeledFeatures, evaluate_vectors, score_pixels
from infomax.evaluation.scores import FeatureScores, K
from infomax.images import LoadedImages
from infomax.model import InfoMax
from infomax.neighbors.knn import neighbors
from infomax.training.run_folder import Run

QUERIES, MATCHES = 8, 8
"""Test images whose neighbors are shown, and training images beside each."""

MAPPED = 1_000
"""Test images on a map."""

PERPLEXITY = 30.0
"""About how many neighbors of each point a map keeps near."""

DRAWS = 10_000
"""How many times the test images are drawn again."""

TAIL = 2.5
"""Per cent on either side of an interval."""


@final
@dataclass(frozen=True)
class RunScores:
    """One run.

    settings: of the run, by name, as text
    curves: by name of a quantity of the log, (steps, values)
    matches: (QUERIES, MATCHES), the nearest training images of each query by cosine
    queried, matched: pixels of the queries and of their matches, of the size that the run takes
    places: (MAPPED, 2), where the mapped test images lie
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
    """Runs judged by the same images.

    train_labels, test_labels: as the sources have them
    queries, mapped: rows of the test images that are shown and mapped; queried: the former for the first run
    pixels: the judgment on raw pixels, the floor; None without labels
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
    paths: Sequence[Path], train: str, test: str, *, k: int = K, seed: int = 0, device: str = "auto"
) -> Comparison:
    """Judge finished runs by the same training and test images; progress goes to stderr.

    Raises InfoMaxError for a folder that holds no finished run, and as `evaluate_vectors` does.
    """
    models = {name: InfoMax.load(path, device=device, progress=True) for name, path in _names(paths).items()}
    judged: list[RunScores] = []
    for path, (name, model) in zip(paths, models.items(), strict=True):
        sources = model.load_images(train), model.load_images(test)
        if not judged:
            queries, mapped = (_some(len(sources[1].keys), count, seed) for count in (QUERIES, MAPPED))
            first = sources
        judged.append(_scored(name, path, model, sources, queries, mapped, k, seed))
    splits = [LabeledFeatures(each.pixels, each.labels) for each in first]
    task = judged[0].evaluation.task
    pixels = None if task is None else score_pixels(task, *splits, k=k, seed=seed)
    known, asked = (split.labels for split in splits)
    return Comparison(judged, train, test, known, asked, queries, first[1].pixels[queries], mapped, pixels)


def bootstrap_interval(values: Shaped[np.ndarray, " n"], seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of the mean, when the n images are drawn again with replacement (Efron 1979).

    `values` are whether an image was right, or (whole numbers, -1 to 1) that minus the same of another run: a paired
    difference. How often each is drawn is multinomial, which spares drawing images one by one.

    Where all are the same, drawing them again shows no spread though there may be some. Then the share that other
    images may have of the farthest other values is at most 1 - 0.025^(1/n), as Clopper & Pearson (1934) have it.
    """
    kinds, counts = np.unique(values.astype(np.int64), return_counts=True)
    if len(kinds) == 1:
        least, most = (0, 1) if values.dtype == bool else (-1, 1)
        only, share = int(kinds[0]), 1 - (TAIL / 100) ** (1 / len(values))
        return only - share * (only - least), only + share * (most - only)
    drawn = np.random.default_rng(seed).multinomial(len(values), counts / len(values), DRAWS)
    low, high = np.percentile(drawn @ kinds / len(values), (TAIL, 100 - TAIL))
    return float(low), float(high)


def differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """The names of settings that are not the same in all runs, in the order in which they first come."""
    names = dict.fromkeys(name for each in settings for name in each)
    return [name for name in names if len({each.get(name) for each in settings}) > 1]


def tsne_layout(vectors: Float[np.ndarray, "n d"], seed: int = 0) -> Float[np.ndarray, "n 2"]:
    """A map on which near directions lie near each other: t-SNE (van der Maaten & Hinton 2008) of scikit-learn.

    It starts from the first two principal components, so that its large-scale layout is theirs.
    """
    from sklearn.manifold import TSNE

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    directions -= directions.mean(0)
    axes, spreads, _ = np.linalg.svd(directions, full_matrices=False)
    start = np.zeros((len(vectors), 2), np.float32)
    start[:, : len(spreads[:2])] = 1e-4 * axes[:, :2] * spreads[:2] / max(spreads[0], 1e-12)
    if len(vectors) < 4 or not start.any():
        return start
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    found: Float[np.ndarray, "n 2"] = TSNE(
        perplexity=perplexity, init=start, learning_rate="auto", random_state=seed % 2**32
    ).fit_transform(directions)
    return found


def _scored(
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
    codes, test_codes = model.embed(train), model.embed(test)
    evaluation = evaluate_vectors(
        LabeledFeatures(codes, train.labels), LabeledFeatures(test_codes, test.labels), k=k, seed=seed
    )
    nearest = neighbors(test_codes[queries], codes, min(MATCHES, len(codes))).indices
    return RunScores(
        name,
        dict(_flat(model.config_)),
        evaluation,
        _curves(Run(path)),
        nearest,
        test.pixels[queries],
        train.pixels[nearest],
        tsne_layout(test_codes[mapped], seed),
    )


def _names(paths: Sequence[Path]) -> dict[str, Path]:
    """What each run is called: its folder, with those above it as far as it takes to tell them apart."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise InfoMaxError("the same run is given twice: name each once")
    whole = [path.resolve().parts for path in paths]
    depth = next(deep for deep in range(1, 99) if len({parts[-deep:] for parts in whole}) == len(paths))
    return {"/".join(parts[-depth:]): path for parts, path in zip(whole, paths, strict=True)}


def _some(n: int, count: int, seed: int) -> Int[np.ndarray, " some"]:
    return np.sort(np.random.default_rng(seed).choice(n, min(n, count), replace=False))


def _flat(settings: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{name} ")
        else:
            yield within + name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _curves(run: Run) -> dict[str, Float[np.ndarray, "2 points"]]:
    """The bounds of the log, in nats: of every so many steps, or of the epochs of a training too short for those."""
    lines = list(run.read_log())
    kind = "step" if sum(line["kind"] == "step" for line in lines) > 1 else "epoch"
    curves: dict[str, list[tuple[float, float]]] = {}
    for line in (line for line in lines if line["kind"] == kind):
        for name, value in line.items():
            if isinstance(value, float) and name not in ("seconds", "images_per_second"):
                curves.setdefault(name, []).append((line["step"], value))
    return {name: np.array(points).T for name, points in curves.items()}
