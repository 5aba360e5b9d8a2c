"""Groups of images that must be on one side of a split."""

import numpy as np

from infomax.evaluation.copies import content_ids, copy_groups
from tests.evaluation.conftest import scenes


def test_content_and_groups() -> None:
    images = scenes(3)
    first, second = content_ids(images[[0, 1, 0]], images[[2, 1]])
    assert first.tolist() == [0, 1, 0]
    assert second.tolist() == [2, 1]
    groups = copy_groups(np.array([0, 1, 0, 2, 3]), np.array([[1, 3], [3, 1]]))
    assert groups.tolist() == [0, 1, 0, 1, 2]
    assert copy_groups(np.array([5, 5, 9]), np.empty((0, 2))).tolist() == [0, 0, 1]
