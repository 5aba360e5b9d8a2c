"""Pairings: which pairs are scored as samples of the joint distribution, and which as samples of the product.

Row i of x and row i of y belong together: the pairs (x_i, y_i) are the positives. Any pair (x_i, y_j) with another j is
a negative. A pairing chooses negatives by index; it never masks scores. Leading axes are positions. y may have more of
them than x: a feature map has shape (positions, n, c), codes have shape (n, d).
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from infomax.information.bounds import BOUNDS, Bound
from infomax.information.critics import Critic

MOST_SCORES_HELD = 2**22  # most negatives that lower_bound scores at once; 16 MiB in float32

# (critic, x, y, generator) -> scores of the positives (..., n), and scores of m negatives for each (..., n, m).
Pairing = Callable[[Critic, Tensor, Tensor, torch.Generator | None], tuple[Tensor, Tensor]]


def random_derangement(
    n: int, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Int[Tensor, " n"]:
    """Draw a random permutation without fixed points, so that no element is its own negative.

    The permutation is drawn uniformly from the cycles of length n: each element is followed by its successor in a
    random order. So every element meets every other one equally often.

    Args:
        n: Number of elements.
        generator: Source of random numbers.
        device: Device of the result.

    Returns:
        The permutation.

    Raises:
        ValueError: n < 2, for which no such permutation exists.

    """
    _require_two(n)
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
    """Score (x_i, y_i) and one negative for each, (x_i, y_pi(i)), with one random derangement pi for the batch.

    Both halves are embedded once; the negatives reuse the embedded y in another order.

    Args:
        critic: The critic.
        x: First halves of pairs.
        y: Second halves of pairs.
        generator: Source of random numbers.

    Returns:
        Scores of the positives, shape (..., n), and of the negatives, shape (..., n, 1).

    Raises:
        ValueError: n < 2.

    """
    u, v = critic.embed_x(x), critic.embed_y(y)
    other = random_derangement(x.shape[-2], generator, x.device)
    return critic.score(u, v), critic.score(u, v.index_select(-2, other)).unsqueeze(-1)


def all_pairs(
    critic: Critic,
    x: Float[Tensor, "*#batch n dx"],
    y: Float[Tensor, "*#batch n dy"],
    generator: torch.Generator | None = None,  # noqa: ARG001
) -> tuple[Float[Tensor, "*batch n"], Float[Tensor, "*batch n m"]]:
    """Score (x_i, y_i) and all m = (n - 1) * positions negatives of each: (x_i, y_j) for all other j at all positions.

    If x has no positions, all positions of y share one block of negatives, without copies.

    Args:
        critic: The critic.
        x: First halves of pairs.
        y: Second halves of pairs.
        generator: Not used: this pairing is not random.

    Returns:
        Scores of the positives, shape (..., n), and of the negatives, shape (..., n, m).

    Raises:
        ValueError: n < 2.

    Examples:
        >>> from infomax.information.critics import Bilinear
        >>> x, y = torch.randn(5, 3), torch.randn(5, 2)
        >>> positives, negatives = all_pairs(Bilinear(3, 2), x, y)
        >>> positives.shape, negatives.shape
        (torch.Size([5]), torch.Size([5, 4]))

    """
    _require_two(x.shape[-2])
    u, v = critic.embed_x(x), critic.embed_y(y)
    positives = critic.score(u, v)
    negatives = _others(critic, u, v, 0, u.shape[-2])
    return positives, negatives.expand(*positives.shape, negatives.shape[-1])


def lower_bound(
    critic: Critic,
    x: Float[Tensor, "*#batch n dx"],
    y: Float[Tensor, "*#batch n dy"],
    pairs: Pairing = derangement,
    bound: Bound = BOUNDS["f-divergence"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "*batch"]:
    """Evaluate any bound over any pairing.

    With `all_pairs`, the pairs are scored a few rows at a time, and once more in the backward pass. So memory grows
    with n, not with the number of pairs. Value and gradient equal those of `bound(*all_pairs(critic, x, y))`. Scores in
    half precision are reduced in float32.

    Args:
        critic: The critic.
        x: First halves of pairs.
        y: Second halves of pairs.
        pairs: The pairing that chooses the negatives.
        bound: The bound.
        generator: Source of random numbers of the pairing.

    Returns:
        The bound in nats, one value for each position.

    Raises:
        ValueError: n < 2.

    """
    if pairs is not all_pairs:
        return bound(*(_precise(scores) for scores in pairs(critic, x, y, generator)))
    _require_two(x.shape[-2])
    u, v = critic.embed_x(x), critic.embed_y(y)
    blocks = list(_blocks(u, v))
    if len(blocks) == 1:
        rows = [_reduced(critic, bound, u, v, *blocks[0])]
    else:  # keep one number for each row; score again in the backward pass
        rows = [
            checkpoint(_reduced, critic, bound, u, v, *block, use_reentrant=False, preserve_rng_state=False)
            for block in blocks
        ]
    return bound.combine(_precise(critic.score(u, v)), torch.cat(rows, -1), (v.shape[-2] - 1) * v[..., 0, 0].numel())


def _blocks(u: Tensor, v: Tensor) -> Iterator[tuple[int, int]]:
    """Ranges of rows with at most MOST_SCORES_HELD negatives over all positions, but at least one row."""
    n = u.shape[-2]
    step = max(1, MOST_SCORES_HELD // (u[..., 0, 0].numel() * v[..., 0].numel()))
    return ((start, min(start + step, n)) for start in range(0, n, step))


def _reduced(critic: Critic, bound: Bound, u: Tensor, v: Tensor, start: int, stop: int) -> Tensor:
    """The negatives of rows start to stop, reduced to one number for each row."""
    return bound.reduce(_precise(_others(critic, u, v, start, stop)))


def _others(
    critic: Critic, u: Float[Tensor, "*x n hx"], v: Float[Tensor, "*y n hy"], start: int, stop: int
) -> Float[Tensor, "*x r m"]:
    """Scores of rows start to stop of u with every v of another row, at every position of v."""
    n = v.shape[-2]
    columns = v.movedim(-2, 0).flatten(0, -2)  # all positions of row 0, then all of row 1, ...
    scores = critic.score_all(u[..., start:stop, :], columns)
    scores = scores.reshape(*scores.shape[:-2], (stop - start) * n, -1)
    return _without_own(scores, start, n).reshape(*scores.shape[:-2], stop - start, -1)


def _without_own(scores: Float[Tensor, "*x pairs positions"], start: int, n: int) -> Float[Tensor, "*x rest positions"]:
    """The scores of n columns row by row, without the positive of each row: index `start`, then every n + 1.

    Slices do this faster than a mask: with a mask a GPU must wait for the count of selected elements, and it adds up
    the gradients one after the other.
    """
    last = start + (scores.shape[-2] // n - 1) * (n + 1)
    between = scores[..., start + 1 : last + 1, :]
    between = between.reshape(*scores.shape[:-2], -1, n + 1, scores.shape[-1])[..., :n, :].flatten(-3, -2)
    return torch.cat([scores[..., :start, :], between, scores[..., last + 1 :, :]], -2)


def _precise(scores: Tensor) -> Tensor:
    """Scores in at least float32, so that a sum of thousands is not rounded to the three digits of bfloat16."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _require_two(n: int) -> None:
    if n < 2:
        raise ValueError(f"a negative pair takes two elements, got {n}: use a batch of 2 or more")


# All pairings by the name on the command line.
PAIRINGS: dict[str, Pairing] = {"derangement": derangement, "all-pairs": all_pairs}
