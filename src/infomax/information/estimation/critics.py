"""Critics for samples that are roughly normal: a Gaussian in closed form, and a network that learns the residual."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.critics import Critic, Separable
from infomax.information.transformations import Columns

_SEGMENTS = 12  # of the piecewise-linear encoding of a column


@final
class GaussianCritic(Critic):
    """The log density ratio of the Gaussian with the correlations R of (x, y), in closed form.

    -1/2 log det R / (det R_xx det R_yy) - 1/2 [x y]^T (R^-1 - diag(R_xx, R_yy)^-1) [x y],

    without its constant, on which no bound used here depends. Although quadratic in x and y, it is a dot product of
    embeddings.

    Args:
        x: Samples of x, from which the correlations are computed.
        y: Samples of y.

    """

    def __init__(self, x: Columns, y: Columns) -> None:
        super().__init__()
        d = x.shape[1]
        correlation = torch.corrcoef(torch.cat([x, y], 1).double().T).nan_to_num()  # NaN for a column constant here
        correlation.fill_diagonal_(1 + 1e-6)  # so that duplicate columns raise no error
        precision = torch.linalg.inv(correlation)
        self.x_form = nn.Buffer((precision[:d, :d] - torch.linalg.inv(correlation[:d, :d])).float())
        self.y_form = nn.Buffer((precision[d:, d:] - torch.linalg.inv(correlation[d:, d:])).float())
        self.cross = nn.Buffer(precision[:d, d:].float())

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Concatenate the factor of y in the cross term, the quadratic term of x, and 1."""
        own = -0.5 * ((x @ self.x_form) * x).sum(-1, keepdim=True)
        return torch.cat([-(x @ self.cross), own, torch.ones_like(own)], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Concatenate y, 1, and the quadratic term of y."""
        own = -0.5 * ((y @ self.y_form) * y).sum(-1, keepdim=True)
        return torch.cat([y, torch.ones_like(own), own], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product."""
        return u @ v.mT


@final
class ResidualCritic(Critic):
    """GaussianCritic plus a network, still one dot product.

    The output of the network is zero at first, so training starts from the Gaussian.

    Args:
        x: Samples of x, from which the correlations are computed.
        y: Samples of y.

    """

    def __init__(self, x: Columns, y: Columns) -> None:
        super().__init__()
        self.gaussian = GaussianCritic(x, y)
        x_dim, y_dim = (_encode(z[:1]).shape[1] for z in (x, y))
        self.network = Separable(x_dim, y_dim, hidden=64, layers=3, rank=32)
        for parameter in self.network.g[-1].parameters():
            nn.init.zeros_(parameter)

    def embed_x(self, x: Float[Tensor, "*batch dx"]) -> Float[Tensor, "*batch h"]:
        """Concatenate both embeddings of x."""
        return torch.cat([self.gaussian.embed_x(x), self.network.embed_x(_encode(x))], -1)

    def embed_y(self, y: Float[Tensor, "*batch dy"]) -> Float[Tensor, "*batch h"]:
        """Concatenate both embeddings of y."""
        return torch.cat([self.gaussian.embed_y(y), self.network.embed_y(_encode(y))], -1)

    def score(self, u: Float[Tensor, "*#batch h"], v: Float[Tensor, "*#batch h"]) -> Float[Tensor, "*batch"]:
        """Compute the dot product, the sum of both scores."""
        return (u * v).sum(-1)

    def score_all(self, u: Float[Tensor, "*batch n h"], v: Float[Tensor, "k h"]) -> Float[Tensor, "*batch n k"]:
        """Compute one matrix product."""
        return u @ v.mT


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
