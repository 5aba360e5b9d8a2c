"""Copies: found when saved, scaled or brightened again; different images, blank ones and digits are none."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from infomax import load_images
from infomax.evaluation import copies
from infomax.evaluation.copies import content_ids, copy_groups, near_copies
from tests.evaluation.conftest import as_jpeg, brightened, scaled, scenes

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@pytest.mark.parametrize("change", [np.copy, as_jpeg, scaled, brightened], ids=["same", "jpeg", "half", "brighter"])
@pytest.mark.parametrize("side", [32, 64])
def test_copies_are_found_and_other_images_are_not(change: Change, side: int) -> None:
    images = scenes(60, side)
    found = near_copies(images, np.stack([change(image) for image in images[::2]]))
    assert sorted(map(tuple, found.tolist())) == [(2 * number, number) for number in range(30)]


def test_within_a_collection_each_pair_comes_once() -> None:
    images = scenes(20)
    found = near_copies(np.concatenate([images, np.stack([as_jpeg(images[3]), scaled(images[7])])]))
    assert sorted(map(tuple, found.tolist())) == [(3, 20), (7, 21)]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([scenes(30), np.stack([as_jpeg(each) for each in scenes(30)])])
    whole = {tuple(pair) for pair in near_copies(images).tolist()}
    monkeypatch.setattr(copies, "_BLOCK", 7)
    assert {tuple(pair) for pair in near_copies(images).tolist()} == whole
    assert whole == {(row, row + 30) for row in range(30)}


def test_blank_images_and_digits_are_no_near_copies() -> None:
    """Three of four digits have another one that is nearer than any other photograph is to a photograph."""
    blank = np.full((5, 32, 32, 3), 255, np.uint8)
    blank[np.arange(5), 0, 0] -= np.arange(5, dtype=np.uint8)[:, None]
    assert not len(near_copies(blank))
    assert not len(near_copies(np.zeros((1, 8, 8, 3), np.uint8)))
    assert len(near_copies(load_images("digits", 8).pixels)) <= 2


def test_content_and_groups() -> None:
    images = scenes(3)
    first, second = content_ids(images[[0, 1, 0]], images[[2, 1]])
    assert first.tolist() == [0, 1, 0]
    assert second.tolist() == [2, 1]
    groups = copy_groups(np.array([0, 1, 0, 2, 3]), np.array([[1, 3], [3, 1]]))
    assert groups.tolist() == [0, 1, 0, 1, 2]
    assert copy_groups(np.array([5, 5, 9]), np.empty((0, 2))).tolist() == [0, 0, 1]
