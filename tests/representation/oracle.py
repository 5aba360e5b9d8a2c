"""A slow second implementation of Su (2018): layer by layer in NumPy, and position by position in loops."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus

Array = NDArray[np.float64]
Weights = Mapping[str, Tensor]


def numbers(tensor: Tensor) -> Array:
    """Convert a tensor to a NumPy array in float64."""
    return np.asarray(tensor.detach().double().numpy())


def convolution(x: Array, weight: Array, bias: Array) -> Array:
    """Convolve 3x3 with a border of one zero pixel: (n, c, h, w) -> (n, k, h, w)."""
    n, _, h, w = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    out = np.zeros((n, len(weight), h, w))
    for i in range(3):
        for j in range(3):
            out += np.einsum("nchw,kc->nkhw", padded[:, :, i : i + h, j : j + w], weight[:, :, i, j])
    return out + bias[:, None, None]


def batch_norm(x: Array, weights: Weights, name: str, *, training: bool) -> Array:
    """Normalize each channel with the statistics of the batch in training, and the running statistics after it."""
    if training:
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    else:
        mean, variance = numbers(weights[f"{name}.running_mean"]), numbers(weights[f"{name}.running_var"])
    scale, shift = numbers(weights[f"{name}.weight"]), numbers(weights[f"{name}.bias"])
    normal: Array = (x - mean[:, None, None]) / np.sqrt(variance + 1e-5)[:, None, None]
    return normal * scale[:, None, None] + shift[:, None, None]


def leaky_relu(x: Array) -> Array:
    return np.maximum(x, 0) + 0.2 * np.minimum(x, 0)


def max_pool(x: Array) -> Array:
    """Take the maximum of each 2x2 square."""
    n, c, h, w = x.shape
    out = np.empty((n, c, h // 2, w // 2))
    for i in range(h // 2):
        for j in range(w // 2):
            out[:, :, i, j] = x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max((2, 3))
    return out


def encode(
    images: NDArray[np.uint8], weights: Weights, blocks: int, scale: float, shift: float, *, training: bool
) -> tuple[Array, Array, Array]:
    """Return feature map (n, c, h, w), mean and log_var. As in Su (2018), the activation comes before pooling."""
    x = np.moveaxis(images.astype(np.float64), 3, 1) * scale + shift

    def block(x: Array, name: str) -> Array:
        x = convolution(x, numbers(weights[f"{name}.0.weight"]), numbers(weights[f"{name}.0.bias"]))
        return leaky_relu(batch_norm(x, weights, f"{name}.1", training=training))

    for index in range(blocks):
        x = max_pool(block(x, f"low.{index}"))
    feature_map = x
    for index in range(2):
        x = block(x, f"high.{index}")
    summary = x.max((2, 3))
    mean, log_var = (
        summary @ numbers(weights[f"{head}.weight"]).T + numbers(weights[f"{head}.bias"])
        for head in ("mean", "log_var")
    )
    return feature_map, mean, log_var


def score(weights: Weights, critic: str, x: Tensor, y: Tensor) -> Tensor:
    """Score one pair of vectors: concatenate them and apply the MLP d -> d -> d -> 1."""
    first = torch.cat([weights[f"{critic}.x_half.weight"], weights[f"{critic}.y_half.weight"]], 1)
    hidden = torch.relu(first @ torch.cat([x, y]) + weights[f"{critic}.y_half.bias"])
    hidden = torch.relu(weights[f"{critic}.rest.1.weight"] @ hidden + weights[f"{critic}.rest.1.bias"])
    hidden = torch.relu(weights[f"{critic}.rest.3.weight"] @ hidden + weights[f"{critic}.rest.3.bias"])
    return (weights[f"{critic}.rest.5.weight"] @ hidden + weights[f"{critic}.rest.5.bias"])[0]


def loss(
    local: Tensor,
    mean: Tensor,
    log_var: Tensor,
    noise: Tensor,
    weights: Weights,
    others: tuple[Sequence[int], Sequence[int]],
    alpha: float,
    beta: float,
    gamma: float,
    *,
    use_feature_map: bool = False,
) -> Tensor:
    """Compute the loss of Su (2018), eq. 14, pair by pair: alpha * L_global + beta * L_local + gamma * KL.

    `local` is (n, positions, c). `others` are the images whose features are the negatives, globally and locally.
    """
    n, positions, _ = local.shape
    code = [mean[i] + (log_var[i] / 2).exp() * noise[i] for i in range(n)]
    whole = [local[i].reshape(-1) for i in range(n)] if use_feature_map else code
    loss_global = torch.zeros((), dtype=local.dtype)
    loss_local = torch.zeros((), dtype=local.dtype)
    divergence = torch.zeros((), dtype=local.dtype)
    for i in range(n):
        right, wrong = (score(weights, "parts.0.part.critic", code[i], whole[j]) for j in (i, others[0][i]))
        loss_global = loss_global + (softplus(-right) + softplus(wrong)) / n
        for p in range(positions):
            right, wrong = (score(weights, "parts.1.part.critic", code[i], local[j, p]) for j in (i, others[1][i]))
            loss_local = loss_local + (softplus(-right) + softplus(wrong)) / (n * positions)
        for d in range(mean.shape[1]):
            kl = -0.5 * (1 + log_var[i, d] - mean[i, d] ** 2 - log_var[i, d].exp())
            divergence = divergence + kl / (n * mean.shape[1])
    return alpha * loss_global + beta * loss_local + gamma * divergence
