"""Priors: how far the codes are from a chosen distribution q(z). Training keeps the value small.

Two of them are divergences in nats. `SlicedGaussianPrior` is the statistic of a test, and needs neither a posterior nor
an adversary. `channels` has a fourth way, without any term of its own: noise on codes of limited spread.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.information.bounds import f_divergence
from infomax.information.divergences import JENSEN_SHANNON, Divergence

_NODES = {1: 16, 16: 8}  # of the mean over directions, from so many dimensions on: its error is below 1e-7 (tests)


class Prior(nn.Module, ABC):
    """forward(mean, log_var, code) -> how far the codes are from the prior; small if they follow it."""

    @abstractmethod
    def forward(
        self,
        mean: Float[Tensor, "n d"],
        log_var: Float[Tensor, "n d"] | None,
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Compute how far the codes are from the prior.

        Args:
            mean: Means of the posteriors p(z|x), one row for each image.
            log_var: Log variances of the posteriors; None for a deterministic encoder.
            code: Codes drawn from the posteriors.
            generator: Source of random numbers, for priors that draw samples.

        Returns:
            A divergence in nats, or what the class says.

        """


@final
class GaussianPrior(Prior):
    """KL(p(z|x) || N(0, 1)) in closed form, averaged over the batch AND the dimensions: nats per dimension.

    -1/2 (1 + log_var - mean^2 - exp(log_var))     (Kingma & Welling 2014, arXiv 1312.6114, app. B; Su 2018, eq. 14)

    forward ignores the codes and the generator. It raises ValueError for a deterministic code (log_var None).

    Examples:
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


@final
class SlicedGaussianPrior(Prior):
    """A test of the codes against N(0, 1) along every direction at once: SIGReg of LeJEPA without its random slices.

    Along one direction, x_j = a . z_j, the statistic of Epps & Pulley (1983) compares characteristic functions:

        EP(x) = n * integral |mean_j exp(i t x_j) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt
              = n sqrt(2 pi) [ mean_jk exp(-(x_j - x_k)^2 / 2) - sqrt(2) mean_j exp(-x_j^2 / 4) + 1 / sqrt(3) ]

    (Balestriero & LeCun 2025, arXiv 2511.08544, who draw some directions a in each step). The value here is its mean
    over all directions. By F(u) = E_a exp(-u (a . e)^2) = 1F1(1/2; d/2; -u), with e any unit vector, it is

        n sqrt(2 pi) [ mean_jk F(|z_j - z_k|^2 / 2) - sqrt(2) mean_j F(|z_j|^2 / 4) + 1 / sqrt(3) ]

    It needs no posterior, so a deterministic code has one, too. Only the codes count. The value is no divergence in
    nats. It is sqrt(2 pi) (1 - 1 / sqrt(3)) = 1.06 on average for codes drawn from N(0, 1), whatever n and d are, and
    grows with n for others. It sees scale, mean and clusters. It hardly sees a few codes far out, nor in many
    dimensions the shape of a single number or dead ones that the others make up for (docs/results/views.md).

    Examples:
        >>> _ = torch.manual_seed(0)
        >>> code = torch.randn(512, 64)
        >>> prior = SlicedGaussianPrior()
        >>> [round(prior(z, None, z).item(), 1) for z in (code, code + 1, 2 * code)]
        [1.2, 196.4, 123.2]

    """

    NULL = math.sqrt(2 * math.pi) * (1 - 1 / math.sqrt(3))
    """The mean of the value for codes drawn from N(0, 1)."""

    def forward(
        self,
        mean: Float[Tensor, "n d"],  # noqa: ARG002
        log_var: Float[Tensor, "n d"] | None,  # noqa: ARG002
        code: Float[Tensor, "n d"],
        generator: torch.Generator | None = None,  # noqa: ARG002
    ) -> Float[Tensor, ""]:
        """Compute the statistic from the codes alone, in at least float32."""
        with torch.autocast(code.device.type, enabled=False):  # it is a small difference of large means
            code = code.to(torch.promote_types(code.dtype, torch.float32))
            n, d = code.shape
            squares = code.square().sum(1)
            apart = (squares[:, None] + squares - 2 * code @ code.T).clamp(min=0)
            pairs, own = _slice_mean(apart / 2, d).mean(), _slice_mean(squares / 4, d).mean()
            return n * math.sqrt(2 * math.pi) * (pairs - math.sqrt(2) * own + 1 / math.sqrt(3))


def _slice_mean(u: Float[Tensor, "*shape"], d: int) -> Float[Tensor, "*shape"]:
    """F(u), the mean of exp(-u B) over B = (a . e)^2 ~ Beta(1/2, (d - 1)/2), for u >= 0.

    Quadrature over B itself fails where u is much larger than d. Put k = 2u / (d + 2u) and B = C (1 - k) / (1 - k C):

        F(u) = sqrt(1 - k) E_C exp(-d/2 [ k C / (1 - k C) + log(1 - k C) ]),   C ~ Beta(1/2, (d - 1)/2)

    The bracket is about (k C)^2 / 2, and C about 1 / d: the mean is nearly 1, and smooth for every u.
    """
    out: Tensor = _SliceMean.apply(u, d)  # type: ignore[no-untyped-call]
    return out


class _SliceMean(torch.autograd.Function):
    """F(u) by Gauss-Jacobi quadrature; its derivative comes along, so that no node has to be kept for the gradient."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, d: int) -> Tensor:
        rest = d / (d + 2 * u)  # 1 - k
        mean, slope = torch.zeros_like(u), torch.zeros_like(u)
        for c, weight in _beta_nodes(d):
            under = rest + (1 - c) * (1 - rest)  # 1 - k C without a difference of two numbers near 1
            part = weight * torch.exp(-d / 2 * ((1 - rest) * c / under + under.log()))
            mean += part
            slope -= part * (c * rest / under)
        ctx.save_for_backward(rest.sqrt() * slope)
        return rest.sqrt() * mean

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return gradient * slope, None


@cache
def _beta_nodes(d: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of a quadrature for the mean over Beta(1/2, (d - 1)/2)."""
    from scipy.special import roots_jacobi

    if d == 1:
        return ((1.0, 1.0),)
    nodes = _NODES[max(least for least in _NODES if least <= d)]
    roots, weights = roots_jacobi(nodes, (d - 3) / 2, -0.5)
    return tuple(zip((1 + roots) / 2, weights / weights.sum(), strict=True))


# Dimensions of the code -> a new prior, by the name on the command line.
PRIORS: dict[str, Callable[[int], Prior]] = {
    "gaussian": lambda _: GaussianPrior(),
    "sliced-gaussian": lambda _: SlicedGaussianPrior(),
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
