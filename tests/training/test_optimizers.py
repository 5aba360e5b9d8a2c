"""Optimizers against their formulas, written out in NumPy or done by hand."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from infomax.training.optimizers import BETAS, MOMENTUM, OPTIMIZERS, TRUST, Optimizer, Rates

RATES = Rates(learning_rate=0.1, adamw_learning_rate=0.01, weight_decay=0.5, epsilon=1e-8)


def weights(*shapes: Sequence[int], seed: int = 0) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in shapes]


def pulled(parameters: Sequence[nn.Parameter], step: int) -> None:
    """The same gradients in the same steps."""
    generator = torch.Generator().manual_seed(100 + step)
    for parameter in parameters:
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def stepped(name: str, parameters: Sequence[nn.Parameter], steps: int, rates: Rates = RATES) -> Optimizer:
    optimizer = OPTIMIZERS[name](parameters, rates)
    for step in range(steps):
        pulled(parameters, step)
        optimizer.step()
    return optimizer


def test_adam_is_torchs() -> None:
    ours, theirs = weights((4, 3), (5,)), weights((4, 3), (5,))
    stepped("adam", ours, 3)
    adam = torch.optim.Adam(theirs, 0.1, eps=1e-8, fused=True)
    for step in range(3):
        pulled(theirs, step)
        adam.step()
    assert all(map(torch.equal, ours, theirs))


@pytest.mark.parametrize("name", ["adamw", "lars", "muon"])
def test_only_matrices_decay(name: str) -> None:
    """Without a gradient that is worth mentioning, what is left of a weight is what decay leaves."""
    parameters = [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2, 3, 1, 1)), nn.Parameter(torch.ones(3))]
    optimizer = OPTIMIZERS[name](parameters, Rates(0.1, 0.1, 0.5, 1e-8))
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    kept = 1 - 0.1 * 0.5
    assert [parameter.flatten()[0].item() < 1 for parameter in parameters] == [True, True, False]
    if name != "lars":  # whose trust is of the decay too
        assert [each.flatten()[0].item() for each in parameters] == pytest.approx([kept, kept, 1])


def test_adamw_by_its_formula() -> None:
    matrix, vector = weights((3, 2), (4,))
    expected: dict[nn.Parameter, Any] = {each: (each.detach().double().numpy(), 0.0, 0.0) for each in (matrix, vector)}
    optimizer = OPTIMIZERS["adamw"]([matrix, vector], RATES)
    for step in range(4):
        pulled([matrix, vector], step)
        for parameter, (weight, m, v) in expected.items():
            assert parameter.grad is not None
            gradient, decay = parameter.grad.double().numpy(), 0.5 if parameter is matrix else 0.0
            m, v = BETAS[0] * m + (1 - BETAS[0]) * gradient, BETAS[1] * v + (1 - BETAS[1]) * gradient**2
            first, second = m / (1 - BETAS[0] ** (step + 1)), v / (1 - BETAS[1] ** (step + 1))
            expected[parameter] = weight * (1 - 0.1 * decay) - 0.1 * first / (np.sqrt(second) + 1e-8), m, v
        optimizer.step()
    for parameter, (weight, *_) in expected.items():
        assert np.allclose(parameter.detach(), weight, atol=1e-6)


def test_lars_by_its_formula() -> None:
    matrix, vector = weights((3, 2), (4,))
    w, u = (each.detach().double().numpy().copy() for each in (matrix, vector))
    speed, drift = np.zeros_like(w), np.zeros_like(u)
    optimizer = OPTIMIZERS["lars"]([matrix, vector], RATES)
    for step in range(4):
        pulled([matrix, vector], step)
        assert matrix.grad is not None
        assert vector.grad is not None
        gradient, slope = matrix.grad.double().numpy(), vector.grad.double().numpy()
        trust = TRUST * np.linalg.norm(w) / (np.linalg.norm(gradient) + 0.5 * np.linalg.norm(w))
        speed = MOMENTUM * speed + 0.1 * trust * (gradient + 0.5 * w)
        drift = MOMENTUM * drift + 0.1 * slope
        w, u = w - speed, u - drift
        optimizer.step()
    assert np.allclose(matrix.detach(), w, atol=1e-6)
    assert np.allclose(vector.detach(), u, atol=1e-6)


def test_lars_moves_a_matrix_of_zeros() -> None:
    matrix = nn.Parameter(torch.zeros(2, 2))
    optimizer = OPTIMIZERS["lars"]([matrix], RATES)
    matrix.grad = torch.ones(2, 2)
    optimizer.step()
    assert torch.allclose(matrix, torch.full((2, 2), -0.1))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (6, 2, 3, 3), (2, 6, 1, 1)])
def test_muons_step_is_nearly_orthogonal(shape: tuple[int, ...]) -> None:
    """Singular values of the first step are between 0.5 and 1.5 of the rate times sqrt(max(1, rows / columns))."""
    (matrix,) = weights(shape)
    before = matrix.detach().clone()
    stepped("muon", [matrix], 1, Rates(0.1, 0.1, 0.0, 1e-8))
    change = (matrix.detach() - before).flatten(1)
    scale = 0.1 * max(1, change.shape[0] / change.shape[1]) ** 0.5
    assert ((torch.linalg.svdvals(change) / scale - 1).abs() < 0.5).all()


def test_muon_takes_a_convolution_for_a_matrix_however_it_lies() -> None:
    """Channels-last or not, with its gradient either way: the same as torch's Muon on a copy that is a matrix."""
    flat = weights((6, 18))
    muon = torch.optim.Muon(flat, 0.1, 0.5, MOMENTUM)
    convolutions = weights((6, 2, 3, 3)), weights((6, 2, 3, 3))
    convolutions[1][0].data = convolutions[1][0].data.to(memory_format=torch.channels_last)
    optimizers = [OPTIMIZERS["muon"](each, RATES) for each in convolutions]
    for step in range(3):
        pulled(flat, step)
        muon.step()  # type: ignore[no-untyped-call]
        for (weight,), optimizer in zip(convolutions, optimizers, strict=True):
            pulled([weight], step)
            optimizer.step()
    for (weight,) in convolutions:
        assert torch.allclose(weight.flatten(1), flat[0], atol=2e-3)  # bfloat16 products, in another order


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_rates_keep_one_pace(name: str) -> None:
    """At half the pace the first step is half as long, for matrices and vectors alike, but for decay."""
    whole, half = weights((4, 3), (5,)), weights((4, 3), (5,))
    before = [each.detach().clone() for each in whole]
    for parameters, pace in ((whole, 1.0), (half, 0.5)):
        optimizer = OPTIMIZERS[name](parameters, Rates(0.1, 0.05, 0.0, 1e-8))
        optimizer.set_lr_factor(0.3)
        optimizer.set_lr_factor(pace)
        pulled(parameters, 0)
        optimizer.step()
    for old, one, other in zip(before, whole, half, strict=True):
        assert torch.allclose((one - old) / 2, other - old, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_restored_it_goes_on_bit_for_bit(name: str) -> None:
    shapes = ((4, 3), (5,), (6, 2, 3, 3))
    ours = weights(*shapes)
    optimizer = stepped(name, ours, 2)
    optimizer.set_lr_factor(0.25)
    other = [nn.Parameter(each.detach().clone()) for each in ours]
    restored = OPTIMIZERS[name](other, RATES)
    restored.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each in (restored, optimizer):
        each.set_lr_factor(0.5)
    for parameters, each in ((ours, optimizer), (other, restored)):
        pulled(parameters, 7)
        each.step()
    assert all(map(torch.equal, ours, other))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_weight_without_a_gradient_stays(name: str) -> None:
    used, unused, vector = weights((4, 3), (4, 3), (5,))
    before = unused.detach().clone()
    optimizer = OPTIMIZERS[name]([used, unused, vector], RATES)
    pulled([used, vector], 0)
    optimizer.step()
    assert torch.equal(unused, before)
    optimizer.zero_grad()
    assert used.grad is None
