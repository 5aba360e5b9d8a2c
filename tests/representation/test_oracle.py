"""Compare encoder and loss with the slow implementation of Su (2018): values and gradients, in float64."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from infomax.information.pairs import random_derangement
from infomax.recipes import DIM_CIFAR10, DIM_TINY_IMAGENET
from infomax.recipes.deep_infomax import DeepInfoMax
from infomax.representation.encoders import ConvolutionalEncoder, Representation
from infomax.representation.objectives import Objective
from tests.conftest import colored
from tests.representation.oracle import encode, loss, numbers

LAYOUTS = {
    "32": replace(DIM_CIFAR10, blocks=(3, 4, 5), dim=6),
    "64": replace(DIM_TINY_IMAGENET, blocks=(2, 3, 4, 5), dim=6),
}


def made(recipe: DeepInfoMax) -> tuple[ConvolutionalEncoder, Objective]:
    """Make encoder and objective in float64. No weight hides a mistake, as batch norm's initial 1 and 0 would."""
    torch.manual_seed(0)
    encoder, objective = recipe.encoder().double(), recipe.objective().double()
    with torch.no_grad():
        for name, weight in encoder.state_dict().items():
            if weight.ndim == 1 and weight.is_floating_point():
                weight.add_(torch.rand_like(weight) - (0.0 if "var" in name else 0.5))
    return encoder, objective


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_encoder_equals_the_oracle(layout: str, training: bool) -> None:
    recipe = LAYOUTS[layout]
    encoder, _ = made(recipe)
    images = colored(3, recipe.size)
    weights = {name: weight.clone() for name, weight in encoder.state_dict().items()}
    with torch.no_grad():
        representation = encoder.train(training)(torch.from_numpy(images))
    feature_map, mean, log_var = encode(
        images, weights, len(recipe.blocks), recipe.scale, recipe.shift, training=training
    )
    assert feature_map.shape == (3, 5, 4, 4)
    local = np.array([[feature_map[n, :, i, j] for i in range(4) for j in range(4)] for n in range(3)])
    np.testing.assert_allclose(numbers(representation.local), local, atol=1e-6, rtol=0)
    np.testing.assert_allclose(numbers(representation.mean), mean, atol=1e-6, rtol=0)
    np.testing.assert_allclose(numbers(representation.log_var), log_var, atol=1e-6, rtol=0)


@pytest.mark.parametrize("weight_name", ["low.0.0.weight", "low.1.1.weight", "high.1.1.bias", "log_var.weight"])
def test_the_encoder_gradient_equals_that_of_the_oracle(weight_name: str) -> None:
    recipe = DeepInfoMax(name="tiny", size=8, blocks=(2, 3), dim=2, batch=4, epochs=1)
    encoder, _ = made(recipe)
    images, step = colored(4), 1e-5
    parameter = dict(encoder.named_parameters())[weight_name]
    representation = encoder(torch.from_numpy(images))
    (representation.local.sum() + (representation.mean * representation.log_var).sum()).backward()
    assert parameter.grad is not None
    place = np.unravel_index(int(parameter.grad.abs().argmax()), tuple(parameter.shape))

    def value(change: float) -> float:
        weights = {name: weight.clone() for name, weight in encoder.state_dict().items()}
        weights[weight_name][place] += change
        feature_map, mean, log_var = encode(images, weights, 2, recipe.scale, recipe.shift, training=True)
        return float(feature_map.sum() + (mean * log_var).sum())

    slope = (value(step) - value(-step)) / (2 * step)
    assert abs(slope) > 1e-3
    assert float(parameter.grad[place]) == pytest.approx(slope, rel=1e-5)


def draws(n: int, dim: int, seed: int) -> tuple[Tensor, tuple[list[int], list[int]]]:
    """Repeat the draws of the library in order: noise, negatives of GlobalInfo, negatives of LocalInfo."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return noise, (random_derangement(n, generator).tolist(), random_derangement(n, generator).tolist())


def library_loss(objective: Objective, representation: Representation, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    value: Tensor = objective(representation, representation.sample(generator), generator).total
    return -value


@pytest.mark.parametrize("target", ["code", "feature-map"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_loss_equals_the_oracle(layout: str, target: str) -> None:
    recipe = LAYOUTS[layout].with_settings(global_target=target)
    encoder, objective = made(recipe)
    with torch.no_grad():
        seen = encoder(torch.from_numpy(colored(5, recipe.size)))
    local, mean, log_var = (tensor.clone().requires_grad_() for tensor in (seen.local, seen.mean, seen.log_var))
    weights: dict[str, Tensor] = dict(objective.named_parameters())

    ours = library_loss(objective, Representation(local, mean, log_var, seen.grid), seed=3)
    noise, others = draws(5, recipe.dim, seed=3)
    plain = loss(local, mean, log_var, noise, weights, others, 0.5, 1.5, 0.01, use_feature_map=target == "feature-map")

    assert ours.item() == pytest.approx(plain.item(), abs=1e-6)
    inputs = [local, mean, log_var, *weights.values()]
    for one, other in zip(torch.autograd.grad(ours, inputs), torch.autograd.grad(plain, inputs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_planted_mistakes_change_the_loss() -> None:
    recipe = LAYOUTS["32"]
    encoder, objective = made(recipe)
    with torch.no_grad():
        seen = encoder(torch.from_numpy(colored(5, 32)))
        ours = library_loss(objective, seen, seed=3).item()
    (noise, (whole, local)), weights = draws(5, recipe.dim, seed=3), dict(objective.named_parameters())
    mutants = {
        "negatives swapped": (seen.mean, seen.log_var, noise, weights, (local, whole), 0.5, 1.5, 0.01),
        "own negative": (seen.mean, seen.log_var, noise, weights, (whole, range(5)), 0.5, 1.5, 0.01),
        "variance for deviation": (seen.mean, seen.log_var, noise * noise, weights, (whole, local), 0.5, 1.5, 0.01),
        "no noise": (seen.mean, seen.log_var, noise * 0, weights, (whole, local), 0.5, 1.5, 0.01),
        "weights swapped": (seen.mean, seen.log_var, noise, weights, (whole, local), 1.5, 0.5, 0.01),
        "KL summed over dimensions": (seen.mean, seen.log_var, noise, weights, (whole, local), 0.5, 1.5, 0.06),
        "prior rewarded": (seen.mean, seen.log_var, noise, weights, (whole, local), 0.5, 1.5, -0.01),
    }
    assert loss(seen.local, seen.mean, seen.log_var, noise, weights, (whole, local), 0.5, 1.5, 0.01).item() == (
        pytest.approx(ours, abs=1e-6)
    )
    undetected = [name for name, each in mutants.items() if abs(loss(seen.local, *each).item() - ours) < 1e-5]
    assert undetected == []


def test_the_recipes_have_the_weights_of_su_2018() -> None:
    for recipe in LAYOUTS.values():
        assert (recipe.alpha, recipe.beta, recipe.gamma) == (0.5, 1.5, 0.01)
