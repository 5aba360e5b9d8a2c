"""Effective rank: how many directions a set of vectors uses."""

import torch
from jaxtyping import Float
from torch import Tensor


def effective_rank(vectors: Float[Tensor, "n d"]) -> float:
    """Effective rank of vectors about their mean: the exponential of the entropy of their singular values.

    The singular values of the centered vectors are divided by their sum, which makes them a distribution. The mean is
    removed first, because a component that all vectors share distinguishes none of them.

    Args:
        vectors: Vectors, shape (n, d), floating point. The computation runs in their precision.

    Returns:
        A number from 1 to min(n, d), or 0 when all vectors are equal.

    Source:
        Roy & Vetterli (2007), "The effective rank: A measure of effective dimensionality", EUSIPCO.

    Examples:
        >>> import torch
        >>> round(effective_rank(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 3)
        2.0

    """
    singular_values = torch.linalg.svdvals(vectors - vectors.mean(0))
    total = singular_values.sum()
    return float(torch.special.entr(singular_values / total).sum().exp()) if total > 0 else 0.0
