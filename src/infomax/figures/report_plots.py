"""Plots of a report, one panel each. Only this module loads matplotlib, and only when a panel is drawn.

Each panel becomes a PNG on white, and an SVG whose ink and background follow the page around it, light or dark.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _DARK_INK = "#1d2733", "#d7dde5"  # --ink of report.html, light and dark
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""Colors of runs that most color-blind people can distinguish (Okabe & Ito 2008)."""

_LABELS_IN_COLOR = 20  # labels with a color of their own on a map
_EQUAL_STEPS, _GOLDEN_ANGLE = 12, 137.508  # labels with equal steps of hue; degrees between those of more labels
# From Oklab to linear sRGB (Ottosson 2020, https://bottosson.github.io/posts/oklab/).
_OKLAB_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
_LMS_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)
_SIZE = (4.6, 3.4)  # inches
_LEGEND: Any = {"frameon": False, "labelcolor": _INK}
_STYLE: Any = {
    "font.size": 9,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "infomax",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_SVG_STYLE = f"<style>svg{{color:{_INK}}}@media(prefers-color-scheme:dark){{svg{{color:{_DARK_INK}}}}}</style>"


def accuracies(runs: Mapping[str, Sequence[tuple[float, float, float]]], rows: Sequence[str]) -> "Figure":
    """Plot accuracies as dots with their intervals.

    Args:
        runs: (accuracy, low, high) in every row, as fractions, by name of the run.
        rows: Title of each row.

    Returns:
        The panel.

    """
    figure, axes = _panel((_SIZE[0] * 1.2, 0.7 + 0.28 * len(rows) * (len(runs) + 1)))
    for number, (name, values) in enumerate(runs.items()):
        y = np.arange(len(rows)) + (number - (len(runs) - 1) / 2) / (len(runs) + 1)
        value, low, high = 100 * np.array(values).T
        color = _COLORS[number % len(_COLORS)]
        axes.errorbar(value, y, xerr=[value - low, high - value], fmt="o", color=color, label=name, capsize=2)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("accuracy, %")
    axes.grid(axis="x", alpha=0.25)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(3, len(runs)), **_LEGEND)
    return figure


def curves(title: str, runs: Mapping[str, Float[np.ndarray, "2 points"]], numbers: Mapping[str, int]) -> "Figure":
    """Plot one quantity of the log of several runs over their steps.

    Args:
        title: Name of the quantity.
        runs: (steps, values in nats) by name of the run, shape (2, points).
        numbers: Number of each run, which determines its color.

    Returns:
        The panel.

    """
    figure, axes = _panel()
    for name, (steps, values) in runs.items():
        color = _COLORS[numbers[name] % len(_COLORS)]
        axes.plot(steps, values, color=color, label=name, marker="o" if len(steps) < 20 else None, markersize=3)
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel("nats")
    axes.grid(alpha=0.25)
    axes.legend(**_LEGEND)
    return figure


def scatter(title: str, places: Float[np.ndarray, "n 2"], labels: Sequence[str] | None) -> "Figure":
    """Plot a map: one dot an image, colored by its label.

    Args:
        title: Name of the run.
        places: Position of each image, shape (n, 2).
        labels: Label of each image, or None. The 20 most frequent labels have colors; the other dots are gray.

    Returns:
        The panel.

    """
    figure, axes = _panel((_SIZE[0], _SIZE[0] * 0.85))
    names, counts = np.unique(labels if labels is not None else [], return_counts=True)
    shown = sorted(names[np.argsort(-counts, kind="stable")][:_LABELS_IN_COLOR].tolist())
    everything = sorted(names.tolist())
    rest = np.array([label not in shown for label in labels]) if labels is not None else np.ones(len(places), bool)
    style: Any = {"s": 9, "linewidths": 0, "rasterized": True}
    axes.scatter(*places[rest].T, color="#8a94a0", **style)
    for label in shown:
        own = np.array(labels) == label
        axes.scatter(
            *places[own].T, color=label_color(everything.index(label), len(everything)), label=_text(label), **style
        )
    axes.set_title(title)
    axes.set_axis_off()
    if shown:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, handletextpad=0.1, **_LEGEND)
    return figure


def label_color(index: int, count: int) -> tuple[float, float, float]:
    """Color of a label: the same as on the map of the page that `infomax serve` shows (`labelColor` in map_legend.js).

    Args:
        index: Place of the label among all labels in alphabetical order.
        count: Number of labels.

    Returns:
        Red, green and blue, 0 to 1.

    """
    hue = 360 * index / count + 15 if count <= _EQUAL_STEPS else _GOLDEN_ANGLE * index % 360
    lightness, chroma = (0.62, 0.52)[index % 2], 0.16
    a, b = chroma * np.cos(np.deg2rad(hue)), chroma * np.sin(np.deg2rad(hue))
    linear = _LMS_TO_RGB @ (_OKLAB_TO_LMS @ np.array([lightness, a, b])) ** 3
    curved = np.where(linear > 0.0031308, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055, 12.92 * linear)
    red, green, blue = np.clip(curved, 0, 1).tolist()
    return red, green, blue


def confusions(title: str, fractions: Float[np.ndarray, "c c"], names: Sequence[str]) -> "Figure":
    """Plot a confusion matrix, with percentages when there is room to read them.

    Args:
        title: Name of the run.
        fractions: Fraction of the images of each class (rows) predicted as each class (columns), shape (c, c).
        names: Names of the classes.

    Returns:
        The panel.

    """
    few = len(names) <= 12
    side = _SIZE[0] if few else _SIZE[0] * 1.4
    figure, axes = _panel((side, side))
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(names)) if len(names) <= 60 else []
    texts = [_text(names[tick]) for tick in ticks]
    size = 8 if few else 5
    axes.set_xticks(ticks, texts, rotation=60, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(ticks, texts, fontsize=size)
    for (row, column), fraction in np.ndenumerate(fractions) if few else ():
        if fraction >= 0.005:
            ink = "white" if fraction > 0.5 else "#16202c"
            axes.text(column, row, f"{100 * fraction:.0f}", ha="center", va="center", fontsize=6.5, color=ink)
    axes.set_title(title)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return figure


def mosaic(title: str, queried: UInt8[np.ndarray, "q s s 3"], matched: UInt8[np.ndarray, "q k s s 3"]) -> "Figure":
    """Plot rows of images: a query, then its neighbors.

    Args:
        title: Name of the run.
        queried: Pixels of the queries, shape (q, s, s, 3), uint8.
        matched: Pixels of the neighbors of each, shape (q, k, s, s, 3).

    Returns:
        The panel.

    """
    figure, axes = _panel((1 + 0.55 * (matched.shape[1] + 1), 0.5 + 0.55 * len(matched)))
    tiles = np.concatenate([queried[:, None], matched], 1)
    pad = max(1, tiles.shape[2] // 16)
    framed = np.pad(tiles, ((0, 0), (0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=255)
    rows, columns, side = framed.shape[:3]
    axes.imshow(framed.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3))
    axes.axvline(side - 0.5, color=_INK, linewidth=1)
    axes.set_title(title)
    axes.set_axis_off()
    return figure


def as_png(figure: "Figure") -> bytes:
    """Render a panel as PNG on white.

    Args:
        figure: The panel.

    Returns:
        The content of the file.

    """
    out = BytesIO()
    figure.savefig(out, format="png", dpi=160, facecolor="white", bbox_inches="tight")
    return out.getvalue()


def as_svg(figure: "Figure") -> str:
    """Render a panel as SVG without background, in an ink that is light on a dark page.

    Args:
        figure: The panel.

    Returns:
        The content of the file.

    """
    import matplotlib

    out = StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(out, format="svg", dpi=160, transparent=True, bbox_inches="tight", metadata={"Date": None})
    head, tag, rest = out.getvalue().partition("<defs>")
    return head + _SVG_STYLE + tag + rest.replace(_INK, "currentColor")


def _panel(size: tuple[float, float] = _SIZE) -> "tuple[Figure, Axes]":
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(size)
        return figure, figure.add_subplot()


def _text(name: str) -> str:
    """A name as matplotlib writes it: shortened, and with dollar signs escaped, which would start mathematics."""
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")
