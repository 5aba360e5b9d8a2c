"""What every objective must do. None of them knows what is represented: here it is sentences."""

import math
from collections.abc import Callable
from itertools import permutations
from typing import Literal, final

import numpy as np
import pytest
import torch
from jaxtyping import Int
from torch import Tensor, nn

from infomax.information.bounds import BOUNDS, of_name
from infomax.information.critics import Bilinear, Concatenated, Cosine, Critic, Separable
from infomax.information.divergences import KL, PEARSON_CHI2
from infomax.information.pairs import all_pairs, derangement
from infomax.information.priors import AdversarialPrior, GaussianPrior
from infomax.representation.encoders import Representation
from infomax.representation.objectives import (
    CrossPositionInfo,
    CrossViewInfo,
    EncodedView,
    Global,
    Local,
    Objective,
    PriorMatching,
    Sum,
    Value,
    Weighted,
)

N, POSITIONS, CHANNELS, DIM = 8, 5, 4, 3


@final
class TwoViews(Objective):
    """An objective of views as one of a single representation: that and the same somewhat changed are the two."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, representation: Representation, code: Tensor, generator: torch.Generator | None = None) -> Value:
        other = representation.local.roll(1, 1) + 0.1 * representation.local.square()
        log_var = representation.log_var
        changed = Representation(other, representation.mean.sin(), log_var, representation.grid)
        return self.objective.of_views([(representation, code), (changed, code.sin())], generator)


OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "global": lambda: Global(Concatenated(DIM, DIM, 8)),
    "global, feature map": lambda: Global(Concatenated(DIM, POSITIONS * CHANNELS, 8), target="feature-map"),
    "local": lambda: Local(Concatenated(DIM, CHANNELS, 8)),
    "local, all pairs": lambda: Local(Separable(DIM, CHANNELS, 8), BOUNDS["infonce"], all_pairs),
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
    "views among others": lambda: TwoViews(
        CrossViewInfo(Cosine(DIM, DIM, 8, batch_norm=True))
        + 0.5 * (Local(Separable(DIM, CHANNELS, 8)) + PriorMatching(GaussianPrior()))
    ),
    "prior": lambda: PriorMatching(GaussianPrior()),
    "weighted": lambda: 0.25 * Local(Concatenated(DIM, CHANNELS, 8)),
    "sum": lambda: Global(Concatenated(DIM, DIM, 8)) + 0.1 * PriorMatching(GaussianPrior()),
    "nested": lambda: (
        2.0 * (Local(Concatenated(DIM, CHANNELS, 8)) + PriorMatching(GaussianPrior())) + PriorMatching(GaussianPrior())
    ),
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
        assert seen.log_var is not None
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


def test_positions_of_one_image_belong_together_and_none_is_its_own_partner() -> None:
    """A critic that scores 1 where two features are equal sees no pair of a position with itself."""
    one_hot = torch.eye(POSITIONS)[None].repeat(N, 1, 1)  # every position of every image is its own kind
    same = Bilinear(POSITIONS, POSITIONS)
    nn.init.eye_(same.form.weight)
    objective = CrossPositionInfo(same)
    seen = Representation(one_hot, torch.zeros(N, DIM), torch.zeros(N, DIM), (1, POSITIONS))
    for seed in range(20):
        assert value(objective, seen, seed).total.item() == pytest.approx(-2 * math.log(2))
    by_image = Representation(
        torch.eye(N)[:, None].repeat(1, POSITIONS, 1), torch.zeros(N, DIM), torch.zeros(N, DIM), (1, POSITIONS)
    )
    telling = Bilinear(N, N)
    nn.init.eye_(telling.form.weight)
    expected = -math.log1p(math.exp(-1)) - math.log(2)  # score 1 in the image, 0 between images
    assert value(CrossPositionInfo(telling), by_image).total.item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="got 1"):
        value(objective, Representation(seen.local[:, :1], seen.mean, seen.log_var, (1, 1)))


@pytest.mark.parametrize("target", ["uniform", "gaussian"])
def test_an_adversarial_prior_is_raised_by_its_discriminator_and_lowered_by_the_encoder(
    target: Literal["uniform", "gaussian"],
) -> None:
    """One optimizer that ascends on the objective, as training does, serves both."""
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
    assert apart.item() < -1.0  # -2 ln 2 for codes that no draw of the prior resembles
    (gradient,) = torch.autograd.grad(apart, codes)
    assert gradient.mean().item() < 0  # ascending brings the codes back toward the prior


def test_a_weighted_objective_is_an_objective() -> None:
    doubled = 2.0 * prior()
    assert isinstance(doubled, Weighted)
    assert doubled.weight == 2


@pytest.mark.parametrize("target", ["code", "feature-map"])
def test_text_is_learned_with_the_same_objectives(target: str) -> None:
    """Sentences of five topics: local information rises well above that of chance, -2 ln 2 = -1.386 nats."""
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


# --- several views


def views(count: int, seed: int = 0, n: int = N, grids: tuple[int, ...] = (POSITIONS,)) -> list[EncodedView]:
    """Random representations, double precision, with codes drawn from them; grids in turn."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    made = []
    for view in range(count):
        positions = grids[view % len(grids)]
        seen = Representation(normal(n, positions, CHANNELS), normal(n, DIM), 0.1 * normal(n, DIM), (1, positions))
        made.append((seen, seen.sample(generator)))
    return made


def infonce_by_hand(
    critic: Critic, seen: list[EncodedView], target: Literal["code", "positions"], targets: int
) -> float:
    """The objective one pair at a time: every view's code, every other target view, every position, every input."""

    def target_of(view: int, row: int, position: int) -> Tensor:
        representation, code = seen[view]
        return code[row] if target == "code" else representation.local[row, position]

    def length(view: int) -> int:
        return 1 if target == "code" else seen[view][0].local.shape[1]

    bounds = []
    for view, (_, codes) in enumerate(seen):
        for other in range(targets):
            if other == view:
                continue
            for position in range(length(other)):
                gains = []
                for row in range(len(codes)):
                    positive = critic(codes[row], target_of(other, row, position)).item()
                    negatives = [
                        critic(codes[row], target_of(any_view, stranger, place)).item()
                        for any_view in range(targets)
                        for stranger in range(len(codes))
                        for place in range(length(any_view))
                        if stranger != row
                    ]
                    everybody = np.exp([positive, *negatives])
                    gains.append(positive - np.log(everybody.mean()))
                bounds.append(np.mean(gains))
    return float(np.mean(bounds))


@pytest.mark.parametrize("targets", [None, 1, 2])
@pytest.mark.parametrize("target", ["code", "positions"])
def test_views_are_the_mean_over_ordered_pairs(target: Literal["code", "positions"], targets: int | None) -> None:
    critic = Cosine(DIM, DIM if target == "code" else CHANNELS, 8).double()
    seen = views(3, n=4, grids=(3, 3, 2))
    result = CrossViewInfo(critic, target=target, targets=targets).of_views(seen)
    with torch.no_grad():
        wanted = infonce_by_hand(critic, seen, target, targets or 3)
    assert result.total.item() == pytest.approx(wanted, abs=1e-9)
    assert list(result.terms) == [f"views-{target}"]


def test_two_views_with_a_shared_head_are_simclrs_loss() -> None:
    """NT-Xent, arXiv 2002.05709, eq. 1: of 2n codes each must find its partner among 2n - 1; less ln(2n - 1)."""
    critic = Cosine(DIM, DIM, 8, temperature=0.5, shared=True).double()
    seen = views(2)
    with torch.no_grad():
        both = torch.cat([torch.nn.functional.normalize(critic.f(code), dim=1) for _, code in seen])
        logits = (both @ both.T / 0.5).masked_fill(torch.eye(2 * N, dtype=torch.bool), -math.inf)
        loss = torch.nn.functional.cross_entropy(logits, torch.arange(2 * N).roll(N)).item()
        bound = CrossViewInfo(critic).of_views(seen).total.item()
    assert bound == pytest.approx(math.log(2 * N - 1) - loss, abs=1e-9)


@pytest.mark.parametrize("target", ["code", "positions"])
def test_gradients_of_views(target: Literal["code", "positions"]) -> None:
    objective = CrossViewInfo(Cosine(DIM, DIM if target == "code" else CHANNELS, 5, rank=4).double(), target=target)
    seen = views(2, n=3, grids=(2,))

    def total(*parts: Tensor) -> Tensor:
        pairs = [
            (Representation(local, code, None, (1, 2)), code)
            for local, code in zip(parts[::2], parts[1::2], strict=True)
        ]
        return objective.of_views(pairs).total

    inputs = [part.requires_grad_() for representation, code in seen for part in (representation.local, code)]
    assert torch.autograd.gradcheck(total, inputs)


@pytest.mark.parametrize("target", ["code", "positions"])
def test_neither_the_order_of_views_nor_of_the_batch_matters(target: Literal["code", "positions"]) -> None:
    objective = CrossViewInfo(Cosine(DIM, DIM if target == "code" else CHANNELS, 8).double(), target=target)
    seen = views(3)
    values = [objective.of_views(list(each)).total for each in permutations(seen)]
    order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
    shuffled = [
        (Representation(each.local[order], each.mean[order], None, each.grid), code[order]) for each, code in seen
    ]
    values.append(objective.of_views(shuffled).total)
    torch.testing.assert_close(torch.stack(values), values[0].expand(len(values)), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("target", "negatives"), [("code", 2 * (N - 1)), ("positions", 2 * (N - 1) * POSITIONS)])
def test_views_never_tell_more_than_the_log_of_the_candidates(
    target: Literal["code", "positions"], negatives: int
) -> None:
    """At scores as good as can be, each code's own targets high above all others, the bound is just below ln(m + 1)."""
    own = torch.eye(N).double()
    seen = [(Representation(own.unsqueeze(1).repeat(1, POSITIONS, 1), own, None, (1, POSITIONS)), own)] * 2
    critic = Bilinear(N, N).double()
    for sharpness in (0.0, 1.0, 50.0):
        with torch.no_grad():
            critic.form.weight.copy_(sharpness * own)
        value = CrossViewInfo(critic, target=target).of_views(seen).total.item()
        assert value <= math.log(negatives + 1) + 1e-12
    assert value == pytest.approx(math.log(negatives + 1))


def test_a_view_does_not_foretell_itself() -> None:
    """Codes that agree with their own view alone, and not with the other, are worth nothing."""
    one, other = torch.eye(2 * N).double()[:N], torch.eye(2 * N).double()[N:]
    critic = Bilinear(2 * N, 2 * N).double()
    torch.nn.init.eye_(critic.form.weight)
    seen = [(Representation(code.unsqueeze(1), code, None, (1, 1)), code) for code in (one, other)]
    for target in ("code", "positions"):
        assert CrossViewInfo(critic, target=target).of_views(seen).total.item() == pytest.approx(0)


@pytest.mark.parametrize("scores_held", [1, 100, 2**22])
def test_memory_does_not_change_the_value(scores_held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = CrossViewInfo(Cosine(DIM, CHANNELS, 8).double(), target="positions")
    whole = objective.of_views(views(2)).total
    monkeypatch.setattr("infomax.information.pairs.MOST_SCORES_HELD", scores_held)
    torch.testing.assert_close(objective.of_views(views(2)).total, whole, atol=1e-12, rtol=0)


def test_objectives_of_one_view_are_averaged_over_views() -> None:
    seen = views(3)
    objective = PriorMatching(GaussianPrior())
    alone = [objective(representation, code).total for representation, code in seen]
    both = (2.0 * objective + objective).of_views(seen)
    assert both.total.item() == pytest.approx(3 * torch.stack(alone).mean().item())
    assert both.terms["prior"].item() == pytest.approx(torch.stack(alone).mean().item())
    assert list(both.terms) == ["prior", "prior#2"]


def test_one_view_or_no_target_is_refused() -> None:
    objective = CrossViewInfo(Cosine(DIM, DIM, 8).double())
    ((seen, code),) = views(1)
    with pytest.raises(ValueError, match="two or more views"):
        objective(seen, code)
    with pytest.raises(ValueError, match="two or more views"):
        (objective + prior()).of_views([(seen, code)])
    with pytest.raises(ValueError, match="at least one view"):
        CrossViewInfo(Cosine(DIM, DIM, 8), targets=0)


def test_a_gaussian_prior_of_a_deterministic_code_is_refused_and_an_adversarial_one_is_not() -> None:
    seen = Representation(torch.zeros(N, 1, 1), torch.zeros(N, DIM), None, (1, 1))
    with pytest.raises(ValueError, match="use a stochastic encoder"):
        prior()(seen, seen.sample())
    assert PriorMatching(AdversarialPrior(DIM))(seen, seen.sample()).total.isfinite()
