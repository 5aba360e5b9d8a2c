import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.information import divergences
from infomax.information.divergences import DIVERGENCES, Divergence
from tests.information import laws

every_divergence = pytest.mark.parametrize("divergence", DIVERGENCES.values(), ids=DIVERGENCES.keys())
tables = st.lists(st.floats(-30, 30), min_size=9, max_size=9)


def test_all_seven_divergences_are_listed_by_name() -> None:
    assert set(DIVERGENCES) == set(laws.TRUTHS)
    constants = ("KL", "REVERSE_KL", "JENSEN_SHANNON", "GAN", "SQUARED_HELLINGER", "PEARSON_CHI2", "TOTAL_VARIATION")
    assert {getattr(divergences, constant).name for constant in constants} == set(DIVERGENCES)


@every_divergence
def test_exact_at_the_optimum(divergence: Divergence) -> None:
    laws.is_exact_at_the_optimum(divergence)


@every_divergence
@settings(deadline=None)
@given(scores=tables)
def test_the_bound_is_never_above(divergence: Divergence, scores: list[float]) -> None:
    laws.is_never_above(divergence, torch.tensor(scores, dtype=torch.float64).reshape(3, 3))


@every_divergence
@settings(deadline=None)
@given(offsets=st.lists(st.floats(-0.5, 0.5), min_size=9, max_size=9))
def test_the_bound_is_never_above_near_the_optimum(divergence: Divergence, offsets: list[float]) -> None:
    best = divergence.optimal_score(laws.log_ratio()).clamp(-20, 20)
    laws.is_never_above(divergence, best + torch.tensor(offsets, dtype=torch.float64).reshape(3, 3))


@every_divergence
def test_log_ratio_inverts_the_optimal_score(divergence: Divergence) -> None:
    laws.inverts_the_optimal_score(divergence)


@every_divergence
def test_upper_limit(divergence: Divergence) -> None:
    laws.keeps_its_limit(divergence)


@every_divergence
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_never_nan(divergence: Divergence, dtype: torch.dtype) -> None:
    laws.is_never_nan(divergence, dtype)


@every_divergence
def test_gradients(divergence: Divergence) -> None:
    scores = torch.linspace(-3, 3, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(divergence.gain, scores)
    assert torch.autograd.gradcheck(divergence.cost, scores)


def test_total_variation_knows_only_the_sign() -> None:
    ratios = torch.tensor([-2.0, 0.0, 2.0])
    assert divergences.TOTAL_VARIATION.optimal_score(ratios).tolist() == [-torch.inf, 0.0, torch.inf]


def test_a_negative_density_ratio_is_read_as_zero() -> None:
    assert divergences.PEARSON_CHI2.log_ratio(torch.tensor([-2.0, -5.0])).tolist() == [-torch.inf, -torch.inf]
