"""The two linear maps of the closed form. Each is fitted by canonical correlation analysis of pair moments."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from infomax.information.closed_form import CanonicalDirections, PairMoments, canonical_directions, unwhitened


class LocalDirections(NamedTuple):
    """The critic of one kind of patch, in two parts.

    Attributes:
        symmetric: Directions among the symmetric parts of the histograms.
        antisymmetric: Directions among the antisymmetric parts.

    """

    symmetric: CanonicalDirections
    antisymmetric: CanonicalDirections


@final
class LocalProjection(nn.Module):
    """Project the histogram of a cell to its feature of unit length.

    A channel has weights in the symmetric part or in the antisymmetric part alone. `sign` is 1 for the former and -1
    for the latter, which changes its sign in the mirror. `correlations` are the singular values that the channels have
    in the density ratio.

    Args:
        n_pairs: Atoms without their mirror images.
        channels: Numbers in a feature.

    """

    mean: Tensor
    weights: Tensor
    sign: Tensor
    correlations: Tensor

    def __init__(self, n_pairs: int, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_pairs))
        self.register_buffer("sign", 1.0 - 2 * (torch.arange(channels) % 2))
        weights = torch.randn(2, n_pairs, channels) / n_pairs**0.5
        self.register_buffer("weights", weights * torch.stack([self.sign > 0, self.sign < 0])[:, None])
        self.register_buffer("correlations", torch.zeros(channels))

    def fit(self, symmetric: PairMoments, antisymmetric: PairMoments, rank: int, *, ridge: float) -> LocalDirections:
        """Make the leading canonical directions of both parts together the channels.

        Args:
            symmetric: Moments of the symmetric parts of the histograms, pairs being cells of one image.
            antisymmetric: Moments of the antisymmetric parts.
            rank: Channels that are filled, at most.
            ridge: Of the eigenproblem, as a multiple of the mean variance of both parts.

        Returns:
            The directions that were chosen, for bounds on other moments.

        """
        moments = (symmetric, antisymmetric)
        variance = torch.stack([each.variance for each in moments]).mean()
        found = [canonical_directions(each, rank, ridge=ridge, variance=variance) for each in moments]
        correlations = torch.cat([each.correlations for each in found])
        least = correlations.sort(descending=True).values[:rank][-1:].sum()  # 0 where there are none
        chosen = LocalDirections(*(each.truncated(int((each.correlations >= least).sum())) for each in found))
        even, odd = chosen.symmetric, chosen.antisymmetric
        split, end = len(even.correlations), len(even.correlations) + len(odd.correlations)
        self.mean.copy_(even.mean)
        self.weights.zero_()
        self.weights[0, :, :split], self.weights[1, :, split:end] = even.directions, odd.directions
        self.sign[split:] = -1
        self.sign[:split] = 1
        self.correlations.zero_()[:end] = torch.cat([even.correlations, odd.correlations])
        return chosen

    def forward(self, histograms: Float[Tensor, "... atoms"], n_channels: int) -> Float[Tensor, "... n_channels"]:
        """Compute the feature of each cell from its first channels."""
        return normalize(self.functions(histograms, n_channels), dim=-1)

    def functions(self, histograms: Float[Tensor, "... atoms"], n_channels: int) -> Float[Tensor, "... n_channels"]:
        """Evaluate the leading singular functions of the density ratio.

        Args:
            histograms: The histogram of each cell.
            n_channels: How many functions.

        Returns:
            Their values, of any length.

        """
        even, odd = self.weights[..., :n_channels]
        of_atoms = torch.cat([even + odd, even - odd]) / 2**0.5  # fewer numbers than the parts of all histograms
        return linear(histograms, of_atoms.T, -(self.mean @ even))


@final
class CodeProjection(nn.Module):
    """Project a feature map to the code, linearly.

    Args:
        numbers: Numbers of the feature map that enter.
        dim: Numbers in the code.

    """

    mean: Tensor
    weights: Tensor

    def __init__(self, numbers: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(numbers))
        self.register_buffer("weights", torch.randn(numbers, dim) / numbers**0.5)

    def fit(
        self, moments: PairMoments, rank: int, *, ridge: float, power: float, whitening: float = 1.0
    ) -> CanonicalDirections:
        """Make the leading canonical directions the code, so that what changes from view to view counts little.

        Args:
            moments: Moments of feature maps, pairs being views of one image.
            rank: Numbers of the code that are filled, at most.
            ridge: Of the eigenproblem, as a multiple of the mean variance.
            power: Each number is weighted by its canonical correlation to this power.
            whitening: How far the numbers that enter are whitened, 0 to 1; see `unwhitened`.

        Returns:
            The directions, for bounds on other moments.

        """
        found = canonical_directions(moments, rank, ridge=ridge)
        directions = found.directions
        if whitening != 1:
            covariance = moments.centered()[1]
            covariance.diagonal().add_(ridge * moments.variance)
            directions = unwhitened(directions, covariance, whitening)
        self.mean.copy_(found.mean)
        self.weights.zero_()[:, : len(found.correlations)] = directions * found.correlations**power
        return found

    def forward(self, numbers: Float[Tensor, "n numbers"]) -> Float[Tensor, "n dim"]:
        """Compute the code."""
        return (numbers - self.mean) @ self.weights
