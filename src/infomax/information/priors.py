"""Priors: how far the codes are from a chosen distribution q(z), in nats, to be kept small."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.bounds import f_divergence
from infomax.information.divergences import JENSEN_SHANNON, Divergence


class Prior(nn.Module, ABC):
    """forward(mean, log_var, code) -> a divergence from the prior, 0 where the codes follow it."""

    @abstractmethod
    def forward(
        self,
        mean: Float[Tensor, "n d"],
        log_var: Float[Tensor, "n d"] | None,
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
        log_var: Float[Tensor, "n d"] | None,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        """The mean KL; it needs neither the codes nor randomness. Raises ValueError for a code without variance."""
        if log_var is None:
            raise ValueError("a deterministic code is infinitely far from a Gaussian prior: use a stochastic encoder")
        return -0.5 * (1 + log_var - mean.square() - log_var.exp()).mean()


@final
class AdversarialPrior(Prior):
    """A discriminator's lower bound on the divergence of the aggregate posterior from q(z), in nats.

    max_D  E_q[ g_f(D) ] - E_p(z)[ f*(g_f(D)) ]         (Makhzani et al. 2015, arXiv 1511.05644; 1808.06670, eq. 7)

    target "uniform" holds sigmoid(code) against U[0, 1]^d, as the Deep InfoMax paper does; "gaussian" holds the code
    itself against N(0, 1). Whoever descends on the value lowers the divergence; the discriminator, which belongs to
    this module, must raise it. Its gradient is reversed on the way, so that one optimizer serves both.
    """

    def __init__(
        self,
        dim: int,
        target: Literal["uniform", "gaussian"] = "uniform",
        hidden: int = 200,
        divergence: Divergence = JENSEN_SHANNON,
    ) -> None:
        super().__init__()
        self.target, self.divergence = target, divergence
        self.discriminator = nn.Sequential(
            nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )

    def forward(
        self,
        mean: Float[Tensor, "n d"],  # noqa: ARG002
        log_var: Float[Tensor, "n d"] | None,  # noqa: ARG002
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """The bound, from the codes alone: random draws from the target are told apart from them."""
        uniform = self.target == "uniform"
        draw = torch.rand if uniform else torch.randn
        wanted = draw(code.shape, generator=generator, dtype=code.dtype, device=code.device)
        return f_divergence(
            self._reversed_scores(wanted),
            self._reversed_scores(code.sigmoid() if uniform else code).unsqueeze(-1),
            self.divergence,
        )

    def _reversed_scores(self, code: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Scores whose gradient is reversed for the discriminator and, reversed twice, is itself for the code."""
        return reverse_gradient(self.discriminator(reverse_gradient(code)).squeeze(-1))


PRIORS: dict[str, Callable[[int], Prior]] = {
    "gaussian": lambda _: GaussianPrior(),
    "adversarial-uniform": lambda dim: AdversarialPrior(dim, "uniform"),
    "adversarial-gaussian": lambda dim: AdversarialPrior(dim, "gaussian"),
}
"""Dimensions of the code -> a new prior, by name."""


def reverse_gradient(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The value unchanged, its gradient times -1     (Ganin & Lempitsky 2015, arXiv 1409.7495, eq. 11)."""
    out: Tensor = _Reversal.apply(value)  # type: ignore[no-untyped-call]
    return out


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return -gradient
