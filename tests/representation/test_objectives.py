"""What every objective must do. None of them knows what is represented: here it is sentences."""

import math
from collections.abc import Callable
from typing import Literal

import pytest
import torch
from jaxtyping import Int
from torch import Tensor, nn

from infomax.information.bounds import BOUNDS, of_name
from infomax.information.critics import Bilinear, Concatenated, Separable
from infomax.information.divergences import KL
from infomax.information.pairs import all_pairs
from infomax.information.priors import AdversarialPrior, GaussianPrior
from infomax.representation.encoders import Representation
from infomax.representation.objectives import (
    Global,
    Local,
    Objective,
    Positions,
    Prior,
    Sum,
    Value,
    Weighted,
)

N, POSITIONS, CHANNELS, DIM = 8, 5, 4, 3

OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "global": lambda: Global(Concatenated(DIM, DIM, 8)),
    "global, feature map": lambda: Global(Concatenated(DIM, POSITIONS * CHANNELS, 8), against="feature-map"),
    "local": lambda: Local(Concatenated(DIM, CHANNELS, 8)),
    "local, all pairs": lambda: Local(Separable(DIM, CHANNELS, 8), BOUNDS["infonce"], all_pairs),
    "positions": lambda: Positions(Concatenated(CHANNELS, CHANNELS, 8)),
    "positions, all pairs": lambda: Positions(Bilinear(CHANNELS, CHANNELS), of_name("f-divergence", KL), all_pairs),
    "prior": lambda: Prior(GaussianPrior()),
    "weighted": lambda: 0.25 * Local(Concatenated(DIM, CHANNELS, 8)),
    "sum": lambda: Global(Concatenated(DIM, DIM, 8)) + 0.1 * Prior(GaussianPrior()),
    "nested": lambda: 2.0 * (Local(Concatenated(DIM, CHANNELS, 8)) + Prior(GaussianPrior())) + Prior(GaussianPrior()),
}


class Sentences(nn.Module):
    """The smallest encoder of text: a word's feature is its embedding, a sentence's code comes from their mean."""

    def __init__(self, words: int = 50) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, CHANNELS)
        self.mean, self.log_var = nn.Linear(CHANNELS, DIM), nn.Linear(CHANNELS, DIM)

    def forward(self, sentences: Int[Tensor, "n words"]) -> Representation:
        words = self.embedding(sentences)
        summary = words.mean(1)
        return Representation(words, self.mean(summary), self.log_var(summary), (1, sentences.shape[1]))


def sentences(n: int = N, seed: int = 0) -> Tensor:
    """Each of words from one of five topics, so that a sentence tells something of its words."""
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

    def test_negatives_are_drawn_from_the_generator_alone(self, name: str) -> None:
        objective, seen = made(name), representation()
        before = torch.get_rng_state()
        assert torch.equal(value(objective, seen, 3).total, value(objective, seen, 3).total)
        assert torch.equal(torch.get_rng_state(), before)

    def test_gradient_reaches_the_representation_and_every_critic(self, name: str) -> None:
        objective, seen = made(name), representation()
        total = value(objective, seen).total
        reached = torch.autograd.grad(total, [seen.local, seen.mean], retain_graph=True, allow_unused=True)
        assert any(gradient is not None and gradient.any() for gradient in reached)
        weights = dict(objective.named_parameters())
        gradients = torch.autograd.grad(total, list(weights.values()), allow_unused=True) if weights else ()
        assert [key for key, gradient in zip(weights, gradients, strict=True) if gradient is None] == []

    def test_order_of_the_batch_does_not_matter_on_average(self, name: str) -> None:
        objective, seen = made(name), representation()
        order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
        shuffled = Representation(seen.local[order], seen.mean[order], seen.log_var[order], seen.grid)
        with torch.no_grad():
            one, other = (
                torch.stack([value(objective, each, seed).total for seed in range(50)]) for each in (seen, shuffled)
            )
        spread = (one.var() / 50 + other.var() / 50).sqrt()
        assert (one.mean() - other.mean()).abs() <= 6 * spread + 1e-6  # fails for one seed in ten million

    def test_better_pairs_are_worth_more(self, name: str) -> None:
        """Larger is better: a few steps up the gradient make the value larger."""
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

    def test_half_precision_scores_do_not_round_the_value(self, name: str) -> None:
        objective, seen = made(name), representation()
        with torch.autocast("cpu", torch.bfloat16):
            assert value(objective, seen).total.dtype == torch.float32


def test_weights_multiply_the_total_and_leave_the_terms() -> None:
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


def test_sums_of_sums_are_one_sum() -> None:
    parts = [Prior(GaussianPrior()) for _ in range(4)]
    flat = (parts[0] + parts[1]) + (parts[2] + parts[3])
    assert isinstance(flat, Sum)
    assert list(flat.parts) == parts


def prior() -> Objective:
    return Prior(GaussianPrior())


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
def test_terms_of_one_name_are_numbered_and_none_is_lost(repeated: Objective) -> None:
    assert list(value(repeated, representation()).terms) == ["prior", "prior#2", "prior#3"]


def test_an_unlearned_critic_of_zeros_is_worth_minus_two_ln_two() -> None:
    for name in ("global", "global, feature map", "local"):
        objective = made(name)
        for weight in objective.parameters():
            nn.init.zeros_(weight)
        assert value(objective, representation()).total.item() == pytest.approx(-2 * math.log(2))


def test_local_is_the_mean_over_positions_and_global_sees_the_whole_map() -> None:
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


def test_prior_is_best_at_zero_mean_and_unit_variance() -> None:
    zeros = torch.zeros(N, DIM)
    at_prior = Representation(torch.zeros(N, 1, 1), zeros, zeros, (1, 1))
    assert value(made("prior"), at_prior).total == 0
    assert value(made("prior"), representation()).total < 0


def test_positions_of_one_picture_belong_together_and_none_is_its_own_partner() -> None:
    """A critic that scores 1 where two features are equal sees no pair of a position with itself."""
    one_hot = torch.eye(POSITIONS)[None].repeat(N, 1, 1)  # every position of every picture is its own kind
    same = Bilinear(POSITIONS, POSITIONS)
    nn.init.eye_(same.form.weight)
    objective = Positions(same)
    seen = Representation(one_hot, torch.zeros(N, DIM), torch.zeros(N, DIM), (1, POSITIONS))
    for seed in range(20):
        assert value(objective, seen, seed).total.item() == pytest.approx(-2 * math.log(2))
    by_picture = Representation(
        torch.eye(N)[:, None].repeat(1, POSITIONS, 1), torch.zeros(N, DIM), torch.zeros(N, DIM), (1, POSITIONS)
    )
    telling = Bilinear(N, N)
    nn.init.eye_(telling.form.weight)
    expected = -math.log1p(math.exp(-1)) - math.log(2)  # score 1 in the picture, 0 between pictures
    assert value(Positions(telling), by_picture).total.item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="got 1"):
        value(objective, Representation(seen.local[:, :1], seen.mean, seen.log_var, (1, 1)))


@pytest.mark.parametrize("target", ["uniform", "gaussian"])
def test_an_adversarial_prior_is_raised_by_its_discriminator_and_lowered_by_the_encoder(
    target: Literal["uniform", "gaussian"],
) -> None:
    """One optimiser that ascends on the objective, as training does, serves both."""
    torch.manual_seed(0)
    objective = Prior(AdversarialPrior(DIM, target, hidden=32))
    codes = torch.full((512, DIM), 3.0).requires_grad_()
    seen = Representation(torch.zeros(512, 1, 1), codes, torch.zeros(512, DIM), (1, 1))
    generator = torch.Generator().manual_seed(0)
    discriminator = torch.optim.Adam(objective.parameters(), 0.01)
    for _ in range(50):
        discriminator.zero_grad()
        (-objective(seen, codes.detach(), generator).total).backward()
        discriminator.step()
    apart = objective(seen, codes, generator).total
    assert apart.item() < -1.0  # -2 ln 2 for codes that no draw of the prior resembles
    (gradient,) = torch.autograd.grad(apart, codes)
    assert gradient.mean().item() < 0  # ascending brings the codes back towards the prior


def test_a_weighted_objective_is_an_objective() -> None:
    doubled = 2.0 * prior()
    assert isinstance(doubled, Weighted)
    assert doubled.weight == 2


@pytest.mark.parametrize("against", ["code", "feature-map"])
def test_text_is_learnt_with_the_same_objectives(against: str) -> None:
    """Sentences of five topics: local information rises well above that of chance, -2 ln 2 = -1.386 nats."""
    torch.manual_seed(0)
    encoder = Sentences()
    name = "global" if against == "code" else "global, feature map"
    objective = 0.5 * made(name) + 1.5 * made("local") + 0.01 * made("prior")
    optimiser = torch.optim.Adam([*encoder.parameters(), *objective.parameters()], 0.03)
    generator = torch.Generator().manual_seed(0)
    for step in range(150):
        seen = encoder(sentences(64, seed=step))
        optimiser.zero_grad()
        (-objective(seen, seen.sample(generator), generator).total).backward()
        optimiser.step()
    with torch.no_grad():
        unseen = encoder(sentences(512, seed=1000))
        terms = objective(unseen, unseen.mean, generator).terms
    assert terms["local"].item() > -1.0  # -0.91 to -0.55 over eight seeds; the best possible is -0.54
    assert terms["global"].item() > -0.9  # -0.71 to -0.16
