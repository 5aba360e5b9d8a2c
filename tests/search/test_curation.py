"""Near-duplicates and outliers of an index."""

import numpy as np

from infomax.neighbors.knn import neighbors as nearest_of
from infomax.search.thumbnails import thumbnail
from tests.conftest import colored
from tests.search.conftest import NewIndex, filled, paths
from tests.search.memory import Vectors, brute_force, cloud


def test_near_duplicates_are_those_of_all_pairs(new_index: NewIndex) -> None:
    index, vectors = new_index(), cloud(90)
    vectors[10:14] = vectors[10] * np.array([[1], [2], [3], [0.5]], np.float32)
    vectors[40] = vectors[41] + 1e-3
    vectors[60:62] = 0
    names = filled(index, vectors, thumbnails=[thumbnail(colored(1, 12)[0]).content] * 90)  # all look the same
    for threshold in (0.9999, 0.9, 0.5):
        found = index.duplicates(threshold)
        assert {tuple(each.path for each in group.images) for group in found} == linked(names, vectors, threshold)
        assert [len(group.images) for group in found] == sorted((len(group.images) for group in found), reverse=True)
        assert all(threshold <= group.similarity <= 1 for group in found)
    assert len(index.duplicates(0.9999)) == 2
    assert index.duplicates(1.0)[0].similarity == 1


def test_images_that_do_not_look_the_same_are_no_duplicates(new_index: NewIndex) -> None:
    index, vectors = new_index(), np.ones((40, 8), np.float32)
    filled(index, vectors, thumbnails=[thumbnail(each).content for each in colored(40, 12)])
    assert index.duplicates(1.0) == []


def linked(names: list[str], vectors: Vectors, threshold: float) -> set[tuple[str, ...]]:
    """Groups by walking along the links, one pair after the other."""
    near = [
        {
            b
            for b in range(len(names))
            if 1 - brute_force(vectors[a], [names[b]], vectors[[b]], 1, "cosine")[0][1] >= threshold
        }
        for a in range(len(names))
    ]
    groups, seen = set(), set[int]()
    for start in range(len(names)):
        group, pending = set[int](), {start} - seen
        while pending:
            group |= pending
            pending = set().union(*(near[row] for row in pending)) - group
        seen |= group
        if len(group) > 1:
            groups.add(tuple(sorted(names[row] for row in group)))
    return groups


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
