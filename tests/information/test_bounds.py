import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.information import bounds
from infomax.information.bounds import BOUNDS, donsker_varadhan, f_divergence, infonce, nwj, smile
from infomax.information.divergences import DIVERGENCES, Divergence
from tests.information import laws

tables = st.lists(st.floats(-30, 30), min_size=9, max_size=9)
every_divergence = pytest.mark.parametrize("divergence", DIVERGENCES.values(), ids=DIVERGENCES.keys())
every_bound = pytest.mark.parametrize("bound", BOUNDS.values(), ids=BOUNDS.keys())

ORACLES = {
    donsker_varadhan: lambda p, n: p.mean() - math.log(np.exp(n).mean()),
    nwj: lambda p, n: p.mean() - np.exp(n - 1).mean(),
    infonce: lambda p, n: np.mean(
        [v - math.log((math.exp(v) + np.exp(r).sum()) / 6) for v, r in zip(p, n, strict=True)]
    ),
    smile: lambda p, n: p.mean() - math.log(np.clip(np.exp(n), math.exp(-5), math.exp(5)).mean()),
}


@every_divergence
def test_f_divergence_is_exact_at_the_optimum(divergence: Divergence) -> None:
    positives, negatives = laws.scored(divergence.optimal_score(laws.log_ratio()))
    assert abs(float(f_divergence(positives, negatives, divergence)) - laws.truth(divergence.name)) < 1e-9


def test_kl_bounds_are_exact_at_the_optimum() -> None:
    laws.equals_kl_at_the_optimum(donsker_varadhan, offset=5.0)
    laws.equals_kl_at_the_optimum(nwj, offset=1.0)
    laws.equals_kl_at_the_optimum(smile)


@settings(deadline=None)
@given(scores=tables)
def test_kl_bounds_are_never_above(scores: list[float]) -> None:
    table = torch.tensor(scores, dtype=torch.float64).reshape(3, 3)
    laws.never_exceeds_kl(donsker_varadhan, table)
    laws.never_exceeds_kl(nwj, table)


@pytest.mark.parametrize(("bound", "oracle"), ORACLES.items(), ids=["dv", "nwj", "infonce", "smile"])
def test_against_plain_sums(bound: laws.Function, oracle: laws.Function) -> None:
    laws.equals_its_oracle(bound, oracle)


@pytest.mark.parametrize("bound", [donsker_varadhan, infonce], ids=["dv", "infonce"])
def test_invariances(bound: laws.Function) -> None:
    laws.ignores_a_shift(bound)
    laws.is_zero_at_constant_scores(bound)


@pytest.mark.parametrize("bound", [donsker_varadhan, infonce, f_divergence], ids=["dv", "infonce", "js"])
def test_a_critic_that_ignores_y_has_no_positive_bound(bound: laws.Function) -> None:
    """The best such critic is constant; whatever it computes from x, the bound is at most 0."""
    scores = torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64).expand(3, 3)
    assert float(bound(*laws.scored(scores))) <= 1e-12
    assert abs(float(infonce(*laws.scored(scores)))) < 1e-9


def test_infonce_has_a_ceiling() -> None:
    laws.has_the_ceiling_of_m_and_one(infonce)


@settings(deadline=None)
@given(scores=tables)
def test_infonce_never_exceeds_its_ceiling(scores: list[float]) -> None:
    positives, negatives = laws.scored(torch.tensor(scores, dtype=torch.float64).reshape(3, 3))
    assert infonce(positives, negatives) <= math.log(negatives.shape[-1] + 1) + 1e-9


@every_bound
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_never_nan(bound: bounds.Bound, dtype: torch.dtype) -> None:
    laws.bound_is_never_nan(bound, dtype)


@every_divergence
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_f_divergence_is_never_nan(divergence: Divergence, dtype: torch.dtype) -> None:
    """A gain is never +inf and a cost never -inf, so inf - inf never occurs."""
    laws.bound_is_never_nan(bounds.of_name("f-divergence", divergence), dtype)


@every_bound
def test_gradients(bound: bounds.Bound) -> None:
    generator = torch.Generator().manual_seed(0)
    positives = torch.randn(4, dtype=torch.float64, generator=generator, requires_grad=True)
    negatives = torch.randn(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(bound, (positives, negatives))


def test_names() -> None:
    assert bounds.of_name("f-divergence", DIVERGENCES["kl"]).name == "kl"
    assert bounds.of_name("infonce") is infonce
    with pytest.raises(ValueError, match="choose one of f-divergence, donsker-varadhan, nwj, infonce, smile"):
        bounds.of_name("mine")


THRESHOLDS = {**{name: bounds.of_name("f-divergence", each) for name, each in DIVERGENCES.items()}, **BOUNDS}


@pytest.mark.parametrize("name", THRESHOLDS)
def test_threshold_is_the_score_of_a_pair_as_likely_true_as_random(name: str) -> None:
    """A table with uniform marginals, each row a shift of the first; scores are optimal up to their free offset."""
    shares = torch.tensor([0.4, 0.3, 0.2, 0.07, 0.03], dtype=torch.float64)
    log_r = torch.stack([shares.roll(shift) for shift in range(5)]).mul(5).log()
    bound, optimal = THRESHOLDS[name], DIVERGENCES.get(name, DIVERGENCES["kl"]).optimal_score
    free = {"donsker-varadhan": torch.full((5, 1), 3.0), "infonce": torch.arange(5.0).unsqueeze(-1)}
    offset = free.get(name, torch.zeros(5, 1)).double()
    if name == "f-divergence":
        optimal = DIVERGENCES["jensen-shannon"].optimal_score
    elif name in ("donsker-varadhan", "infonce", "smile"):
        optimal = DIVERGENCES["gan"].optimal_score  # log r itself
    threshold = bound.threshold(bound.reduce(optimal(log_r) + offset), 5)
    torch.testing.assert_close(threshold, (optimal(torch.zeros_like(threshold)) + offset.squeeze(-1)))
