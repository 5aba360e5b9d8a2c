"""Priors: divergences of the codes from a chosen distribution q(z), in nats. Training keeps them small."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.bounds import f_divergence
from infomax.information.divergences import JENSEN_SHANNON, Divergence


class Prior(nn.Module, ABC):
    """forward(mean, log_var, code) -> a divergence from the prior, 0 if the codes follow it."""

    @abstractmethod
    def forward(
        self,
        mean: Float[Tensor, "n d"],
        log_var: Float[Tensor, "n d"] | None,
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Compute the divergence of the codes from the prior.

        Args:
            mean: Means of the posteriors p(z|x), one row for each image.
            log_var: Log variances of the posteriors; None for a deterministic encoder.
            code: Codes drawn from the posteriors.
            generator: Source of random numbers, for priors that draw samples.

        Returns:
            The divergence in nats.

        """


@final
class GaussianPrior(Prior):
    """KL(p(z|x) || N(0, 1)) in closed form, averaged over the batch AND the dimensions: nats per dimension.

    -1/2 (1 + log_var - mean^2 - exp(log_var))     (Kingma & Welling 2014, arXiv 1312.6114, app. B; Su 2018, eq. 14)

    forward ignores the codes and the generator. It raises ValueError for a deterministic code (log_var None).

    Example:
        >>> mean, log_var = torch.ones(8, 2), torch.zeros(8, 2)
        >>> GaussianPrior()(mean, log_var, mean).item()
        0.5

    """

    def forward(
        self,
        mean: Float[Tensor, "n d"],
        log_var: Float[Tensor, "n d"] | None,
        code: Float[Tensor, "n d"],  # noqa: ARG002
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        """Compute the mean KL divergence, in nats per dimension."""
        if log_var is None:
            raise ValueError("a deterministic code is infinitely far from a Gaussian prior: use a stochastic encoder")
        return -0.5 * (1 + log_var - mean.square() - log_var.exp()).mean()


@final
class AdversarialPrior(Prior):
    """A discriminator's lower bound on the divergence of the aggregate posterior from q(z), in nats.

    max_D  E_q[ g_f(D) ] - E_p(z)[ f*(g_f(D)) ]         (Makhzani et al. 2015, arXiv 1511.05644; 1808.06670, eq. 7)

    The encoder must lower this value, and the discriminator, which is part of this module, must raise it. The gradient
    is reversed on its way to the discriminator, so one optimizer that descends on the value trains both.

    Args:
        dim: Dimensions of the code.
        target: The prior. "uniform" compares sigmoid(code) with U[0, 1]^d, as in the Deep InfoMax paper (Hjelm et al.
            2019, arXiv 1808.06670). "gaussian" compares the code itself with N(0, 1).
        hidden: Width of the two hidden layers of the discriminator.
        divergence: The f-divergence that is bounded.

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
        """Compute the bound from the codes alone, against random samples of the prior."""
        uniform = self.target == "uniform"
        draw = torch.rand if uniform else torch.randn
        wanted = draw(code.shape, generator=generator, dtype=code.dtype, device=code.device)
        return f_divergence(
            self._reversed_scores(wanted),
            self._reversed_scores(code.sigmoid() if uniform else code).unsqueeze(-1),
            self.divergence,
        )

    def _reversed_scores(self, code: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Scores whose gradient is reversed once for the discriminator and twice, so unchanged, for the code."""
        return _reverse_gradient(self.discriminator(_reverse_gradient(code)).squeeze(-1))


# Dimensions of the code -> a new prior, by the name on the command line.
PRIORS: dict[str, Callable[[int], Prior]] = {
    "gaussian": lambda _: GaussianPrior(),
    "adversarial-uniform": lambda dim: AdversarialPrior(dim, "uniform"),
    "adversarial-gaussian": lambda dim: AdversarialPrior(dim, "gaussian"),
}


def _reverse_gradient(value: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
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
