"""The theory: lower bounds on divergences and on mutual information, in nats, larger is better.

A critic turns two batches into scores. A pairing says which scores come from the joint distribution (positives) and
which from the product of marginals (negatives). A bound is a pure function of the two. Nothing here knows images.

| module         | content                                                                                        |
|----------------|------------------------------------------------------------------------------------------------|
| divergences    | f-divergences in variational form: gain, cost, optimal score, log ratio                        |
| bounds         | Donsker-Varadhan, NWJ, InfoNCE, SMILE and the f-divergence bound: scores -> nats               |
| critics        | T(x, y) -> score: concatenated, separable, cosine, bilinear                                    |
| pairs          | pairings (one derangement, all pairs), and any bound over any pairing in bounded memory        |
| priors         | how far codes are from a prior: in closed form, by a test along all directions, by an adversary |
| channels       | noise on codes of limited spread, through which the prior passes most information              |
| closed_form    | the optimum of the Pearson chi2 bound without gradient descent: canonical directions           |
| ascent         | the loop of gradient ascent that trains critics                                                |
| estimation     | mutual information of samples, also given others, by pairs of columns and by sample size       |
| distributions  | joint distributions with known mutual information, to test estimates against                   |

The package follows Su Jianlin (2018), https://kexue.fm/archives/6024, cited as Su (2018) with equation numbers, and the
Deep InfoMax paper, Hjelm et al. (2019), arXiv 1808.06670.
"""

from infomax.information.bounds import BOUNDS, Bound, donsker_varadhan, f_divergence, infonce, nwj, smile
from infomax.information.channels import NOISE_CHANNELS, Channel, GaussianChannel, UniformChannel
from infomax.information.critics import Bilinear, Concatenated, Cosine, Critic, Separable
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
from infomax.information.estimation.conditional import conditional_mi
from infomax.information.estimation.estimate import MutualInformation, estimate_mi, pointwise_mi
from infomax.information.estimation.estimator import InformationEstimator
from infomax.information.estimation.matrix import MutualInformationMatrix, mutual_info_matrix
from infomax.information.estimation.permutation import permutation_test
from infomax.information.estimation.sample_size import SampleSizeCurve, bound_by_sample_size
from infomax.information.pairs import PAIRINGS, Pairing, all_pairs, derangement, lower_bound
from infomax.information.priors import PRIORS, AdversarialPrior, GaussianPrior, Prior, SlicedGaussianPrior

__all__ = [
    "BOUNDS",
    "DIVERGENCES",
    "GAN",
    "JENSEN_SHANNON",
    "KL",
    "NOISE_CHANNELS",
    "PAIRINGS",
    "PEARSON_CHI2",
    "PRIORS",
    "REVERSE_KL",
    "SQUARED_HELLINGER",
    "TOTAL_VARIATION",
    "AdversarialPrior",
    "Bilinear",
    "Bound",
    "Channel",
    "Concatenated",
    "Cosine",
    "Critic",
    "Divergence",
    "GaussianChannel",
    "GaussianPrior",
    "InformationEstimator",
    "MutualInformation",
    "MutualInformationMatrix",
    "Pairing",
    "Prior",
    "SampleSizeCurve",
    "Separable",
    "SlicedGaussianPrior",
    "UniformChannel",
    "all_pairs",
    "bound_by_sample_size",
    "conditional_mi",
    "derangement",
    "donsker_varadhan",
    "estimate_mi",
    "f_divergence",
    "infonce",
    "lower_bound",
    "mutual_info_matrix",
    "nwj",
    "permutation_test",
    "pointwise_mi",
    "smile",
]
