import os
import subprocess
import sys
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from infomax.information import critics, pairs
from infomax.information.bounds import BOUNDS, Bound, donsker_varadhan
from infomax.information.critics import Critic
from infomax.information.pairs import PAIRINGS, all_pairs, derangement, lower_bound
from tests.information import laws
from tests.information.laws import CRITICS

every_pairing = pytest.mark.parametrize("pairing", PAIRINGS.values(), ids=PAIRINGS.keys())
sizes = {"n": st.integers(2, 9), "positions": st.integers(1, 4), "seed": st.integers(0, 1000)}


def double(name: str, **settings: int) -> Critic:
    torch.manual_seed(0)
    return CRITICS[name](3, 2, **settings).double()


def features(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@every_pairing
@settings(max_examples=30, deadline=None)
@given(**sizes)
def test_no_pair_is_its_own_negative(pairing: pairs.Pairing, n: int, positions: int, seed: int) -> None:
    laws.pairs_are_what_they_say(pairing, n, positions, seed)


@settings(max_examples=30, deadline=None)
@given(n=sizes["n"], positions=sizes["positions"])
def test_all_pairs_are_all(n: int, positions: int) -> None:
    laws.pairs_are_all(all_pairs, n, positions)


def test_every_other_element_is_met_equally_often() -> None:
    laws.every_other_is_met_as_often(derangement)


@every_pairing
def test_one_element_has_no_negative(pairing: pairs.Pairing) -> None:
    with pytest.raises(ValueError, match="use a batch of 2 or more"):
        lower_bound(laws.Naming(), torch.zeros(1, 1), torch.zeros(1, 1), pairing)


# a bound sees scores alone, whatever critic made them: every critic with one bound, and every bound with one critic
CRITICS_AND_BOUNDS = [
    *((name, donsker_varadhan) for name in CRITICS),
    *(("bilinear", each) for each in BOUNDS.values()),
]


@pytest.mark.parametrize(("name", "bound"), CRITICS_AND_BOUNDS, ids=lambda each: getattr(each, "name", each))
@pytest.mark.parametrize("x_positions", [(), (4,)], ids=["codes", "positions"])
@pytest.mark.parametrize("held", [1, 100])
def test_streaming_is_the_plain_bound(
    monkeypatch: pytest.MonkeyPatch, name: str, bound: Bound, x_positions: tuple[int, ...], held: int
) -> None:
    """Value and all gradients are equal, row by row or a few rows at once."""
    monkeypatch.setattr(pairs, "MOST_SCORES_HELD", held)
    monkeypatch.setattr(critics, "MOST_HIDDEN_HELD", 80 * min(held, 5))
    critic = double(name) if name == "bilinear" else double(name, hidden=16)
    x, y = features(*x_positions, 5, 3), features(4, 5, 2, seed=1)
    leaves = [x.requires_grad_(), y.requires_grad_(), *critic.parameters()]
    plain, streamed = bound(*all_pairs(critic, x, y)), lower_bound(critic, x, y, all_pairs, bound)
    torch.testing.assert_close(streamed, plain, atol=1e-12, rtol=1e-12)
    wanted, found = (torch.autograd.grad(value.sum(), leaves) for value in (plain, streamed))
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-10)


def test_other_pairings_go_straight_to_the_bound() -> None:
    critic, x, y = double("separable"), features(6, 3), features(6, 2, seed=1)
    seeded = partial(torch.Generator().manual_seed, 3)
    wanted = donsker_varadhan(*derangement(critic, x, y, seeded()))
    torch.testing.assert_close(lower_bound(critic, x, y, derangement, donsker_varadhan, seeded()), wanted)


def test_half_precision_is_reduced_in_single() -> None:
    critic = CRITICS["separable"](3, 2).bfloat16()
    value = lower_bound(critic, features(6, 3).bfloat16(), features(6, 2).bfloat16(), all_pairs, donsker_varadhan)
    assert value.dtype == torch.float32


PEAK = """
import resource, sys, torch
from infomax.information import critics, pairs, all_pairs, donsker_varadhan, lower_bound
torch.set_num_threads(1)
kind, n, width, positions = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), 32
x, y = torch.randn(n, 8, requires_grad=True), torch.randn(positions, n, 8, requires_grad=True)
critic = getattr(critics, kind)(8, 8, hidden=width)
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
def run(x, y, held):
    pairs.MOST_SCORES_HELD = critics.MOST_HIDDEN_HELD = held
    lower_bound(critic, x, y, all_pairs, donsker_varadhan).mean().backward()
run(x[:9], y[:, :9], 500)  # loads what the first use loads
before = peak()
run(x, y, 2**18)
print(peak() - before)
"""


@pytest.mark.parametrize(("kind", "n", "width"), [("Separable", 512, 8), ("Concatenated", 48, 64)])
def test_memory_is_linear_in_the_number_of_samples(kind: str, n: int, width: int) -> None:
    """In blocks of 1 MiB, neither the scores nor the hidden layers of all pairs are in memory at once.

    The scores of 512 x 512 pairs at 32 positions take 32 MiB, and a plain gradient keeps them three times over; a
    hidden layer of 64 for 48 x 48 pairs there takes 18 MiB, and a plain gradient keeps five of them.
    """
    given_back = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}  # freed blocks do not stay with the process
    words = [sys.executable, "-c", PEAK, kind, str(n), str(width)]
    run = subprocess.run(words, capture_output=True, text=True, check=True, env=given_back)
    assert float(run.stdout) < 40
