"""Channels: noise on codes of limited spread. The code that tells most through the noise is the one with the prior.

The information of a code f(x) that is read through independent noise Z is a difference of two entropies:

    I(X; f(X) + Z) = h(f(X) + Z) - h(Z)

h(Z) is fixed. So the more information passes, the nearer f(X) + Z is to the distribution of the largest entropy among
those of its spread. The objective needs no term for a prior, no discriminator and no posterior (Butakov et al. 2025,
noise-injected Deep InfoMax, arXiv 2410.06993).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import batch_norm


class Channel(ABC):
    """Limits the spread of codes, and adds noise.

    Args:
        noise: How large the noise is, where the codes have spread 1.

    """

    def __init__(self, noise: float) -> None:
        self.noise = noise

    @abstractmethod
    def limit(self, code: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Limit the spread of a batch of codes, number by number.

        Args:
            code: Codes anywhere, n of 2 or more.

        Returns:
            The codes that enter the channel, in at least float32.

        """

    @abstractmethod
    def transmit(self, limited: Float[Tensor, "n d"], generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Add noise to limited codes.

        Args:
            limited: What `limit` returned.
            generator: Draws the noise; None uses PyTorch's global random state.

        Returns:
            What leaves the channel.

        """

    @abstractmethod
    def capacity(self, dim: int) -> float:
        """Compute the most information that can pass, in nats.

        Args:
            dim: Numbers in a code.

        Returns:
            The upper bound on I(X; f(X) + Z) over all codes f(X) of this spread.

        """


@final
class GaussianChannel(Channel):
    """Codes of mean 0 and variance 1 over the batch; noise from N(0, noise^2).

    I(X; f(X) + Z) <= d/2 log(1 + 1 / noise^2) (arXiv 2410.06993). Only independent numbers from N(0, 1) reach it.

    Examples:
        >>> round(GaussianChannel(noise=1.0).capacity(dim=2), 4) == round(math.log(2), 4)
        True

    """

    def limit(self, code: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Standardize each number over the batch; one that hardly varies stays small."""
        return batch_norm(_precise(code), None, None, training=True)

    def transmit(self, limited: Float[Tensor, "n d"], generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Add normal noise."""
        drawn = torch.randn(limited.shape, generator=generator, dtype=limited.dtype, device=limited.device)
        return limited + self.noise * drawn

    def capacity(self, dim: int) -> float:
        """Compute d/2 log(1 + 1 / noise^2)."""
        return dim / 2 * math.log1p(1 / self.noise**2)


@final
class UniformChannel(Channel):
    """Codes in 0..1, by a sigmoid; noise from U[-noise, noise].

    I(X; f(X) + Z) <= d log(1 + 1 / (2 noise)) (arXiv 2410.06993). f(X) + Z can be uniform only where f(X) is
    uniform on the lattice 0, 2 noise, 4 noise, ..., 1, so that alone reaches the bound. The uniform cube passes
    d (noise - log(2 noise)) nats, which is less by about d noise: with small noise lattice and cube are near each
    other, with large noise the codes settle on the levels of the lattice.

    Examples:
        >>> round(UniformChannel(noise=0.5).capacity(dim=1), 4) == round(math.log(2), 4)  # two levels, a bit
        True

    """

    def limit(self, code: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Map each number into 0..1."""
        return _precise(code).sigmoid()

    def transmit(self, limited: Float[Tensor, "n d"], generator: torch.Generator | None = None) -> Float[Tensor, "n d"]:
        """Add uniform noise."""
        drawn = torch.rand(limited.shape, generator=generator, dtype=limited.dtype, device=limited.device)
        return limited + self.noise * (2 * drawn - 1)

    def capacity(self, dim: int) -> float:
        """Compute d log(1 + 1 / (2 noise))."""
        return dim * math.log1p(1 / (2 * self.noise))


def _precise(code: Tensor) -> Tensor:
    return code.to(torch.promote_types(code.dtype, torch.float32))


# Size of the noise -> a new channel, by the name on the command line, where it stands among the priors.
NOISE_CHANNELS: dict[str, Callable[[float], Channel]] = {
    "noise-gaussian": GaussianChannel,
    "noise-uniform": UniformChannel,
}
