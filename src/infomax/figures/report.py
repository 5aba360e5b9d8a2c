"""Report of a comparison: one HTML page that needs no other file, and its figures as PNG files beside it."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from infomax.errors import InfoMaxError
from infomax.evaluation.comparison import Comparison, bootstrap_interval, differing_settings
from infomax.evaluation.scores import FeatureScores, Predictions, confusion
from infomax.figures import report_plots as plots
from infomax.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = "index.html"
_FILES_OF_A_REPORT = re.compile(r"index\.html|accuracies\.png|(curve|map|neighbors|confusion)-.+\.png")
_TITLES = {
    "knn_cosine": "kNN, cosine",
    "knn_euclidean": "kNN, Euclidean",
    "linear": "linear classifier",
    "mlp": "one hidden layer",
}
_UNLABELED_TITLES = {"effective_rank": "effective rank", "spread": "mean spread of a feature"}


def refuse_unless_free(out: Path, *, overwrite: bool) -> None:
    """Check that a report may be written to a folder.

    Args:
        out: The folder of the report.
        overwrite: Whether to replace a report that is there.

    Raises:
        InfoMaxError: The folder holds something, unless it is only a report and `overwrite` is true.

    """
    if not out.exists():
        return
    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else None
    if held is not None and (out.is_mount() or out.samefile(".")):
        raise InfoMaxError(f"{out} cannot be replaced as a whole: choose a folder in it for --out")
    if held == []:
        return
    if held is None or _PAGE not in held:
        raise InfoMaxError(f"{out} exists and is not a report: choose another --out")
    if more := [name for name in held if not _FILES_OF_A_REPORT.fullmatch(name)]:
        raise InfoMaxError(f"{out} holds more than a report, {more[0]} first: choose another --out")
    if not overwrite:
        raise InfoMaxError(f"{out} holds a report: choose another --out, or replace it with --overwrite")


def write_report(comparison: Comparison, out: Path) -> Path:
    """Write the page and its figures into a folder, in place of everything that was there.

    They are written to a hidden folder beside it first, so that a report exists completely or not at all.

    Args:
        comparison: The runs to report on.
        out: The folder of the report.

    Returns:
        The path of the page.

    Raises:
        OSError: A file cannot be written; `out` is then as it was before.

    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", suffix=".tmp", dir=out.parent) as temporary:
        new, old = Path(temporary, "report"), Path(temporary, "old")
        new.mkdir()
        images: dict[str, list[dict[str, str]]] = {}
        for panel in _panels(comparison):
            with written_atomically(new / panel.file) as file:
                file.write(plots.as_png(panel.figure))
            image = {"title": panel.title, "svg": _uri("image/svg+xml", plots.as_svg(panel.figure).encode())}
            images.setdefault(panel.section, []).append(image)
        with written_atomically(new / _PAGE, "w") as file:
            file.write(_rendered(comparison, images))
        if out.exists():
            out.rename(old)
        new.rename(out)
    return out / _PAGE


def to_dict(comparison: Comparison, seed: int = 0) -> dict[str, Any]:
    """A comparison as a JSON document.

    Args:
        comparison: The runs.
        seed: Seed of the bootstrap intervals.

    Returns:
        The evaluation of each run, with its difference to the first run in fractions.

    """
    runs = []
    for run in comparison.runs:
        names = _headline(run.evaluation.code)
        differences = {name: _difference_to_first(comparison, run.name, name, seed) for name in names}
        runs.append({"name": run.name, **run.evaluation.to_dict(), "difference": differences})
    pixels = {} if comparison.pixels is None else {"pixels": comparison.pixels.to_dict()}
    return {"train": comparison.train, "test": comparison.test, "runs": runs, **pixels}


@dataclass(frozen=True)
class _Panel:
    """A figure with its section of the page, its title and the name of its file."""

    section: str
    title: str
    file: str
    figure: "Figure"


def _rendered(comparison: Comparison, images: dict[str, list[dict[str, str]]]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("infomax.figures").joinpath("report.html").read_text("utf-8"))
    first, settings = comparison.runs[0].evaluation, [run.settings for run in comparison.runs]
    differing = differing_settings(settings)
    common = [name for name in dict.fromkeys(name for each in settings for name in each) if name not in differing]
    page = template.render(
        names=[run.name for run in comparison.runs],
        train=comparison.train,
        test=comparison.test,
        n_train=first.n_train,
        n_test=first.n_test,
        k=first.code.k if first.code else None,
        chance=_percent(first.labels.chance) if first.labels else None,
        rows=_rows(comparison),
        unlabeled=[
            {"title": title, "values_": [f"{run.evaluation.unlabeled[name]:.3g}" for run in comparison.runs]}
            for name, title in _UNLABELED_TITLES.items()
        ],
        differing=[_setting(name, settings) for name in differing],
        common=[_setting(name, settings) for name in common],
        queries=list(_queries(comparison)),
        images={"accuracies": [], "curves": [], "map": [], "confusion": [], **images},
    )
    return page.encode("utf-8", "replace").decode()  # the name of a folder need not be valid Unicode


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each vote and classifier, with a cell for each run and one for raw pixels."""
    rows = []
    for name in _headline(comparison.runs[0].evaluation.code):
        cells: list[dict[str, Any] | None] = []
        for run in comparison.runs:
            cell = _cell(_headline(run.evaluation.code)[name])
            if run is not comparison.runs[0]:
                difference = _difference_to_first(comparison, run.name, name)
                low, high = difference["interval"]
                points = f"{_points(difference['value'])} ({_points(low)} to {_points(high)})"
                cell |= {"difference": points, "sure": low > 0 or high < 0}
            cells.append(cell)
        pixels = _headline(comparison.pixels).get(name)
        rows.append({"title": _TITLES[name], "cells": [*cells, _cell(pixels) if pixels else None]})
    return rows


def _headline(scores: FeatureScores | None) -> dict[str, Predictions]:
    return {} if scores is None else scores.headline


def _difference_to_first(comparison: Comparison, run_name: str, score: str, seed: int = 0) -> dict[str, Any]:
    """Accuracy of a run minus that of the first run on the same test images, with its interval."""
    run = next(each for each in comparison.runs if each.name == run_name)
    if run is comparison.runs[0]:
        return {"value": 0.0, "interval": (0.0, 0.0)}
    first, own = (_headline(each.evaluation.code)[score].correct for each in (comparison.runs[0], run))
    gains = own.astype(np.int64) - first
    return {"value": float(gains.mean()), "interval": bootstrap_interval(gains, seed)}


def _cell(predictions: Predictions) -> dict[str, Any]:
    low, high = bootstrap_interval(predictions.correct)
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return {"value": _percent(predictions.accuracy), "interval": interval, "difference": "", "sure": False}


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "\N{MINUS SIGN}")


def _setting(name: str, settings: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {"name": name, "values_": [each.get(name, "") for each in settings]}


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


def _panels(comparison: Comparison) -> Iterator[_Panel]:
    """Yield all figures of the report."""
    runs = comparison.runs
    if names := list(_headline(runs[0].evaluation.code)):
        scores = {}
        for run in runs:
            found = [_headline(run.evaluation.code)[name] for name in names]
            scores[run.name] = [(each.accuracy, *bootstrap_interval(each.correct)) for each in found]
        figure = plots.accuracies(scores, [_TITLES[name] for name in names])
        yield _Panel("accuracies", "accuracies with their intervals", "accuracies.png", figure)
    numbers = {run.name: number for number, run in enumerate(runs)}
    for quantity in dict.fromkeys(name for run in runs for name in run.curves):
        lines = {run.name: run.curves[quantity] for run in runs if quantity in run.curves}
        file = f"curve-{_slug(quantity)}.png"
        yield _Panel("curves", f"{quantity} over steps", file, plots.curves(quantity, lines, numbers))
    labels = comparison.test_labels
    mapped = None if labels is None else [labels[row] for row in comparison.mapped]
    for number, run in enumerate(runs, 1):
        name = f"{number}-{_slug(run.name)}.png"
        yield _Panel("map", f"map of {run.name}", f"map-{name}", plots.scatter(run.name, run.places, mapped))
        mosaic = plots.mosaic(run.name, run.queried, run.matched)
        yield _Panel("neighbors", f"neighbors by {run.name}", f"neighbors-{name}", mosaic)
        split, code = run.evaluation.labels, run.evaluation.code
        if split is not None and code is not None:
            fractions = confusion(split, _headline(code)["knn_cosine"])
            figure = plots.confusions(run.name, fractions, split.names)
            yield _Panel("confusion", f"confusion by {run.name}", f"confusion-{name}", figure)


def _thumbnail(pixels: UInt8[np.ndarray, "s s 3"]) -> str:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return _uri("image/png", out.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _slug(name: str) -> str:
    """A name that every file system accepts."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "run"
