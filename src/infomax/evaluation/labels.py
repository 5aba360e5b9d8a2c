"""Labels of a training and a test split: features with their labels, and the classes that both splits share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Int, Num

from infomax.errors import InfoMaxError
from infomax.images.loading import labels_of

DEFAULT_K = 20  # neighbors that vote in the headline accuracy


@final
@dataclass(frozen=True)
class LabeledFeatures:
    """Features of one split with their labels.

    `len()` counts the vectors that take part in an evaluation: the labeled ones, or all when labels are not in use.

    Attributes:
        vectors: Features or pixels, one row an image.
        labels: One label a row, "" where a label is missing; None when the split has no labels.

    """

    vectors: Num[np.ndarray, "n ..."]
    labels: Sequence[str] | None

    @property
    def labeled(self) -> Num[np.ndarray, "m ..."]:
        """The rows that have a label; all rows when labels are not in use."""
        if self.labels is None or all(self.labels):
            return self.vectors
        return self.vectors[np.flatnonzero(self.labels)]

    @property
    def known_labels(self) -> list[str]:
        """The labels of the rows in `labeled`; empty when labels are not in use."""
        return [label for label in self.labels or () if label]

    def __len__(self) -> int:
        return len(self.vectors) if self.labels is None else len(self.known_labels)

    def select(self, rows: Int[np.ndarray, " m"]) -> "LabeledFeatures":
        """Keep some rows.

        Args:
            rows: Which, increasing.

        Returns:
            These rows; the same object if they are all.

        """
        if len(rows) == len(self.vectors):
            return self
        return LabeledFeatures(self.vectors[rows], labels_of(self.labels, rows))


@final
@dataclass(frozen=True)
class LabelSplit:
    """Class indices of the labeled training and test vectors.

    Attributes:
        names: Names of the classes, sorted; index i stands for class i.
        train: Class of each training vector, shape (m,), integers from 0 to len(names) - 1.
        test: Class of each test vector, shape (n,).

    """

    names: list[str]
    train: Int[np.ndarray, " m"]
    test: Int[np.ndarray, " n"]

    @classmethod
    def of(cls, train_labels: Sequence[str], test_labels: Sequence[str], k: int = DEFAULT_K) -> "LabelSplit":
        """Encode the labels of two splits as class indices.

        Args:
            train_labels: Labels of the training vectors.
            test_labels: Labels of the test vectors.
            k: Neighbors that will vote: there must be at least as many training labels.

        Returns:
            The class indices of both splits.

        Raises:
            InfoMaxError: There are fewer than k training labels, or only one class, or no test labels; or a test label
                is missing from the training split.

        Examples:
            >>> LabelSplit.of(["cat", "dog", "cat"], ["dog"], k=3).test
            array([1])

        """
        names, train = np.unique(np.asarray(train_labels, dtype=str), return_inverse=True)
        if not 1 <= k <= len(train):
            raise InfoMaxError(f"{k} neighbors of {len(train)} labeled training images: let 1 to {len(train)} vote")
        if len(names) < 2:
            raise InfoMaxError(f"all training images are labeled '{names[0]}': give images of two labels or more")
        if not len(test_labels):
            raise InfoMaxError("no labeled test images: give some")
        if unknown := sorted({*test_labels} - {*names.tolist()}):
            count = sum(label in unknown for label in test_labels)
            raise InfoMaxError(
                f"{count} test images have labels that no training image has, '{unknown[0]}' first: "
                "give two sources of the same labels"
            )
        return cls(names.tolist(), train, np.searchsorted(names, np.asarray(test_labels, dtype=str)))

    @classmethod
    def of_features(cls, train: LabeledFeatures, test: LabeledFeatures, k: int = DEFAULT_K) -> "LabelSplit | None":
        """Encode the labels of two sets of features; images without a label take no part.

        Args:
            train: Features of the training split.
            test: Features of the test split.
            k: Neighbors that will vote.

        Returns:
            The class indices of both splits, or None when either split has no labels.

        Raises:
            InfoMaxError: The labels cannot be used together; see `of`.

        """
        if train.labels is None or test.labels is None:
            return None
        return cls.of(train.known_labels, test.known_labels, k)

    def on(self, rows: Bool[np.ndarray, " n"]) -> "LabelSplit":
        """Select some of the test vectors.

        Args:
            rows: Which test vectors to keep, shape (n,).

        Returns:
            The classes of all training vectors and of these test vectors.

        """
        return LabelSplit(self.names, self.train, self.test[rows])

    @property
    def chance(self) -> float:
        """Test accuracy, 0 to 1, of always predicting the most common training class."""
        return float((self.test == np.bincount(self.train).argmax()).mean())


def validate_labels(train: Sequence[str] | None, test: Sequence[str] | None, k: int | None) -> None:
    """Refuse two sources whose labels cannot be used together; a source without labels passes.

    Args:
        train: Labels of the training images, "" where one is missing; None without any.
        test: Labels of the test images.
        k: Number of neighbors that will vote; None for 20.

    Raises:
        InfoMaxError: See `LabelSplit.of`.

    """
    if train is not None and test is not None and any(train) and any(test):
        LabelSplit.of([each for each in train if each], [each for each in test if each], k or DEFAULT_K)
