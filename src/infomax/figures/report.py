"""A comparison as one HTML page that needs nothing else, and its figures as PNG files beside it."""

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
from infomax.evaluation.comparison import Comparison, bootstrap_interval, differing
from infomax.evaluation.scores import FeatureScores, Predictions, confusion
from infomax.figures import plots
from infomax.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "index.html"
OURS = re.compile(r"index\.html|accuracies\.png|(curve|map|neighbors|confusion)-.+\.png")
"""What the files of a report are called."""

TITLES = {
    "knn_cosine": "kNN, cosine",
    "knn_euclidean": "kNN, Euclidean",
    "linear": "linear classifier",
    "mlp": "one hidden layer",
}
UNLABELED = {"effective_rank": "effective rank", "spread": "mean spread of a feature"}


@dataclass(frozen=True)
class Panel:
    """A figure: in which part of the report, its title, and the name of its file."""

    part: str
    title: str
    file: str
    figure: "Figure"


def refuse_unless_free(out: Path, *, overwrite: bool) -> None:
    """Raise InfoMaxError where the folder holds something, unless that is a report alone and `overwrite` is true."""
    if not out.exists():
        return
    held = sorted(path.name for path in out.iterdir()) if out.is_dir() else None
    if held is not None and (out.is_mount() or out.samefile(".")):
        raise InfoMaxError(f"{out} cannot be replaced as a whole: choose a folder in it for --out")
    if held == []:
        return
    if held is None or PAGE not in held:
        raise InfoMaxError(f"{out} is there already and no report: choose another --out")
    if more := [name for name in held if not OURS.fullmatch(name)]:
        raise InfoMaxError(f"{out} holds more than a report, {more[0]} first: choose another --out")
    if not overwrite:
        raise InfoMaxError(f"{out} holds a report: choose another --out, or replace it with --overwrite")


def write_report(comparison: Comparison, out: Path) -> Path:
    """Make `out` the folder of index.html and the figures, in place of what was there; returns the path of the page.

    All is written to a hidden folder beside it first, so that a report is there whole or not at all.

    Raises OSError where that fails.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".", suffix=".tmp", dir=out.parent) as aside:
        made, old = Path(aside, "report"), Path(aside, "old")
        made.mkdir()
        images: dict[str, list[dict[str, str]]] = {}
        for panel in _panels(comparison):
            with written_atomically(made / panel.file) as file:
                file.write(plots.as_png(panel.figure))
            image = {"title": panel.title, "svg": _uri("image/svg+xml", plots.as_svg(panel.figure).encode())}
            images.setdefault(panel.part, []).append(image)
        with written_atomically(made / PAGE, "w") as file:
            file.write(_rendered(comparison, images))
        if out.exists():
            out.rename(old)
        made.rename(out)
    return out / PAGE


def to_dict(comparison: Comparison, seed: int = 0) -> dict[str, Any]:
    """The figures as JSON has them, with the difference of each run to the first, in fractions."""
    runs = []
    for run in comparison.runs:
        cells = {name: _against_first(comparison, run.name, name, seed) for name in _predictions(run.evaluation.code)}
        runs.append({"name": run.name, **run.evaluation.to_dict(), "difference": cells})
    pixels = {} if comparison.pixels is None else {"pixels": comparison.pixels.to_dict()}
    return {"train": comparison.train, "test": comparison.test, "runs": runs, **pixels}


def _rendered(comparison: Comparison, images: dict[str, list[dict[str, str]]]) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(files("infomax.figures").joinpath("report.html").read_text("utf-8"))
    first, settings = comparison.runs[0].evaluation, [run.settings for run in comparison.runs]
    apart = differing(settings)
    alike = [name for name in dict.fromkeys(name for each in settings for name in each) if name not in apart]
    page = template.render(
        names=[run.name for run in comparison.runs],
        train=comparison.train,
        test=comparison.test,
        n_train=first.n_train,
        n_test=first.n_test,
        k=first.code.k if first.code else None,
        chance=_percent(first.task.chance) if first.task else None,
        rows=_rows(comparison),
        unlabeled=[
            {"title": title, "values_": [f"{run.evaluation.unlabeled[name]:.3g}" for run in comparison.runs]}
            for name, title in UNLABELED.items()
        ],
        differing=[_setting(name, settings) for name in apart],
        common=[_setting(name, settings) for name in alike],
        queries=list(_queries(comparison)),
        images={"accuracies": [], "curves": [], "map": [], "confusion": [], **images},
    )
    return page.encode("utf-8", "replace").decode()  # the name of a folder need not be valid text


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each way to judge, a cell for each run and for the pixels."""
    codes = [run.evaluation.code for run in comparison.runs]
    rows = []
    for name in _predictions(codes[0]):
        cells: list[dict[str, Any] | None] = []
        for run in comparison.runs:
            predicted, apart = _predictions(run.evaluation.code)[name], _against_first(comparison, run.name, name)
            cells.append(_cell(predicted))
            if run is not comparison.runs[0]:
                low, high = apart["interval"]
                points = f"{_points(apart['value'])} ({_points(low)} to {_points(high)})"
                cells[-1] = _cell(predicted) | {"difference": points, "sure": low > 0 or high < 0}
        floor = _predictions(comparison.pixels).get(name)
        rows.append({"title": TITLES[name], "cells": [*cells, _cell(floor) if floor else None]})
    return rows


def _predictions(judgment: FeatureScores | None) -> dict[str, Predictions]:
    return {} if judgment is None else judgment.headline


def _against_first(comparison: Comparison, name: str, figure: str, seed: int = 0) -> dict[str, Any]:
    """By how much a run is better than the first on the same test images, with the interval of that."""
    mine = next(run for run in comparison.runs if run.name == name)
    if mine is comparison.runs[0]:
        return {"value": 0.0, "interval": (0.0, 0.0)}
    theirs, ours = (_predictions(run.evaluation.code)[figure].correct for run in (comparison.runs[0], mine))
    gains = ours.astype(np.int64) - theirs
    return {"value": float(gains.mean()), "interval": bootstrap_interval(gains, seed)}


def _cell(predicted: Predictions) -> dict[str, Any]:
    low, high = bootstrap_interval(predicted.correct)
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return {"value": _percent(predicted.accuracy), "interval": interval, "difference": "", "sure": False}


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.1f}".replace("-", "\N{MINUS SIGN}")


def _setting(name: str, settings: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {"name": name, "values_": [each.get(name, "") for each in settings]}


def _queries(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """For each query the matches in every run, with their labels and whether these are the query's."""
    known, asked = comparison.train_labels, comparison.test_labels
    for number, (row, pixels) in enumerate(zip(comparison.queries.tolist(), comparison.queried, strict=True)):
        label = asked[row] if asked else ""
        runs = []
        for run in comparison.runs:
            matches = []
            for index, match in zip(run.matches[number].tolist(), run.matched[number], strict=True):
                theirs = known[index] if known else ""
                predicted = "" if not (label and theirs) else "yes" if theirs == label else "no"
                matches.append({"png": _thumbnail(match), "label": theirs, "verdict": predicted})
            runs.append({"name": run.name, "matches": matches})
        yield {"png": _thumbnail(pixels), "label": label, "runs": runs}


def _panels(comparison: Comparison) -> Iterator[Panel]:
    """All figures of the report."""
    runs = comparison.runs
    if names := list(_predictions(runs[0].evaluation.code)):
        named = {}
        for run in runs:
            predictions = _predictions(run.evaluation.code)
            named[run.name] = [
                (predictions[name].accuracy, *bootstrap_interval(predictions[name].correct)) for name in names
            ]
        figure = plots.accuracies(named, [TITLES[name] for name in names])
        yield Panel("accuracies", "accuracies with their intervals", "accuracies.png", figure)
    numbers = {run.name: number for number, run in enumerate(runs)}
    for quantity in dict.fromkeys(name for run in runs for name in run.curves):
        lines = {run.name: run.curves[quantity] for run in runs if quantity in run.curves}
        file = f"curve-{_slug(quantity)}.png"
        yield Panel("curves", f"{quantity} over steps", file, plots.curves(quantity, lines, numbers))
    labels = comparison.test_labels
    mapped = None if labels is None else [labels[row] for row in comparison.mapped]
    for number, run in enumerate(runs, 1):
        name = f"{number}-{_slug(run.name)}.png"
        yield Panel("map", f"map of {run.name}", f"map-{name}", plots.scatter(run.name, run.places, mapped))
        mosaic = plots.mosaic(run.name, run.queried, run.matched)
        yield Panel("neighbors", f"neighbors by {run.name}", f"neighbors-{name}", mosaic)
        task, code = run.evaluation.task, run.evaluation.code
        if task is not None and code is not None:
            shares = confusion(task, _predictions(code)["knn_cosine"])
            figure = plots.confusions(run.name, shares, task.names)
            yield Panel("confusion", f"confusion by {run.name}", f"confusion-{name}", figure)


def _thumbnail(pixels: UInt8[np.ndarray, "s s 3"]) -> str:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "png")
    return _uri("image/png", out.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def _slug(name: str) -> str:
    """A name as any file system takes it."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "run"
