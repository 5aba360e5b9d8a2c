"""One loop of gradient ascent, for every bound in the package that is trained outside `training/`.

The critics of `estimation/` and the critics and the decoder of `evaluation/proxies/` are trained here: AdamW under a
one-cycle learning rate, and optionally validation, early stopping and a moving average of the weights. Objectives are
maximized. The minus sign that turns ascent into the descent of an optimizer stands here and in `training/` alone.

Examples:
    >>> layer = nn.Linear(1, 1, bias=False)
    >>> maximize(layer, lambda each: -(each.weight - 2).square().sum(), steps=200, learning_rate=0.1)
    >>> round(layer.weight.item(), 1)
    2.0
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

_Module = TypeVar("_Module", bound=nn.Module)


def maximize(
    module: _Module,
    objective: Callable[[_Module], Float[Tensor, ""]],
    *,
    steps: int,
    learning_rate: float,
    weight_decay: float = 1e-2,
    warmup: float = 0.3,
    validate: Callable[[_Module], float] | None = None,
    check_every: int = 1,
    patience: int | None = None,
    average_decay: float | None = None,
    on_step: Callable[[int], None] | None = None,
) -> None:
    """Train a module in place so that an objective becomes as large as possible.

    The learning rate rises to its peak and falls to almost zero (one cycle, Smith & Topin 2017, arXiv 1708.07120).

    Args:
        module: The module whose parameters are trained.
        objective: Computes the value to maximize, usually on a random batch. Called once a step.
        steps: Number of optimizer steps.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        warmup: Fraction of the steps in which the learning rate rises.
        validate: Scores the module, or its average, at the start and at each check. The best weights are kept.
        check_every: Steps between two checks.
        patience: Stop after so many checks in a row without a better score. None runs all steps.
        average_decay: The module ends with a moving average of its weights, of this decay a step; None for no average.
        on_step: Called after each step with its number, from 1.

    """
    optimizer = torch.optim.AdamW(module.parameters(), learning_rate, weight_decay=weight_decay)
    schedule = OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=warmup, cycle_momentum=False)
    average = None if average_decay is None else _moving_average(module, average_decay)
    candidate = module if average is None else average.module
    best = None if validate is None else _BestWeights(candidate, validate)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        torch.autograd.backward(-objective(module))
        optimizer.step()
        schedule.step()
        if average is not None:
            average.update_parameters(module)
        if on_step is not None:
            on_step(step)
        if best is not None and step % check_every == 0 and best.has_stalled(patience):
            break
    if best is not None or average is not None:
        module.load_state_dict(best.state if best is not None else candidate.state_dict())


class _BestWeights:
    """The weights of a module at the check with the best score, the one at creation included."""

    def __init__(self, module: Any, validate: Callable[[Any], float]) -> None:
        self.module, self.validate = module, validate
        self.state, self.score = self._copy(), self._measure()
        self.checks_without_gain = 0

    def has_stalled(self, patience: int | None) -> bool:
        """Measure the module, keep its weights if they are the best so far; True after too many checks without gain."""
        score = self._measure()
        self.checks_without_gain += 1
        if score > self.score:
            self.state, self.score, self.checks_without_gain = self._copy(), score, 0
        return patience is not None and self.checks_without_gain >= patience

    def _copy(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.module.state_dict().items()}

    @torch.no_grad()
    def _measure(self) -> float:
        return self.validate(self.module)


def _moving_average(module: nn.Module, decay: float) -> AveragedModel:
    """A copy of the module that follows its weights. The first update takes them as they are."""
    return AveragedModel(module, multi_avg_fn=get_ema_multi_avg_fn(decay))  # type: ignore[no-untyped-call]
