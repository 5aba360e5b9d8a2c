"""Planted mistakes: each must break a law that the implementation of the package keeps.

The first six are faults of the reference code of the Deep InfoMax paper (Hjelm et al. 2019, arXiv 1808.06670), in our
notation.
"""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from infomax.information import divergences as d
from infomax.information.bounds import Bound, donsker_varadhan, f_divergence, infonce, nwj
from infomax.information.critics import Critic
from infomax.information.pairs import all_pairs, derangement
from infomax.information.priors import AdversarialPrior, GaussianPrior, _reverse_gradient
from tests.information import laws

# --- the reference code


def masked_by_multiplying(divergence: d.Divergence) -> laws.Function:
    """Masks the diagonal of a matrix of costs by multiplication with 0: inf * 0 is NaN."""

    def bound(scores: Tensor) -> Tensor:
        n, own = len(scores), torch.eye(len(scores), dtype=scores.dtype)
        gain = (divergence.gain(scores) * own).sum() / n
        return gain - (divergence.cost(scores) * (1 - own)).sum() / (n * (n - 1))

    return bound


def infonce_masked_with_minus_ten(scores: Tensor) -> Tensor:
    """Masks with -10 in place of minus infinity: if all scores are low, masked entries outweigh the negatives."""
    n, own = len(scores), torch.eye(len(scores), dtype=scores.dtype)
    masked = scores * (1 - own) - 10 * own
    positives = scores.diagonal()
    return (positives - torch.cat([positives[:, None], masked], 1).logsumexp(1)).mean() + math.log(n)


def donsker_varadhan_that_crashes(positives: Tensor, negatives: Tensor) -> Tensor:
    """Sums over an axis that the scores do not have."""
    return positives.mean() - (negatives.logsumexp(dim=(0, 2)) - math.log(negatives.shape[2]))


chi2_that_is_no_bound = replace(
    d.PEARSON_CHI2, gain=lambda v: v.square(), cost=lambda v: (v.square().sqrt() + 1).square() / 2
)

# --- divergences

kl_without_its_one = replace(d.KL, cost=lambda v: v.exp())
reverse_kl_of_the_wrong_sign = replace(d.REVERSE_KL, optimal_score=lambda log_r: -log_r)
jensen_shannon_composed = replace(d.JENSEN_SHANNON, cost=lambda v: -(2 - (d.JENSEN_SHANNON.gain(v)).exp()).log())
gan_with_a_magic_constant = replace(
    d.GAN, gain=lambda v: (v.sigmoid() + 1e-6).log(), cost=lambda v: -(1 - v.sigmoid() + 1e-6).log()
)
hellinger_at_the_whole_ratio = replace(d.SQUARED_HELLINGER, optimal_score=lambda log_r: log_r)
hellinger_composed = replace(d.SQUARED_HELLINGER, cost=lambda v: (1 - (-v).exp()) / (-v).exp())
chi2_inverted_without_log = replace(d.PEARSON_CHI2, log_ratio=lambda v: v / 2)
total_variation_twice = replace(d.TOTAL_VARIATION, gain=torch.tanh, cost=torch.tanh)
jensen_shannon_with_half_the_limit = replace(d.JENSEN_SHANNON, upper_limit=math.log(2))

# --- bounds


def nwj_without_its_one(positives: Tensor, negatives: Tensor) -> Tensor:
    return positives.mean(-1) - negatives.exp().mean((-2, -1))


def donsker_varadhan_as_a_mean_of_logs(positives: Tensor, negatives: Tensor) -> Tensor:
    return positives.mean(-1) - (negatives.logsumexp(-1) - math.log(negatives.shape[-1])).mean(-1)


def donsker_varadhan_overflowing(positives: Tensor, negatives: Tensor) -> Tensor:
    return positives.mean(-1) - negatives.exp().mean((-2, -1)).log()


def donsker_varadhan_over_positions(positives: Tensor, negatives: Tensor) -> Tensor:
    """Uses one partition function for all positions."""
    return positives.mean(-1) - (negatives.flatten().logsumexp(0) - math.log(negatives.numel()))


def infonce_without_the_positive(positives: Tensor, negatives: Tensor) -> Tensor:
    return (positives - negatives.logsumexp(-1)).mean(-1) + math.log(negatives.shape[-1])


def infonce_of_m(positives: Tensor, negatives: Tensor) -> Tensor:
    return infonce(positives, negatives) - math.log(1 + 1 / negatives.shape[-1])


# --- pairs


def shuffled(critic: Critic, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Shuffles, which may leave an element in its place."""
    return critic(x, y), critic(x, y[..., torch.randperm(len(x), generator=generator), :]).unsqueeze(-1)


def always_the_next(critic: Critic, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Uses the same derangement in every batch."""
    return critic(x, y), critic(x, y.roll(-1, -2)).unsqueeze(-1)


def all_and_its_own(critic: Critic, x: Tensor, y: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return critic(x, y), critic(x.unsqueeze(-2), y.unsqueeze(-3))


def all_of_the_same_position(critic: Critic, x: Tensor, y: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
    """Uses other images, but not at every position."""
    positives, negatives = all_and_its_own(critic, x, y, generator)
    n = len(x)
    return positives, negatives[..., ~torch.eye(n, dtype=torch.bool)].reshape(-1, n, n - 1)


# --- priors


class Adversary(nn.Module):
    """AdversarialPrior with its gradient reversals in the wrong places."""

    def __init__(self, of_code: bool, of_score: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.of_code, self.of_score = of_code, of_score
        self.discriminator = AdversarialPrior(3).discriminator

    def scores(self, code: Tensor) -> Tensor:
        score: Tensor = self.discriminator(_reverse_gradient(code) if self.of_code else code).squeeze(-1)
        return _reverse_gradient(score) if self.of_score else score

    def forward(self, _mean: Tensor, _log_var: Tensor, code: Tensor, generator: torch.Generator) -> Tensor:
        wanted = torch.rand(code.shape, generator=generator)
        return f_divergence(self.scores(wanted), self.scores(code.sigmoid()).unsqueeze(-1))


class GaussianPriorSummed(nn.Module):
    def forward(self, mean: Tensor, log_var: Tensor, _code: Tensor, _generator: Any) -> Tensor:
        return -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1).mean()


class GaussianPriorOfDeviation(nn.Module):
    def forward(self, mean: Tensor, log_var: Tensor, _code: Tensor, _generator: Any) -> Tensor:
        return -0.5 * (1 + log_var - mean.square() - (log_var / 2).exp()).mean()


def adversaries_pull(adversary: nn.Module) -> None:
    discriminator = adversary.discriminator
    assert isinstance(discriminator, nn.Module)
    laws.pulls_both_ways(adversary, discriminator)


# --- the laws, each with an implementation that keeps it and one that breaks it

FLAT = torch.zeros(3, 3, dtype=torch.float64)


def never_above_anywhere(divergence: d.Divergence) -> None:
    for level in (-20.0, -2.0, 0.0, 0.5, 2.0, 20.0):
        laws.is_never_above(divergence, FLAT + level)
        laws.is_never_above(divergence, level * laws.log_ratio())


def never_nan(divergence: d.Divergence) -> None:
    laws.is_never_nan(divergence, torch.float32)


def plain_donsker_varadhan(bound: laws.Function) -> None:
    laws.equals_its_oracle(bound, lambda p, n: float(p.mean() - math.log(sum(math.exp(v) for v in n.flat) / n.size)))


def bound_never_nan(bound: laws.Function) -> None:
    laws.bound_is_never_nan(bound, torch.float32)


def every_negative_is_another(pairs: laws.Function) -> None:
    for seed in range(20):
        laws.pairs_are_what_they_say(pairs, 5, 2, seed)


def negatives_are_all(pairs: laws.Function) -> None:
    laws.pairs_are_all(pairs, 5, 3)


def unmasked(bound: Bound) -> laws.Function:
    """A bound as a function of a matrix of scores with the positives on its diagonal."""

    def of_matrix(scores: Tensor) -> Tensor:
        n = len(scores)
        return bound(scores.diagonal(), scores[~torch.eye(n, dtype=torch.bool)].reshape(n, n - 1))

    return of_matrix


CASES = [
    # law, ours, mutant
    (laws.is_never_nan_on_all_pairs, unmasked(donsker_varadhan), masked_by_multiplying(d.KL)),
    (laws.is_never_nan_on_all_pairs, unmasked(infonce), masked_by_multiplying(d.SQUARED_HELLINGER)),
    (laws.matrix_ignores_a_shift, unmasked(infonce), infonce_masked_with_minus_ten),
    (laws.equals_kl_at_the_optimum, donsker_varadhan, donsker_varadhan_that_crashes),
    (never_above_anywhere, d.PEARSON_CHI2, chi2_that_is_no_bound),
    (laws.is_exact_at_the_optimum, d.PEARSON_CHI2, chi2_that_is_no_bound),
    (laws.is_exact_at_the_optimum, d.KL, kl_without_its_one),
    (laws.is_exact_at_the_optimum, d.REVERSE_KL, reverse_kl_of_the_wrong_sign),
    (never_nan, d.JENSEN_SHANNON, jensen_shannon_composed),
    (laws.is_exact_at_the_optimum, d.GAN, gan_with_a_magic_constant),
    (laws.is_exact_at_the_optimum, d.SQUARED_HELLINGER, hellinger_at_the_whole_ratio),
    (never_nan, d.SQUARED_HELLINGER, hellinger_composed),
    (laws.inverts_the_optimal_score, d.PEARSON_CHI2, chi2_inverted_without_log),
    (laws.is_exact_at_the_optimum, d.TOTAL_VARIATION, total_variation_twice),
    (laws.keeps_its_limit, d.JENSEN_SHANNON, jensen_shannon_with_half_the_limit),
    (lambda bound: laws.equals_kl_at_the_optimum(bound, 1.0), nwj, nwj_without_its_one),
    (plain_donsker_varadhan, donsker_varadhan, donsker_varadhan_as_a_mean_of_logs),
    (plain_donsker_varadhan, donsker_varadhan, donsker_varadhan_over_positions),
    (bound_never_nan, donsker_varadhan, donsker_varadhan_overflowing),
    (laws.has_the_ceiling_of_m_and_one, infonce, infonce_without_the_positive),
    (laws.is_zero_at_constant_scores, infonce, infonce_of_m),
    (every_negative_is_another, derangement, shuffled),
    (every_negative_is_another, all_pairs, all_and_its_own),
    (laws.every_other_is_met_as_often, derangement, always_the_next),
    (negatives_are_all, all_pairs, all_of_the_same_position),
    (adversaries_pull, Adversary(of_code=True, of_score=True), Adversary(of_code=False, of_score=False)),
    (adversaries_pull, Adversary(of_code=True, of_score=True), Adversary(of_code=True, of_score=False)),
    (adversaries_pull, Adversary(of_code=True, of_score=True), Adversary(of_code=False, of_score=True)),
    (laws.is_the_gaussian_kl, GaussianPrior(), GaussianPriorSummed()),
    (laws.is_the_gaussian_kl, GaussianPrior(), GaussianPriorOfDeviation()),
]
NAMES = [getattr(mutant, "__name__", type(mutant).__name__) for _, _, mutant in CASES]


@pytest.mark.parametrize(("law", "ours", "mutant"), CASES, ids=NAMES)
def test_the_law_is_kept_by_ours_and_broken_by_the_mutant(law: laws.Function, ours: Any, mutant: Any) -> None:
    law(ours)
    with pytest.raises((AssertionError, IndexError, RuntimeError)):
        law(mutant)
