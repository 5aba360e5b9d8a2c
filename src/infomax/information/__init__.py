"""The mathematics: scores -> pairs -> bound, in nats. It knows no pictures and imports nothing of ours from above.

A critic turns two batches into scores; `pairs` says which scores come from the joint distribution (positives) and which
from the product of marginals (negatives); a bound is a pure function of the two. Larger is better throughout.
"""

from infomax.information.bounds import f_divergence
from infomax.information.critics import Concatenated, Critic
from infomax.information.divergences import DIVERGENCES, GAN, JENSEN_SHANNON, Divergence
from infomax.information.pairs import derangement
from infomax.information.priors import GaussianPrior, Prior

__all__ = [
    "DIVERGENCES",
    "GAN",
    "JENSEN_SHANNON",
    "Concatenated",
    "Critic",
    "Divergence",
    "GaussianPrior",
    "Prior",
    "derangement",
    "f_divergence",
]
