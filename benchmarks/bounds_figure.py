"""Figure of docs/mathematics.md: value of each bound and divergence at the optimal score, over the true information.

    python benchmarks/bounds_figure.py [--out docs/figures/bounds.png]

Ten pairs of normal variables share I nats. The score is the exact log density ratio, so every gap and excess comes from
the bound and not from a critic. Batches have 256 rows with all pairs; mean and standard deviation are over 12 batches.
"""

import math

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from torch import Tensor

from _common import argument_parser
from infomax.information.bounds import BOUNDS, Bound, of_name
from infomax.information.divergences import DIVERGENCES, KL, Divergence

PAIRS, BATCH, BATCHES = 10, 256, 12
INFORMATION = torch.linspace(0.1, 10, 12).tolist()
SATURATING = ("jensen-shannon", "squared-hellinger", "total-variation")


def log_ratios(information: float, generator: torch.Generator) -> Tensor:
    """Exact log density ratio of every x of a batch with every y."""
    rho = math.sqrt(-math.expm1(-2 * information / PAIRS))
    x, noise = torch.randn(2, BATCH, PAIRS, generator=generator, dtype=torch.float64)
    y = rho * x + math.sqrt(1 - rho**2) * noise
    a, b = x.unsqueeze(1), y.unsqueeze(0)
    own = rho**2 * (a**2 + b**2) - 2 * rho * a * b
    out: Tensor = information - (own / (2 * (1 - rho**2))).sum(-1)
    return out


def at_the_optimum(bound: Bound, divergence: Divergence | None, information: float) -> Tensor:
    """Value of the bound on each batch."""
    generator = torch.Generator().manual_seed(0)
    other = ~torch.eye(BATCH, dtype=torch.bool)
    values = []
    for _ in range(BATCHES):
        scores = log_ratios(information, generator)
        scores = divergence.optimal_score(scores).clamp(-700, 700) if divergence else scores
        values.append(bound(scores.diagonal(), scores[other].reshape(BATCH, BATCH - 1)))
    return torch.stack(values)


def draw(axes: Axes, label: str, bound: Bound, divergence: Divergence | None) -> None:
    values = torch.stack([at_the_optimum(bound, divergence, information) for information in INFORMATION])
    middle, spread = values.mean(1), values.std(1)
    axes.plot(INFORMATION, middle, label=label)
    axes.fill_between(INFORMATION, middle - spread, middle + spread, alpha=0.2)


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--out", default="docs/figures/bounds.png")
    options = parser.parse_args()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    for name in ("donsker-varadhan", "nwj", "infonce", "smile"):
        draw(left, name, BOUNDS[name], KL if name == "nwj" else None)
    left.plot(INFORMATION, INFORMATION, "k--", linewidth=1, label="true information")
    left.axhline(math.log(BATCH), color="gray", linewidth=1, linestyle=":", label="ln 256")
    left.set(xlabel="mutual information, nats", ylabel="bound, nats", ylim=(0, 12), title="Bounds on the information")
    for name in SATURATING:
        draw(right, name, of_name("f-divergence", DIVERGENCES[name]), DIVERGENCES[name])
    right.set(xlabel="mutual information, nats", ylim=(0, 2.2), title="Other divergences of joint and product")
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.out, dpi=110)


if __name__ == "__main__":
    main()
