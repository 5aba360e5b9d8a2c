"""Scores of several features of the same images: one split, one set of labels, one choice of classifiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Num, UInt8

from infomax.evaluation.classifiers import can_hold_out
from infomax.evaluation.labels import DEFAULT_K, LabeledFeatures, LabelSplit
from infomax.evaluation.scores import CLASSIFIERS, Classifier, FeatureScores, score_features
from infomax.evaluation.splits import Split
from infomax.kinds.images.raw_pixels import raw_pixels


@final
@dataclass(frozen=True)
class SplitScorer:
    """Scores features of the images of a split.

    Attributes:
        labels: Classes of all images of the split.
        clean: Which test images are not among the training images.
        k: Number of neighbors in the headline accuracy.
        classifiers: Classifiers that there are enough images for.
        seed: Seed of the classifiers.
        notes: What cannot be measured as asked for, in words.

    """

    labels: LabelSplit
    clean: Bool[np.ndarray, " n"]
    k: int
    classifiers: Sequence[Classifier]
    seed: int
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls, split: Split, train: LabeledFeatures, test: LabeledFeatures, *, k: int | None = None, seed: int = 0
    ) -> "SplitScorer | None":
        """Prepare the scores of a split.

        Args:
            split: The split.
            train: Features of the images to learn from, with their labels.
            test: Features of the images to test on, with their labels.
            k: Number of neighbors in the headline accuracy; None for 20, or fewer if a split by itself has fewer.
            seed: Seed of the classifiers.

        Returns:
            The scorer; None if labels cannot be used.

        Raises:
            InfoMaxError: The labels of two sources do not go together; see `LabelSplit.of`.

        """
        if split.problem or train.labels is None or test.labels is None:
            return None
        notes, classifiers, few = [], CLASSIFIERS, split.by_itself and len(train) < DEFAULT_K
        if k is None and few:
            notes.append(f"{len(train)} neighbors vote in place of {DEFAULT_K}, for there are no more training images")
        votes = k or (len(train) if few else DEFAULT_K)
        labels = LabelSplit.of(train.known_labels, test.known_labels, votes)
        if split.by_itself and not can_hold_out(labels.train):
            classifiers = ()
            notes.append("no classifier was trained, for no label has two training images: give more of each")
        clean = ~split.leaked if not split.leaked.all() else np.ones(len(split.leaked), np.bool_)
        return cls(labels, clean, votes, classifiers, seed, tuple(notes))

    def score(self, train: Num[np.ndarray, "m d"], test: Num[np.ndarray, "n d"]) -> FeatureScores:
        """Score features on all test images.

        Args:
            train: Features of the images to learn from, shape (m, d).
            test: Features of the images to test on, shape (n, d).

        Returns:
            The scores by all votes and classifiers.

        """
        return score_features(self.labels, train, test, k=self.k, classifiers=self.classifiers, seed=self.seed)

    def score_baseline(self, train: Num[np.ndarray, "m d"], test: Num[np.ndarray, "n d"]) -> FeatureScores:
        """Score a baseline by the majority of k neighbors by cosine and by the linear classifier.

        Args:
            train: Features of the images to learn from, shape (m, d).
            test: Features of the images to test on, shape (n, d).

        Returns:
            The scores on test images that are not among the training images.

        """
        linear = [each for each in self.classifiers if each == "linear"]
        few: dict[str, Any] = {"k": self.k, "ks": (self.k,), "metrics": ("cosine",), "classifiers": linear}
        return score_features(self.labels, train, test, **few, seed=self.seed).on(self.clean)

    def score_pixels(self, train: UInt8[np.ndarray, "m h w 3"], test: UInt8[np.ndarray, "n h w 3"]) -> FeatureScores:
        """Score raw pixels as a baseline, shifted so that gray is the origin.

        Args:
            train: Pixels of the images to learn from, shape (m, h, w, 3).
            test: Pixels of the images to test on, shape (n, h, w, 3).

        Returns:
            The scores on test images that are not among the training images.

        """
        return self.score_baseline(raw_pixels(train), raw_pixels(test))
