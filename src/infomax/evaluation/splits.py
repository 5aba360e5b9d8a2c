"""Training and test images: two sources checked for copies, or one source split by itself.

An image that is in both splits is recognized, not understood. So copies of training images are left out of the test
split, and a source that is split by itself keeps all copies of an image on one side.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, final, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int, Num

from infomax.copies.near_duplicates import near_copies
from infomax.evaluation.copies import content_ids, copy_groups
from infomax.evaluation.labels import LabeledFeatures
from infomax.images.loading import labels_of
from infomax.kinds.kind import Loaded

_TEST_SHARE = 0.2
_SAME_COLLECTION = 0.5  # of the test images found in the training images: these are not two sources
_LEAST_TEST_SHARE = 0.1  # of the images, for a split by itself that keeps near copies together

Rows = Int[np.ndarray, " _"]


@runtime_checkable
class _Selectable(Protocol):
    """Features or items of which some can be kept."""

    def select(self, rows: Rows) -> Any:
        """Keep some rows."""


Features = TypeVar("Features", bound=_Selectable)


@final
@dataclass(frozen=True)
class Split:
    """Which images are learned from and which are tested on.

    Attributes:
        train: Rows of the source of training images.
        test: Rows of the source of test images; of the same source if `by_itself`.
        by_itself: Whether one source was split.
        leaked: For each row of `test`, shape (n,), whether its image is among the training images.
        same: How many test images have exactly the pixels of a training image.
        near: How many further test images are near copies of one: saved or scaled again.
        unlabeled: Images without a label that were left out, for others have one.
        warnings: What is wrong with the sources, and what to do.
        problem: Why labels cannot be used, in words; "" if they can or if this was not examined.

    """

    train: Rows
    test: Rows
    by_itself: bool
    leaked: Bool[np.ndarray, " n"]
    same: int = 0
    near: int = 0
    unlabeled: int = 0
    warnings: tuple[str, ...] = field(default=())
    problem: str = ""

    @property
    def description(self) -> str:
        """How the images were split, in words."""
        how = "split by itself" if self.by_itself else "two sources"
        return f"{how}: {len(self.train):,} to learn from, {len(self.test) - int(self.leaked.sum()):,} to test"

    def without_leaks(self) -> "Split":
        """The split without the test images that are among the training images, unless that leaves none."""
        if self.leaked.all():
            return self
        return replace(self, test=self.test[~self.leaked], leaked=np.zeros(int((~self.leaked).sum()), np.bool_))

    def parts(self, train: Features, test: Features | None) -> tuple[Features, Features]:
        """Select the rows of both splits.

        Args:
            train: The source of training images, or its features.
            test: That of test images; None if there is one source.

        Returns:
            The images or features to learn from, and those to test on.

        """
        return train.select(self.train), (train if self.by_itself or test is None else test).select(self.test)


def split_items(train: Loaded, test: Loaded | None = None, *, seed: int = 0) -> Split:
    """Split items into those to learn from and those to test on.

    Args:
        train: Items to learn from, images say, or the only source.
        test: Items of the same size to test on; None to split the only source by itself.
        seed: Seed of a split by itself.

    Returns:
        The split. Items without a label are left out of it if others have one.

    """
    features = LabeledFeatures(train.contents, train.labels)
    return split_features(features, None if test is None else LabeledFeatures(test.contents, test.labels), seed=seed)


def split_features(train: LabeledFeatures, test: LabeledFeatures | None = None, *, seed: int = 0) -> Split:
    """Split features into those to learn from and those to test on.

    Near copies are found among pixels only. Of other vectors, equal ones count as the same image.

    Args:
        train: Training features, or the only ones.
        test: Test features; None to split the only ones by themselves.
        seed: Seed of a split by itself.

    Returns:
        The split.

    """
    if test is None:
        return _split_by_itself(train, seed)
    if not (any(train.labels or ()) and any(test.labels or ())):
        train, test = LabeledFeatures(train.vectors, None), LabeledFeatures(test.vectors, None)
    rows, test_rows = _labeled_rows(train), _labeled_rows(test)
    unlabeled = len(train.vectors) + len(test.vectors) - len(rows) - len(test_rows)
    pixels, test_pixels = train.vectors[rows], test.vectors[test_rows]
    same, near = _leaks(pixels, test_pixels)
    leaked = same | near
    split = Split(rows, test_rows, False, leaked, int(same.sum()), int(near.sum()), unlabeled)
    if train.labels is None or leaked.sum() < max(1, _SAME_COLLECTION * len(test_rows)):
        return replace(split, warnings=_leak_warnings(split))
    return _split_instead(train, split, same, seed)


def _split_instead(train: LabeledFeatures, split: Split, same: Bool[np.ndarray, " n"], seed: int) -> Split:
    """Split the training source by itself, for it holds most of the test images, unless all its images are alike."""
    alone = _split_by_itself(train, seed)
    found = f"{int(split.leaked.sum()):,} of {len(split.test):,} test images are among the training images, too"
    if alone.problem or alone.warnings:
        if same.sum() < _SAME_COLLECTION * len(same):  # look-alikes are what this collection is made of
            return replace(split, leaked=same, warnings=(f"{found}, or look like one: accuracies may be too high",))
        reason = alone.problem or "they cannot be split by themselves"
        return replace(split, warnings=(f"{found}, and {reason}: give test images that were not learned from",))
    remedy = f"--train was {alone.description}; give test images that are not in --train to test on those"
    return replace(alone, same=split.same, near=split.near, warnings=(f"{found}, which says nothing: {remedy}",))


def _leak_warnings(split: Split) -> tuple[str, ...]:
    """Say how many test images are among the training images."""
    if not split.leaked.any():
        return ()
    kinds = {"have the pixels of a training image": split.same, "are near copies of one": split.near}
    told = " and ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    return (f"of {len(split.test):,} test images {told}: the figures leave them out",)


def _split_by_itself(source: LabeledFeatures, seed: int) -> Split:
    """Split one source at random, by label, with all copies of an image on one side."""
    rows = _labeled_rows(source)
    labels, problem = _usable_labels(labels_of(source.labels, rows))
    ids = content_ids(source.vectors[rows])[0]
    pixels = _as_pixels(source.vectors[rows])
    pairs = np.empty((0, 2), np.int64) if pixels is None else near_copies(pixels)
    grouped = _drawn(labels, copy_groups(ids, pairs), seed)
    warnings: tuple[str, ...] = ()
    if len(pairs) and grouped.sum() < _LEAST_TEST_SHARE * len(rows):
        looser = _drawn(labels, copy_groups(ids, pairs[:0]), seed)
        if looser.sum() > grouped.sum():
            alike = len(np.unique(pairs))
            grouped = looser
            warnings = (f"{alike:,} of {len(rows):,} images look like another: they could not be kept on one side",)
    if not problem and not grouped.any():
        problem = "no label has two different images, one to learn from and one to test"
    if not grouped.any() and len(rows) > 1:
        grouped = _drawn(np.zeros(len(rows), np.int64), np.arange(len(rows)), seed)
    unlabeled = len(source.vectors) - len(rows)
    nothing = np.zeros(int(grouped.sum()), np.bool_)
    return Split(rows[~grouped], rows[grouped], True, nothing, unlabeled=unlabeled, warnings=warnings, problem=problem)


def _usable_labels(labels: Sequence[str] | None) -> tuple[Rows, str]:
    """Classes of some images, and why they cannot be predicted; one class for all then."""
    if labels is None:
        return np.zeros(0, np.int64), "the images have no labels"
    names, classes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    if len(names) < 2:
        return classes.astype(np.int64), f"all {len(labels):,} images are labeled '{names[0]}'"
    return classes.astype(np.int64), ""


def _drawn(classes: Rows, groups: Rows, seed: int) -> Bool[np.ndarray, " n"]:
    """Draw the rows of the test split: a fifth of each class, but never all of it, and groups as a whole."""
    classes = classes if len(classes) == len(groups) else np.zeros(len(groups), np.int64)
    counts = np.bincount(classes)
    room = np.minimum(np.maximum(np.rint(_TEST_SHARE * counts).astype(np.int64), 1), counts - 1)
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    test = np.zeros(len(groups), np.bool_)
    for place in np.random.default_rng(seed).permutation(len(members)):
        taken = np.bincount(classes[members[place]], minlength=len(counts))
        if (taken <= room).all():
            test[members[place]] = True
            room = room - taken
    return test


def _leaks(
    train: Num[np.ndarray, "m ..."], test: Num[np.ndarray, "n ..."]
) -> tuple[Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Which test images have the pixels of a training image, and which others are near copies of one."""
    near = np.zeros(len(test), np.bool_)
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        return near, near.copy()
    ids, test_ids = content_ids(train, test)
    same: Bool[np.ndarray, " n"] = np.isin(test_ids, ids)
    pixels, test_pixels = _as_pixels(train), _as_pixels(test)
    if pixels is not None and test_pixels is not None:
        near[near_copies(pixels, test_pixels)[:, 1]] = True
    return same, near & ~same


def _as_pixels(vectors: Num[np.ndarray, "n ..."]) -> "np.ndarray | None":
    """The vectors if they are pixels, else None."""
    return vectors if vectors.dtype == np.uint8 and vectors.ndim == 4 and len(vectors) else None


def _labeled_rows(features: LabeledFeatures) -> Rows:
    """Rows with a label; all rows if there are no labels at all."""
    if features.labels is None or not any(features.labels):
        return np.arange(len(features.vectors))
    return np.flatnonzero([bool(label) for label in features.labels])
