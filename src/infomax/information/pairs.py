"""Which pairs are joint and which are product of marginals. The choice of negatives is named, never masked in.

Row i of x and row i of y belong together: (x_i, y_i) are the positives. Every other pairing is a negative.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from infomax.information.critics import Critic


def random_derangement(
    n: int, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Int[Tensor, " n"]:
    """A random permutation of n that leaves nothing in its place, so that nothing is its own negative.

    It is drawn uniformly from the single cycles of length n (each element is followed by its successor in a random
    order), so that every element meets every other one equally often. Raises ValueError for n < 2: none exists.
    """
    if n < 2:
        raise ValueError(f"a negative pair takes two elements, got {n}: use a batch of 2 or more")
    order = torch.randperm(n, generator=generator, device=device)
    successor = torch.empty_like(order)
    successor[order] = order.roll(-1)
    return successor


def derangement(
    critic: Critic,
    x: Float[Tensor, "*#batch n dx"],
    y: Float[Tensor, "*#batch n dy"],
    generator: torch.Generator | None = None,
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n 1"]]:
    """Scores of (x_i, y_i) and, one negative each, of (x_i, y_pi(i)) with pi a random derangement shared by the batch.

    Both halves are embedded once; the negatives reuse the embedded y in another order.
    """
    u, v = critic.embed_x(x), critic.embed_y(y)
    other = random_derangement(x.shape[-2], generator, x.device)
    return critic.score(u, v), critic.score(u, v.index_select(-2, other)).unsqueeze(-1)
