"""Information between the code of an input and a code of the same input that another model gave it."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information import bounds
from infomax.information.bounds import Bound
from infomax.information.critics import Critic
from infomax.information.pairs import Pairing, all_pairs, lower_bound
from infomax.representation.encoders import Representation
from infomax.representation.objectives.base import Objective, Value


@final
class TaughtBy(Objective):
    """Information between the code of an input, or of a view of it, and the fixed code that a teacher gives the input.

    I(Z(view of X); T(X)): (z_i, t_i) is a positive pair, and (z_i, t_j) with another j of the batch is a negative. The
    partner is fixed, so nothing can collapse, and imitation is quick: the student of words in a bag (Gidaris et al.
    2020, BoWNet, arXiv 2002.12247) with InfoNCE in place of the cross-entropy. Several views of an input are averaged.
    The term is `taught`.

    `forward` raises ValueError where the representation does not say which inputs of the collection it has (`rows`).

    Args:
        teacher: The teacher's code of each input of the collection. It is no part of the state of the objective.
        critic: Scores a code (x) with a code of the teacher (y).
        bound: The bound on the information. InfoNCE with m negatives is at most ln(m + 1) nats.
        pairs: The choice of positive and negative pairs.

    """

    teacher: Tensor

    def __init__(
        self,
        teacher: Float[Tensor, "inputs t"],
        critic: Critic,
        bound: Bound = bounds.infonce,
        pairs: Pairing = all_pairs,
    ) -> None:
        super().__init__()
        self.register_buffer("teacher", teacher, persistent=False)
        self.critic, self.bound, self.pairs = critic, bound, pairs

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Return the bound over the chosen pairs of the batch."""
        if representation.rows is None:
            raise ValueError("TaughtBy needs the rows of the inputs in the collection: set representation.rows")
        partner = self.teacher[representation.rows].to(code.dtype)
        value = lower_bound(self.critic, code, partner, self.pairs, self.bound, generator)
        return Value(value, {"taught": value})
