"""Outlines enclose their clusters and do not cross."""

import numpy as np
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray

from infomax.neighbors.outlines import inside_clusters, outlines


def two_groups(count: int = 400) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(0)
    which = np.repeat([0, 1], count // 2)
    points = np.array([[0.3, 0.5], [0.7, 0.5]])[which] + random.normal(0, 0.05, (count, 2))
    return points.astype(np.float32), which


def test_an_outline_encloses_its_cluster_alone() -> None:
    points, which = two_groups()
    curves = outlines(points, which)
    assert [len(each) for each in curves] == [1, 1]
    for cluster, (curve,) in enumerate(curves):
        within = Polygon(curve).contains_points(points)
        assert within[which == cluster].mean() > 0.93
        assert not within[which != cluster].any()
        assert len(curve) >= 8


def test_outlines_of_neighbors_do_not_overlap() -> None:
    random = np.random.default_rng(1)
    points = random.uniform(0, 1, (4000, 2)).astype(np.float32)
    which = (points[:, 0] > 0.5).astype(np.int64)
    (left,), (right,) = outlines(points, which)
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 100), np.linspace(0, 1, 100)), -1).reshape(-1, 2)
    in_left, in_right = (Polygon(curve).contains_points(grid) for curve in (left, right))
    assert (in_left & in_right).mean() < 0.003  # vertices are thinned, so lines may touch
    assert (in_left | in_right).mean() > 0.97


def test_a_cluster_in_two_places_has_two_curves() -> None:
    points, which = two_groups()
    (curves,) = outlines(points, np.zeros_like(which))
    assert len(curves) == 2


def test_a_ring_has_one_curve_and_its_hole_none() -> None:
    angle = np.linspace(0, 2 * np.pi, 2000)
    ring = np.stack([0.5 + 0.4 * np.cos(angle), 0.5 + 0.4 * np.sin(angle)], 1).astype(np.float32)
    ((curve,),) = outlines(ring, np.zeros(2000, np.int64))
    assert np.hypot(*(curve - 0.5).T).min() > 0.4  # the outer side of the ring


def test_stray_points_leave_their_cluster() -> None:
    points, which = two_groups()
    points[0] = [0.3, 0.95]
    inside = inside_clusters(points, which)
    assert inside[0] == -1
    assert (inside >= 0).mean() > 0.93
    assert np.array_equal(inside[inside >= 0], which[inside >= 0])


def test_no_clusters_have_no_outlines() -> None:
    points, none = np.zeros((3, 2), np.float32), np.full(3, -1)
    assert outlines(points, none) == []
    assert inside_clusters(points, none).tolist() == [-1, -1, -1]
