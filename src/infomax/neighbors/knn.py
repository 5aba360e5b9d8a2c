"""Exact nearest neighbors, and classification by their vote."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int8

from infomax.errors import InfoMaxError
from infomax.neighbors.distances import Metric

TEMPERATURE = 0.07
"""Temperature of the weighted vote by cosine (Wu et al. 2018, arXiv 1805.01978, section 3.4)."""


@dataclass(frozen=True)
class Neighbors:
    """The k nearest neighbors of each query, nearest first.

    Attributes:
        indices: Rows of the collection, shape (n, k).
        distances: Distances, shape (n, k), float32: 1 - cosine, in 0..2, or Euclidean.

    """

    indices: Int[np.ndarray, "n k"]
    distances: Float[np.ndarray, "n k"]


def neighbors(
    queries: Float[np.ndarray, "n d"] | Int8[np.ndarray, "n d"],
    collection: Float[np.ndarray, "m d"] | Int8[np.ndarray, "m d"],
    k: int,
    metric: Metric = "cosine",
    *,
    leave_out: Int[np.ndarray, " n"] | None = None,
) -> Neighbors:
    """Find the k rows of a collection nearest to each query, exactly, by brute force.

    Of equally near rows the first counts. A vector of zeros has no direction; its cosine with any other is taken as 0.
    Vectors of signed bytes are multiplied as integers where the CPU does so four times as fast (AVX-512 VNNI).

    Args:
        queries: Query vectors, shape (n, d), floats or int8.
        collection: Vectors to search, shape (m, d), floats or int8.
        k: Number of neighbors, from 1 to m, or to m - 1 with `leave_out`.
        metric: "cosine" or "euclidean".
        leave_out: For each query, one row of the collection that does not count, shape (n,). Name the query's own row
            here when the queries belong to the collection.

    Returns:
        The neighbors of each query, nearest first.

    Raises:
        InfoMaxError: Vectors are not finite, or the collection has fewer than k rows.

    Examples:
        >>> import numpy as np
        >>> collection = np.array([[0, 1], [1, 0], [1, 1]], np.float32)
        >>> neighbors(np.array([[2, 0]], np.float32), collection, k=2).indices
        array([[1, 2]])

    """
    from infomax.neighbors.brute_force import nearest_rows  # loads torch, which most users of `Metric` do without

    available = len(collection) - (leave_out is not None)
    if not 1 <= k <= available:
        raise InfoMaxError(f"{k} neighbors of {available} vectors: ask for 1 to {available}")
    for name, vectors in {"queries": queries, "collection": collection}.items():
        if not np.isfinite(vectors).all():
            raise InfoMaxError(f"the vectors of the {name} hold NaN or infinity: only finite ones have neighbors")
    return Neighbors(*nearest_rows(queries, collection, k, metric, leave_out))


def vote(
    labels: Int[np.ndarray, "n k"], classes: int, weights: Float[np.ndarray, "n k"] | None = None
) -> Int[np.ndarray, " n"]:
    """Predict the class that most of the k neighbors have; of equal counts the smallest class wins.

    Args:
        labels: Class of each neighbor, shape (n, k), in 0..classes - 1.
        classes: Number of classes.
        weights: Weight of each neighbor's vote, shape (n, k); None for one each.

    Returns:
        The predicted class of each query, shape (n,).

    """
    counts = np.zeros((len(labels), classes), np.int64 if weights is None else np.float64)
    np.add.at(counts, (np.arange(len(labels))[:, None], labels), 1 if weights is None else weights)
    winners: Int[np.ndarray, " n"] = counts.argmax(1)
    return winners


def vote_weights(distances: Float[np.ndarray, "n k"], metric: Metric) -> Float[np.ndarray, "n k"]:
    """Weight the votes of neighbors by distance: the nearer, the more.

    By cosine the weight is exp(similarity / 0.07), up to a factor for each query, as in Wu et al. (2018), arXiv
    1805.01978. A Euclidean distance has no scale of its own, so its weight is 1 / distance, as in scikit-learn.
    Neighbors at Euclidean distance 0, if there are any, decide alone.

    Args:
        distances: Distances of the neighbors, nearest first, shape (n, k).
        metric: The metric of the distances.

    Returns:
        Weights for `vote`, shape (n, k), float64.

    """
    far = distances.astype(np.float64)
    if metric == "cosine":
        weights: Float[np.ndarray, "n k"] = np.exp((far[:, :1] - far) / TEMPERATURE)
        return weights
    same = far == 0
    return np.where(same.any(1, keepdims=True), same, 1 / np.where(same, 1, far))


def knn_accuracy(
    train: Float[np.ndarray, "m d"],
    train_labels: Sequence[str],
    test: Float[np.ndarray, "n d"],
    test_labels: Sequence[str],
    k: int = 20,
    metric: Metric = "cosine",
) -> float:
    """Measure how often the k nearest training vectors vote for the label of a test vector.

    Each neighbor has one vote. Of equal counts the first label in alphabetical order wins.

    Args:
        train: Training vectors, shape (m, d).
        train_labels: Labels of the training vectors, m of them.
        test: Test vectors, shape (n, d).
        test_labels: Labels of the test vectors, n of them.
        k: Number of neighbors that vote, at most m.
        metric: "cosine" or "euclidean".

    Returns:
        The fraction of test vectors that are classified correctly, in 0..1.

    Raises:
        InfoMaxError: Vectors are not finite, or there are fewer than k training vectors.

    """
    names, codes = np.unique([*train_labels, *test_labels], return_inverse=True)
    voters, truth = codes[: len(train)], codes[len(train) :]
    nearest = neighbors(test, train, k, metric).indices
    return float((vote(voters[nearest], len(names)) == truth).mean())


def leave_one_out_accuracy(vectors: Float[np.ndarray, "n d"], labels: Sequence[str], k: int = 5) -> float | None:
    """Measure how often the k nearest other vectors, by cosine, vote for the label of a vector.

    Each neighbor has one vote. Of equal counts the first label in alphabetical order wins.

    Args:
        vectors: Vectors, shape (n, d); float64 ranks them with the least rounding.
        labels: Label of each vector, n of them; an empty one marks a vector without a label, which is left out.
        k: Number of neighbors that vote.

    Returns:
        The fraction of labeled vectors that are classified correctly, in 0..1. None where there is nothing to
        measure: at most k labeled vectors, or fewer than two different labels.

    Raises:
        InfoMaxError: Vectors are not finite.

    """
    labeled = [row for row, label in enumerate(labels) if label]
    names, truth = np.unique([labels[row] for row in labeled], return_inverse=True)
    if len(labeled) <= k or len(names) < 2:
        return None
    known = vectors[labeled]
    nearest = neighbors(known, known, k, leave_out=np.arange(len(known))).indices
    return float((vote(truth[nearest], len(names)) == truth).mean())
