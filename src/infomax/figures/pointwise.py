"""A figure of an estimate of information: samples colored by pointwise information, and the bound by sample size."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Shaped

from infomax.information.estimation.estimate import MutualInformation
from infomax.information.estimation.sample_size import SampleSizeCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE, _RESOLUTION = (10.5, 4.4), 150  # inches, dots an inch
_BLUE, _INK, _GRID = "#0072b2", "#1d2733", "#e3e6ea"
_MOST_POINTS, _INK_OF_POINTS = 20_000, 12_000  # points drawn; square points of ink that they share
_WIDEST, _LEAST_LIMIT = (
    0.99,
    0.1,
)  # fraction of the values that colors tell apart; nats at their ends, at least
_BEYOND, _LONG_TAIL = 0.005, 3.0  # quantile where an axis ends if all values would need an axis so much longer
_FEW_VALUES, _SPREAD = 50, 0.35  # distinct values of an axis that are spread, by this part of the least gap


def draw_pointwise(
    x: Shaped[np.ndarray, "n *_"],
    y: Shaped[np.ndarray, "n *_"],
    values: Float[np.ndarray, " n"],
    curve: SampleSizeCurve,
    estimate: MutualInformation,
) -> bytes:
    """Draw both panels.

    Args:
        x: Samples of x, numbers or texts. Of several columns, the first principal component of their ranks is shown.
        y: Samples of y.
        values: Pointwise information of each pair, in nats; pairs with NaN are left out.
        curve: The bound by sample size.
        estimate: The estimate, for the title and as a line.

    Returns:
        A PNG file.

    """
    out = BytesIO()
    pointwise_figure(x, y, values, curve, estimate).savefig(out, format="png", dpi=_RESOLUTION)
    return out.getvalue()


def pointwise_figure(
    x: Shaped[np.ndarray, "n *_"],
    y: Shaped[np.ndarray, "n *_"],
    values: Float[np.ndarray, " n"],
    curve: SampleSizeCurve,
    estimate: MutualInformation,
) -> "Figure":
    """Make the figure with both panels.

    Args:
        x: Samples of x, as for `draw_pointwise`.
        y: Samples of y.
        values: Pointwise information of each pair, in nats.
        curve: The bound by sample size.
        estimate: The estimate.

    Returns:
        The figure.

    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    figure = Figure(_SIZE, layout=ConstrainedLayoutEngine(wspace=0.05))
    figure.suptitle(
        f"x and y share {estimate.value:.2f} nats (standard error {estimate.standard_error:.2f})", color=_INK
    )
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    dots = _draw_samples(left, x, y, values)
    bar = figure.colorbar(dots, ax=left, extend="both", label="ln p(x, y) / p(x) p(y), in nats")
    bar.outline.set_visible(False)
    _draw_curve(right, curve, estimate)
    return figure


def _draw_samples(axes: "Axes", x: Shaped[np.ndarray, "n *_"], y: Shaped[np.ndarray, "n *_"], values: Any) -> Any:
    """Samples colored by pointwise information, those that say most on top."""
    shown = np.flatnonzero(np.isfinite(values))
    shown = shown[:: max(1, -(-len(shown) // _MOST_POINTS))]
    shown = shown[np.abs(values[shown]).argsort(kind="stable")]
    limit = max(float(np.quantile(np.abs(values[shown]), _WIDEST)), _LEAST_LIMIT)
    places = []
    for name, side in (("x", x), ("y", y)):
        place, meaning = _axis(side[shown])
        low, high = _limits(place)
        beyond = int(((place < low) | (place > high)).sum())
        note = f"; {beyond} samples lie beyond the axis" if beyond else ""
        axes.set(**{f"{name}label": f"{name}{meaning}{note}", f"{name}lim": (low, high)})
        places.append(place)
    size = float(np.clip(_INK_OF_POINTS / len(shown), 3, 24))
    axes.set_title("Each pair of samples, by its pointwise information", loc="left", fontsize=10, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    style: dict[str, Any] = {"cmap": "coolwarm", "vmin": -limit, "vmax": limit, "linewidths": 0, "rasterized": True}
    return axes.scatter(places[0], places[1], c=values[shown], s=size, **style)


def _draw_curve(axes: "Axes", curve: SampleSizeCurve, estimate: MutualInformation) -> None:
    """The bound by sample size beside the estimate, both with two standard errors."""
    reach = 2 * estimate.standard_error
    axes.axhspan(max(0.0, estimate.value - reach), estimate.value + reach, color=_GRID, linewidth=0)
    axes.axhline(estimate.value, color=_INK, linestyle="--", linewidth=1, label="estimate from all samples")
    errors = [2 * each for each in curve.errors]
    axes.errorbar(
        *(curve.sizes, curve.bounds, errors), color=_BLUE, marker="o", capsize=3, label="held-out lower bound"
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes])
    axes.minorticks_off()
    top = max(estimate.value + reach, *(bound + error for bound, error in zip(curve.bounds, errors, strict=True)))
    axes.set_ylim(0, max(1.08 * top, 0.05))
    axes.set_xlabel("samples")
    axes.set_ylabel("information, in nats")
    verdict = "still rises: more samples would show more" if curve.still_rises else "no longer rises"
    axes.set_title(f"The bound {verdict}", loc="left", fontsize=10, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="best", frameon=False, fontsize=9)


def _axis(side: Shaped[np.ndarray, "n *_"]) -> tuple[Float[np.ndarray, " n"], str]:
    """One number for each sample, and how it was made."""
    columns = side.reshape(len(side), -1)
    if columns.dtype.kind not in "biuf":
        columns = np.stack([np.unique(column.astype(str), return_inverse=True)[1] for column in columns.T], 1)
    columns = columns.astype(np.float64)
    if columns.shape[1] > 1:
        ranks = columns.argsort(0).argsort(0) / len(columns) - 0.5
        directions = np.linalg.svd(ranks, full_matrices=False)[2]
        return ranks @ directions[0], f": first component of the ranks of {columns.shape[1]} columns"
    levels = np.unique(columns)
    if not 1 < len(levels) <= _FEW_VALUES:
        return columns[:, 0], ""
    spread = _SPREAD * float(np.diff(levels).min())
    noise = np.random.default_rng(0).uniform(-spread, spread, len(columns))
    return columns[:, 0] + noise, f": {len(levels)} values, each spread a little"


def _limits(place: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Where an axis starts and ends: everything, unless a few samples would squeeze the others."""
    low, high = float(place.min()), float(place.max())
    inner = np.quantile(place, (_BEYOND, 1 - _BEYOND))
    if high / 2 - low / 2 > _LONG_TAIL * (inner[1] / 2 - inner[0] / 2) > 0:  # halves, as the whole may overflow
        low, high = (float(each) for each in inner)
    margin = 0.08 * (high / 2 - low / 2) or 0.5
    return low - margin, high + margin
