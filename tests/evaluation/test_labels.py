"""Labels of two splits as class indices, and labels that cannot be used."""

import numpy as np
import pytest

from infomax.errors import InfoMaxError
from infomax.evaluation.labels import LabeledFeatures, LabelSplit


def test_unlabeled_rows_take_no_part() -> None:
    rows = np.arange(8.0).reshape(4, 2)
    some = LabeledFeatures(rows, ["a", "", "b", ""])
    assert len(some) == 2
    assert some.labeled.tolist() == [[0, 1], [4, 5]]
    assert some.known_labels == ["a", "b"]
    without = LabeledFeatures(rows, None)
    assert len(without) == 4
    assert without.labeled is rows
    assert LabelSplit.of_features(some, without, 1) is None
    split = LabelSplit.of_features(some, some, 1)
    assert split is not None
    assert (split.names, split.train.tolist(), split.test.tolist()) == (["a", "b"], [0, 1], [0, 1])


def test_chance_is_the_most_common_training_label() -> None:
    assert LabelSplit.of(["a", "a", "b"], ["b", "a", "b", "b"], k=1).chance == 0.25


BAD: dict[str, tuple[list[str], list[str], int, str]] = {
    "no training labels": ([], ["a"], 20, "20 neighbors of 0 labeled training images"),
    "fewer than k": (["a", "b"] * 3, ["a"], 20, "20 neighbors of 6 labeled training images: let 1 to 6 vote"),
    "one class": (["a"] * 30, ["a"], 20, "all training images are labeled 'a'"),
    "no test labels": (["a", "b"] * 20, [], 20, "no labeled test images"),
    "a label that training lacks": (["a", "b"] * 20, ["a", "c", "c"], 20, "2 test images have labels .* 'c' first"),
}


@pytest.mark.parametrize("case", BAD)
def test_labels_that_cannot_be_used(case: str) -> None:
    train, test, k, message = BAD[case]
    with pytest.raises(InfoMaxError, match=message):
        LabelSplit.of(train, test, k)


def test_a_class_may_be_missing_from_the_test_split() -> None:
    assert LabelSplit.of(["a", "b", "c"] * 9, ["a", "b"]).names == ["a", "b", "c"]
