"""Readings of trained critics: the held-out bound, nearest neighbors, and what they say together."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.bounds import BOUNDS
from infomax.information.estimation.closed_forms import GaussianCritic
from infomax.information.estimation.cross_fit import CrossFit
from infomax.information.estimation.folds import SCORING_BLOCK, scoring_blocks
from infomax.information.estimation.ksg import FARTHER, NEAREST, ksg
from infomax.information.estimation.preprocessing import normal_scores
from infomax.information.transformations import Columns

NEAREST_NEIGHBORS = "nearest-neighbors"
_MOST_QUERIES = 20_000  # samples whose nearest neighbors are searched
_KSG_ERROR = 0.015  # nats beyond spread and extrapolation, as seen on distributions with known information
_MOST_CANONICAL = 3  # canonical variables of a side in which neighbors are searched
_FORM_ERROR = 0.005  # nats: what a closed form other than the Gaussian may have wrong


@dataclass(frozen=True)
class Reading:
    """A value for each held-out block, the means of the folds, and the possible systematic error, in nats.

    Attributes:
        name: Name of a bound, or "nearest-neighbors".
        blocks: The value on each block.
        fold_values: The value on each fold.
        systematic: The possible systematic error.

    """

    name: str
    blocks: Float[Tensor, " blocks"]
    fold_values: tuple[float, ...]
    systematic: float

    @property
    def value(self) -> float:
        """The mean over blocks."""
        return float(self.blocks.mean())

    @property
    def standard_error(self) -> float:
        """The spread over blocks and the systematic error together."""
        return math.hypot(error_of_mean(self.blocks), self.systematic)


def error_of_mean(values: Float[Tensor, " n"]) -> float:
    """Compute the standard error of the mean of independent values.

    Args:
        values: A value for each block, or for each sample.

    Returns:
        The standard error.

    """
    return float(values.std() / math.sqrt(len(values)))


def by_bound(fit: CrossFit, name: str) -> Reading:
    """Read a bound on held-out samples. Half of its loss from training to held-out samples is a systematic error.

    Args:
        fit: The trained critics.
        name: Name of the bound.

    Returns:
        The reading.

    """
    bound, optimum = BOUNDS[name], float(name == "nwj")  # nwj is exact at 1 + log r, the others at log r
    # n samples show no more than ln n (McAllester & Stratos 2020), and information is never negative
    most, least = math.log(len(fit.x)), 0.0 if fit.contradicting else -math.inf
    held_out, training = (
        [each.clamp(least, most) for each in bounds(bound, optimum)]
        for bounds in (fit.held_out_bounds, fit.training_bounds)
    )
    loss = float(torch.cat(training).mean() - torch.cat(held_out).mean())
    return Reading(name, torch.cat(held_out), tuple(float(each.mean()) for each in held_out), abs(loss) / 2)


def by_ksg(x: Columns, y: Columns, blocks: list[Int[Tensor, " _"]], given: Columns | None = None) -> Reading:
    """Read nearest neighbors, extrapolated half of the way from FARTHER over NEAREST to 0 neighbors.

    Where the density has an edge, the error grows as sqrt k on the plane. Where the density is smooth, the error is
    smaller and of either sign. So half of the extrapolation is applied, and it counts as a systematic error in addition
    to _KSG_ERROR. In more dimensions an edge would ask for k^(1/d), but for smooth densities that finds slack that does
    not exist.

    Args:
        x: All samples of x.
        y: All samples of y.
        blocks: Rows of each block whose neighbors are searched.
        given: All samples of z, for the information given z. None for the plain information.

    Returns:
        The reading.

    """
    blocks = blocks[: math.ceil(_MOST_QUERIES / SCORING_BLOCK)]
    near, far = torch.stack([ksg(x, y, block, given) for block in blocks]).unbind(1)
    half = 0.5 / (math.sqrt(FARTHER / NEAREST) - 1) * (near - far)
    return Reading(NEAREST_NEIGHBORS, near + half, (), math.hypot(float(half.mean()), _KSG_ERROR))


def add_slack(bound: Reading, neighbors: Reading) -> Reading:
    """Add to the bound as much of the neighbors' difference as chance does not explain.

    A bound misses s >= 0, often nothing. An observed s with standard error sigma counts as s - sigma^2 / s, and as zero
    up to sigma: almost all of a clear slack, almost nothing of chance (James & Stein 1961, positive part). The rest of
    the observed slack may be real. It is a systematic error.

    Args:
        bound: The reading of a bound.
        neighbors: The reading of nearest neighbors on the same blocks.

    Returns:
        The reading of both.

    """
    difference = neighbors.blocks - bound.blocks[: len(neighbors.blocks)]
    slack, error = max(0.0, float(difference.mean())), error_of_mean(difference)
    believed = 1 - (error / slack) ** 2 if slack > error else 0.0
    doubted = (1 - believed) * math.hypot(bound.systematic, slack)
    systematic = math.hypot(believed * neighbors.systematic, doubted, error)
    if not believed:
        return replace(bound, systematic=systematic)
    blocks = bound.blocks[: len(neighbors.blocks)] + believed * difference
    return Reading(NEAREST_NEIGHBORS, blocks, (), systematic)


def add_fitting_loss(bound: Reading, held_out: float, training: float) -> Reading:
    """Add what the closed form lost by being fitted to finitely many samples: half the distance of its two bounds.

    With p parameters fitted by maximum likelihood, the training bound is p / 2n too high and the held-out bound p / 2n
    too low (Akaike 1973). A quarter of what is added counts as a systematic error.

    Args:
        bound: The reading of the held-out bound.
        held_out: The bound of the closed form alone on held-out samples, in nats.
        training: The bound of the closed form alone on training samples, in nats.

    Returns:
        The reading with the loss added.

    """
    loss = max(0.0, training - held_out) / 2
    systematic = math.hypot(max(0.0, bound.systematic - loss), loss / 4)
    return replace(bound, blocks=bound.blocks + loss, systematic=systematic)


def doubt_gain(bound: Reading, gain: float, *, bent: bool = False) -> Reading:
    """Add what the network gained over the closed form to the systematic error.

    For normal variables the gain is zero, and nothing is missing. Otherwise the network has found some information
    beyond the closed form, and the same amount again may be missing.

    Args:
        bound: The reading of the held-out bound.
        gain: What the network added to the closed form, in nats.
        bent: Whether the closed form is another one than the Gaussian of the columns, which may be wrong by more.

    Returns:
        The reading with a larger error.

    """
    return replace(bound, systematic=math.hypot(bound.systematic, max(0.0, gain), _FORM_ERROR if bent else 0.0))


def doubt_by_neighbors(bound: Reading, fit: CrossFit) -> Reading:
    """Add what neighbors in the first canonical variables show beyond the bound to the systematic error.

    Functions of x and y have no more information than x and y, so this works in any dimension. Each fold has canonical
    variables fitted to the others, and its held-out samples are one another's neighbors. What chance explains, one
    standard error of the difference, does not count.

    Args:
        bound: The reading of the held-out bound.
        fit: The trained critics.

    Returns:
        The reading with a larger error; the same if the closed form has no canonical variables.

    """
    parts = torch.split(bound.blocks, [len(scoring_blocks(fold.held_out)) for fold in fit.folds])
    differences = []
    for fold, critic, part in zip(fit.folds, fit.critics, parts, strict=True):
        form, rows = critic.closed_form, fold.held_out
        if not (isinstance(form, GaussianCritic) and len(form.cross)):
            return bound
        a, b = form.canonical_x(fit.x[rows]), form.canonical_y(fit.y[rows])
        a, b = (normal_scores(side[:, :_MOST_CANONICAL].double()) for side in (a, b))
        seen = by_ksg(a, b, list(scoring_blocks(torch.arange(len(rows)))))
        differences.append(seen.blocks - part[: len(seen.blocks)])
    difference = torch.cat(differences)
    slack = max(0.0, float(difference.mean()) - error_of_mean(difference))
    return replace(bound, systematic=math.hypot(bound.systematic, slack))
