"""The figures of a report, a panel each; drawn by matplotlib, which is loaded only here and only when one is drawn.

Each exists as a PNG on white, and as an SVG whose ink and ground are those of the page around it, light or dark.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, UInt8

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1d2733"
DARK_INK = "#d7dde5"

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""Of runs; told apart by most color-blind people too (Okabe & Ito 2008)."""

GROUPS = 20
"""Labels that get a color of their own on a map."""

SIZE = (4.6, 3.4)
"""Inches."""

LEGEND: Any = {"frameon": False, "labelcolor": INK}

STYLE: Any = {
    "font.size": 9,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "infomax",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.spines.top": False,
    "axes.spines.right": False,
}

STYLED = f"<style>svg{{color:{INK}}}@media(prefers-color-scheme:dark){{svg{{color:{DARK_INK}}}}}</style>"


def accuracies(named: Mapping[str, Sequence[tuple[float, float, float]]], rows: Sequence[str]) -> "Figure":
    """For each of `named` runs its (accuracy, low, high) in every row: a dot and its interval."""
    figure, axes = _panel((SIZE[0] * 1.2, 0.7 + 0.28 * len(rows) * (len(named) + 1)))
    for number, (name, values) in enumerate(named.items()):
        y = np.arange(len(rows)) + (number - (len(named) - 1) / 2) / (len(named) + 1)
        value, low, high = 100 * np.array(values).T
        color = COLORS[number % len(COLORS)]
        axes.errorbar(value, y, xerr=[value - low, high - value], fmt="o", color=color, label=name, capsize=2)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("right, %")
    axes.grid(axis="x", alpha=0.25)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=min(3, len(named)), **LEGEND)
    return figure


def curves(title: str, named: Mapping[str, Float[np.ndarray, "2 points"]], numbers: Mapping[str, int]) -> "Figure":
    """One quantity of the log of several runs over their steps; `numbers` tells which color is whose."""
    figure, axes = _panel()
    for name, (steps, values) in named.items():
        color = COLORS[numbers[name] % len(COLORS)]
        axes.plot(steps, values, color=color, label=name, marker="o" if len(steps) < 20 else None, markersize=3)
    axes.set_title(title)
    axes.set_xlabel("step")
    axes.locator_params(axis="x", integer=True)
    axes.set_ylabel("nats")
    axes.grid(alpha=0.25)
    axes.legend(**LEGEND)
    return figure


def scatter(title: str, places: Float[np.ndarray, "n 2"], labels: Sequence[str] | None) -> "Figure":
    """A map: a dot an image, colored by its label; the most frequent labels where there are too many."""
    from matplotlib import colormaps

    figure, axes = _panel((SIZE[0], SIZE[0] * 0.85))
    names, counts = np.unique(labels if labels is not None else [], return_counts=True)
    shown = sorted(names[np.argsort(-counts, kind="stable")][:GROUPS].tolist())
    palette = colormaps["tab10" if len(shown) <= 10 else "tab20"].colors  # type: ignore[attr-defined]
    rest = np.array([label not in shown for label in labels]) if labels is not None else np.ones(len(places), bool)
    style: Any = {"s": 9, "linewidths": 0, "rasterized": True}
    axes.scatter(*places[rest].T, color="#8a94a0", **style)
    for number, label in enumerate(shown):
        mine = np.array(labels) == label
        axes.scatter(*places[mine].T, color=palette[number], label=_text(label), **style)
    axes.set_title(title)
    axes.set_axis_off()
    if shown:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7, handletextpad=0.1, **LEGEND)
    return figure


def confusions(title: str, shares: Float[np.ndarray, "c c"], names: Sequence[str]) -> "Figure":
    """Rows: what the images are; columns: what they were called; per cent where there is room to read them."""
    few = len(names) <= 12
    side = SIZE[0] if few else SIZE[0] * 1.4
    figure, axes = _panel((side, side))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(names)) if len(names) <= 60 else []
    texts = [_text(names[tick]) for tick in ticks]
    size = 8 if few else 5
    axes.set_xticks(ticks, texts, rotation=60, ha="right", rotation_mode="anchor", fontsize=size)
    axes.set_yticks(ticks, texts, fontsize=size)
    for (row, column), share in np.ndenumerate(shares) if few else ():
        if share >= 0.005:
            ink = "white" if share > 0.5 else "#16202c"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=6.5, color=ink)
    axes.set_title(title)
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    return figure


def mosaic(title: str, queried: UInt8[np.ndarray, "q s s 3"], matched: UInt8[np.ndarray, "q k s s 3"]) -> "Figure":
    """Rows of images: a query, then its neighbors."""
    figure, axes = _panel((1 + 0.55 * (matched.shape[1] + 1), 0.5 + 0.55 * len(matched)))
    tiles = np.concatenate([queried[:, None], matched], 1)
    pad = max(1, tiles.shape[2] // 16)
    framed = np.pad(tiles, ((0, 0), (0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=255)
    rows, columns, side = framed.shape[:3]
    axes.imshow(framed.transpose(0, 2, 1, 3, 4).reshape(rows * side, columns * side, 3))
    axes.axvline(side - 0.5, color=INK, linewidth=1)
    axes.set_title(title)
    axes.set_axis_off()
    return figure


def as_png(figure: "Figure") -> bytes:
    """On white, whatever the page."""
    out = BytesIO()
    figure.savefig(out, format="png", dpi=160, facecolor="white", bbox_inches="tight")
    return out.getvalue()


def as_svg(figure: "Figure") -> str:
    """On nothing, in ink that is light on a dark page."""
    import matplotlib

    out = StringIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(out, format="svg", dpi=160, transparent=True, bbox_inches="tight", metadata={"Date": None})
    head, tag, rest = out.getvalue().partition("<defs>")
    return head + STYLED + tag + rest.replace(INK, "currentColor")


def _panel(size: tuple[float, float] = SIZE) -> "tuple[Figure, Axes]":
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(size)
        return figure, figure.add_subplot()


def _text(name: str) -> str:
    """A name as matplotlib writes it: no mathematics between dollars, and not too long."""
    return (name if len(name) <= 24 else f"{name[:23]}…").replace("$", r"\$")
