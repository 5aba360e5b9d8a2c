"""Critics: T(x, y) -> score. A true pair should score high, a random one low.

Each critic is split where its work can be shared: `embed_x` and `embed_y` see one half and run once per element,
however many pairs it is part of; `score` sees the two embedded halves and runs once per pair. `score_all` scores every
x with every y, in one matrix product where the critic is a dot product.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.utils.checkpoint import checkpoint

MOST_HIDDEN_HELD = 2**24  # numbers in a hidden layer of Concatenated over all pairs; 64 MiB in float32


class Critic(nn.Module, ABC):
    """Scores pairs: forward(x, y) = score(embed_x(x), embed_y(y)), elementwise over broadcast leading axes."""

    @abstractmethod
    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch hx"]:
        """What the critic needs to know of x, alone."""

    @abstractmethod
    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch hy"]:
        """What the critic needs to know of y, alone."""

    @abstractmethod
    def score(self, u: Float[Tensor, "*#batch hx"], v: Float[Tensor, "*#batch hy"]) -> Float[Tensor, "*batch"]:
        """Scores of embedded pairs."""

    @abstractmethod
    def score_all(self, u: Float[Tensor, "*batch n hx"], v: Float[Tensor, "k hy"]) -> Float[Tensor, "*batch n k"]:
        """Scores of every embedded x with every embedded y: element (i, j) is score(u_i, v_j)."""

    def forward(self, x: Float[Tensor, "*#batch dx"], y: Float[Tensor, "*#batch dy"]) -> Float[Tensor, "*batch"]:
        """Scores of pairs (x, y)."""
        return self.score(self.embed_x(x), self.embed_y(y))


@final
class Concatenated(Critic):
    """The two vectors concatenated, then an MLP: d -> d -> d -> 1 with ReLU (the article's critic).

    The first layer of an MLP on [x, y] is linear in each half: W [x, y] + b = W_x x + (W_y y + b). Each half is
    computed once per element here and added per pair, which is the same function at a fraction of the work.
    """

    def __init__(self, x_dim: int, y_dim: int, hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        joint = nn.Linear(x_dim + y_dim, hidden)  # initialized as the one layer it stands for
        self.x_half = nn.Linear(x_dim, hidden, bias=False)
        self.y_half = nn.Linear(y_dim, hidden)
        self.x_half.weight = nn.Parameter(joint.weight[:, :x_dim].detach().clone())
        self.y_half.weight = nn.Parameter(joint.weight[:, x_dim:].detach().clone())
        self.y_half.bias = nn.Parameter(joint.bias.detach().clone())
        inner = [layer for _ in range(layers - 1) for layer in (nn.ReLU(), nn.Linear(hidden, hidden))]
        self.rest = nn.Sequential(*inner, nn.ReLU(), nn.Linear(hidden, 1))

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """The first layer's x half."""
        out: Tensor = self.x_half(x)
        return out

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """The first layer's y half, with its bias."""
        out: Tensor = self.y_half(y)
        return out

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """The rest of the MLP on the sum of the two halves."""
        out: Tensor = self.rest(u + v)
        return out.squeeze(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """The rest of the MLP, once per pair; with many pairs a few y at a time, and again for the gradient.

        Each pair passes through hidden layers of its own: what is held of them at once is bounded, whatever n and k.
        """
        parts = v.tensor_split(math.ceil(u.numel() * len(v) / MOST_HIDDEN_HELD))
        if len(parts) == 1:
            return self.score(u.unsqueeze(-2), v)
        score = partial(checkpoint, self.score, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([score(u.unsqueeze(-2), part) for part in parts], -1)


@final
class Separable(Critic):
    """Two networks and a dot product: T(x, y) = f(x)^T g(y) (van den Oord et al. 2018, arXiv 1807.03748).

    As f and g have `rank` outputs, the matrix of scores of all pairs is one matrix product, of at most that rank.
    """

    def __init__(self, x_dim: int, y_dim: int, hidden: int = 256, layers: int = 3, rank: int = 64) -> None:
        super().__init__()
        self.f, self.g = _mlp(x_dim, hidden, layers, rank), _mlp(y_dim, hidden, layers, rank)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch r"]:
        """f(x)."""
        out: Tensor = self.f(x)
        return out

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch r"]:
        """g(y)."""
        out: Tensor = self.g(y)
        return out

    def score(self, u: Float[Tensor, "*#batch r"], v: Float[Tensor, "*#batch r"]) -> Float[Tensor, "*batch"]:
        """The dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n r"], v: Float[Tensor, "k r"]) -> Float[Tensor, "*batch n k"]:
        """One matrix product."""
        return u @ v.mT


@final
class Cosine(Critic):
    """Two networks, unit vectors and a temperature: T(x, y) = cos(f(x), g(y)) / temperature.

    The score of SimCLR (Chen et al. 2020, arXiv 2002.05709, eq. 1): bounded by 1 / temperature, so that no pair can be
    made to count without end. f and g are its projection heads, and belong to the critic: what they drop, x and y may
    keep. With `shared`, g is f and the score is symmetric, as between two views of one image. With `batch_norm`, as
    in SimCLR, the hidden units are normalized over the batch while training, so that a score depends a little on who
    else is there. Scores of all pairs are one matrix product.
    """

    def __init__(
        self,
        x_dim: int,
        y_dim: int,
        hidden: int = 256,
        layers: int = 2,
        rank: int = 128,
        *,
        temperature: float = 0.2,
        shared: bool = False,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        if shared and x_dim != y_dim:
            raise ValueError(f"one network cannot take x of {x_dim} and y of {y_dim} dimensions: use shared=False")
        norm = BatchNorm if batch_norm else None
        self.f = _mlp(x_dim, hidden, layers, rank, norm)
        self.g = None if shared else _mlp(y_dim, hidden, layers, rank, norm)
        self.temperature = temperature

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch r"]:
        """f(x) on the sphere of radius 1 / temperature."""
        return normalize(self.f(x), dim=-1) / self.temperature

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch r"]:
        """g(y) on the unit sphere."""
        return normalize((self.f if self.g is None else self.g)(y), dim=-1)

    def score(self, u: Float[Tensor, "*#batch r"], v: Float[Tensor, "*#batch r"]) -> Float[Tensor, "*batch"]:
        """The dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n r"], v: Float[Tensor, "k r"]) -> Float[Tensor, "*batch n k"]:
        """One matrix product."""
        return u @ v.mT


@final
class Bilinear(Critic):
    """T(x, y) = x^T W y + b: log-linear, as in word2vec and contrastive predictive coding (arXiv 1807.03748, eq. 3)."""

    def __init__(self, x_dim: int, y_dim: int) -> None:
        super().__init__()
        self.form = nn.Linear(x_dim, y_dim, bias=False)
        self.offset = nn.Parameter(self.form.weight.new_zeros(()))

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch dy"]:
        """x^T W."""
        out: Tensor = self.form(x)
        return out

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch dy"]:
        """Itself."""
        return y

    def score(self, u: Float[Tensor, "*#batch dy"], v: Float[Tensor, "*#batch dy"]) -> Float[Tensor, "*batch"]:
        """The dot product and the offset."""
        return (u * v).sum(-1) + self.offset

    def score_all(self, u: Float[Tensor, "*batch n dy"], v: Float[Tensor, "k dy"]) -> Float[Tensor, "*batch n k"]:
        """One matrix product and the offset."""
        return u @ v.mT + self.offset


@final
class BatchNorm(nn.BatchNorm1d):
    """Batch norm of the last axis, over all leading ones: positions and elements alike."""

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Each of the d numbers at mean 0 and variance 1."""
        return super().forward(x.flatten(0, -2)).view_as(x)


def _mlp(
    inputs: int, hidden: int, layers: int, outputs: int, norm: Callable[[int], nn.Module] | None = None
) -> nn.Sequential:
    """Linear layers with SiLU between them, `layers` in all: smooth, as the log ratios it is to learn."""
    widths = [inputs, *[hidden] * (layers - 1)]
    inner: list[nn.Module] = []
    for a, b in pairwise(widths):
        inner += [nn.Linear(a, b), *([norm(b)] if norm else []), nn.SiLU()]
    return nn.Sequential(*inner, nn.Linear(widths[-1], outputs))


CRITICS: dict[str, Callable[..., Critic]] = {
    "concatenated": Concatenated,
    "separable": Separable,
    "cosine": Cosine,
    "bilinear": Bilinear,
}
