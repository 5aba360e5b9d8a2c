"""Groups of linked vectors, against SciPy's single-linkage clustering."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from infomax.neighbors import groups
from infomax.neighbors.groups import LinkedRows, groups_above

Vectors = NDArray[np.float64]


def at_angles(*cosines: float) -> Vectors:
    """Unit vectors in a plane, each at the given cosine to the one before."""
    angles = np.cumsum([0.0, *np.arccos(cosines)])
    return np.stack([np.cos(angles), np.sin(angles)], 1)


@pytest.fixture(params=[1, 2, 7, 2048])
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block sizes."""
    monkeypatch.setattr(groups, "ROWS", request.param)


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1)])
def test_the_weakest_link_does_not_depend_on_the_blocks(order: tuple[int, ...]) -> None:
    """Cosines 0.95, 0.95 and 0.805: the two strong links hold the group together, so the third does not count."""
    vectors = at_angles(0.95, 0.95)[list(order)]
    found = groups_above(vectors, 0.8)
    assert [group.rows for group in found] == [[0, 1, 2]]
    assert found[0].weakest == pytest.approx(0.95, abs=1e-12)


def test_groups_do_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.repeat(np.random.default_rng(0).normal(size=(30, 8)), 3, axis=0)
    whole = groups_above(vectors, 0.9)
    monkeypatch.setattr(groups, "ROWS", 7)
    parts = groups_above(vectors, 0.9)
    assert {tuple(group.rows) for group in parts} == {tuple(group.rows) for group in whole}


@pytest.mark.usefixtures("rows")
def test_a_bridge_is_the_weakest_link() -> None:
    vectors = at_angles(0.99, 0.98, 0.85, 0.97)
    assert [(group.rows, round(group.weakest, 12)) for group in groups_above(vectors, 0.8)] == [([0, 1, 2, 3, 4], 0.85)]
    apart = groups_above(vectors, 0.86)
    assert [(group.rows, round(group.weakest, 12)) for group in apart] == [([0, 1, 2], 0.98), ([3, 4], 0.97)]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(2, 40),
    d=st.integers(2, 4),
    threshold=st.floats(-0.5, 0.999),
    block=st.integers(1, 50),
)
def test_the_groups_are_those_of_single_linkage(seed: int, n: int, d: int, threshold: float, block: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "ROWS", block)
        found = groups_above(vectors, threshold)
    tree = linkage(vectors, "single", metric="cosine")
    clusters = fcluster(tree, 1 - threshold, "distance")
    expected = [np.flatnonzero(clusters == each).tolist() for each in np.unique(clusters)]
    assert sorted(group.rows for group in found) == sorted(each for each in expected if len(each) > 1)
    for group in found:
        merges = linkage(vectors[group.rows], "single", metric="cosine")[:, 2]
        assert group.weakest == pytest.approx(1 - merges.max(), abs=1e-9)


@pytest.mark.usefixtures("rows")
def test_copies_are_linked_at_exactly_one_and_zeros_to_nothing() -> None:
    vectors = np.array([[0, 0], [3, 4], [1, 0], [6, 8], [0, 0], [0.3, 0.4]])
    assert groups_above(vectors, 1.0) == [LinkedRows([1, 3, 5], 1.0)]


@pytest.mark.usefixtures("rows")
def test_only_pairs_that_are_the_same_are_linked_and_no_others_are_compared() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.02], [-1, 0]])

    def same(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        assert 3 not in a
        assert 3 not in b
        pairs: NDArray[np.bool_] = np.logical_and.outer(a != 1, b != 1)
        return pairs

    assert [group.rows for group in groups_above(vectors, 0.9, same)] == [[0, 2]]
    assert groups_above(vectors, 0.9, lambda a, b: np.zeros((len(a), len(b)), np.bool_)) == []


@pytest.mark.parametrize("n", [0, 1, 5])
def test_nothing_is_linked(n: int) -> None:
    assert groups_above(np.eye(max(n, 1))[:n], 0.5) == []
