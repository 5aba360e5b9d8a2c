"""Information between views of the same inputs."""

from collections.abc import Sequence
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from infomax.information import bounds
from infomax.information.bounds import Bound
from infomax.information.critics import Critic
from infomax.information.pairs import Pairing, all_pairs, lower_bound
from infomax.representation.encoders import Representation
from infomax.representation.objectives.base import EncodedView, Objective, Value

_TERMS = {"code": "cross-view", "mean": "cross-view", "positions": "cross-view-positions"}


@final
class CrossViewInfo(Objective):
    """Information between the code of one view and the code or feature map of another view of the same input.

    For every ordered pair a != b of views, (z_i of view a, target of view b of x_i) is a positive pair. The negatives
    pair z_i of view a with the targets of the other inputs of the batch, from all target views. The value is the mean
    over pairs of views, and over positions. The two targets carry the global and the local bound of Su (2018), eq. 14,
    over to views (Bachman et al. 2019, AMDIM, arXiv 1906.00910). The term is `cross-view-positions` for target
    "positions", else `cross-view`.

    With InfoNCE, a shared Cosine critic and two views, target "code" is the objective of SimCLR (arXiv 2002.05709):
    n inputs with two views give 2 (n - 1) negatives for each positive.

    `of_views` raises ValueError for fewer than two views, and so does `forward`, which has a single view.

    Args:
        critic: Scores a code (x) with a target (y).
        bound: The bound on the information. InfoNCE with m negatives is at most ln(m + 1) nats.
        pairs: The choice of positive and negative pairs. By default all targets of the other inputs are negatives.
        target: `code` for the code of view b, `mean` for that code without its noise, or `positions` for the feature at
            each position of its feature map.
        n_targets: How many of the first views are targets. The views after them, such as small crops, only give
            codes. None makes every view a target.

    Raises:
        ValueError: If n_targets is below 1.

    """

    def __init__(
        self,
        critic: Critic,
        bound: Bound = bounds.infonce,
        pairs: Pairing = all_pairs,
        *,
        target: Literal["code", "mean", "positions"] = "code",
        n_targets: int | None = None,
    ) -> None:
        super().__init__()
        if n_targets is not None and n_targets < 1:
            raise ValueError(f"n_targets is {n_targets}: at least one view must be a target")
        self.critic, self.bound, self.pairs, self.target, self.n_targets = critic, bound, pairs, target, n_targets

    def forward(
        self, representation: Representation, code: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> Value:
        """Raise ValueError, because a single view has no other view."""
        return self.of_views([(representation, code)], generator)

    def of_views(self, views: Sequence[EncodedView], generator: torch.Generator | None = None) -> Value:
        """Return the mean over ordered pairs of different views, and over positions."""
        if len(views) < 2:
            raise ValueError("CrossViewInfo needs two or more views of each input, got 1: draw more")
        targets = [self._target(*view) for view in views[: self.n_targets]]
        codes = torch.stack([code for _, code in views]).unsqueeze(1)
        values = lower_bound(self.critic, codes, torch.cat(targets), self.pairs, self.bound, generator)
        own = torch.zeros_like(values, dtype=torch.bool)  # a view is not a target of its own code
        start = 0
        for view, target in enumerate(targets):
            own[view, start : start + len(target)] = True
            start += len(target)
        value = values.masked_fill(own, 0).sum() / (values.numel() - start)
        return Value(value, {_TERMS[self.target]: value})

    def _target(self, representation: Representation, code: Float[Tensor, "n d"]) -> Float[Tensor, "positions n c"]:
        if self.target == "positions":
            return representation.local.transpose(0, 1)
        return (code if self.target == "code" else representation.mean).unsqueeze(0)
