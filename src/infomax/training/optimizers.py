"""Optimizers: Adam, AdamW, LARS and Muon, each over all parameters, with one factor on all their learning rates.

Matrices are all weights of two axes or more: of linear layers, convolutions, attention. The rest are vectors: biases,
and scales of norms. Weight decay applies to matrices alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

MOMENTUM = 0.9
BETAS = (0.9, 0.95)  # of AdamW: a short training has no time for a mean over thousands of steps
TRUST = 1e-3  # of LARS: a step is this part of the weights' norm, times the rate


@final
class Optimizer:
    """One or two of torch's optimizers, whose learning rates rise and fall together.

    Args:
        parameters: All parameters.
        *parts: torch's optimizers, each of some of the parameters.

    """

    def __init__(self, parameters: Sequence[nn.Parameter], *parts: torch.optim.Optimizer) -> None:
        self.parameters, self.parts = parameters, parts
        self._rates = [[group["lr"] for group in part.param_groups] for part in parts]

    def set_lr_factor(self, factor: float) -> None:
        """Scale all learning rates.

        Args:
            factor: What the initial rates are multiplied by.

        """
        for part, rates in zip(self.parts, self._rates, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = factor * rate

    def zero_grad(self) -> None:
        """Drop the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def step(self) -> None:
        """Take one step of descent."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """List the state of each of torch's optimizers."""
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states: Sequence[dict[str, Any]]) -> None:
        """Restore what `state_dict` gave; the initial rates stay those of the constructor."""
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


@final
class LARS(torch.optim.Optimizer):
    """Gradient descent with momentum and steps in proportion to each matrix's norm, for very large batches.

        v <- MOMENTUM v + rate * trust * (gradient + decay * w),    w <- w - v,
        trust = TRUST |w| / (|gradient| + decay |w|) for a matrix, 1 without decay for a vector

    You et al. 2017, arXiv 1708.03888, algorithm 1. Vectors are left out as in SimCLR (arXiv 2002.05709, section 2).

    Args:
        matrices: Weights of two axes or more.
        vectors: All other parameters.
        rate: Learning rate.
        decay: Weight decay of the matrices.

    """

    def __init__(self, matrices: Sequence[Tensor], vectors: Sequence[Tensor], rate: float, decay: float) -> None:
        groups = [
            {"params": matrices, "decay": decay, "adapts": True},
            {"params": vectors, "decay": 0.0, "adapts": False},
        ]
        super().__init__([group for group in groups if group["params"]], {"lr": rate})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Take one step; a closure is not called."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight in weights:
                change = weight.grad.add(weight, alpha=group["decay"])
                if group["adapts"]:
                    change *= _trust(weight, weight.grad, group["decay"])
                state = self.state[weight]
                velocity = state.setdefault("velocity", torch.zeros_like(weight))
                velocity.mul_(MOMENTUM).add_(change, alpha=group["lr"])
                weight.sub_(velocity)


def _trust(weight: Tensor, gradient: Tensor, decay: float) -> Float[Tensor, ""]:
    """How long the step of a matrix is; 1 where weight or gradient are all zeros, as in a layer begun at nothing."""
    size, slope = weight.norm(), gradient.norm()
    return torch.where((size > 0) & (slope > 0), TRUST * size / (slope + decay * size), torch.ones_like(size))


@dataclass(frozen=True)
class Rates:
    """Rates of an optimizer.

    Attributes:
        learning_rate: Of all parameters; for Muon, of the matrices.
        adamw_learning_rate: Of the vectors, which Muon leaves to AdamW.
        weight_decay: Of the matrices.
        epsilon: Of Adam and AdamW, added to the root of the mean square.

    """

    learning_rate: float
    adamw_learning_rate: float
    weight_decay: float
    epsilon: float


def adam(parameters: Sequence[nn.Parameter], rates: Rates) -> Optimizer:
    """Make Adam (Kingma & Ba 2015, arXiv 1412.6980).

    Args:
        parameters: All parameters.
        rates: Its rates.

    Returns:
        The optimizer.

    """
    return Optimizer(parameters, torch.optim.Adam(parameters, rates.learning_rate, eps=rates.epsilon, fused=True))


def adamw(parameters: Sequence[nn.Parameter], rates: Rates) -> Optimizer:
    """Make AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101).

    Args:
        parameters: All parameters.
        rates: Its rates.

    Returns:
        The optimizer.

    """
    matrices, vectors = _split_matrices(parameters)
    groups = [
        {"params": matrices, "weight_decay": rates.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return Optimizer(
        parameters, torch.optim.AdamW(groups, rates.learning_rate, betas=BETAS, eps=rates.epsilon, fused=True)
    )


def lars(parameters: Sequence[nn.Parameter], rates: Rates) -> Optimizer:
    """Make LARS (You et al. 2017, arXiv 1708.03888).

    Args:
        parameters: All parameters.
        rates: Its rates.

    Returns:
        The optimizer.

    """
    return Optimizer(parameters, LARS(*_split_matrices(parameters), rates.learning_rate, rates.weight_decay))


def muon(parameters: Sequence[nn.Parameter], rates: Rates) -> Optimizer:
    """Make Muon (Jordan et al. 2024, kellerjordan.github.io/posts/muon) for the matrices and AdamW for the vectors.

    torch's Muon takes weights of two axes. The weights of a convolution become a matrix (out, all else) in the same
    memory. The order of its columns follows the memory layout, and Muon does not depend on it.

    Args:
        parameters: All parameters.
        rates: Their rates.

    Returns:
        The optimizer.

    """
    matrices, vectors = _split_matrices(parameters)
    flat = [nn.Parameter(_as_matrix(weight, weight.detach())) for weight in matrices]
    assert all(one.data_ptr() == other.data_ptr() for one, other in zip(matrices, flat, strict=True)), "a copy"

    def hand_over(*_: object) -> None:
        for weight, matrix in zip(matrices, flat, strict=True):
            matrix.grad = None if weight.grad is None else _as_matrix(weight, weight.grad)

    steps = torch.optim.Muon([{"params": flat}], rates.learning_rate, rates.weight_decay, MOMENTUM)
    steps.register_step_pre_hook(hand_over)
    rest = torch.optim.AdamW(
        [{"params": vectors}], rates.adamw_learning_rate, betas=BETAS, eps=rates.epsilon, weight_decay=0.0, fused=True
    )
    return Optimizer(parameters, steps, rest)


def _split_matrices(parameters: Sequence[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Split parameters into matrices and vectors."""
    return [each for each in parameters if each.ndim >= 2], [each for each in parameters if each.ndim < 2]


def _as_matrix(weight: Tensor, numbers: Tensor) -> Float[Tensor, "rows columns"]:
    """View numbers of the weight's shape as a matrix in the same memory."""
    if weight.ndim == 4 and not weight.is_contiguous():  # channels-last
        numbers = numbers.permute(0, 2, 3, 1)
    return numbers.flatten(1)


OPTIMIZERS: dict[str, Callable[[Sequence[nn.Parameter], Rates], Optimizer]] = {
    "adam": adam,
    "adamw": adamw,
    "lars": lars,
    "muon": muon,
}
