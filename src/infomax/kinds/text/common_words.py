"""TF-IDF of the most common words: the baseline of texts."""

import numpy as np
from jaxtyping import Float32, Int32

from infomax.kinds.text.vocabulary import choose_vocabulary, count_words


def common_words(
    train: Int32[np.ndarray, "m _"], test: Int32[np.ndarray, "n _"], dim: int
) -> tuple[Float32[np.ndarray, "m d"], Float32[np.ndarray, "n d"]]:
    """Weight the most common words of the training texts: (1 + log count) * (1 + log((1 + m) / (1 + texts))).

    Args:
        train: Hashes of the words of the training texts, which words and weights come from.
        test: Those of the test texts.
        dim: How many words.

    Returns:
        The features of both, each text with unit length, or all zeros where it has none of the words.

    """
    vocabulary = choose_vocabulary(train, dim, least=1)
    counts = [count_words(each, vocabulary).toarray() for each in (train, test)]
    idf = 1 + np.log((1 + len(train)) / (1 + (counts[0] > 0).sum(0)))
    weighted = [np.where(each > 0, 1 + np.log(np.maximum(each, 1)), 0) * idf for each in counts]
    first, second = (each / np.maximum(np.linalg.norm(each, axis=1, keepdims=True), 1e-12) for each in weighted)
    return first.astype(np.float32), second.astype(np.float32)
