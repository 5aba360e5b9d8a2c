"""Critics: T(x, y) -> score. A true pair should score high, a random one low.

Each critic is split where its work can be shared: `embed_x` and `embed_y` see one half and run once per element,
however many pairs it is part of; `score` sees the two embedded halves and runs once per pair. `score_all` scores every
x with every y, in one matrix product where the critic is a dot product.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import final

from jaxtyping import Float
from torch import Tensor, nn


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
        joint = nn.Linear(x_dim + y_dim, hidden)  # initialised as the one layer it stands for
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
        """The rest of the MLP, once per pair."""
        return self.score(u.unsqueeze(-2), v)


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


def _mlp(inputs: int, hidden: int, layers: int, outputs: int) -> nn.Sequential:
    """Linear layers with SiLU between them, `layers` in all: smooth, as the log ratios it is to learn."""
    widths = [inputs, *[hidden] * (layers - 1)]
    inner = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*inner, nn.Linear(widths[-1], outputs))


CRITICS: dict[str, Callable[..., Critic]] = {"concatenated": Concatenated, "separable": Separable, "bilinear": Bilinear}
