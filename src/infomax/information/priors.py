"""Priors: how far the codes are from a chosen distribution q(z), in nats, to be kept small."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Prior(nn.Module, ABC):
    """forward(mean, log_var, code) -> a divergence from the prior, 0 where the codes follow it."""

    @abstractmethod
    def forward(
        self,
        mean: Float[Tensor, "n d"],
        log_var: Float[Tensor, "n d"],
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Divergence of the posteriors N(mean, exp(log_var)), or of the codes drawn from them, from the prior."""


@final
class GaussianPrior(Prior):
    """KL(p(z|x) || N(0, 1)) in closed form, averaged over the batch AND the dimensions: nats per dimension.

    -1/2 (1 + log_var - mean^2 - exp(log_var))     (Kingma & Welling 2014, arXiv 1312.6114, app. B; the article, eq. 14)
    """

    def forward(
        self,
        mean: Float[Tensor, "n d"],
        log_var: Float[Tensor, "n d"],
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        """The mean KL; it needs neither the codes nor randomness."""
        return -0.5 * (1 + log_var - mean.square() - log_var.exp()).mean()
