"""Diagnostics of a training: whether it learns features or has collapsed.

The numbers come from a thousand of the images that are learned from. Holding some back would change every training, and
a collapse shows on training images as well as on others. How good the features are on new images is for an evaluation
on new images to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from infomax.information.priors import GaussianPrior
from infomax.neighbors.knn import leave_one_out_accuracy
from infomax.neighbors.spectrum import effective_rank
from infomax.representation.objectives import Objective, Scores

MEASURED_IMAGES = 1000  # images: one in fifty of a collection of 50,000, and without gradients
MEASURED_TOGETHER = 100  # images encoded together; they are each other's negatives
VOTERS = 5  # that vote for the label of an image

# A unit is active where the variance of its posterior mean over images exceeds this (Burda et al. 2016, 1509.00519).
ACTIVE_VARIANCE = 0.01

# A dimension is dead where its standard deviation is less than this fraction of the root mean square of all codes: its
# share in cosines and distances is then a ten-thousandth of an average dimension's, or less.
DEAD_FRACTION = 0.01


class HealthWarning(UserWarning):
    """The features collapse; the message says how, the likely cause and the setting to change."""


@dataclass(frozen=True)
class Health:
    """Numbers about the encoder and the critics, in evaluation mode, on some inputs.

    Attributes:
        dim: Dimension d of the code.
        effective_rank: Of the codes (posterior means) about their mean, 1 to d; 0 where all codes are equal.
        spread: Standard deviation of the codes over inputs, averaged over dimensions.
        dead: Fraction of the dimensions that hardly change from input to input.
        active: Number of dimensions with a variance over inputs above 0.01; under a Gaussian prior those are in use.
        kl: KL(p(z|x) || N(0, 1)) in nats, averaged over inputs and dimensions; None for a deterministic encoder.
        information_upper_bound: The most that the code can say about its input, in nats, all dimensions together; None
            for a deterministic encoder.
        critics: For each critic, by the name of its term, the fractions of `positives` and of `negatives` that it
            classifies correctly. They sum to 1 where it knows nothing. An objective between views has no entry: the
            inputs are encoded as they are, without a second view to be paired with.
        knn: Fraction of the inputs whose five nearest others (cosine) vote for their label; None without two labels.

    """

    dim: int
    effective_rank: float
    spread: float
    dead: float
    active: int
    kl: float | None
    information_upper_bound: float | None
    critics: dict[str, dict[str, float]]
    knn: float | None


def sample_rows(n: int, seed: int) -> Int[Tensor, " k"]:
    """Draw the rows that are measured.

    Args:
        n: How many inputs there are.
        seed: Seed of the training; the draw has a generator of its own.

    Returns:
        MEASURED_IMAGES of the n row numbers, or all, in increasing order.

    """
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:MEASURED_IMAGES].sort().values


@torch.no_grad()
def measure(
    encoder: nn.Module, objective: Objective, inputs: Num[Tensor, "n ..."], labels: Sequence[str] | None = None
) -> Health | None:
    """Measure encoder and critics on two inputs or more.

    Noise and negatives come from a generator of their own, the same each time. So two epochs differ by what was learned
    alone. Encoder and objective are left in training mode, and otherwise unchanged.

    Args:
        encoder: Maps inputs to a Representation.
        objective: Supplies the critics.
        inputs: The inputs (n, ...).
        labels: Their labels, "" where there is none; None without labels.

    Returns:
        The numbers; None where the codes are not finite.

    """
    generator = torch.Generator(inputs.device).manual_seed(0)
    encoder.eval()
    objective.eval()
    means, log_vars, scores = [], [], []
    for batch in inputs.tensor_split(-(-len(inputs) // MEASURED_TOGETHER)):
        seen = encoder(batch)
        means.append(seen.mean)
        log_vars.append(seen.log_var)
        scores.append(objective.scores(seen, seen.sample(generator), generator))
    encoder.train()
    objective.train()
    mean = torch.cat(means).cpu().double()
    log_var = None if log_vars[0] is None else torch.cat(log_vars).cpu().double()
    kl = None if log_var is None else float(GaussianPrior()(mean, log_var, mean))
    if not (mean.isfinite().all() and (kl is None or np.isfinite(kl))):
        return None
    spread = mean.std(0)
    return Health(
        dim=mean.shape[1],
        effective_rank=effective_rank(mean),
        spread=float(spread.mean()),
        dead=float((spread <= DEAD_FRACTION * mean.square().mean().sqrt()).double().mean()),
        active=int((spread.square() > ACTIVE_VARIANCE).sum()),
        kl=kl,
        information_upper_bound=None if log_var is None else information_upper_bound(mean, log_var),
        critics={name: critic_accuracy([each[name] for each in scores]) for name in scores[0]},
        knn=None if labels is None else leave_one_out_accuracy(mean.numpy(), labels, VOTERS),
    )


def information_upper_bound(mean: Float[Tensor, "n d"], log_var: Float[Tensor, "n d"]) -> float:
    """Bound the information that codes z ~ N(mean, exp(log_var)) carry about their inputs.

    I(X;Z) = h(Z) - h(Z|X) <= sum over dimensions of 1/2 (log Var z - E log_var). Of all distributions of one variance
    the normal has the greatest entropy, and the joint entropy is at most the sum over dimensions (Cover & Thomas 2006,
    theorems 8.6.5 and 8.6.2). The bound holds for any prior and never exceeds the KL to a Gaussian prior.

    Args:
        mean: Posterior means (n, d).
        log_var: Logarithms of the posterior variances (n, d).

    Returns:
        The bound in nats.

    """
    aggregate = mean.var(0, correction=0) + log_var.exp().mean(0)
    return float((aggregate.log() - log_var.mean(0)).sum() / 2)


def critic_accuracy(scores: Sequence[Scores]) -> dict[str, float]:
    """Count how many pairs a critic classifies correctly by its threshold.

    Args:
        scores: The scores of one or more batches.

    Returns:
        The fraction of `positives` above and the fraction of `negatives` below the threshold.

    """
    above = torch.cat([(each.positives > each.threshold).flatten() for each in scores])
    below = torch.cat([(each.negatives < each.threshold.unsqueeze(-1)).flatten() for each in scores])
    return {"positives": float(above.double().mean()), "negatives": float(below.double().mean())}


@dataclass(frozen=True)
class Collapse:
    """A failure mode of training.

    Attributes:
        name: What it is called.
        message: One line: what is seen, the likely cause and the setting to change.

    """

    name: str
    message: str


# Thresholds, from short trainings: of a thousand handwritten digits with every bound, divergence and prior, and of the
# recipe of Su (2018) on CIFAR-10. "Sound" is the worst value of any of those that worked, good or not. Objectives
# between views were not among them.
FIRST_STEPS = 50  # nothing is reported before: encoders and critics that have not learned yet look collapsed
MANY_STEPS = 200  # no critic is reported before: that of the flattened feature map took 60 steps to begin to learn
EXPLODED = 1e9  # KL in nats per dimension; sound below 8e5, a learning rate of 1 gave 1e27
TELLS_NOTHING = 0.3  # nats; distinguishing two images takes ln 2 = 0.69; sound above 0.4, gamma = 1 or 100 below 0.15
MOST_DEAD = 0.5  # fraction of the dimensions; sound 0
ONE_DIRECTION = (
    1.5  # effective rank of a code of 4 dimensions or more; sound above 1.9, a learning rate of 0.1 gave 1.3
)
CHANCE = 0.51  # balanced accuracy of a critic, which is 0.5 by chance; sound above 0.6


def diagnose(health: Health, steps: int, learning_rate: float) -> Collapse | None:
    """Return the most informative failure mode, or None.

    One collapse usually triggers several checks; only the first is reported. Settings are named as in the recipes.

    Args:
        health: What was measured.
        steps: Steps of training so far.
        learning_rate: Of the schedule, for the message.

    Returns:
        The failure mode; None where the training looks sound.

    """
    if steps < FIRST_STEPS:
        return None
    slower = f"lower learning_rate, now {learning_rate:g}"
    if health.kl is not None and health.kl > EXPLODED:
        return Collapse(
            "divergence",
            f"the training diverges: the codes are {health.kl:.0e} nats per dimension away from a normal distribution; "
            f"the steps are too long: {slower}",
        )
    if health.information_upper_bound is not None and health.information_upper_bound < TELLS_NOTHING:
        return Collapse(
            "posterior collapse",
            f"the posterior has collapsed: a code holds at most {health.information_upper_bound:.2g} nats about its "
            "image, and telling two apart takes 0.69; the prior outweighs the bounds: lower gamma, its weight",
        )
    if health.dead > MOST_DEAD:
        return Collapse(
            "dead dimensions",
            f"the code has collapsed: {health.dead:.0%} of its {health.dim} dimensions are the same for all images; "
            f"the steps are too long, or the code is too wide: {slower}, or dim",
        )
    if health.dim >= 4 and health.effective_rank < ONE_DIRECTION:
        return Collapse(
            "dimensional collapse",
            f"the code has collapsed to one direction: its effective rank is {health.effective_rank:.1f} of "
            f"{health.dim}; the steps are too long: {slower}",
        )
    if steps >= MANY_STEPS and health.critics and max(map(_balanced_accuracy, health.critics.values())) < CHANCE:
        return Collapse(
            "blind critic",
            f"nothing is learned: after {steps} steps no critic tells true pairs from random ones better than chance; "
            f"the steps are too long, or the images all alike: {slower}, or look at the images",
        )
    return None


def _balanced_accuracy(critic: dict[str, float]) -> float:
    return (critic["positives"] + critic["negatives"]) / 2
