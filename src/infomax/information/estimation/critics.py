"""The critic that is trained: a closed form plus a network that learns the residual."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.critics import Critic, Separable
from infomax.information.estimation.closed_forms import GaussianCritic
from infomax.information.transformations import Columns

_SEGMENTS = 12  # of the piecewise-linear encoding of a column
_RANK = 32  # of the scores of the network
_MOST_CANONICAL = 4  # canonical variables that the network sees, too


@final
class ResidualCritic(Critic):
    """A closed form plus a network, a dot product of embeddings.

    The output of the network is zero at first, so training starts from the closed form. The network sees the encoded
    columns. Where the closed form has canonical variables of expanded columns, it sees these, too.

    Args:
        closed_form: The closed form.
        x: Samples of x, for the number of their columns.
        y: Samples of y.

    """

    def __init__(self, closed_form: Critic, x: Columns, y: Columns) -> None:
        super().__init__()
        self.closed_form = closed_form
        self.network = Separable(
            self._encode_x(x[:1]).shape[1], self._encode_y(y[:1]).shape[1], hidden=64, layers=3, rank=_RANK
        )
        for parameter in self.network.g[-1].parameters():
            nn.init.zeros_(parameter)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Concatenate both embeddings of x."""
        return torch.cat([self.network.embed_x(self._encode_x(x)), self.closed_form.embed_x(x)], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Concatenate both embeddings of y."""
        return torch.cat([self.network.embed_y(self._encode_y(y)), self.closed_form.embed_y(y)], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Add both scores."""
        return (u[..., :_RANK] * v[..., :_RANK]).sum(-1) + self.closed_form.score(u[..., _RANK:], v[..., _RANK:])

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Add both scores of all pairs."""
        return u[..., :_RANK] @ v[..., :_RANK].mT + self.closed_form.score_all(u[..., _RANK:], v[..., _RANK:])

    def _encode_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch k"]:
        if isinstance(self.closed_form, GaussianCritic) and self.closed_form.radii > 1:
            return torch.cat([_encode(x), _encode(self.closed_form.canonical_x(x)[..., :_MOST_CANONICAL])], -1)
        return _encode(x)

    def _encode_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch k"]:
        if isinstance(self.closed_form, GaussianCritic) and self.closed_form.radii > 1:
            return torch.cat([_encode(y), _encode(self.closed_form.canonical_y(y)[..., :_MOST_CANONICAL])], -1)
        return _encode(y)


@final
class OnColumns(Critic):
    """A critic that sees only some columns of y, such as those of z beside others.

    Args:
        critic: The critic.
        first: Number of the first column of y that it sees; it sees all from there on.

    """

    def __init__(self, critic: Critic, first: int) -> None:
        super().__init__()
        self.critic, self.first = critic.requires_grad_(False), first

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Embed x."""
        return self.critic.embed_x(x)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Embed the last columns of y."""
        return self.critic.embed_y(y[..., self.first :])

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Score embedded pairs."""
        return self.critic.score(u, v)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Score all embedded pairs."""
        return self.critic.score_all(u, v)


def _encode(z: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch k"]:
    """Columns and their piecewise-linear encoding, so that a network can change sharply within a column.

    Segment t of T holds clip(T Phi(z) - t, 0, 1)             (Gorishniy et al. 2022, arXiv 2203.05556, eq. 1)

    With several columns log(1 + |z|^2) is added. In this form densities with heavy tails depend on a common scale.
    """
    steps = torch.special.ndtr(z).unsqueeze(-1) * _SEGMENTS - torch.arange(_SEGMENTS, device=z.device)
    columns = [z, (steps.clamp(0, 1) - 0.5).flatten(-2)]
    if z.shape[-1] > 1:
        columns.append(z.square().sum(-1, keepdim=True).log1p())
    return torch.cat(columns, -1)
