"""The loop of gradient ascent on a weight that climbs to a known optimum."""

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from infomax.information.ascent import maximize


def weight(start: float = 0.0) -> nn.Linear:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, start)
    return layer


def hill(layer: nn.Linear) -> Tensor:
    return -(layer.weight - 2).square().sum()


def test_it_climbs_to_the_optimum() -> None:
    layer = weight()
    maximize(layer, hill, steps=200, learning_rate=0.1)
    assert layer.weight.item() == pytest.approx(2, abs=0.05)


def test_it_is_adamw_under_one_cycle() -> None:
    """The same bits as the plain loop, with and without a moving average."""
    for decay in (None, 0.9):
        layer, plain = weight(), weight()
        maximize(layer, hill, steps=20, learning_rate=0.1, weight_decay=0.1, warmup=0.2, average_decay=decay)
        optimizer = torch.optim.AdamW(plain.parameters(), 0.1, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.1, total_steps=20, pct_start=0.2, cycle_momentum=False
        )
        average = AveragedModel(plain, multi_avg_fn=get_ema_multi_avg_fn(0.9))  # type: ignore[no-untyped-call]
        for _ in range(20):
            optimizer.zero_grad()
            torch.autograd.backward((plain.weight - 2).square().sum())
            optimizer.step()
            schedule.step()
            average.update_parameters(plain)
        (wanted,) = (plain if decay is None else average.module).parameters()
        assert torch.equal(layer.weight, wanted)


def test_the_best_validated_weights_are_kept() -> None:
    """The objective climbs to 2, the validation score falls beyond 1: the weights closest to 1 are kept."""
    layer, seen = weight(), []

    def validate(each: nn.Linear) -> float:
        seen.append(each.weight.item())
        return -abs(each.weight.item() - 1)

    maximize(layer, hill, steps=100, learning_rate=0.1, validate=validate, check_every=5)
    assert len(seen) == 21
    assert layer.weight.item() == min(seen, key=lambda each: abs(each - 1))


def test_the_weights_before_the_first_step_may_be_the_best() -> None:
    layer = weight(0.5)
    maximize(layer, hill, steps=10, learning_rate=0.1, validate=lambda each: -each.weight.item())
    assert layer.weight.item() == 0.5


def test_it_stops_after_checks_without_gain() -> None:
    steps: list[int] = []
    scores = iter([0.0, 1.0, 0.5, 1.0, 9.0])  # before the first step, then at each check
    maximize(
        weight(),
        hill,
        steps=100,
        learning_rate=0.1,
        validate=lambda _: next(scores),
        check_every=3,
        patience=2,
        on_step=steps.append,
    )
    assert steps == list(range(1, 10))  # equal scores are no gain
