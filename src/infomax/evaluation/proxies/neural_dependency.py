"""The neural dependency measure: how much the dimensions of a code depend on each other.

It is the Kullback-Leibler divergence KL(p(z) || prod p(z_i)), the total correlation, in nats (Hjelm et al. 2019, arXiv
1808.06670). It is bounded from below on codes on which nothing was trained, because on training codes such bounds are
too large.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from infomax.evaluation.proxies.encoded import Codes, validate_codes
from infomax.evaluation.proxies.training import BATCH_SIZE, CRITIC_STEPS, maximize_critic, n_training_rows, private_seed
from infomax.information import donsker_varadhan
from infomax.information.estimation.preprocessing import normal_scores

_HIDDEN = 256
_NEGATIVES = 4  # draws from the Gaussian for each code of a batch
_MOST_NOISE = 20_000  # draws from the Gaussian that give the partition function


@dataclass(frozen=True)
class NeuralDependency:
    """KL(p(z) || prod p(z_i)) in nats: 0 if the dimensions are independent.

    Attributes:
        value: A lower bound on test codes: the part that correlations show plus the part that a discriminator finds.
        standard_error: Its spread over those codes.
        by_correlations: The first part. It is computed from normal scores, so only dependence counts and not the shape
            of each dimension.
        warnings: Reasons not to trust the value, in words.

    """

    value: float
    standard_error: float
    by_correlations: float
    warnings: tuple[str, ...] = field(default=())


def neural_dependency(
    train: Codes,
    test: Float[np.ndarray, "m d"],
    *,
    steps: int = CRITIC_STEPS,
    seed: int = 0,
    device: torch.device | None = None,
    progress: bool = False,
) -> NeuralDependency:
    """Measure the dependence among the dimensions of test codes, with a discriminator trained on other codes.

    In the paper one discriminator separates codes from codes with shuffled dimensions. A discriminator cannot show tens
    of nats on a few thousand codes. So the divergence is split at the Gaussian g with the same correlations R, whose
    density is known. With z in normal scores and a discriminator v between codes and draws of g:

        log p(z) / prod p(z_i)  =  log g(z) / prod g(z_i)  +  log p(z) / g(z)
                                =  -1/2 log det R - 1/2 z^T (R^-1 - 1) z  +  v(z) - log E_g exp v

    The mean over test codes is a lower bound on the divergence.

    Args:
        train: Codes to train on.
        test: Codes to read the bound on.
        steps: Number of training steps.
        seed: Seed of all random numbers.
        device: Where to compute; by default the CPU.
        progress: Whether to show progress on stderr.

    Returns:
        The measure.

    Raises:
        InfoMaxError: Fewer than 100 rows in either part, or codes that are not finite.

    """
    validate_codes(train, test)
    device = device or torch.device("cpu")
    with private_seed(seed):
        scores, test_scores = _normal_scores(train), _normal_scores(test)
        factor = _correlation_factor(scores)
        white, test_white = _whiten(scores, factor), _whiten(test_scores, factor)
        residual = _train(white.float().to(device), steps, progress)
        rest = residual(test_white.float().to(device)).double().cpu()
    gaussian = (test_scores.square() - test_white.square()).sum(1) / 2 - factor.diagonal().log().sum()
    return NeuralDependency(
        value=max(0.0, float((gaussian + rest).mean())),
        standard_error=float((gaussian + rest).std() / math.sqrt(len(rest))),
        by_correlations=max(0.0, float(gaussian.mean())),
        warnings=tuple(_warnings(train, float(rest.mean()), residual.ceiling)),
    )


def _normal_scores(codes: Codes) -> Float[Tensor, "n d"]:
    """Normal scores of each dimension alone, so that ties of dead dimensions break independently."""
    columns = torch.from_numpy(codes.astype(np.float64))
    return torch.cat([normal_scores(column.unsqueeze(1)) for column in columns.T], 1).double()


def _correlation_factor(scores: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """The Cholesky factor of the correlations R, shrunk after Ledoit & Wolf."""
    from sklearn.covariance import ledoit_wolf

    covariance, _ = ledoit_wolf(scores.numpy(), assume_centered=True)
    factor: Tensor = torch.linalg.cholesky(torch.from_numpy(covariance))
    return factor


def _whiten(scores: Float[Tensor, "n d"], factor: Float[Tensor, "d d"]) -> Float[Tensor, "n d"]:
    white: Tensor = torch.linalg.solve_triangular(factor, scores.T, upper=False).T
    return white


def _train(white: Float[Tensor, "n d"], steps: int, progress: bool) -> "_ResidualLogRatio":
    """Train the discriminator; rows set aside choose the step to keep."""
    cut = n_training_rows(len(white))
    residual = _ResidualLogRatio(white.shape[1], min(_MOST_NOISE, 10 * len(white)), white.device)

    def objective(residual: _ResidualLogRatio) -> Tensor:
        return residual.bound(white[torch.randint(cut, (BATCH_SIZE,))])

    def validate(residual: _ResidualLogRatio) -> float:
        return float(residual(white[cut:]).mean())

    maximize_critic(residual, objective, validate, name="ndm", steps=steps, progress=progress)
    return residual


def _warnings(train: Codes, by_discriminator: float, ceiling: float) -> Iterator[str]:
    """Reasons not to trust the value, in words."""
    n, d = train.shape
    if n < 20 * d:
        yield f"few codes: {n} of {d} dimensions; the truth may be well above"
    if by_discriminator > ceiling - 1:
        yield f"the discriminator is at its ceiling of {ceiling:.1f} nats: the truth may be above"


@final
class _ResidualLogRatio(nn.Module):
    """log p(z) / g(z) = v(z) - log E_g exp v of whitened codes; v is an MLP that starts at zero."""

    def __init__(self, dim: int, n_noise: int, device: torch.device) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(dim, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 1)
        ).to(device)
        for parameter in self.network[-1].parameters():
            nn.init.zeros_(parameter)
        self.noise = nn.Buffer(torch.randn(n_noise, dim).to(device), persistent=False)

    @property
    def ceiling(self) -> float:
        """The most that the partition function can show, in nats."""
        return math.log(len(self.noise))

    def bound(self, white: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """The Donsker-Varadhan bound on a batch of codes, against new noise."""
        positives = self.network(white).squeeze(-1)
        noise = torch.randn(_NEGATIVES * len(white), white.shape[1]).to(white.device)
        return donsker_varadhan(positives, self.network(noise).reshape(len(white), _NEGATIVES))

    @torch.no_grad()
    def forward(self, white: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Log ratios of codes, normalized on the noise drawn at construction."""
        partition = torch.logsumexp(self.network(self.noise), 0) - self.ceiling
        out: Tensor = (self.network(white) - partition).squeeze(-1)
        return out
