"""Texts of a few topics, whose words are drawn at random."""

import numpy as np

from infomax.recipes import SpectralText

SMALL_TEXT = SpectralText(name="small-text", size=32, vocabulary=200, dim=6)
"""The closed form on texts at the size of a test."""


def topical(n: int, topics: int = 4, seed: int = 0, length: int = 24) -> tuple[list[str], list[str]]:
    """Texts and their topics: a word is one of 30 of the topic, or else one of 60 that all topics share."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, topics, n).tolist()
    texts = []
    for label in labels:
        own = [f"topic{label}word{word}" for word in random.integers(0, 30, length)]
        shared = [f"word{word}" for word in random.integers(0, 60, length)]
        texts.append(" ".join(np.where(random.random(length) < 0.5, own, shared)))
    return texts, [f"topic {label}" for label in labels]
