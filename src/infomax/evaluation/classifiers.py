"""Classifiers that are trained on frozen features, to tell how much of the labels these hold: linear, and one deeper.

Both standardize the features by the training split and choose their one setting (the penalty, the number of epochs) by
the cross-entropy on a held-out fifth of it; then they are trained again on all of it. The test split chooses nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from infomax.errors import InfoMaxError

Affine = tuple[Tensor, Tensor]
"""Weights (classes, d) and bias (classes): x -> W x + b, laid out so that both products with x are fast."""

ROWS = 4096
"""Vectors that are converted or classified at a time."""

HELD_OUT = 5
"""Every fifth image of a class helps to choose, in place of learning."""

PENALTIES = tuple(10.0**-power for power in range(8))
"""Weights of |W|^2 / 2 beside the mean cross-entropy, from strong to weak."""

ITERATIONS, MEMORY, ROUGHLY, EXACTLY = 1000, 20, 1e-5, 1e-7
"""Of L-BFGS: steps at most, steps it recalls, and the gain relative to the loss at which it stops, while the penalty is
being chosen and in the end."""

SAMPLE = 8192
"""Vectors that tell roughly how the features vary together."""

HIDDEN, DROPOUT = 200, 0.1
"""Units of the one hidden layer and how many of them are dropped (Deep InfoMax, arXiv 1808.06670, section 4)."""

BATCH, LEARNING_RATE, MAX_EPOCHS, PATIENCE = 256, 1e-3, 50, 3
"""How the hidden layer is trained: by Adam, until so many epochs in a row were no better on the held-out images."""


@dataclass(frozen=True)
class Standardization:
    """What makes every feature of the training split have mean 0 and variance 1; a constant feature becomes 0."""

    mean: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]

    @classmethod
    def of(cls, vectors: Num[np.ndarray, "n d"]) -> "Standardization":
        """By the mean and the spread of these vectors, summed in float64."""
        n = len(vectors)
        mean = sum(vectors[part].sum(0, dtype=np.float64) for part in _parts(n)) / n
        variance = sum(np.square(vectors[part] - mean).sum(0) for part in _parts(n)) / n
        rounding = np.finfo(np.float32).eps * np.abs(mean)  # a spread below it is none
        deviation = np.sqrt(variance)
        return cls(mean, np.where(deviation > rounding, deviation, np.inf))

    def __call__(self, vectors: Num[np.ndarray, "n d"], rows: Int[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        """Some of the vectors, standardized, float32; never is more than a part of them converted at a time."""
        out = np.empty((len(rows), vectors.shape[1]), np.float32)
        for part in _parts(len(rows)):
            out[part] = (vectors[rows[part]] - self.mean) / self.scale
        return torch.from_numpy(out)


@final
@dataclass(frozen=True)
class LinearClassifier:
    """Multinomial logistic regression on standardized features.

    penalty: the weight of |W|^2 / 2 beside the mean cross-entropy; scikit-learn's C is 1 / (n * penalty)
    """

    standardization: Standardization
    weights: Float[Tensor, "classes d"]
    bias: Float[Tensor, " classes"]
    penalty: float

    def predict(self, vectors: Num[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """The class of each vector."""
        return _predicted(vectors, self.standardization, lambda x: linear(x, self.weights, self.bias))


@final
@dataclass(frozen=True)
class MlpClassifier:
    """One hidden layer of 200 units with ReLU and dropout 0.1 on standardized features, trained for `epochs`."""

    standardization: Standardization
    network: nn.Module
    epochs: int

    def predict(self, vectors: Num[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """The class of each vector."""
        return _predicted(vectors, self.standardization, self.network.eval())


def fit_linear(
    vectors: Num[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: int, *, seed: int = 0
) -> LinearClassifier:
    """The linear classifier with the penalty of PENALTIES that the held-out images are best predicted with.

    The penalties are tried from strong to weak, each from where the last one ended, until they get worse. `labels` are
    0..classes-1. Raises InfoMaxError where no label has an image to spare.
    """
    standardization, (x, y), learned = _prepared(vectors, labels, seed)
    best: Affine = (torch.zeros(classes, x.shape[1]), torch.zeros(classes))
    some = x[:SAMPLE]
    covariance = some.T @ some / len(some)
    least, chosen = np.inf, PENALTIES[0]
    for penalty in PENALTIES:
        tried = _minimized(x[:learned], y[:learned], penalty, best, ROUGHLY, covariance)
        loss = float(cross_entropy(linear(x[learned:], *tried), y[learned:]))
        if loss >= least:
            break
        best, least, chosen = tried, loss, penalty
    return LinearClassifier(standardization, *_minimized(x, y, chosen, best, EXACTLY, covariance), chosen)


def fit_mlp(
    vectors: Num[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: int, *, seed: int = 0
) -> MlpClassifier:
    """The classifier of one hidden layer, trained for as many epochs as the held-out images are best predicted after.

    The same seed gives the same classifier on the same number of threads. Raises InfoMaxError as `fit_linear` does.
    """
    standardization, (x, y), learned = _prepared(vectors, labels, seed)
    least, epochs = np.inf, 0
    for epoch, network in enumerate(_epochs(x[:learned], y[:learned], classes, seed), 1):
        with torch.inference_mode():
            loss = float(cross_entropy(network(x[learned:]), y[learned:]))
        if loss < least:
            least, epochs = loss, epoch
        if epoch - epochs >= PATIENCE or epoch == MAX_EPOCHS:
            break
    *_, network = islice(_epochs(x, y, classes, seed), epochs)
    return MlpClassifier(standardization, network, epochs)


def held_out(labels: Int[np.ndarray, " n"], seed: int) -> tuple[Int[np.ndarray, " learned"], Int[np.ndarray, " held"]]:
    """Rows to learn from and rows to choose by, at random: every fifth of a class, but never all of it.

    Raises InfoMaxError where there are none to choose by.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    first = np.diff(labels[by_class], prepend=-1) != 0
    held = (np.arange(len(labels)) % HELD_OUT == HELD_OUT - 1) & ~first
    if not held.any():
        raise InfoMaxError(
            f"{len(labels)} training images of {first.sum()} labels are too few for a classifier: give more of each"
        )
    return by_class[~held], by_class[held]


def _prepared(
    vectors: Num[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], seed: int
) -> tuple[Standardization, tuple[Float[Tensor, "n d"], Int[Tensor, " n"]], int]:
    """All vectors standardized, and labels; first those to learn from, which are so many, then the held-out ones."""
    learned, held = held_out(labels, seed)
    order = np.concatenate([np.random.default_rng(seed).permutation(learned), held])
    standardization = Standardization.of(vectors)
    return standardization, (standardization(vectors, order), torch.from_numpy(labels[order])), len(learned)


def _minimized(
    x: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    penalty: float,
    start: Affine,
    gain: float,
    covariance: Float[Tensor, "d d"],
) -> Affine:
    """The map with the least mean cross-entropy + penalty * |W|^2 / 2, the bias left free, by L-BFGS from `start`.

    It stops at a step that gains less than a part `gain` of the loss. Some features vary together a thousand times more
    than others, pixels above all, and there steps along the gradient are short. So steps are taken in V = W L instead,
    with L L^T about the curvature of the loss in W, which is the same minimum, sooner reached.
    """
    from scipy.optimize import minimize

    identity = torch.eye(len(covariance))
    rounding = torch.finfo(x.dtype).eps * len(covariance)  # which may leave it with eigenvalues below 0
    factor = torch.linalg.cholesky(covariance / len(start[1]) + (penalty + rounding) * identity)
    back = torch.linalg.solve_triangular(factor, identity, upper=False)

    def loss_and_gradient(flat: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        steps, bias = (each.requires_grad_() for each in _parts_of(flat, start))
        weights = steps.float() @ back
        loss = cross_entropy(linear(x, weights, bias.float()), y) + penalty / 2 * weights.square().sum()
        return loss.item(), _flat(torch.autograd.grad(loss, (steps, bias)))

    options = {"maxiter": ITERATIONS, "maxcor": MEMORY, "ftol": gain, "gtol": 0}
    first = _flat((start[0] @ factor, start[1]))
    found = minimize(loss_and_gradient, first, jac=True, method="L-BFGS-B", options=options)
    steps, bias = _parts_of(found.x, start)
    return steps.float() @ back, bias.float()


def _flat(parts: Sequence[Tensor]) -> Float[np.ndarray, " p"]:
    return torch.cat([part.double().ravel() for part in parts]).numpy()


def _parts_of(flat: Float[np.ndarray, " p"], like: Affine) -> list[Tensor]:
    whole = torch.split(torch.from_numpy(flat), [part.numel() for part in like])
    return [part.reshape(each.shape) for part, each in zip(whole, like, strict=True)]


def _epochs(x: Float[Tensor, "n d"], y: Int[Tensor, " n"], classes: int, seed: int) -> Iterator[nn.Module]:
    """The network after every epoch, ready to predict; it goes on learning when the next one is asked for."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, classes)
        )
    optimizer = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
    while True:
        network.train()
        with torch.random.fork_rng(devices=[]):  # dropout knows no other generator
            torch.default_generator.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            for rows in torch.split(torch.randperm(len(x), generator=generator), BATCH):
                optimizer.zero_grad()
                torch.autograd.backward(cross_entropy(network(x[rows]), y[rows]))
                optimizer.step()
        yield network.eval()


def _predicted(
    vectors: Num[np.ndarray, "n d"],
    standardization: Standardization,
    logits: Callable[[Float[Tensor, "b d"]], Float[Tensor, "b classes"]],
) -> Int[np.ndarray, " n"]:
    rows = np.arange(len(vectors))
    with torch.inference_mode():
        parts = [logits(standardization(vectors, rows[part])).argmax(1) for part in _parts(len(vectors))]
    return torch.cat(parts).numpy()


def _parts(n: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, n, ROWS)]
