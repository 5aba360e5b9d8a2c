"""The mathematics: scores -> pairs -> bound, in nats. It knows no images and imports nothing of ours from above.

A critic turns two batches into scores; `pairs` says which scores come from the joint distribution (positives) and which
from the product of marginals (negatives); a bound is a pure function of the two. Larger is better throughout.
`estimate_mi` puts them together for samples of any kind.
"""

from infomax.information.bounds import BOUNDS, Bound, donsker_varadhan, f_divergence, infonce, nwj, smile
from infomax.information.critics import CRITICS, Bilinear, Concatenated, Cosine, Critic, Separable
from infomax.information.divergences import (
    DIVERGENCES,
    GAN,
    JENSEN_SHANNON,
    KL,
    PEARSON_CHI2,
    REVERSE_KL,
    SQUARED_HELLINGER,
    TOTAL_VARIATION,
    Divergence,
)
from infomax.information.estimation.estimate import MutualInformation, estimate_mi, pointwise_mi
from infomax.information.pairs import PAIRINGS, all_pairs, derangement, lower_bound
from infomax.information.priors import PRIORS, AdversarialPrior, GaussianPrior, Prior

__all__ = [
    "BOUNDS",
    "CRITICS",
    "DIVERGENCES",
    "GAN",
    "JENSEN_SHANNON",
    "KL",
    "PAIRINGS",
    "PEARSON_CHI2",
    "PRIORS",
    "REVERSE_KL",
    "SQUARED_HELLINGER",
    "TOTAL_VARIATION",
    "AdversarialPrior",
    "Bilinear",
    "Bound",
    "Concatenated",
    "Cosine",
    "Critic",
    "Divergence",
    "GaussianPrior",
    "MutualInformation",
    "Prior",
    "Separable",
    "all_pairs",
    "derangement",
    "donsker_varadhan",
    "estimate_mi",
    "f_divergence",
    "infonce",
    "lower_bound",
    "nwj",
    "pointwise_mi",
    "smile",
]
