"""The bound by sample size: whether it still rises, so that more samples would show more."""

from dataclasses import dataclass

import torch

from infomax.information.estimation.estimate import DEFAULT_FOLDS, cross_fit, validate_choices
from infomax.information.estimation.reading import by_bound
from infomax.information.estimation.samples import FEWEST_SAMPLES, Kinds, Samples, pair_samples

_HALVINGS = 3  # the smallest part has an eighth of the samples


@dataclass(frozen=True)
class SampleSizeCurve:
    """The held-out bound on growing parts of the samples.

    Attributes:
        sizes: Number of samples of each part, the last is all.
        bounds: The held-out Donsker-Varadhan bound of each part, in nats.
        errors: The standard error of each bound, from its spread over blocks.

    """

    sizes: tuple[int, ...]
    bounds: tuple[float, ...]
    errors: tuple[float, ...]

    @property
    def rise(self) -> float:
        """How much the bound rises from half of the samples to all, in nats."""
        return self.bounds[-1] - self.bounds[-2] if len(self.bounds) > 1 else 0.0

    @property
    def still_rises(self) -> bool:
        """Whether this is more than a standard error and a hundredth of a nat: more samples would then show more."""
        return self.rise > max(0.01, self.errors[-1])


def bound_by_sample_size(
    x: Samples,
    y: Samples,
    *,
    folds: int = DEFAULT_FOLDS,
    seed: int = 0,
    missing: str = "refuse",
    x_kind: Kinds = None,
    y_kind: Kinds = None,
) -> SampleSizeCurve:
    """Measure the held-out bound on an eighth, a quarter, half and all of the samples, as far as 50 are left.

    Args:
        x: Samples, as for estimate_mi.
        y: Samples, as for estimate_mi.
        folds: Number of folds, 2 to 10.
        seed: Seed of all random numbers.
        missing: As for estimate_mi.
        x_kind: As for estimate_mi.
        y_kind: As for estimate_mi.

    Returns:
        The curve.

    Raises:
        ValueError: As estimate_mi.

    """
    validate_choices(None, folds)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pairs = pair_samples(x, y, missing=missing, x_kind=x_kind, y_kind=y_kind)
        n = len(pairs.rows)
        sizes = [n >> halvings for halvings in range(_HALVINGS, -1, -1) if n >> halvings >= FEWEST_SAMPLES]
        if pairs.empty:
            return SampleSizeCurve(tuple(sizes), (0.0,) * len(sizes), (0.0,) * len(sizes))
        order = torch.randperm(n)
        bounds, errors = [], []
        for size in sizes:
            part = order[:size]
            reading = by_bound(cross_fit(pairs.x[part], pairs.y[part], folds), "donsker-varadhan")
            bounds.append(max(0.0, reading.value))
            errors.append(reading.standard_error)
        return SampleSizeCurve(tuple(sizes), tuple(bounds), tuple(errors))
