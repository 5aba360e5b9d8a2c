"""Laws of every divergence, bound, pairing and prior: functions that check an implementation.

The tests here check the implementations of the package; tests/mutants checks that planted mistakes break the laws. The
truth is a small table of counts. NumPy computes its divergences from their definitions as integrals over p and q.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from infomax.information.critics import Bilinear, Concatenated, Cosine, Critic, Separable
from infomax.information.divergences import Divergence

COUNTS = np.array([[5, 1, 2], [1, 4, 1], [1, 2, 7]])  # joint counts of (x, y): no cell is empty
LARGE = torch.tensor([-1e4, -1e3, -100, -30, -1, 0, 1, 30, 100, 1e3, 1e4])

Function = Callable[..., Any]
CRITICS: dict[str, Callable[..., Critic]] = {
    "concatenated": Concatenated,
    "separable": Separable,
    "cosine": Cosine,
    "bilinear": Bilinear,
}
TRUTHS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "kl": lambda p, q: p * np.log(p / q),
    "reverse-kl": lambda p, q: q * np.log(q / p),
    "jensen-shannon": lambda p, q: p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q)),
    "gan": lambda p, q: p * np.log(p / (p + q)) + q * np.log(q / (p + q)),
    "squared-hellinger": lambda p, q: (np.sqrt(p) - np.sqrt(q)) ** 2,
    "pearson-chi2": lambda p, q: (p - q) ** 2 / q,
    "total-variation": lambda p, q: np.abs(p - q) / 2,
}


def table() -> tuple[np.ndarray, np.ndarray]:
    """The joint p and the product of its marginals q."""
    p = COUNTS / COUNTS.sum()
    return p, p.sum(1, keepdims=True) * p.sum(0)


def truth(name: str) -> float:
    return float(TRUTHS[name](*table()).sum())


def log_ratio() -> Tensor:
    p, q = table()
    return torch.from_numpy(np.log(p / q))


def samples() -> tuple[Tensor, Tensor]:
    """One pair (x, y) for each count: the mean over them is exactly E_P, the mean over all pairs of x and y is E_Q."""
    cells = np.repeat(np.arange(COUNTS.size), COUNTS.flatten())
    return torch.from_numpy(cells // COUNTS.shape[1]), torch.from_numpy(cells % COUNTS.shape[1])


def scored(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Positives and negatives of the samples, from a table of scores."""
    x, y = samples()
    return scores[x, y], scores[x[:, None], y]


def value(divergence: Divergence, scores: Tensor) -> float:
    p, q = (torch.from_numpy(part) for part in table())
    return float((p * divergence.gain(scores)).sum() - (q * divergence.cost(scores)).sum())


# --- divergences


def is_exact_at_the_optimum(divergence: Divergence) -> None:
    assert abs(value(divergence, divergence.optimal_score(log_ratio())) - truth(divergence.name)) < 1e-9


def is_never_above(divergence: Divergence, scores: Tensor) -> None:
    assert not value(divergence, scores) > truth(divergence.name) + 1e-9 * (1 + scores.abs().max() ** 2)


def inverts_the_optimal_score(divergence: Divergence) -> None:
    found = divergence.log_ratio(divergence.optimal_score(log_ratio()))
    wanted = log_ratio().sign() if divergence.name == "total-variation" else log_ratio()
    torch.testing.assert_close(found, wanted, atol=1e-12, rtol=0)


def keeps_its_limit(divergence: Divergence) -> None:
    """P and Q hardly overlap: the divergence reaches its upper limit."""
    if divergence.upper_limit is None:
        return
    apart = torch.tensor([60.0, -60.0], dtype=torch.float64)
    score = divergence.optimal_score(apart)
    reached = float(divergence.gain(score)[0] - divergence.cost(score)[1])
    assert abs(reached - divergence.upper_limit) < 1e-9


def is_never_nan(divergence: Divergence, dtype: torch.dtype) -> None:
    """No NaN in value or gradient at scores of +-1e4; infinite only where the exact value leaves the number type."""
    for function in (divergence.gain, divergence.cost):
        scores = LARGE.to(dtype).requires_grad_()
        values = function(scores)
        (gradient,) = torch.autograd.grad(values.sum(), scores)
        assert not values.isnan().any()
        assert not gradient.isnan().any()
        exact = function(LARGE.to(dtype).double())
        representable = exact.abs() < torch.finfo(dtype).max
        assert values[representable].isfinite().all()
        assert gradient[representable].isfinite().all()
        torch.testing.assert_close(values.double(), exact.to(dtype).double(), rtol=0.02, atol=0.02)


# --- bounds


def equals_kl_at_the_optimum(bound: Function, offset: float = 0.0) -> None:
    assert abs(float(bound(*scored(log_ratio() + offset))) - truth("kl")) < 1e-9


def never_exceeds_kl(bound: Function, scores: Tensor) -> None:
    assert not float(bound(*scored(scores))) > truth("kl") + 1e-9 * (1 + scores.abs().max())


def equals_its_oracle(bound: Function, oracle: Callable[[np.ndarray, np.ndarray], float]) -> None:
    """The same as plain sums in NumPy, for each element of the leading axes."""
    generator = torch.Generator().manual_seed(0)
    positives = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    negatives = torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64) * 3
    wanted = [[oracle(p.numpy(), n.numpy()) for p, n in zip(*rows, strict=True)] for rows in zip(positives, negatives)]  # noqa: B905
    torch.testing.assert_close(bound(positives, negatives), torch.tensor(wanted, dtype=torch.float64))


def ignores_a_shift(bound: Function) -> None:
    positives, negatives = scored(log_ratio() * 2)
    torch.testing.assert_close(bound(positives + 7, negatives + 7), bound(positives, negatives), atol=1e-12, rtol=0)


def is_zero_at_constant_scores(bound: Function) -> None:
    for constant in (0.0, -3.0, 1e4):
        assert abs(float(bound(*scored(torch.full((3, 3), constant, dtype=torch.float64))))) < 1e-9


def has_the_ceiling_of_m_and_one(bound: Function) -> None:
    """ln(m + 1), which a confident critic reaches and no critic exceeds."""
    for gap in (0.5, 5.0, 50.0, 1e4):
        reached = float(bound(torch.full((3,), gap), torch.zeros(3, 6)))
        assert reached <= math.log(7) + 1e-6
    assert abs(reached - math.log(7)) < 1e-6


def bound_is_never_nan(bound: Function, dtype: torch.dtype) -> None:
    """Large scores give no NaN in value or gradient, and no infinity where the exact number is finite."""
    patterns = [torch.tensor(signs) * 1e4 for signs in ([-1.0], [0.0], [1.0], [-1.0, 1.0])]

    def value_and_gradients(positive: Tensor, negative: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        scores = positive.to(dtype).repeat(4)[:4], negative.to(dtype).repeat(3)[:3].repeat(4, 1)
        leaves = [part.requires_grad_() for part in scores]
        value = bound(*leaves)
        return value, *torch.autograd.grad(value, leaves)

    for pattern in itertools.product(patterns, patterns):
        exact = value_and_gradients(*pattern, torch.float64)
        for found, wanted in zip(value_and_gradients(*pattern, dtype), exact, strict=True):
            assert not found.isnan().any()
            assert found[wanted.abs() < torch.finfo(dtype).max].isfinite().all()


def is_never_nan_on_all_pairs(matrix_bound: Function) -> None:
    """For bounds of a matrix of scores with the positives on its diagonal, as in the code of the paper."""
    for score in (1e3, -1e3):
        scores = torch.diag(torch.full((4,), score)).requires_grad_()
        out = matrix_bound(scores)
        assert not out.isnan()
        assert not torch.autograd.grad(out, scores)[0].isnan().any()


def matrix_ignores_a_shift(matrix_bound: Function) -> None:
    scores = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 20
    torch.testing.assert_close(matrix_bound(scores + 7), matrix_bound(scores))


# --- pairs


class Naming(Critic):
    """Scores that identify their pair: 1000 x + y."""

    def embed_x(self, x: Tensor) -> Tensor:
        return x

    def embed_y(self, y: Tensor) -> Tensor:
        return y

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        return (1000 * u + v).squeeze(-1)

    def score_all(self, u: Tensor, v: Tensor) -> Tensor:
        return self.score(u.unsqueeze(-2), v)


def pairs_are_what_they_say(pairs: Function, n: int, positions: int, seed: int) -> None:
    """Every positive is a pair (x_i, y_i), and no negative is; each x has equally many negatives."""
    x = torch.arange(n, dtype=torch.float64).unsqueeze(1)
    y = x + 100 * torch.arange(positions, dtype=torch.float64)[:, None, None]
    positives, negatives = pairs(Naming(), x, y, torch.Generator().manual_seed(seed))
    assert positives.tolist() == [[1000 * i + i + 100 * p for i in range(n)] for p in range(positions)]
    of_x, of_y = negatives // 1000, negatives % 100
    assert (of_x == torch.arange(n)[None, :, None]).all()
    assert (of_y != of_x).all()


def pairs_are_all(pairs: Function, n: int, positions: int) -> None:
    """Each x has every other y at every position as a negative, once."""
    x = torch.arange(n, dtype=torch.float64).unsqueeze(1)
    y = x + 100 * torch.arange(positions, dtype=torch.float64)[:, None, None]
    _, negatives = pairs(Naming(), x, y, None)
    for i in range(n):
        wanted = sorted(1000 * i + j + 100 * p for j in range(n) if j != i for p in range(positions))
        assert all(sorted(row.tolist()) == wanted for row in negatives[:, i])


def every_other_is_met_as_often(pairs: Function) -> None:
    """4 elements, 600 draws: each of 3 partners comes 200 times, +-55 at 4.8 sigma (fails 5 times in a million)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.arange(4, dtype=torch.float64).unsqueeze(1)
    first = [int(pairs(Naming(), x, x, generator)[1][0].flatten()[0]) for _ in range(600)]
    assert np.abs(np.bincount(first, minlength=4)[1:] - 200).max() <= 55


# --- priors


def pulls_both_ways(prior: torch.nn.Module, discriminator: torch.nn.Module) -> None:
    """A step down the gradient raises the value if the discriminator takes it, and lowers it if the code does."""
    code = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)) * 0.3 + 0.8

    def loss(at: Tensor) -> Tensor:
        out: Tensor = prior(at, at, at, torch.Generator().manual_seed(1))
        return out

    leaf = code.clone().requires_grad_()
    before = loss(leaf)
    weights = list(discriminator.parameters())
    of_code, *of_weights = torch.autograd.grad(before, [leaf, *weights])
    assert loss(code - 0.1 * of_code / of_code.norm()) < before
    with torch.no_grad():
        for weight, gradient in zip(weights, of_weights, strict=True):
            weight.sub_(0.01 * gradient)
    assert loss(code) > before


def is_the_gaussian_kl(prior: torch.nn.Module) -> None:
    """The closed form equals the KL of torch between normals, averaged over batch and dimensions."""
    generator = torch.Generator().manual_seed(0)
    mean, log_var, code = torch.randn(3, 5, 4, generator=generator, dtype=torch.float64)
    posterior = torch.distributions.Normal(mean, (log_var / 2).exp())
    wanted = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean()
    torch.testing.assert_close(prior(mean, log_var, code, None), wanted)
