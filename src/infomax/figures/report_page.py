"""The page of a report: what its template shows, from the conclusion to the settings."""

import platform
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infomax.evaluation.comparison import Comparison, RunScores, bootstrap_interval, differing_settings
from infomax.evaluation.conclusion import conclusion
from infomax.evaluation.scores import FeatureScores, Predictions
from infomax.version import __version__

TITLES = {
    "knn_cosine": "kNN, cosine",
    "knn_euclidean": "kNN, Euclidean",
    "linear": "linear classifier",
    "mlp": "one hidden layer",
}
"""Titles of the measures, by name."""

_NONE = "\N{EN DASH}"
_UNLABELED_TITLES = {"effective_rank": "effective rank", "spread": "mean spread of a feature"}
_SUMMARY = {
    "recipe name": "recipe",
    "recipe epochs": "epochs",
    "recipe dim": "numbers in a code",
    "recipe size": "size of an image, pixels",
    "data images": "images learned from",
    "seed": "seed",
}
"""Settings that the table of runs shows first, with their titles; the others are folded."""


def render_page(comparison: Comparison, images: Mapping[str, Sequence[Mapping[str, str]]], seed: int = 0) -> str:
    """Render the page of a report.

    Args:
        comparison: The runs.
        images: Figures by section of the page: "accuracies", "curves", "map" and "confusion". Each has a `title` and
            an address `svg`.
        seed: Seed of the bootstrap intervals.

    Returns:
        HTML that needs no other file.

    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("infomax.figures").joinpath("report.html").read_text("utf-8"))
    first = comparison.runs[0].evaluation
    page = template.render(
        names=[run.name for run in comparison.runs],
        subject=_subject(comparison),
        conclusion=conclusion(comparison, seed),
        comparison=comparison,
        facts=list(_facts(comparison)),
        k=first.code.k if first.code else None,
        chance=_percent(first.labels.chance) if first.labels else None,
        rows=_rows(comparison, seed),
        unlabeled=[
            {"title": title, "values_": [f"{run.evaluation.unlabeled[name]:.3g}" for run in comparison.runs]}
            for name, title in _UNLABELED_TITLES.items()
        ],
        altered=_altered(comparison),
        **_settings(comparison),
        queries=list(_queries(comparison)),
        images={"accuracies": [], "curves": [], "map": [], "confusion": [], **images},
    )
    return page.encode("utf-8", "replace").decode()  # the name of a folder need not be valid Unicode


def headline(scores: FeatureScores | None) -> dict[str, Predictions]:
    """Main predictions by name; none without labels.

    Args:
        scores: Scores of some features.

    Returns:
        The predictions of the measures that `TITLES` names.

    """
    return {} if scores is None else scores.headline


def difference_to_first(comparison: Comparison, run: RunScores, score: str, seed: int = 0) -> dict[str, Any]:
    """Accuracy of a run minus that of the first run on the same test images, with its interval.

    Args:
        comparison: The runs.
        run: One of them.
        score: Name of the measure.
        seed: Seed of the bootstrap.

    Returns:
        `value` and `interval`, in fractions.

    """
    if run is comparison.runs[0]:
        return {"value": 0.0, "interval": (0.0, 0.0)}
    first, own = (headline(each.evaluation.code)[score].correct for each in (comparison.runs[0], run))
    gains = own.astype(np.int64) - first
    return {"value": float(gains.mean()), "interval": bootstrap_interval(gains, seed)}


def data_uri(kind: str, content: bytes) -> str:
    """Address that holds a file itself.

    Args:
        kind: Its media type.
        content: Its content.

    Returns:
        A data: address.

    """
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _subject(comparison: Comparison) -> str:
    """Name of the images that the runs are compared on."""
    source = comparison.test or comparison.train
    return Path(source).name or source


def _facts(comparison: Comparison) -> Iterator[tuple[str, str]]:
    """What a reader must know of the comparison, as titles and texts."""
    sources = [comparison.train] if comparison.test is None else [comparison.train, comparison.test]
    yield "images", f"{comparison.split.description} ({' and '.join(sources)})"
    if comparison.split.unlabeled:
        yield "left out", f"{comparison.split.unlabeled:,} images without a label"
    yield "written", f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"
    if memory := _peak_memory():
        yield "memory", f"{memory / 2**30:.1f} GiB at most, for this comparison"
    import torch

    yield "versions", f"infomax {__version__}, torch {torch.__version__}, Python {platform.python_version()}"


def _peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes; 0 where it is unknown."""
    if sys.platform == "win32":
        return 0
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _rows(comparison: Comparison, seed: int) -> list[dict[str, Any]]:
    """A row for each vote and classifier, with a cell for each run and one for raw pixels."""
    rows = []
    for name in headline(comparison.runs[0].evaluation.code):
        cells: list[dict[str, Any] | None] = []
        for run in comparison.runs:
            cell = _cell(headline(run.evaluation.code)[name])
            if run is not comparison.runs[0]:
                difference = difference_to_first(comparison, run, name, seed)
                low, high = difference["interval"]
                points = f"{_points(difference['value'])} ({_points(low)} to {_points(high)})"
                cell |= {"difference": points, "sure": low > 0 or high < 0}
            cells.append(cell)
        pixels = headline(comparison.pixels).get(name)
        rows.append({"title": TITLES[name], "cells": [*cells, _cell(pixels) if pixels else None]})
    return rows


def _altered(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each alteration, with the rate of each run and of raw pixels; none with labels."""
    found = [run.evaluation.altered for run in comparison.runs]
    documents = [each.to_dict() for each in found if each is not None]
    if not documents:
        return []
    names = [name for name in documents[0]["code"] if name != "interval"]
    rates = [*(document["code"] for document in documents), documents[0]["pixels"]]
    return [{"title": name, "values_": [_percent(each[name]) for each in rates]} for name in names]


def _cell(predictions: Predictions) -> dict[str, Any]:
    low, high = bootstrap_interval(predictions.correct)
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return {"value": _percent(predictions.accuracy), "interval": interval, "difference": "", "sure": False}


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "\N{MINUS SIGN}")


def _settings(comparison: Comparison) -> dict[str, list[dict[str, Any]]]:
    """The table of runs, the other settings that differ, and those that all runs share."""
    runs, settings = comparison.runs, [run.settings for run in comparison.runs]
    times = [_NONE if run.learning.seconds is None else f"{run.learning.seconds:.0f} s" for run in runs]
    sizes = [f"{run.weights / 1e6:.1f} MB" for run in runs]
    known = {name: title for name, title in _SUMMARY.items() if any(name in each for each in settings)}
    summary = [_setting(title, name, settings) for name, title in known.items()]
    summary[2:2] = [{"title": "time to learn", "values_": times}, {"title": "file of the model", "values_": sizes}]
    differing = [name for name in differing_settings(settings) if name not in known]
    everything = dict.fromkeys(name for each in settings for name in each)
    common = [name for name in everything if name not in differing and name not in known]
    lists = {"differing": differing, "common": common}
    tables = {title: [_setting(name, name, settings) for name in names] for title, names in lists.items()}
    return {"summary": summary, **tables}


def _setting(title: str, name: str, settings: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {"title": title, "values_": [each.get(name) or _NONE for each in settings]}


def _queries(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Each query with its matches in every run, their labels, and whether these equal the query's label."""
    train_labels, test_labels = comparison.train_labels, comparison.test_labels
    for number, (row, pixels) in enumerate(zip(comparison.queries.tolist(), comparison.queried, strict=True)):
        query_label = test_labels[row] if test_labels else ""
        runs = []
        for run in comparison.runs:
            matches = []
            for index, match in zip(run.matches[number].tolist(), run.matched[number], strict=True):
                label = train_labels[index] if train_labels else ""
                agreement = "" if not (query_label and label) else "yes" if label == query_label else "no"
                matches.append({"png": _thumbnail(match), "label": label, "agreement": agreement})
            runs.append({"name": run.name, "matches": matches})
        yield {"png": _thumbnail(pixels), "label": query_label, "runs": runs}


def _thumbnail(pixels: UInt8[np.ndarray, "s s 3"]) -> str:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return data_uri("image/png", out.getvalue())
