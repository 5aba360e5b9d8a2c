"""Close pairs against brute force, and complete linkage against SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from infomax.neighbors import groups
from infomax.neighbors.groups import complete_linkage, least_cosine, pairs_above

Vectors = NDArray[np.float64]
Pairs = dict[tuple[int, int], float]


def cosines_of(vectors: Vectors) -> Vectors:
    """All cosines, computed plainly; 0 where a vector is zero."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    cosines: Vectors = (unit @ unit.T).round(9)
    return cosines


def found_pairs(vectors: Vectors, threshold: float) -> Pairs:
    found: Pairs = {}
    for a, b, cosines in pairs_above(vectors, threshold):
        pairs = list(zip(a.tolist(), b.tolist(), strict=True))
        assert not found.keys() & set(pairs)
        found |= dict(zip(pairs, cosines.tolist(), strict=True))
    return found


@pytest.fixture(params=[1, 2, 7, 2048])
def rows(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Block sizes."""
    monkeypatch.setattr(groups, "ROWS", request.param)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(2, 40),
    d=st.integers(2, 4),
    threshold=st.floats(-0.5, 0.999),
    block=st.integers(1, 50),
)
def test_the_pairs_are_those_of_brute_force(seed: int, n: int, d: int, threshold: float, block: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "ROWS", block)
        found = found_pairs(vectors, threshold)
    cosines = cosines_of(vectors)
    expected = {(int(a), int(b)) for a, b in np.argwhere(np.triu(cosines >= threshold, 1))}
    assert found.keys() == expected
    assert all(value == pytest.approx(cosines[pair], abs=1e-8) for pair, value in found.items())


@pytest.mark.usefixtures("rows")
def test_copies_are_linked_at_exactly_one_and_zeros_to_nothing() -> None:
    vectors = np.array([[0, 0], [3, 4], [1, 0], [6, 8], [0, 0], [0.3, 0.4]])
    assert found_pairs(vectors, 1.0) == {(1, 3): 1.0, (1, 5): 1.0, (3, 5): 1.0}


@pytest.mark.usefixtures("rows")
def test_only_pairs_that_are_the_same_count_and_no_others_are_compared() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [1, 0.02], [-1, 0]])

    def same(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        assert 3 not in a
        assert 3 not in b
        pairs: NDArray[np.bool_] = np.logical_and.outer(a != 1, b != 1)
        return pairs

    assert [(a.tolist(), b.tolist()) for a, b, _ in pairs_above(vectors, 0.9, same)] == [([0], [2])]
    assert list(pairs_above(vectors, 0.9, lambda a, b: np.zeros((len(a), len(b)), np.bool_))) == []


@pytest.mark.parametrize("n", [0, 1, 5])
def test_nothing_is_close(n: int) -> None:
    assert list(pairs_above(np.eye(max(n, 1))[:n], 0.5)) == []


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("seed", range(4))
def test_the_least_cosine_is_that_of_all_pairs(seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(17, 3))
    assert least_cosine(vectors) == pytest.approx(cosines_of(vectors).min(), abs=1e-8)
    assert least_cosine(vectors[[4, 4, 4]]) == 1.0
    assert least_cosine(np.array([[3.0, 4.0], [6.0, 8.0]])) == 1.0


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 25), threshold=st.floats(-0.3, 0.95))
def test_the_groups_are_those_of_complete_linkage(seed: int, n: int, threshold: float) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, 3))
    pairs = found_pairs(vectors, threshold)
    found = complete_linkage(n, sorted(pairs, key=lambda pair: -pairs[pair]))
    clusters = fcluster(linkage(vectors, "complete", metric="cosine"), 1 - threshold, "distance")
    expected = [np.flatnonzero(clusters == each).tolist() for each in np.unique(clusters)]
    assert sorted(found) == sorted(each for each in expected if len(each) > 1)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_pair_of_a_group_is_linked_and_a_row_is_in_one_group(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 15))
    every = [(a, b) for a in range(n) for b in range(a + 1, n)]
    links = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    found = complete_linkage(n, links)
    rows = [row for group in found for row in group]
    assert len(rows) == len(set(rows))
    assert all((a, b) in links for group in found for a in group for b in group if a < b)
    if links:
        assert any({*links[0]} <= {*group} for group in found)  # the closest pair is never parted


def test_a_chain_falls_into_pairs() -> None:
    assert complete_linkage(6, [(row, row + 1) for row in range(5)]) == [[0, 1], [2, 3], [4, 5]]
