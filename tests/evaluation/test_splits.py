"""Splits: by label, with copies on one side; and two sources in which the same images are."""

from collections import Counter

import numpy as np
import pytest

from infomax.evaluation.labels import LabeledFeatures
from infomax.evaluation.splits import split_features
from tests.evaluation.conftest import as_jpeg, scaled, scenes


def test_a_fifth_of_each_label_is_tested_on() -> None:
    labels = ["a"] * 50 + ["b"] * 10 + ["c"] * 2 + ["d"]
    split = split_features(LabeledFeatures(scenes(63), labels))
    assert Counter(labels[row] for row in split.test) == {"a": 10, "b": 2, "c": 1}
    assert sorted([*split.train, *split.test]) == [*range(63)]
    assert split.description == "split by itself: 50 to learn from, 13 to test"
    assert (split.by_itself, split.problem, split.warnings) == (True, "", ())


def test_the_seed_decides() -> None:
    features = LabeledFeatures(scenes(40), ["a", "b"] * 20)
    one, same, other = (split_features(features, seed=seed).test.tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_copies_stay_on_one_side() -> None:
    """Each image comes twice, as it is or as a JPEG of half its size, with the other label or the same."""
    images = scenes(50)
    changed = np.stack([image if row % 2 else as_jpeg(scaled(image)) for row, image in enumerate(images)])
    labels = ["a", "b"] * 25 + ["a", "b"] * 25
    split = split_features(LabeledFeatures(np.concatenate([images, changed]), labels))
    assert len(split.test) == pytest.approx(20, abs=2)
    assert not {row % 50 for row in split.train} & {row % 50 for row in split.test}
    shuffled = split_features(LabeledFeatures(np.concatenate([images, changed]), labels[:50] + ["a"] * 50))
    assert not {row % 50 for row in shuffled.train} & {row % 50 for row in shuffled.test}


def test_a_collection_of_look_alikes_is_split_all_the_same() -> None:
    """Plates that differ by a scratch of three pixels: near copies are all there is."""
    plates = np.repeat(scenes(1, 64), 40, 0)
    plates[np.arange(40), np.arange(40), 5:8] = 255
    split = split_features(LabeledFeatures(plates, ["good", "scratched"] * 20))
    assert (len(split.train), len(split.test)) == (32, 8)
    assert split.warnings == ("40 of 40 images look like another: they could not be kept on one side",)


def test_labels_that_cannot_be_used_are_told() -> None:
    one, none = (split_features(LabeledFeatures(scenes(10), labels)) for labels in (["a"] * 10, None))
    assert one.problem == "all 10 images are labeled 'a'"
    assert none.problem == "the images have no labels"
    same = split_features(LabeledFeatures(np.repeat(scenes(2), 5, 0), ["a"] * 5 + ["b"] * 5))
    assert same.problem == "no label has two different images, one to learn from and one to test"
    assert (len(none.train), len(none.test)) == (8, 2)
    assert split_features(LabeledFeatures(scenes(4), [""] * 4)).problem == "the images have no labels"


def test_images_without_a_label_are_left_out() -> None:
    split = split_features(LabeledFeatures(scenes(30), ["a", "b", ""] * 10))
    assert split.unlabeled == 10
    assert sorted([*split.train, *split.test]) == [row for row in range(30) if row % 3 != 2]


def test_copies_in_two_sources_are_counted() -> None:
    images = scenes(40)
    test = np.concatenate(
        [images[:2], np.stack([as_jpeg(images[5]), scaled(images[6]), as_jpeg(images[7])]), scenes(20, seed=9)]
    )
    split = split_features(LabeledFeatures(images, ["a", "b"] * 20), LabeledFeatures(test, ["a"] * 25))
    assert (split.same, split.near, split.by_itself) == (2, 3, False)
    assert np.flatnonzero(split.leaked).tolist() == [0, 1, 2, 3, 4]
    assert split.description == split.without_leaks().description == "two sources: 40 to learn from, 20 to test"
    assert split.without_leaks().test.tolist() == [*range(5, 25)]
    assert split.warnings == (
        "of 25 test images 2 have the pixels of a training image and 3 are near copies of one: "
        "the figures leave them out",
    )


@pytest.mark.parametrize("n", [40, 12])
def test_the_same_collection_saved_again_is_split_by_itself(n: int) -> None:
    images, labels = scenes(40), ["a", "b"] * 20
    again = LabeledFeatures(np.stack([as_jpeg(each) for each in images[:n]]), labels[:n])
    split = split_features(LabeledFeatures(images, labels), again)
    assert (split.by_itself, len(split.train), len(split.test), split.near) == (True, 32, 8, n)
    assert split.warnings[0].startswith(f"{n} of {n} test images are among the training images, too")


def test_the_same_collection_that_cannot_be_split_is_scored_with_a_warning() -> None:
    features = LabeledFeatures(scenes(6), list("abcdef"))
    split = split_features(features, features)
    assert (split.by_itself, len(split.test), int(split.leaked.sum())) == (False, 6, 6)
    assert len(split.without_leaks().test) == 6
    assert "no label has two different images" in split.warnings[0]


def test_two_sources_of_look_alikes_leave_out_equal_ones_only() -> None:
    plates = np.repeat(scenes(1, 64), 61, 0)
    plates[np.arange(61), np.arange(61), 5:8] = 255
    labels = ["good", "scratched"] * 30
    split = split_features(LabeledFeatures(plates[:40], labels[:40]), LabeledFeatures(plates[39:59], labels[:20]))
    assert (split.by_itself, split.same, split.near, int(split.leaked.sum())) == (False, 1, 19, 1)
    assert "or look like one: accuracies may be too high" in split.warnings[0]


def test_without_labels_copies_are_told() -> None:
    images = scenes(10)
    split = split_features(LabeledFeatures(images, None), LabeledFeatures(images, ["a"] * 10))
    assert (split.by_itself, split.same) == (False, 10)
    assert split.warnings[0].startswith("of 10 test images 10 have the pixels of a training image")


def test_equal_vectors_count_as_the_same_image() -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    split = split_features(
        LabeledFeatures(vectors, ["a", "b"] * 15), LabeledFeatures(np.concatenate([vectors[:3], -vectors]), ["a"] * 33)
    )
    assert (split.same, split.near) == (3, 0)
