"""The map as columns of JSON, and the sample of a large one."""

import numpy as np
import pytest

from infomax.search.map import Cluster, CollectionMap
from infomax.web import map_columns
from infomax.web.map_columns import map_answer, spread_sample


def a_map() -> CollectionMap:
    curve = np.array([[0.1, 0.2], [0.3, 0.2], [0.2, 0.44444]])
    return CollectionMap(
        ids=["a", "b", "c"],
        paths=["/photos/x/a.jpg", "/photos/y/b.jpg", "digits#3"],
        labels=["cat", None, "ant"],
        taken=["2024-05-01T12:30:05.25+02:00", None, "1970-01-02"],
        positions=np.array([[0.1, 0.2], [1 / 3, 1], [0, 0.5]], np.float32),
        outlier=np.array([0, 0.5, 1], np.float32),
        cluster=np.array([0, 0, -1]),
        clusters=[Cluster("cat", 2, ["b", "a"], np.array([0.1, 0.2]), [curve])],
    )


def test_columns() -> None:
    answer = map_answer(a_map(), current=True)
    assert (answer.current, answer.images, answer.ids) == (True, 3, ["a", "b", "c"])
    assert (answer.x, answer.y) == ([0.1, 0.33333, 0], [0.2, 1, 0.5])
    assert (answer.labels, answer.label) == (["ant", "cat"], [1, -1, 0])
    assert (answer.folders, answer.folder) == (["/photos/x", "/photos/y"], [0, 1, -1])
    assert (answer.cluster, answer.outlier) == ([0, 0, -1], [0, 0.5, 1])
    assert answer.taken == [1714566605, None, 86400]  # the local time of the place, whatever its zone
    (cluster,) = answer.clusters
    assert (cluster.name, cluster.size, cluster.medoids, cluster.center) == ("cat", 2, ["b", "a"], [0.1, 0.2])
    assert cluster.outline == [[0.1, 0.2, 0.3, 0.2, 0.2, 0.4444]]


def test_times_are_left_out_where_none_is_known() -> None:
    drawn = a_map()
    drawn.taken[:] = [None] * 3
    assert map_answer(drawn, current=False).taken == []


def test_a_sample_takes_from_each_cell_in_turn() -> None:
    positions = np.array([[0.5, 0.5]] * 4 + [[0.9, 0.1]], np.float32)
    outlier = np.array([0.75, 0, 0.25, 1, 0.5], np.float32)
    assert spread_sample(positions, outlier, 5).tolist() == [0, 1, 2, 3, 4]
    assert spread_sample(positions, outlier, 2).tolist() == [1, 4]  # the most typical of each cell
    assert spread_sample(positions, outlier, 3).tolist() == [1, 2, 4]


def test_a_large_map_is_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_columns, "MAX_POINTS", 2)
    answer = map_answer(a_map(), current=True)
    assert (answer.images, answer.ids, answer.label) == (3, ["a", "b"], [0, -1])
    assert (answer.labels, len(answer.x), len(answer.taken)) == (["cat"], 2, 2)
