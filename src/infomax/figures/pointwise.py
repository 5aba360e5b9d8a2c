"""A figure of an estimate of information: samples colored by pointwise information, and the bound by sample size."""

from io import BytesIO

import numpy as np
from jaxtyping import Float

from infomax.information.estimation.sample_size import SampleSizeCurve

_SIZE, _RESOLUTION = (9.0, 3.8), 150  # inches, dots an inch
_MOST_POINTS = 20_000
_WIDEST = 0.99  # fraction of the pointwise values that the colors tell apart


def draw_pointwise(
    x: Float[np.ndarray, "n _"], y: Float[np.ndarray, "n _"], values: Float[np.ndarray, " n"], curve: SampleSizeCurve
) -> bytes:
    """Draw both panels.

    Args:
        x: Samples of x. Of several columns, the first principal component of their ranks is shown.
        y: Samples of y.
        values: Pointwise information of each pair, in nats; pairs with NaN are left out.
        curve: The bound by sample size.

    Returns:
        A PNG file.

    """
    from matplotlib.figure import Figure

    figure = Figure(_SIZE, layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = np.flatnonzero(np.isfinite(values))
    shown = shown[:: max(1, -(-len(shown) // _MOST_POINTS))]
    limit = max(float(np.quantile(np.abs(values[shown]), _WIDEST)), 1e-3)
    axes = [_axis(side[shown]) for side in (x, y)]
    dots = left.scatter(
        *(each for each, _ in axes), c=values[shown], s=6, cmap="RdBu_r", vmin=-limit, vmax=limit, linewidths=0
    )
    figure.colorbar(dots, label="pointwise information (nats)", extend="both")
    left.set_xlabel(f"x{axes[0][1]}")
    left.set_ylabel(f"y{axes[1][1]}")
    left.set_title("Samples", loc="left")
    right.errorbar(curve.sizes, curve.bounds, yerr=[2 * each for each in curve.errors], marker="o", capsize=3)
    right.set_xscale("log", base=2)
    right.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes])
    right.minorticks_off()
    right.set_ylim(bottom=0)
    right.set_xlabel("samples")
    right.set_ylabel("held-out lower bound (nats)")
    verdict = "still rises: more samples would show more" if curve.still_rises else "no longer rises"
    right.set_title(f"The bound {verdict}", loc="left")
    out = BytesIO()
    figure.savefig(out, format="png", dpi=_RESOLUTION)
    return out.getvalue()


def _axis(side: Float[np.ndarray, "n d"]) -> tuple[Float[np.ndarray, " n"], str]:
    """One number for each sample, and how it was made."""
    side = np.asarray(side, np.float64).reshape(len(side), -1)
    if side.shape[1] == 1:
        return side[:, 0], ""
    ranks = side.argsort(0).argsort(0) / len(side) - 0.5
    directions = np.linalg.svd(ranks, full_matrices=False)[2]
    return ranks @ directions[0], f": first component of the ranks of {side.shape[1]} columns"
