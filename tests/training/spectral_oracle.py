"""The closed form written differently: NumPy, explicit matrices, one image, one patch, one pair at a time."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

Array = NDArray[np.float64]


def histograms(image: NDArray[np.uint8], weights: dict[str, Array], patch: int, stride: int, threshold: float) -> Array:
    """The sparse code of every patch of one image, (rows, columns, 2 * pairs): atoms, then their mirror images."""
    planes = image.astype(np.float64).transpose(2, 0, 1) / 255
    side = (planes.shape[1] - patch) // stride + 1
    atoms = np.concatenate([weights["atoms"], weights["atoms"] @ weights["mirror"]])
    codes = np.zeros((side, side, len(atoms)))
    for row in range(side):
        for column in range(side):
            top, left = row * stride, column * stride
            numbers = planes[:, top : top + patch, left : left + patch].ravel()
            word = (numbers - numbers.mean() - weights["mean"]) @ weights["whitening"]
            codes[row, column] = np.maximum(atoms @ word / max(np.linalg.norm(word), 1e-12) - threshold, 0)
    return codes


def cells(codes: Array, grid: int) -> Array:
    """The mean code over each cell of the whole, (grid, grid, 2 * pairs)."""
    side = len(codes)
    edges = [(k * side // grid, -(-(k + 1) * side // grid)) for k in range(grid)]
    return np.array([[codes[a:b, c:d].mean((0, 1)) for c, d in edges] for a, b in edges])


def halves(counted: Array) -> tuple[Array, Array]:
    """The even and the odd half."""
    plain, mirrored = np.split(counted, 2, -1)
    return (plain + mirrored) / np.sqrt(2), (plain - mirrored) / np.sqrt(2)


def moments(groups: list[Array]) -> tuple[Array, Array, Array]:
    """Mean, covariance of a draw and between the draws of a pair, of groups (k, dim): every pair by itself."""
    draws = np.concatenate(groups)
    mean = draws.mean(0)
    pair = np.zeros((len(mean), len(mean)))
    for group in groups:
        k = len(group)
        for i in range(k):
            for j in range(k):
                if i != j:
                    pair += np.outer(group[i] - mean, group[j] - mean) / (k * (k - 1))
    return mean, (draws - mean).T @ (draws - mean) / len(draws), pair / len(groups)


def directions(groups: list[Array], ridge: float, variance: float | None = None) -> tuple[Array, Array, Array]:
    """Values, largest first, weights and mean, of the generalized eigenproblem."""
    mean, single, pair = moments(groups)
    common = single.diagonal().mean() if variance is None else variance
    values, weights = eigh(pair, single + ridge * common * np.eye(len(mean)))
    return values[::-1], weights[:, ::-1], mean


def reduced(image: NDArray[np.uint8], size: int) -> Array:
    """A smaller image by antialiased bilinear resampling, one pixel at a time."""
    step = len(image) / size
    out = np.zeros((size, size, 3))
    for row in range(size):
        for column in range(size):
            total = 0.0
            for y in range(len(image)):
                for x in range(len(image)):
                    down = max(0.0, 1 - abs(y + 0.5 - step * (row + 0.5)) / step)
                    along = max(0.0, 1 - abs(x + 0.5 - step * (column + 0.5)) / step)
                    out[row, column] += down * along * image[y, x]
                    total += down * along
            out[row, column] /= total
    return out
