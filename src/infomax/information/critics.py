"""Critics: T(x, y) -> score. A true pair should score high, a random pair low.

Each critic is split so that pairs share work. `embed_x` and `embed_y` see one half of a pair and run once for each
element, however many pairs contain it. `score` sees two embedded halves and runs once for each pair. `score_all` scores
every x with every y, by one matrix product if the critic is a dot product.
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

MOST_HIDDEN_HELD = 2**24  # most units of a hidden layer of Concatenated, over all pairs, in memory; 64 MiB in float32


class Critic(nn.Module, ABC):
    """Scores pairs: forward(x, y) = score(embed_x(x), embed_y(y)), elementwise over broadcast leading axes."""

    @abstractmethod
    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch hx"]:
        """Compute the part of the critic that depends on x alone.

        Args:
            x: First halves of pairs.

        Returns:
            The embedded x, u.

        """

    @abstractmethod
    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch hy"]:
        """Compute the part of the critic that depends on y alone.

        Args:
            y: Second halves of pairs.

        Returns:
            The embedded y, v.

        """

    @abstractmethod
    def score(self, u: Float[Tensor, "*#batch hx"], v: Float[Tensor, "*#batch hy"]) -> Float[Tensor, "*batch"]:
        """Score embedded pairs.

        Args:
            u: Embedded x.
            v: Embedded y.

        Returns:
            One score for each pair.

        """

    @abstractmethod
    def score_all(self, u: Float[Tensor, "*batch n hx"], v: Float[Tensor, "k hy"]) -> Float[Tensor, "*batch n k"]:
        """Score every embedded x with every embedded y.

        Args:
            u: Embedded x, n of them at each position.
            v: Embedded y, k of them.

        Returns:
            Scores; element (i, j) is score(u_i, v_j).

        """

    def forward(self, x: Float[Tensor, "*#batch dx"], y: Float[Tensor, "*#batch dy"]) -> Float[Tensor, "*batch"]:
        """Score pairs (x, y)."""
        return self.score(self.embed_x(x), self.embed_y(y))


@final
class Concatenated(Critic):
    """An MLP on the concatenation [x, y]: d -> d -> d -> 1 with ReLU, the critic of Su (2018).

    The first layer of an MLP on [x, y] is linear in each half: W [x, y] + b = W_x x + (W_y y + b). Here each half is
    computed once for each element and added for each pair. That is the same function at a fraction of the work.

    Args:
        x_dim: Dimensions of x.
        y_dim: Dimensions of y.
        hidden: Width of the hidden layers, d.
        layers: Number of hidden layers.

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
        """Compute the x half of the first layer."""
        out: Tensor = self.x_half(x)
        return out

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Compute the y half of the first layer, with its bias."""
        out: Tensor = self.y_half(y)
        return out

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Apply the rest of the MLP to the sum of the two halves."""
        out: Tensor = self.rest(u + v)
        return out.squeeze(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Apply the rest of the MLP to every pair, a few y at a time if there are many pairs.

        Each pair has its own hidden layers. To bound their memory for any n and k, the parts are computed again for the
        gradient.
        """
        parts = v.tensor_split(math.ceil(u.numel() * len(v) / MOST_HIDDEN_HELD))
        if len(parts) == 1:
            return self.score(u.unsqueeze(-2), v)
        score = partial(checkpoint, self.score, use_reentrant=False, preserve_rng_state=False)
        return torch.cat([score(u.unsqueeze(-2), part) for part in parts], -1)


@final
class Separable(Critic):
    """Two MLPs and a dot product: T(x, y) = f(x)^T g(y) (van den Oord et al. 2018, arXiv 1807.03748).

    The scores of all pairs are one matrix product, a matrix of rank `rank` at most.

    Args:
        x_dim: Dimensions of x.
        y_dim: Dimensions of y.
        hidden: Width of the hidden layers.
        layers: Number of linear layers of each MLP.
        rank: Number of outputs of f and g.

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> critic = Separable(x_dim=3, y_dim=2)
        >>> x, y = torch.randn(5, 3), torch.randn(5, 2)
        >>> critic(x, y).shape
        torch.Size([5])
        >>> critic.score_all(critic.embed_x(x), critic.embed_y(y)).shape
        torch.Size([5, 5])

    """

    def __init__(self, x_dim: int, y_dim: int, hidden: int = 256, layers: int = 3, rank: int = 64) -> None:
        super().__init__()
        self.f, self.g = _mlp(x_dim, hidden, layers, rank), _mlp(y_dim, hidden, layers, rank)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch r"]:
        """Compute f(x)."""
        out: Tensor = self.f(x)
        return out

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch r"]:
        """Compute g(y)."""
        out: Tensor = self.g(y)
        return out

    def score(self, u: Float[Tensor, "*#batch r"], v: Float[Tensor, "*#batch r"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n r"], v: Float[Tensor, "k r"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product."""
        return u @ v.mT


@final
class Cosine(Critic):
    """Two MLPs, their cosine similarity and a temperature: T(x, y) = cos(f(x), g(y)) / temperature.

    This is the score of SimCLR (Chen et al. 2020, arXiv 2002.05709, eq. 1). It is bounded by 1 / temperature, so no
    pair can gain unlimited weight. f and g are the projection heads of SimCLR. They belong to the critic: x and y may
    keep information that f and g drop. The scores of all pairs are one matrix product.

    Args:
        x_dim: Dimensions of x.
        y_dim: Dimensions of y.
        hidden: Width of the hidden layers.
        layers: Number of linear layers of each MLP; 0 to compare x and y as they are.
        rank: Number of outputs of f and g.
        temperature: Temperature of the score.
        shared: Whether g is f. The score is then symmetric, as between two views of one image.
        batch_norm: Whether to normalize hidden units over the batch while training, as SimCLR does. The score of a pair
            then depends a little on the other pairs of the batch.

    Raises:
        ValueError: x and y of different dimensions, `shared` or without layers.

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
        if not layers and x_dim != y_dim:
            raise ValueError(f"x of {x_dim} and y of {y_dim} dimensions cannot be compared as they are: use layers=1")
        norm = _BatchNorm if batch_norm else None
        self.f = _mlp(x_dim, hidden, layers, rank, norm)
        self.g = None if shared else _mlp(y_dim, hidden, layers, rank, norm)
        self.temperature = temperature

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch r"]:
        """Compute f(x), scaled to length 1 / temperature."""
        return normalize(self.f(x), dim=-1) / self.temperature

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch r"]:
        """Compute g(y), scaled to length 1."""
        return normalize((self.f if self.g is None else self.g)(y), dim=-1)

    def score(self, u: Float[Tensor, "*#batch r"], v: Float[Tensor, "*#batch r"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n r"], v: Float[Tensor, "k r"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product."""
        return u @ v.mT


@final
class Bilinear(Critic):
    """A bilinear form: T(x, y) = x^T W y + b.

    It is log-linear, as in word2vec and contrastive predictive coding (van den Oord et al. 2018, arXiv 1807.03748,
    eq. 3).

    Args:
        x_dim: Dimensions of x.
        y_dim: Dimensions of y.

    """

    def __init__(self, x_dim: int, y_dim: int) -> None:
        super().__init__()
        self.form = nn.Linear(x_dim, y_dim, bias=False)
        self.offset = nn.Parameter(self.form.weight.new_zeros(()))

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch dy"]:
        """Compute x^T W."""
        out: Tensor = self.form(x)
        return out

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch dy"]:
        """Return y unchanged."""
        return y

    def score(self, u: Float[Tensor, "*#batch dy"], v: Float[Tensor, "*#batch dy"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product plus b."""
        return (u * v).sum(-1) + self.offset

    def score_all(self, u: Float[Tensor, "*batch n dy"], v: Float[Tensor, "k dy"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product plus b."""
        return u @ v.mT + self.offset


@final
class _BatchNorm(nn.BatchNorm1d):
    """Batch norm of the last axis over all leading axes: positions and elements alike."""

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """Normalize each of the d numbers to mean 0 and variance 1."""
        return super().forward(x.flatten(0, -2)).view_as(x)


def _mlp(
    inputs: int, hidden: int, layers: int, outputs: int, norm: Callable[[int], nn.Module] | None = None
) -> nn.Sequential:
    """An MLP of `layers` linear layers with SiLU between them, which is smooth like the log ratios to learn."""
    if not layers:
        return nn.Sequential()
    widths = [inputs, *[hidden] * (layers - 1)]
    inner: list[nn.Module] = []
    for a, b in pairwise(widths):
        inner += [nn.Linear(a, b), *([norm(b)] if norm else []), nn.SiLU()]
    return nn.Sequential(*inner, nn.Linear(widths[-1], outputs))
