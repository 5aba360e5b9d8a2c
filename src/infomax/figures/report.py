"""Report of a comparison: one HTML page that needs no other file, and its figures as PNG files beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from infomax.errors import InfoMaxError
from infomax.evaluation.comparison import Comparison, bootstrap_interval
from infomax.evaluation.conclusion import conclusion
from infomax.evaluation.scores import confusion
from infomax.figures import report_plots as plots
from infomax.figures.report_page import TITLES, data_uri, difference_to_first, headline, render_page
from infomax.files import written_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PAGE = "index.html"
_FILES_OF_A_REPORT = re.compile(r"index\.html|accuracies\.png|(curve|map|neighbors|confusion)-.+\.png")


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


def write_report(comparison: Comparison, out: Path, seed: int = 0) -> Path:
    """Write the page and its figures into a folder, in place of everything that was there.

    They are written to a hidden folder beside it first, so that a report exists completely or not at all.

    Args:
        comparison: The runs to report on.
        out: The folder of the report.
        seed: Seed of the bootstrap intervals.

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
            image = {"title": panel.title, "svg": data_uri("image/svg+xml", plots.as_svg(panel.figure).encode())}
            images.setdefault(panel.section, []).append(image)
        with written_atomically(new / _PAGE, "w") as file:
            file.write(render_page(comparison, images, seed))
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
        The evaluation of each run, with its difference to the first run in fractions, and the conclusion.

    """
    runs = []
    for run in comparison.runs:
        names = headline(run.evaluation.code)
        differences = {name: difference_to_first(comparison, run, name, seed) for name in names}
        seconds = {"seconds_to_learn": run.learning.seconds}
        runs.append({"name": run.name, **run.evaluation.to_dict(), "difference": differences, **seconds})
    pixels = {} if comparison.pixels is None else {"pixels": comparison.pixels.to_dict()}
    sources = {"train": comparison.train, "test": comparison.test}
    return {**sources, "conclusion": conclusion(comparison, seed), "runs": runs, **pixels}


@dataclass(frozen=True)
class _Panel:
    """A figure with its section of the page, its title and the name of its file."""

    section: str
    title: str
    file: str
    figure: "Figure"


def _panels(comparison: Comparison) -> Iterator[_Panel]:
    """Yield all figures of the report."""
    runs = comparison.runs
    if names := list(headline(runs[0].evaluation.code)):
        scores = {}
        for run in runs:
            found = [headline(run.evaluation.code)[name] for name in names]
            scores[run.name] = [(each.accuracy, *bootstrap_interval(each.correct)) for each in found]
        figure = plots.accuracies(scores, [TITLES[name] for name in names])
        yield _Panel("accuracies", "accuracies with their intervals", "accuracies.png", figure)
    numbers = {run.name: number for number, run in enumerate(runs)}
    for quantity in dict.fromkeys(name for run in runs for name in run.learning.curves):
        lines = {run.name: run.learning.curves[quantity] for run in runs if quantity in run.learning.curves}
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
            fractions = confusion(split, headline(code)["knn_cosine"])
            figure = plots.confusions(run.name, fractions, split.names)
            yield _Panel("confusion", f"confusion by {run.name}", f"confusion-{name}", figure)


def _slug(name: str) -> str:
    """A name that every file system accepts."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:60] or "run"
