"""Health: exact where the truth is known, blind to nothing that is broken, and silent where all is well."""

import math
import re
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from infomax.images import load_images
from infomax.information import BOUNDS, DIVERGENCES
from infomax.information.critics import Bilinear, Cosine
from infomax.information.priors import PRIORS, GaussianPrior
from infomax.neighbors.knn import leave_one_out_accuracy
from infomax.neighbors.spectrum import effective_rank
from infomax.recipes.deep_infomax import DeepInfoMax
from infomax.representation.encoders import Representation
from infomax.representation.objectives import CrossViewInfo, LocalInfo, PriorMatching, Scores
from infomax.training.context import TrainingContext
from infomax.training.diagnostics import (
    MEASURED_IMAGES,
    MEASURED_TOGETHER,
    Health,
    HealthWarning,
    critic_accuracy,
    diagnose,
    information_upper_bound,
    measure,
    sample_rows,
)
from infomax.training.trainer import Trainer, TrainingDiverged
from tests.conftest import SMALL, colored
from tests.representation.test_objectives import Sentences, made, sentences

SOUND = Health(
    dim=8,
    effective_rank=5.0,
    spread=1.0,
    dead=0.0,
    active=8,
    kl=1.0,
    information_upper_bound=6.0,
    critics={"global": {"positives": 0.9, "negatives": 0.8}, "local": {"positives": 0.8, "negatives": 0.7}},
    knn=None,
)


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestEffectiveRank:
    @pytest.mark.parametrize("rank", [1, 2, 5])
    def test_is_the_number_of_directions_that_are_used_alike(self, rank: int) -> None:
        axes = torch.linalg.qr(normal(6, 6)).Q[:rank]
        codes = 3.0 * torch.cat([axes, -axes]) + 7.0
        assert effective_rank(codes) == pytest.approx(rank)

    def test_of_shares_three_and_one(self) -> None:
        codes = torch.tensor([[3.0, 0], [-3, 0], [0, 1], [0, -1]], dtype=torch.float64)
        entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
        assert effective_rank(codes) == pytest.approx(math.exp(entropy))

    def test_of_one_code_over_and_over(self) -> None:
        assert effective_rank(torch.ones(5, 3, dtype=torch.float64)) == 0

    def test_knows_no_scale_shift_or_rotation(self) -> None:
        codes = normal(20, 4) * torch.tensor([3.0, 1.0, 0.5, 0.1])
        turned = 5 * codes @ torch.linalg.qr(normal(4, 4, seed=1)).Q + 2
        assert effective_rank(turned) == pytest.approx(effective_rank(codes))


class TestCeiling:
    def test_of_two_codes_under_noise(self) -> None:
        """Means of +-1 and a variance of 1/3: 1/2 ln(1 + 3) nats a dimension."""
        mean = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
        assert information_upper_bound(mean, torch.full_like(mean, -math.log(3))) == pytest.approx(math.log(4))

    def test_of_codes_that_are_all_alike(self) -> None:
        mean = torch.full((9, 3), 5.0, dtype=torch.float64)
        assert information_upper_bound(mean, torch.zeros_like(mean)) == pytest.approx(0, abs=1e-12)

    @settings(deadline=None)
    @given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 5), shift=st.floats(-3, 3))
    def test_is_never_above_the_kl_that_a_gaussian_prior_counts(self, seed: int, scale: float, shift: float) -> None:
        mean, log_var = normal(30, 4, seed) * scale + shift, normal(30, 4, seed + 1) * scale
        kl = -0.5 * (1 + log_var - mean.square() - log_var.exp()).mean(0).sum()
        assert -1e-9 <= information_upper_bound(mean, log_var) <= kl + 1e-9

    def test_is_above_the_information_of_a_code_that_names_four_inputs(self) -> None:
        """Four far means, one for each input: the code tells ln 4 nats, whatever a Gaussian might."""
        mean = torch.tensor([[0.0], [100.0], [200.0], [300.0]], dtype=torch.float64)
        assert information_upper_bound(mean, torch.zeros_like(mean)) > math.log(4)


def test_told_apart_counts_pairs() -> None:
    """Ties are on neither side: a critic that gives every pair one score knows nothing."""
    one = Scores(torch.tensor([1.0, -1.0]), torch.tensor([[0.5, -0.5], [-2.0, 0.0]]), torch.zeros(2))
    other = Scores(torch.tensor([3.0, 5.0]), torch.tensor([[0.0], [3.0]]), torch.tensor([4.0, 4.0]))
    assert critic_accuracy([one, other]) == {"positives": 2 / 4, "negatives": 4 / 6}


class TestNamedRight:
    def test_agrees_with_a_slow_vote(self) -> None:
        codes, labels = normal(40, 3), [str(int(number)) for number in torch.randint(3, (40,))]
        rows = codes.numpy()
        right = 0
        for i, code in enumerate(rows):
            cosines = [-2.0 if i == j else code @ row / np.linalg.norm(code) / np.linalg.norm(row)
                       for j, row in enumerate(rows)]  # fmt: skip
            near = [labels[j] for j in np.argsort(cosines)[-5:]]
            right += max(sorted(set(near)), key=near.count) == labels[i]
        assert leave_one_out_accuracy(codes.numpy(), labels) == right / 40

    def test_of_two_kinds_far_apart(self) -> None:
        codes = torch.tensor([[1.0, 0.0], [0.0, 1.0]] * 8) + 0.1 * normal(16, 2)
        assert leave_one_out_accuracy(codes.numpy(), ["cat", "dog"] * 8) == 1
        assert leave_one_out_accuracy(torch.cat([codes, codes]).numpy(), ["cat", "dog"] * 8 + [""] * 16) == 1

    @pytest.mark.parametrize("labels", [["cat"] * 8, [""] * 8, ["cat", "dog"] + [""] * 6])
    def test_where_no_vote_can_be_held(self, labels: list[str]) -> None:
        assert leave_one_out_accuracy(normal(8, 3).numpy(), labels) is None


class AsItIs(nn.Module):
    """An encoder that takes its inputs for codes, or for the means of their posteriors."""

    def __init__(self, *, stochastic: bool = True) -> None:
        super().__init__()
        self.stochastic = stochastic

    def forward(self, codes: Tensor) -> Representation:
        log_var = torch.zeros_like(codes) if self.stochastic else None
        return Representation(codes.unsqueeze(1), codes, log_var, (1, 1))


class TestExamined:
    def test_measures_what_it_says(self) -> None:
        torch.manual_seed(0)
        encoder, objective = SMALL.encoder(), SMALL.objective()
        images = torch.from_numpy(colored(2 * MEASURED_TOGETHER + 1))
        health = measure(encoder, objective, images)
        assert health is not None
        with torch.no_grad():
            seen = encoder.eval()(images)
        mean, log_var = seen.mean.double(), seen.log_var.double()
        assert health.spread == pytest.approx(mean.numpy().std(0, ddof=1).mean(), rel=1e-4)
        assert health.active == sum(mean.numpy().var(0, ddof=1) > 0.01)
        kl = (mean.square() + log_var.exp() - 1 - log_var) / 2
        assert health.kl == pytest.approx(float(kl.mean()), rel=1e-4)
        assert health.effective_rank == pytest.approx(effective_rank(mean), rel=1e-3)
        assert health.critics.keys() == {"global", "local"}
        assert (health.dim, health.knn) == (8, None)

    def test_leaves_everything_as_it_was(self) -> None:
        torch.manual_seed(0)
        recipe = SMALL.with_settings(prior="adversarial-gaussian")
        encoder, objective = recipe.encoder(), recipe.objective()
        state, before = torch.get_rng_state(), {name: w.clone() for name, w in encoder.state_dict().items()}
        images = torch.from_numpy(colored(30))
        first, again = (measure(encoder, objective, images, ["a", "b", ""] * 10) for _ in range(2))
        assert first == again
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(weight, before[name]) for name, weight in encoder.state_dict().items())
        assert all(part.training for whole in (encoder, objective) for part in whole.modules())
        assert all(weight.grad is None for weight in encoder.parameters())

    def test_sees_dead_dimensions(self) -> None:
        alive = normal(30, 8) + 1
        for dead, codes in (
            (0, alive),
            (6, alive * torch.tensor([1.0] * 2 + [1e-3] * 6)),  # six that hardly change
            (8, 1 + alive * 1e-3),  # one code for all inputs
            (8, alive * 0),
        ):
            health = measure(AsItIs(), PriorMatching(GaussianPrior()), codes)
            assert health is not None
            assert health.dead == dead / 8

    def test_knows_no_images(self) -> None:
        torch.manual_seed(0)
        health = measure(Sentences(), made("sum"), sentences(50))
        assert health is not None
        assert health.critics.keys() == {"global"}

    def test_without_a_posterior_what_needs_one_is_missing(self) -> None:
        """And nothing else is; a collapse is seen all the same."""
        codes, labels = normal(300, 8).float(), ["a", "b", "c"] * 100
        objective = LocalInfo(Bilinear(8, 8))
        full = measure(AsItIs(), objective, codes, labels)
        health = measure(AsItIs(stochastic=False), objective, codes, labels)
        assert full is not None
        assert health is not None
        assert (health.kl, health.information_upper_bound) == (None, None)
        assert (
            replace(health, kl=full.kl, information_upper_bound=full.information_upper_bound, critics=full.critics)
            == full
        )
        assert health.critics.keys() == {"local"}
        collapsed = measure(AsItIs(stochastic=False), objective, 1 + 1e-4 * codes)
        assert collapsed is not None
        found = diagnose(collapsed, 200, 0.1)
        assert found is not None
        assert found.name == "dead dimensions"

    def test_between_views_there_is_no_critic_to_ask(self) -> None:
        codes = normal(300, 8).float()
        between, within = CrossViewInfo(Cosine(8, 8)), LocalInfo(Bilinear(8, 8))
        health, both = (measure(AsItIs(stochastic=False), each, codes) for each in (between, between + 0.5 * within))
        assert health is not None
        assert both is not None
        assert health.critics == {}
        assert both.critics.keys() == {"local"}
        assert health.effective_rank == both.effective_rank > 7
        assert diagnose(health, 10_000, 1e-3) is None

    @pytest.mark.parametrize("number", [math.nan, math.inf])
    def test_numbers_that_are_not_finite_have_no_health(self, number: float) -> None:
        encoder, objective = SMALL.encoder(), SMALL.objective()
        assert encoder.log_var is not None
        with torch.no_grad():
            encoder.log_var.bias[0] = number
        assert measure(encoder, objective, torch.from_numpy(colored(30))) is None


def test_the_images_looked_at_follow_from_the_seed_alone() -> None:
    state = torch.get_rng_state()
    assert sample_rows(7, 3).tolist() == [*range(7)]
    few = sample_rows(50_000, 3).tolist()
    assert len({*few}) == len(few) == MEASURED_IMAGES
    assert few == sorted(few) == sample_rows(50_000, 3).tolist() != sample_rows(50_000, 4).tolist()
    assert torch.equal(torch.get_rng_state(), state)


CHANCE = {"positives": 0.97, "negatives": 0.03}

COLLAPSED: dict[str, tuple[Health, str]] = {
    "divergence": (replace(SOUND, kl=1e20), "the training diverges: .* lower learning_rate, now 0.5"),
    "posterior collapse": (replace(SOUND, information_upper_bound=0.02), "the posterior has collapsed: .* lower gamma"),
    "dead dimensions": (replace(SOUND, dead=0.75), "75% of its 8 dimensions .* lower learning_rate, now 0.5, or dim"),
    "dimensional collapse": (replace(SOUND, effective_rank=1.2), "effective rank is 1.2 of 8; .* lower learning_rate"),
    "blind critic": (replace(SOUND, critics={"local": CHANCE}), "no critic tells .* better than chance"),
}


@pytest.mark.parametrize("name", COLLAPSED)
def test_every_ailment_has_a_name_and_a_remedy_in_one_line(name: str) -> None:
    health, words = COLLAPSED[name]
    found = diagnose(health, 200, 0.5)
    assert found is not None
    assert found.name == name
    assert "\n" not in found.message
    assert re.search(words, found.message)


@pytest.mark.parametrize("name", COLLAPSED)
def test_nothing_is_said_before_a_training_can_have_learned(name: str) -> None:
    assert diagnose(COLLAPSED[name][0], 49, 0.5) is None
    assert (diagnose(COLLAPSED[name][0], 50, 0.5) is None) == (name == "blind critic")


def test_what_is_sound_or_cannot_be_judged_is_let_alone() -> None:
    for health in (
        SOUND,
        replace(SOUND, kl=None, information_upper_bound=None),
        replace(SOUND, dim=2, effective_rank=1.1),
        replace(SOUND, critics={}),
        replace(SOUND, critics={**SOUND.critics, "local": CHANCE}),
    ):
        assert diagnose(health, 10_000, 1e-3) is None


DIGITS = DeepInfoMax(name="d", size=8, blocks=(32, 64), dim=64, alpha=0.0, beta=1.5, epochs=3, batch=32)


@pytest.fixture(scope="module")
def digits() -> NDArray[np.uint8]:
    """A thousand handwritten digits, with 31 steps an epoch."""
    return load_images("digits:train", 8).pixels[:1000]


def learned(pixels: NDArray[np.uint8], seed: int = 0, **settings: Any) -> None:
    torch.manual_seed(seed)
    recipe = DIGITS.with_settings(**settings)
    Trainer(recipe.encoder(), recipe.objective(), recipe.schedule(), TrainingContext(seed=seed)).fit(pixels)


class TestOnRealImages:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_a_sound_training_raises_no_warning(self, digits: NDArray[np.uint8], seed: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learned(digits, seed)

    @pytest.mark.parametrize(
        "changes",
        [
            {"alpha": 0.5},
            {"alpha": 0.5, "beta": 0.0},
            *({"prior": prior} for prior in (*PRIORS, "none") if prior != "gaussian"),
            *({"bound": bound} for bound in BOUNDS if bound != "f-divergence"),
            *({"divergence": divergence} for divergence in DIVERGENCES if divergence != "gan"),
        ],
        ids=str,
    )
    def test_nor_does_a_sound_variant(self, digits: NDArray[np.uint8], changes: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learned(digits, **changes)

    def test_a_prior_of_weight_100_is_named(self, digits: NDArray[np.uint8]) -> None:
        with pytest.warns(HealthWarning, match="the posterior has collapsed: .* lower gamma"):
            learned(digits, gamma=100.0)

    def test_a_learning_rate_of_10_is_named(self, digits: NDArray[np.uint8]) -> None:
        with pytest.raises(TrainingDiverged, match=r"in epoch 1; lower the learning rate, now 10\.0"):
            learned(digits, learning_rate=10.0)

    def test_so_is_one_of_1_whose_numbers_stay_finite(self, digits: NDArray[np.uint8]) -> None:
        with pytest.warns(HealthWarning, match="the training diverges: .* lower learning_rate, now 1$"):
            learned(digits, learning_rate=1.0)
