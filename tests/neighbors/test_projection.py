"""The projection to the plane keeps neighbors together."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from infomax.neighbors import projection
from infomax.neighbors.knn import neighbors
from infomax.neighbors.projection import _principal_components, project

Vectors = NDArray[np.float32]


def clusters(count: int, dim: int = 12, seed: int = 0) -> tuple[Vectors, NDArray[np.int64]]:
    """Points around five directions, and the direction of each."""
    random = np.random.default_rng(seed)
    which = random.integers(0, 5, count)
    centers = 5 * np.eye(dim)[:5]
    return (centers[which] + 0.3 * random.normal(size=(count, dim))).astype(np.float32), which


def kept(vectors: Vectors, points: Vectors, k: int = 15) -> float:
    """Mean fraction of the k nearest neighbors of a point that are among its k nearest in the plane."""
    everyone = np.arange(len(points))
    true = neighbors(vectors, vectors, k, "cosine", leave_out=everyone).indices
    drawn = neighbors(points, points, k, "euclidean", leave_out=everyone).indices
    return float(np.mean([len({*a} & {*b}) / k for a, b in zip(true, drawn, strict=True)]))


def test_more_neighbors_are_kept_than_on_the_principal_axes() -> None:
    """400 digits of scikit-learn; random points would keep 15 / 399 = 4 %."""
    digits = load_digits().data[:400].astype(np.float32)
    assert kept(digits, project(digits)) > 0.55 > kept(digits, _principal_components(digits, 2)) + 0.1


@pytest.mark.parametrize("anchors", [projection.ANCHORS, 60])
def test_clusters_stay_apart_with_few_anchors(monkeypatch: pytest.MonkeyPatch, anchors: int) -> None:
    monkeypatch.setattr(projection, "ANCHORS", anchors)
    vectors, which = clusters(300)
    points = project(vectors)
    nearest = neighbors(points, points, 1, "euclidean", leave_out=np.arange(300)).indices[:, 0]
    assert (which[nearest] == which).mean() > 0.9


def test_principal_components_are_those_of_the_singular_value_decomposition() -> None:
    vectors, _ = clusters(100)
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    u, s, _ = np.linalg.svd(directions - directions.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(_principal_components(vectors, 3)), np.abs(u[:, :3] * s[:3]), atol=1e-5)


def test_the_same_vectors_give_the_same_layout() -> None:
    vectors, _ = clusters(50)
    assert np.array_equal(project(vectors), project(vectors))
    assert np.array_equal(project(vectors), project(3 * vectors)) or np.allclose(
        _principal_components(vectors, 2), _principal_components(3 * vectors, 2), atol=1e-6
    )


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 20])
@pytest.mark.parametrize("make", [np.zeros, np.ones, lambda shape: np.eye(*shape)])
def test_degenerate_collections_have_a_layout_too(count: int, make: type) -> None:
    points = project(make((count, 1 if count == 4 else 8)).astype(np.float32))
    assert points.shape == (count, 2)
    assert ((points >= 0) & (points <= 1)).all()
