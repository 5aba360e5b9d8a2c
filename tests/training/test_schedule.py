"""Schedules: their pace, their batches, and what is refused."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from infomax.errors import InfoMaxError
from infomax.training.schedule import Schedule


def schedule(**changes: Any) -> Schedule:
    return Schedule(**{"epochs": 2, "batch": 16, "learning_rate": 1e-3, "epsilon": 1e-8, **changes})


def test_the_articles_rate_is_constant() -> None:
    assert {schedule().lr_factor(step, 100) for step in range(100)} == {1.0}


@pytest.mark.parametrize(("decay", "half"), [("linear", 0.5), ("cosine", 0.5), ("constant", 1.0)])
def test_it_rises_then_falls(decay: str, half: float) -> None:
    paces = [schedule(warmup=0.2, decay=decay).lr_factor(step, 50) for step in range(50)]
    assert paces[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert paces[10] == 1.0
    assert paces[30] == pytest.approx(half)  # half way from 10 to 50
    assert all(0 < pace <= 1 for pace in paces)
    assert sorted(paces[10:], reverse=True) == paces[10:]
    quarter = {"linear": 0.75, "cosine": (1 + math.cos(math.pi / 4)) / 2, "constant": 1.0}
    assert paces[20] == pytest.approx(quarter[decay])


@settings(deadline=None)
@given(
    n=st.integers(2, 300),
    seed=st.integers(0, 99),
    world_size=st.integers(1, 3),
    micro_batches=st.integers(1, 3),
    drop_last=st.booleans(),
)
def test_batches_can_be_shared_equally(n: int, seed: int, world_size: int, micro_batches: int, drop_last: bool) -> None:
    plan = schedule(batch=36, micro_batches=micro_batches, drop_last=drop_last)
    drawn = plan.batches(n, seed, 3, world_size)
    sizes = [len(batch) for batch in drawn]
    left = n - sum(sizes)
    assert sizes[:-1] == [36] * (len(sizes) - 1)
    assert all(
        size % (36 if drop_last else world_size * micro_batches) == 0 and size >= 2 * micro_batches for size in sizes
    )
    assert left < (36 if drop_last else max(2, world_size) * micro_batches)
    assert plan.steps(n, world_size) == 2 * len(sizes)
    assert len(set(torch.cat([torch.empty(0, dtype=torch.long), *drawn]).tolist())) == sum(sizes)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"optimizer": "sgd"}, "unknown optimizer 'sgd': choose one of adam, adamw, lars, muon"),
    ({"decay": "step"}, "unknown decay 'step': choose one of constant, linear, cosine"),
    ({"weight_decay": 0.1}, "weight_decay is 0.1, and adam has none: use optimizer=adamw"),
    ({"weight_decay": -1.0, "optimizer": "adamw"}, "weight_decay is -1.0: use 0 or a small positive number"),
    ({"adamw_learning_rate": 0.0}, "adamw_learning_rate is 0.0: use a positive number"),
    ({"warmup": 1.5}, "warmup is 1.5: give a fraction, 0 to 1"),
    ({"warmup": math.nan}, "warmup is nan"),
    ({"micro_batches": 3}, "a batch of 16 in 3 micro_batches: make them equal"),
    ({"micro_batches": 0}, "micro_batches is 0: use 1 or more"),
    ({"micro_batches": 16}, "a batch of 16 in 16 micro_batches: make them equal, of 2 images or more"),
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED)
def test_what_makes_no_sense(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason):
        schedule(**changes)


@pytest.mark.parametrize(
    ("changes", "n", "ranks", "reason"),
    [
        ({}, 100, 3, "a batch of 16 images cannot be shared equally among 3 processes: use a multiple of 3"),
        (
            {"micro_batches": 4},
            100,
            8,
            "16 images in 4 micro_batches cannot be shared equally among 8 processes: use a multiple of 32",
        ),
        ({"drop_last": True}, 15, 1, "batch is 16, and there are 15 images: use --set batch=15 or less"),
    ],
)
def test_what_cannot_be_done(changes: dict[str, Any], n: int, ranks: int, reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason):
        schedule(**changes).validate(n, ranks)


def test_the_article_learns_from_less_than_a_batch() -> None:
    schedule().validate(5)
    assert [len(batch) for batch in schedule().batches(5, 0, 0)] == [5]
