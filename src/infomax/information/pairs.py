"""Which pairs are joint and which are product of marginals. The choice of negatives is named, never masked in.

Row i of x and row i of y belong together: (x_i, y_i) are the positives. Every other pairing is a negative. Leading axes
are positions: y may have more of them than x, as a feature map (positions, n, c) has against codes (n, d).
"""

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from infomax.information.bounds import BOUNDS, Bound
from infomax.information.critics import Critic

MOST_SCORES_HELD = 2**22  # negatives scored at once by lower_bound; 16 MiB in float32


# A choice of pairs: (critic, x, y, generator) -> scores of the positives, and of m negatives for each.
Pairing = Callable[[Critic, Tensor, Tensor, torch.Generator | None], tuple[Tensor, Tensor]]


def random_derangement(
    n: int, generator: torch.Generator | None = None, device: torch.device | None = None
) -> Int[Tensor, " n"]:
    """A random permutation of n that leaves nothing in its place, so that nothing is its own negative.

    It is drawn uniformly from the single cycles of length n (each element is followed by its successor in a random
    order), so that every element meets every other one equally often. Raises ValueError for n < 2: none exists.
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
    """Scores of (x_i, y_i) and, one negative each, of (x_i, y_pi(i)) with pi a random derangement shared by the batch.

    Both halves are embedded once; the negatives reuse the embedded y in another order.
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
    """Scores of (x_i, y_i) and, m = (n - 1) * positions negatives each, of (x_i, y_j) for all other j at all positions.

    The negatives of an x without positions are one block, shared by all positions of y without being copied.
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
    """The bound over the chosen pairs: any bound with any pairs, one value for each position, in nats.

    All pairs are scored a few rows at a time and once more in the backward pass, so that memory grows with n, not with
    the number of pairs; value and gradient are those of `bound(*all_pairs(critic, x, y))`. Scores in half precision
    are reduced in float32.
    """
    if pairs is not all_pairs:
        return bound(*(_precise(scores) for scores in pairs(critic, x, y, generator)))
    _require_two(x.shape[-2])
    u, v = critic.embed_x(x), critic.embed_y(y)
    blocks = list(_blocks(u, v))
    if len(blocks) == 1:
        rows = [_reduced(critic, bound, u, v, *blocks[0])]
    else:  # keep one number a row; score again when the gradient asks
        rows = [
            checkpoint(_reduced, critic, bound, u, v, *block, use_reentrant=False, preserve_rng_state=False)
            for block in blocks
        ]
    return bound.combine(_precise(critic.score(u, v)), torch.cat(rows, -1), (v.shape[-2] - 1) * v[..., 0, 0].numel())


def _blocks(u: Tensor, v: Tensor) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose negatives, over all positions, are at most MOST_SCORES_HELD; one row at the least."""
    n = u.shape[-2]
    step = max(1, MOST_SCORES_HELD // (u[..., 0, 0].numel() * v[..., 0].numel()))
    return ((start, min(start + step, n)) for start in range(0, n, step))


def _reduced(critic: Critic, bound: Bound, u: Tensor, v: Tensor, start: int, stop: int) -> Tensor:
    """The negatives of rows start to stop, one number a row."""
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
    """Row by row the scores of n columns, without the one of each row's own: the first is `start`, then every n + 1.

    Made of slices: a mask would have a GPU wait for the count of what it leaves, and add up the gradients in order.
    """
    last = start + (scores.shape[-2] // n - 1) * (n + 1)
    between = scores[..., start + 1 : last + 1, :]
    between = between.reshape(*scores.shape[:-2], -1, n + 1, scores.shape[-1])[..., :n, :].flatten(-3, -2)
    return torch.cat([scores[..., :start, :], between, scores[..., last + 1 :, :]], -2)


def _precise(scores: Tensor) -> Tensor:
    """Scores in at least float32: a sum of thousands is not rounded to the three digits of bfloat16."""
    return scores.to(torch.promote_types(scores.dtype, torch.float32))


def _require_two(n: int) -> None:
    if n < 2:
        raise ValueError(f"a negative pair takes two elements, got {n}: use a batch of 2 or more")


PAIRINGS: dict[str, Pairing] = {"derangement": derangement, "all-pairs": all_pairs}
