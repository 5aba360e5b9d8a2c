"""Outliers of an index."""

import numpy as np

from infomax.neighbors.knn import neighbors as nearest_of
from tests.search.conftest import NewIndex, filled, paths
from tests.search.memory import cloud


def test_outliers_are_far_from_their_nearest_neighbors(new_index: NewIndex) -> None:
    index, vectors = new_index(), (1 + cloud(40) / 50).astype(np.float32)
    vectors[17] = -1
    names = filled(index, vectors)
    found = index.outliers(5, k=3, metric="euclidean")
    near = nearest_of(vectors, vectors, 3, "euclidean", leave_out=np.arange(40))
    mean = near.distances.mean(1)
    assert paths(found) == [names[row] for row in np.argsort(-mean)[:5]]
    assert found[0].image.path == names[17]
    np.testing.assert_allclose([each.distance for each in found], np.sort(mean)[::-1][:5], rtol=1e-6)
    assert len(index.outliers(99, k=99)) == 40
