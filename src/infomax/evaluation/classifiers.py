"""Classifiers trained on frozen features to measure how well the features predict labels: a linear one and an MLP.

Both standardize the features by the training split. Each chooses its one setting (the penalty, the number of epochs) by
the cross-entropy on a held-out fifth of the training split, and is then trained again on all of it. The test split
takes no part in any choice.
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

# Weights (classes, d) and bias (classes) of x -> W x + b; in this layout both products with x are fast.
_Affine = tuple[Tensor, Tensor]

_BLOCK_ROWS = 4096  # vectors that are standardized or classified at a time
_HELD_OUT_EVERY = 5  # every fifth image of a class is held out to choose the setting

# Weights of |W|^2 / 2 beside the mean cross-entropy, from strong to weak.
_PENALTIES = tuple(10.0**-power for power in range(8))

# L-BFGS: steps at most, steps it remembers, and the relative gain in loss at which it stops, while the penalty is being
# chosen and in the final fit.
_MAX_ITERATIONS, _MEMORY, _COARSE_TOLERANCE, _FINE_TOLERANCE = 1000, 20, 1e-5, 1e-7

_COVARIANCE_ROWS = 8192  # vectors from which the covariance of the features is estimated

# Units and dropout of the hidden layer (Hjelm et al. 2019, arXiv 1808.06670, section 4).
_HIDDEN_UNITS, _DROPOUT = 200, 0.1

# Training of the hidden layer by Adam. It stops after so many epochs in a row without a better held-out loss.
_BATCH, _LEARNING_RATE, _MAX_EPOCHS, _PATIENCE = 256, 1e-3, 50, 3


@dataclass(frozen=True)
class Standardization:
    """Standardization of features to mean 0 and variance 1 over the training split; a constant feature becomes 0.

    Attributes:
        mean: Mean of each feature, shape (d,).
        scale: Standard deviation of each feature, shape (d,); infinite for a constant feature.

    """

    mean: Float[np.ndarray, " d"]
    scale: Float[np.ndarray, " d"]

    @classmethod
    def of(cls, vectors: Num[np.ndarray, "n d"]) -> "Standardization":
        """Compute mean and scale of some vectors, summed in float64.

        Args:
            vectors: Features, shape (n, d).

        Returns:
            The standardization that gives these vectors mean 0 and variance 1.

        """
        n = len(vectors)
        mean = sum(vectors[rows].sum(0, dtype=np.float64) for rows in _blocks(n)) / n
        variance = sum(np.square(vectors[rows] - mean).sum(0) for rows in _blocks(n)) / n
        rounding = np.finfo(np.float32).eps * np.abs(mean)  # a smaller deviation is rounding of a constant
        deviation = np.sqrt(variance)
        return cls(mean, np.where(deviation > rounding, deviation, np.inf))

    def __call__(self, vectors: Num[np.ndarray, "n d"], rows: Int[np.ndarray, " m"]) -> Float[Tensor, "m d"]:
        """Standardize some of the vectors, a block at a time, to float32."""
        out = np.empty((len(rows), vectors.shape[1]), np.float32)
        for block in _blocks(len(rows)):
            out[block] = (vectors[rows[block]] - self.mean) / self.scale
        return torch.from_numpy(out)


@final
@dataclass(frozen=True)
class LinearClassifier:
    """Multinomial logistic regression on standardized features.

    Attributes:
        standardization: Standardization of the features.
        weights: W, shape (classes, d).
        bias: b, shape (classes,).
        penalty: Weight of |W|^2 / 2 beside the mean cross-entropy; scikit-learn's C is 1 / (n * penalty).

    """

    standardization: Standardization
    weights: Float[Tensor, "classes d"]
    bias: Float[Tensor, " classes"]
    penalty: float

    def predict(self, vectors: Num[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """Predict the class of each vector.

        Args:
            vectors: Features, shape (n, d), not standardized.

        Returns:
            Class indices, shape (n,).

        """
        return _predicted(vectors, self.standardization, lambda x: linear(x, self.weights, self.bias))


@final
@dataclass(frozen=True)
class MlpClassifier:
    """One hidden layer of 200 units with ReLU and dropout 0.1 on standardized features.

    Attributes:
        standardization: Standardization of the features.
        network: The trained layers.
        epochs: Number of epochs it was trained for.

    """

    standardization: Standardization
    network: nn.Module
    epochs: int

    def predict(self, vectors: Num[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        """Predict the class of each vector.

        Args:
            vectors: Features, shape (n, d), not standardized.

        Returns:
            Class indices, shape (n,).

        """
        return _predicted(vectors, self.standardization, self.network.eval())


def fit_linear(
    vectors: Num[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: int, *, seed: int = 0
) -> LinearClassifier:
    """Fit a linear classifier with the penalty that predicts the held-out images best.

    Penalties are tried from strong to weak, each from the solution of the last, until the held-out loss rises.

    Args:
        vectors: Features, shape (n, d).
        labels: Class of each vector, shape (n,), integers from 0 to classes - 1.
        classes: Number of classes.
        seed: Seed of the choice of held-out images.

    Returns:
        The classifier, fitted to all vectors.

    Raises:
        InfoMaxError: No class has an image to spare for the held-out set.

    """
    standardization, (x, y), learned = _prepared(vectors, labels, seed)
    best: _Affine = (torch.zeros(classes, x.shape[1]), torch.zeros(classes))
    sample = x[:_COVARIANCE_ROWS]
    covariance = sample.T @ sample / len(sample)
    best_loss, chosen = np.inf, _PENALTIES[0]
    for penalty in _PENALTIES:
        tried = _minimized(x[:learned], y[:learned], penalty, best, _COARSE_TOLERANCE, covariance)
        loss = float(cross_entropy(linear(x[learned:], *tried), y[learned:]))
        if loss >= best_loss:
            break
        best, best_loss, chosen = tried, loss, penalty
    return LinearClassifier(standardization, *_minimized(x, y, chosen, best, _FINE_TOLERANCE, covariance), chosen)


def fit_mlp(
    vectors: Num[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: int, *, seed: int = 0
) -> MlpClassifier:
    """Fit a classifier with one hidden layer for the number of epochs that predicts the held-out images best.

    Args:
        vectors: Features, shape (n, d).
        labels: Class of each vector, shape (n,), integers from 0 to classes - 1.
        classes: Number of classes.
        seed: Seed of held-out images, weights, batches and dropout. The same seed and the same number of threads give
            the same classifier.

    Returns:
        The classifier, trained on all vectors.

    Raises:
        InfoMaxError: No class has an image to spare for the held-out set.

    """
    standardization, (x, y), learned = _prepared(vectors, labels, seed)
    best_loss, epochs = np.inf, 0
    for epoch, network in enumerate(_epochs(x[:learned], y[:learned], classes, seed), 1):
        with torch.inference_mode():
            loss = float(cross_entropy(network(x[learned:]), y[learned:]))
        if loss < best_loss:
            best_loss, epochs = loss, epoch
        if epoch - epochs >= _PATIENCE or epoch == _MAX_EPOCHS:
            break
    *_, network = islice(_epochs(x, y, classes, seed), epochs)
    return MlpClassifier(standardization, network, epochs)


def can_hold_out(labels: Int[np.ndarray, " n"]) -> bool:
    """Whether there are enough images for a classifier, that is, one to hold out.

    Args:
        labels: Class of each training image, shape (n,).

    Returns:
        False if `fit_linear` and `fit_mlp` would refuse these images.

    """
    try:
        _held_out(labels, 0)  # how many can be held out does not depend on the seed
    except InfoMaxError:
        return False
    return True


def _held_out(labels: Int[np.ndarray, " n"], seed: int) -> tuple[Int[np.ndarray, " learned"], Int[np.ndarray, " held"]]:
    """Random rows to learn from and rows to hold out: every fifth of a class, but never a whole class.

    Raises InfoMaxError when no row can be held out.
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    first = np.diff(labels[by_class], prepend=-1) != 0
    held = (np.arange(len(labels)) % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1) & ~first
    if not held.any():
        raise InfoMaxError(
            f"{len(labels)} training images of {first.sum()} labels are too few for a classifier: give more of each"
        )
    return by_class[~held], by_class[held]


def _prepared(
    vectors: Num[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], seed: int
) -> tuple[Standardization, tuple[Float[Tensor, "n d"], Int[Tensor, " n"]], int]:
    """All vectors, standardized, with their labels, and how many of them to learn from; the held-out ones come last."""
    learned, held = _held_out(labels, seed)
    order = np.concatenate([np.random.default_rng(seed).permutation(learned), held])
    standardization = Standardization.of(vectors)
    return standardization, (standardization(vectors, order), torch.from_numpy(labels[order])), len(learned)


def _minimized(
    x: Float[Tensor, "n d"],
    y: Int[Tensor, " n"],
    penalty: float,
    start: _Affine,
    tolerance: float,
    covariance: Float[Tensor, "d d"],
) -> _Affine:
    """Minimize mean cross-entropy + penalty * |W|^2 / 2 by L-BFGS from `start`; the bias is not penalized.

    It stops at a step with a relative gain below `tolerance`. Some features vary together a thousand times more than
    others, above all pixels, and steps along the gradient are short there. So the steps are taken in V = W L, where
    L L^T approximates the curvature of the loss in W. The minimum is the same and takes fewer steps.
    """
    from scipy.optimize import minimize

    identity = torch.eye(len(covariance))
    rounding = torch.finfo(x.dtype).eps * len(covariance)  # rounding can leave eigenvalues below 0
    factor = torch.linalg.cholesky(covariance / len(start[1]) + (penalty + rounding) * identity)
    back = torch.linalg.solve_triangular(factor, identity, upper=False)

    def loss_and_gradient(flat: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        steps, bias = (each.requires_grad_() for each in _unflattened(flat, start))
        weights = steps.float() @ back
        loss = cross_entropy(linear(x, weights, bias.float()), y) + penalty / 2 * weights.square().sum()
        return loss.item(), _flattened(torch.autograd.grad(loss, (steps, bias)))

    options = {"maxiter": _MAX_ITERATIONS, "maxcor": _MEMORY, "ftol": tolerance, "gtol": 0}
    first = _flattened((start[0] @ factor, start[1]))
    found = minimize(loss_and_gradient, first, jac=True, method="L-BFGS-B", options=options)
    steps, bias = _unflattened(found.x, start)
    return steps.float() @ back, bias.float()


def _flattened(tensors: Sequence[Tensor]) -> Float[np.ndarray, " p"]:
    return torch.cat([each.double().ravel() for each in tensors]).numpy()


def _unflattened(flat: Float[np.ndarray, " p"], like: _Affine) -> list[Tensor]:
    pieces = torch.split(torch.from_numpy(flat), [each.numel() for each in like])
    return [piece.reshape(each.shape) for piece, each in zip(pieces, like, strict=True)]


def _epochs(x: Float[Tensor, "n d"], y: Int[Tensor, " n"], classes: int, seed: int) -> Iterator[nn.Module]:
    """Yield the network after every epoch, ready to predict; asking for the next one trains it further."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(x.shape[1], _HIDDEN_UNITS), nn.ReLU(), nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN_UNITS, classes)
        )
    optimizer = torch.optim.Adam(network.parameters(), _LEARNING_RATE, fused=True)
    while True:
        network.train()
        with torch.random.fork_rng(devices=[]):  # dropout accepts no generator of its own
            torch.default_generator.manual_seed(int(torch.randint(2**62, (1,), generator=generator)))
            for rows in torch.split(torch.randperm(len(x), generator=generator), _BATCH):
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
        classes = [logits(standardization(vectors, rows[block])).argmax(1) for block in _blocks(len(vectors))]
    return torch.cat(classes).numpy()


def _blocks(n: int) -> list[slice]:
    return [slice(start, start + _BLOCK_ROWS) for start in range(0, n, _BLOCK_ROWS)]
