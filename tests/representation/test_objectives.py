"""Conformance tests of all objectives. Objectives do not know the kind of input; these tests encode sentences."""

import math
from collections.abc import Callable
from typing import Literal, final

import pytest
import torch
from jaxtyping import Int
from torch import Tensor, nn

from infomax.information.bounds import BOUNDS, of_name
from infomax.information.critics import Bilinear, Concatenated, Cosine, Separable
from infomax.information.divergences import KL, PEARSON_CHI2
from infomax.information.pairs import all_pairs, derangement
from infomax.information.priors import AdversarialPrior, GaussianPrior
from infomax.representation.encoders import Representation
from infomax.representation.objectives import (
    CrossPositionInfo,
    CrossViewInfo,
    GlobalInfo,
    LocalInfo,
    Objective,
    PriorMatching,
    Sum,
    Value,
    Weighted,
)

N, POSITIONS, CHANNELS, DIM = 8, 5, 4, 3


@final
class TwoViews(Objective):
    """Turn an objective of views into one of a single representation, by a second view made from the first."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, representation: Representation, code: Tensor, generator: torch.Generator | None = None) -> Value:
        other = representation.local.roll(1, 1) + 0.1 * representation.local.square()
        log_var = representation.log_var
        changed = Representation(other, representation.mean.sin(), log_var, representation.grid)
        return self.objective.of_views([(representation, code), (changed, code.sin())], generator)


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "global": lambda: GlobalInfo(Concatenated(DIM, DIM, 8)),
    "global, feature map": lambda: GlobalInfo(Concatenated(DIM, POSITIONS * CHANNELS, 8), target="feature-map"),
    "local": lambda: LocalInfo(Concatenated(DIM, CHANNELS, 8)),
    "local, all pairs": lambda: LocalInfo(Separable(DIM, CHANNELS, 8), BOUNDS["infonce"], all_pairs),
    "positions": lambda: CrossPositionInfo(Concatenated(CHANNELS, CHANNELS, 8)),
    "positions, all pairs": lambda: CrossPositionInfo(
        Bilinear(CHANNELS, CHANNELS), of_name("f-divergence", KL), all_pairs
    ),
    "views": lambda: TwoViews(CrossViewInfo(Cosine(DIM, DIM, 8, shared=True))),
    "views, positions": lambda: TwoViews(CrossViewInfo(Cosine(DIM, CHANNELS, 8), target="positions")),
    "views, chi2 on one negative each": lambda: TwoViews(
        CrossViewInfo(
            Concatenated(DIM, CHANNELS, 8), of_name("f-divergence", PEARSON_CHI2), derangement, target="positions"
        )
    ),
    "views in a sum": lambda: TwoViews(
        CrossViewInfo(Cosine(DIM, DIM, 8, batch_norm=True))
        + 0.5 * (LocalInfo(Separable(DIM, CHANNELS, 8)) + PriorMatching(GaussianPrior()))
    ),
    "prior": lambda: PriorMatching(GaussianPrior()),
    "weighted": lambda: 0.25 * LocalInfo(Concatenated(DIM, CHANNELS, 8)),
    "sum": lambda: GlobalInfo(Concatenated(DIM, DIM, 8)) + 0.1 * PriorMatching(GaussianPrior()),
    "nested": lambda: (
        2.0 * (LocalInfo(Concatenated(DIM, CHANNELS, 8)) + PriorMatching(GaussianPrior()))
        + PriorMatching(GaussianPrior())
    ),
}


class Sentences(nn.Module):
    """A minimal encoder of text: the embedding of a word is its feature, and the mean embedding gives the code."""

    def __init__(self, words: int = 50) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, CHANNELS)
        self.mean, self.log_var = nn.Linear(CHANNELS, DIM), nn.Linear(CHANNELS, DIM)

    def forward(self, sentences: Int[Tensor, "n words"]) -> Representation:
        words = self.embedding(sentences)
        summary = words.mean(1)
        return Representation(words, self.mean(summary), self.log_var(summary), (1, sentences.shape[1]))


def sentences(n: int = N, seed: int = 0) -> Tensor:
    """Draw sentences whose words all belong to one of five topics, so a sentence has information about its words."""
    generator = torch.Generator().manual_seed(seed)
    topics = torch.randint(5, (n, 1), generator=generator)
    return topics * 10 + torch.randint(10, (n, POSITIONS), generator=generator)


def representation(seed: int = 0) -> Representation:
    torch.manual_seed(seed)
    encoded: Representation = Sentences()(sentences())
    return encoded


def made(name: str) -> Objective:
    torch.manual_seed(1)
    return OBJECTIVES[name]()


def value(objective: Objective, seen: Representation, seed: int = 0) -> Value:
    result: Value = objective(seen, seen.mean, torch.Generator().manual_seed(seed))
    return result


@pytest.mark.parametrize("name", OBJECTIVES)
class TestConformance:
    def test_value_is_a_finite_number_with_named_terms(self, name: str) -> None:
        result = value(made(name), representation())
        assert result.total.shape == ()
        assert result.total.isfinite()
        assert result.terms
        assert all(term.shape == () and term.isfinite() for term in result.terms.values())

    def test_only_the_generator_draws_negatives(self, name: str) -> None:
        objective, seen = made(name), representation()
        before = torch.get_rng_state()
        assert torch.equal(value(objective, seen, 3).total, value(objective, seen, 3).total)
        assert torch.equal(torch.get_rng_state(), before)

    def test_gradients_reach_the_representation_and_every_critic(self, name: str) -> None:
        objective, seen = made(name), representation()
        total = value(objective, seen).total
        reached = torch.autograd.grad(total, [seen.local, seen.mean], retain_graph=True, allow_unused=True)
        assert any(gradient is not None and gradient.any() for gradient in reached)
        weights = dict(objective.named_parameters())
        gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True) if weights else ()
        assert [key for key, gradient in zip(weights, gradients, strict=True) if gradient is None] == []

    def test_the_order_of_the_batch_does_not_change_the_mean_value(self, name: str) -> None:
        objective, seen = made(name), representation()
        order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
        assert seen.log_var is not None
        shuffled = Representation(seen.local[order], seen.mean[order], seen.log_var[order], seen.grid)
        with torch.no_grad():
            one, other = (
                torch.stack([value(objective, each, seed).total for seed in range(50)]) for each in (seen, shuffled)
            )
        spread = (one.var() / 50 + other.var() / 50).sqrt()
        assert (one.mean() - other.mean()).abs() <= 6 * spread + 1e-6  # fails for one seed in ten million

    def test_gradient_ascent_increases_the_value(self, name: str) -> None:
        """Larger values are better: a few steps of gradient ascent increase the value."""
        objective = made(name)
        torch.manual_seed(0)
        encoder = Sentences()
        parameters = [*encoder.parameters(), *objective.parameters()]
        before = value(objective, encoder(sentences())).total
        for _ in range(5):
            gradients = torch.autograd.grad(value(objective, encoder(sentences())).total, parameters, allow_unused=True)
            with torch.no_grad():
                for weight, gradient in zip(parameters, gradients, strict=True):
                    if gradient is not None:
                        weight.add_(gradient, alpha=0.02)
        assert value(objective, encoder(sentences())).total > before

    def test_the_value_is_float32_under_autocast(self, name: str) -> None:
        objective, seen = made(name), representation()
        with torch.autocast("cpu", torch.bfloat16):
            assert value(objective, seen).total.dtype == torch.float32


def test_weights_scale_the_total_but_not_the_terms() -> None:
    plain, seen = made("local"), representation()
    once, thrice = value(plain, seen), value(3.0 * plain, seen)
    assert thrice.total.item() == pytest.approx(3 * once.total.item())
    assert thrice.terms == once.terms
    assert value(plain * 3.0, seen).total == thrice.total
    assert value(0.5 * (2.0 * plain), seen).total.item() == pytest.approx(once.total.item())


def test_a_sum_adds_totals_and_keeps_terms() -> None:
    whole, prior, seen = made("global"), made("prior"), representation()
    both = value(0.5 * whole + 2.0 * prior, seen)
    expected = 0.5 * value(whole, seen).total + 2 * value(prior, seen).total
    assert both.total.item() == pytest.approx(expected.item())
    assert list(both.terms) == ["global", "prior"]


def test_nested_sums_become_one_sum() -> None:
    parts = [PriorMatching(GaussianPrior()) for _ in range(4)]
    flat = (parts[0] + parts[1]) + (parts[2] + parts[3])
    assert isinstance(flat, Sum)
    assert list(flat.parts) == parts


def prior() -> Objective:
    return PriorMatching(GaussianPrior())


@pytest.mark.parametrize(
    "repeated",
    [
        prior() + prior() + prior(),
        prior() + (prior() + prior()),
        prior() + 0.5 * (prior() + prior()),
        0.5 * (prior() + prior()) + prior(),
        0.5 * (prior() + 2.0 * (prior() + prior())),
    ],
)
def test_terms_of_the_same_name_are_numbered(repeated: Objective) -> None:
    assert list(value(repeated, representation()).terms) == ["prior", "prior#2", "prior#3"]


def test_a_critic_of_zeros_gives_minus_two_ln_two() -> None:
    for name in ("global", "global, feature map", "local"):
        objective = made(name)
        for weight in objective.parameters():
            nn.init.zeros_(weight)
        assert value(objective, representation()).total.item() == pytest.approx(-2 * math.log(2))


def test_local_is_the_mean_over_positions_and_global_uses_the_whole_feature_map() -> None:
    seen, local = representation(), made("local")
    alone = [
        value(local, Representation(seen.local[:, p : p + 1], seen.mean, seen.log_var, (1, 1))).total
        for p in range(POSITIONS)
    ]
    assert value(local, seen).total.item() == pytest.approx(torch.stack(alone).mean().item(), abs=1e-6)
    code, against_map = made("global"), made("global, feature map")
    elsewhere = Representation(torch.randn_like(seen.local), seen.mean, seen.log_var, seen.grid)
    assert value(code, elsewhere).total == value(code, seen).total
    assert value(against_map, elsewhere).total != value(against_map, seen).total


def test_the_prior_term_is_zero_at_zero_mean_and_unit_variance() -> None:
    zeros = torch.zeros(N, DIM)
    at_prior = Representation(torch.zeros(N, 1, 1), zeros, zeros, (1, 1))
    assert value(made("prior"), at_prior).total == 0
    assert value(made("prior"), representation()).total < 0


def test_positions_of_one_image_are_positive_pairs_and_never_pair_with_themselves() -> None:
    """A critic that scores 1 for equal features finds no pair of a position with itself."""
    one_hot = torch.eye(POSITIONS)[None].repeat(N, 1, 1)  # a feature for each position, in all images
    same = Bilinear(POSITIONS, POSITIONS)
    nn.init.eye_(same.form.weight)
    objective = CrossPositionInfo(same)
    seen = Representation(one_hot, torch.zeros(N, DIM), torch.zeros(N, DIM), (1, POSITIONS))
    for seed in range(20):
        assert value(objective, seen, seed).total.item() == pytest.approx(-2 * math.log(2))
    by_image = Representation(
        torch.eye(N)[:, None].repeat(1, POSITIONS, 1), torch.zeros(N, DIM), torch.zeros(N, DIM), (1, POSITIONS)
    )
    informative = Bilinear(N, N)
    nn.init.eye_(informative.form.weight)
    expected = -math.log1p(math.exp(-1)) - math.log(2)  # score 1 within an image, 0 between images
    assert value(CrossPositionInfo(informative), by_image).total.item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="got 1"):
        value(objective, Representation(seen.local[:, :1], seen.mean, seen.log_var, (1, 1)))


@pytest.mark.parametrize("target", ["uniform", "gaussian"])
def test_discriminator_and_encoder_pull_an_adversarial_prior_in_opposite_directions(
    target: Literal["uniform", "gaussian"],
) -> None:
    """One optimizer that ascends on the objective, as in training, serves both."""
    torch.manual_seed(0)
    objective = PriorMatching(AdversarialPrior(DIM, target, hidden=32))
    codes = torch.full((512, DIM), 3.0).requires_grad_()
    seen = Representation(torch.zeros(512, 1, 1), codes, torch.zeros(512, DIM), (1, 1))
    generator = torch.Generator().manual_seed(0)
    discriminator = torch.optim.Adam(objective.parameters(), 0.01)
    for _ in range(50):
        discriminator.zero_grad()
        (-objective(seen, codes.detach(), generator).total).backward()
        discriminator.step()
    apart = objective(seen, codes, generator).total
    assert apart.item() < -1.0  # -2 ln 2 if no draw of the prior resembles the codes
    (gradient,) = torch.autograd.grad(apart, codes)
    assert gradient.mean().item() < 0  # gradient ascent moves the codes toward the prior


def test_a_weighted_objective_is_an_objective() -> None:
    doubled = 2.0 * prior()
    assert isinstance(doubled, Weighted)
    assert doubled.weight == 2


@pytest.mark.parametrize("target", ["code", "feature-map"])
def test_the_same_objectives_learn_from_text(target: str) -> None:
    """Sentences of five topics: the local bound rises well above its value at chance, -2 ln 2 = -1.386 nats."""
    torch.manual_seed(0)
    encoder = Sentences()
    name = "global" if target == "code" else "global, feature map"
    objective = 0.5 * made(name) + 1.5 * made("local") + 0.01 * made("prior")
    optimizer = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], 0.03)
    generator = torch.Generator().manual_seed(0)
    for step in range(150):
        seen = encoder(sentences(64, seed=step))
        optimizer.zero_grad()
        (-objective(seen, seen.sample(generator), generator).total).backward()
        optimizer.step()
    with torch.no_grad():
        unseen = encoder(sentences(512, seed=1000))
        terms = objective(unseen, unseen.mean, generator).terms
    assert terms["local"].item() > -1.0  # -0.91 to -0.55 over eight seeds; the best possible is -0.54
    assert terms["global"].item() > -0.9  # -0.71 to -0.16


def test_a_deterministic_code_needs_an_adversarial_prior() -> None:
    seen = Representation(torch.zeros(N, 1, 1), torch.zeros(N, DIM), None, (1, 1))
    with pytest.raises(ValueError, match="use a stochastic encoder"):
        prior()(seen, seen.sample())
    assert PriorMatching(AdversarialPrior(DIM))(seen, seen.sample()).total.isfinite()
