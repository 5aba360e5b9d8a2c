"""Health: is the training learning features, or has it collapsed? Numbers from a thousand images, and a plain word.

The images are of those that are learned from: holding some back would change every training, and a collapse shows on
the ones as on the others. What a code is worth on new images is for an evaluation on new images to say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn.functional import normalize

from infomax.representation.objectives import Objective, Scores

IMAGES = 1000  # of a collection of 50,000 that is one in fifty, and they are only looked at: no gradient
BATCH = 100  # looked at together, and each other's negatives
NEIGHBORS = 5

# A unit is active where the variance of its posterior mean over images exceeds this (Burda et al. 2016, 1509.00519).
ACTIVE = 0.01

# A dimension is dead where its spread is less than this fraction of the root mean square of all numbers of all codes:
# it then adds a ten-thousandth of an average one's share, or less, to what cosine and distance are made of.
DEAD = 0.01


class HealthWarning(UserWarning):
    """The training shows a collapse; the message says which, the likely cause and the setting to change."""


@dataclass(frozen=True)
class Health:
    """What some inputs say of a training, with encoder and critics as they are used afterwards.

    dim: d, of the code.
    effective_rank: of the codes (posterior means) about their mean, 1 to d; 0 where all codes are one.
    spread: the standard deviation of the codes over inputs, averaged over dimensions.
    dead: fraction of the dimensions that hardly change from input to input.
    active: how many dimensions have a variance over inputs above 0.01, which under a Gaussian prior is that of use.
    kl: KL(p(z|x) || N(0, 1)) in nats, averaged over inputs and dimensions; None for a deterministic encoder.
    ceiling: nats, all dimensions together: no more can the code tell of its input; None for a deterministic encoder.
    critics: for each critic, by name of its term, how much of the `positives` and of the `negatives` it takes for what
        they are; both together are 1 where it tells nothing. An objective between views has none here: the inputs are
        looked at as they are, and one view has no other to be paired with.
    knn: fraction of the inputs that the five nearest others (cosine) name right; None without two labels or more.
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
    """The places of at most IMAGES of n, drawn from the seed by a generator of their own, in order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:IMAGES].sort().values


@torch.no_grad()
def measure(
    encoder: nn.Module, objective: Objective, inputs: Num[Tensor, "n ..."], labels: Sequence[str] | None = None
) -> Health | None:
    """The health on two inputs or more; None where the encoder's numbers are not finite.

    Noise and negatives are drawn from a generator of its own, the same each time, so that two epochs differ by what was
    learned. Encoder and objective are left in training mode, all else of them as it was.
    """
    generator = torch.Generator(inputs.device).manual_seed(0)
    encoder.eval()
    objective.eval()
    means, log_vars, scores = [], [], []
    for batch in inputs.tensor_split(-(-len(inputs) // BATCH)):
        seen = encoder(batch)
        means.append(seen.mean)
        log_vars.append(seen.log_var)
        scores.append(objective.scores(seen, seen.sample(generator), generator))
    encoder.train()
    objective.train()
    mean = torch.cat(means).cpu().double()
    log_var = None if log_vars[0] is None else torch.cat(log_vars).cpu().double()
    kl = None if log_var is None else float(-0.5 * (1 + log_var - mean.square() - log_var.exp()).mean())
    if not (mean.isfinite().all() and (kl is None or np.isfinite(kl))):
        return None
    spread = mean.std(0)
    return Health(
        dim=mean.shape[1],
        effective_rank=effective_rank(mean),
        spread=float(spread.mean()),
        dead=float((spread <= DEAD * mean.square().mean().sqrt()).double().mean()),
        active=int((spread.square() > ACTIVE).sum()),
        kl=kl,
        information_upper_bound=None if log_var is None else information_upper_bound(mean, log_var),
        critics={name: critic_accuracy([each[name] for each in scores]) for name in scores[0]},
        knn=None if labels is None else knn_accuracy(mean, labels),
    )


def effective_rank(codes: Float[Tensor, "n d"]) -> float:
    """The exponential of the entropy of the singular values, as shares of their sum (Roy & Vetterli 2007, EUSIPCO).

    Of the codes about their mean: one that they all share tells nothing apart. 0 where they are all the same.
    """
    singular = torch.linalg.svdvals(codes - codes.mean(0))
    total = singular.sum()
    return float(torch.special.entr(singular / total).sum().exp()) if total > 0 else 0.0


def information_upper_bound(mean: Float[Tensor, "n d"], log_var: Float[Tensor, "n d"]) -> float:
    """The most that codes z ~ N(mean, exp(log_var)) can tell of their inputs, in nats.

    I(X;Z) = h(Z) - h(Z|X) <= sum over dimensions of 1/2 (log Var z - E log_var): of all distributions of one variance
    the normal has the greatest entropy, and all dimensions together have at most the sum of theirs (Cover & Thomas
    2006, theorems 8.6.5 and 8.6.2). Whatever the prior is, and never above the KL to it that a Gaussian prior counts.
    """
    aggregate = mean.var(0, correction=0) + log_var.exp().mean(0)
    return float((aggregate.log() - log_var.mean(0)).sum() / 2)


def critic_accuracy(scores: Sequence[Scores]) -> dict[str, float]:
    """The fractions of positives above and of negatives below the threshold."""
    above = torch.cat([(each.positives > each.threshold).flatten() for each in scores])
    below = torch.cat([(each.negatives < each.threshold.unsqueeze(-1)).flatten() for each in scores])
    return {"positives": float(above.double().mean()), "negatives": float(below.double().mean())}


def knn_accuracy(codes: Float[Tensor, "n d"], labels: Sequence[str]) -> float | None:
    """The fraction of labeled codes whose nearest others, by cosine, vote for their label; None where none can err."""
    known = [row for row, label in enumerate(labels) if label]
    names, classes = np.unique([labels[row] for row in known], return_inverse=True)
    if len(known) <= NEIGHBORS or len(names) < 2:
        return None
    directions = normalize(codes[known], dim=1)
    likeness = (directions @ directions.T).fill_diagonal_(-torch.inf)  # nobody votes for himself
    truth = torch.from_numpy(classes)
    votes = truth[likeness.topk(NEIGHBORS, dim=1).indices].mode(dim=1).values
    return float((votes == truth).double().mean())


@dataclass(frozen=True)
class Collapse:
    """A collapse: its name, and one line of what is seen, the likely cause and the setting to change."""

    name: str
    words: str


# What follows was measured on short trainings: of a thousand handwritten digits, with every bound, divergence and prior
# in its place, and of the article's recipe on CIFAR-10. "Sound" is the worst that any of those showed, whether or not
# it was the best of recipes. Objectives between views are not among them.
FIRST_STEPS = 50  # before it nothing is said: no encoder and no critic has learned yet, and a sound one looks collapsed
MANY_STEPS = 200  # before it a critic may still know nothing: that of the flattened map took 60 to begin to learn
EXPLODED = 1e9  # KL in nats per dimension; sound below 8e5, a learning rate of 1 gave 1e27
TELLS_NOTHING = 0.3  # nats; telling two images apart takes ln 2 = 0.69; sound above 0.4, gamma = 1 or 100 below 0.15
MOST_DEAD = 0.5  # fraction of the dimensions; sound 0
ONE_DIRECTION = (
    1.5  # effective rank, of a code of 4 dimensions or more; sound above 1.9, a learning rate of 0.1 gave 1.3
)
NO_BETTER_THAN_CHANCE = 0.51  # of positives and negatives, which is 0.5 by chance; sound above 0.6


def diagnose(health: Health, steps: int, learning_rate: float) -> Collapse | None:
    """What a training ails from after so many steps: the most telling alone, for one collapse brings others along.

    None where nothing is seen. Settings are named as the recipes name them.
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
            f"the posterior has collapsed: a code tells at most {health.information_upper_bound:.2g} nats of its image, and telling "
            "two apart takes 0.69; the prior outweighs the bounds: lower gamma, its weight",
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
    if steps >= MANY_STEPS and health.critics and max(map(_balanced, health.critics.values())) < NO_BETTER_THAN_CHANCE:
        return Collapse(
            "blind critic",
            f"nothing is learned: after {steps} steps no critic tells true pairs from random ones better than chance; "
            f"the steps are too long, or the images all alike: {slower}, or look at the images",
        )
    return None


def _balanced(critic: dict[str, float]) -> float:
    return (critic["positives"] + critic["negatives"]) / 2
