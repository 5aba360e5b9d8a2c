"""Distributed: processes that learn together, as torchrun starts them, each from its share of every batch.

Every rank represents its share, all gather the representations of the whole batch, and each computes the whole
objective on it: every pair over all ranks takes part, whatever the objective. Gradients go back through the gathering,
and their mean over ranks is the gradient that one process has on the whole batch. One process alone is one rank.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast, final

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.representation.encoders import Representation

PATIENCE = 45.0  # seconds after which a rank that does not answer counts as gone

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Distributed:
    """One process, `rank` of `count` that learn together."""

    rank: int = 0
    count: int = 1

    @classmethod
    def of_environment(cls) -> "Distributed":
        """As torchrun says it: RANK and WORLD_SIZE; without them one process alone."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    @property
    def first(self) -> bool:
        """Whether this is the one that writes and speaks."""
        return self.rank == 0

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Connect with the others, on a GPU each with its own, as long as the context lasts.

        Raises InfoMaxError, here and in the context, where one of them does not come or goes.
        """
        if self.count == 1:
            yield
            return
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        with _answered():
            backend = "nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=timedelta(seconds=PATIENCE))
        try:
            yield
        finally:
            dist.destroy_process_group()

    def share(self, batch: Int[Tensor, " batch"], parts: int = 1) -> Int[Tensor, " share"]:
        """The share that this rank has in each of some equal parts of a batch."""
        if self.count == 1:
            return batch
        return batch.view(parts, self.count, -1)[:, self.rank].flatten()

    def gathered(self, seen: Representation) -> Representation:
        """The representation of the whole batch, rank after rank, with gradients."""
        if self.count == 1:
            return seen
        log_var = None if seen.log_var is None else _gathered(seen.log_var)
        return Representation(_gathered(seen.local), _gathered(seen.mean), log_var, seen.grid, seen.further_grids)

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Give every rank the mean of all ranks' gradients."""
        if self.count == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        mean = _sum(torch.cat([gradient.flatten() for gradient in gradients])) / self.count
        for gradient, part in zip(gradients, torch.split(mean, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, said: bool, device: torch.device) -> bool:
        """Whether any rank says so; all hear the same."""
        if self.count == 1:
            return said
        return bool(_sum(torch.tensor(float(said), device=device)))

    def from_first(self, what: T) -> T:
        """What the first rank has."""
        if self.count == 1:
            return what
        box: list[Any] = [what]
        with _answered():
            dist.broadcast_object_list(box)
        return cast(T, box[0])

    def share_norms(self, module: nn.Module) -> None:
        """Make the batch norms of feature maps count all ranks' shares as one batch."""
        if self.count == 1:
            return
        for parent in list(module.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.BatchNorm2d:
                    setattr(parent, name, SharedBatchNorm(child))


@final
class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the equal shares of all ranks; weights and running statistics are those of the one given.

    torch's own SyncBatchNorm does the same, on GPUs alone.
    """

    def __init__(self, alone: nn.BatchNorm2d) -> None:
        super().__init__(alone.num_features, alone.eps, alone.momentum)
        self._parameters, self._buffers = alone._parameters, alone._buffers
        self.train(alone.training)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """As one process does with the whole batch."""
        if not self.training:
            return super().forward(x)
        ranks, axes = dist.get_world_size(), (0, 2, 3)
        precise = x.to(self.weight.dtype)
        mean = _summed(precise.mean(axes)) / ranks
        centered = precise - mean[:, None, None]
        variance = _summed(centered.square().mean(axes)) / ranks
        self._remember(mean.detach(), variance.detach(), ranks * x.numel() // x.shape[1])
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centered * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    def _remember(self, mean: Float[Tensor, " c"], variance: Float[Tensor, " c"], count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * count / (count - 1), self.momentum)


class _Gather(torch.autograd.Function):
    """The rows of all ranks, rank after rank. Backward: what all ranks ask of this one's rows, added up."""

    @staticmethod
    def forward(_: Any, rows: Tensor) -> Tensor:
        every = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        with _answered():
            dist.all_gather(every, rows)
        return torch.cat(every)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return _sum(gradient).chunk(dist.get_world_size())[dist.get_rank()]


class _Sum(torch.autograd.Function):
    """The sum over ranks. Backward: what all ranks ask of it, added up."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return _sum(values)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return _sum(gradient)


def _gathered(rows: Tensor) -> Tensor:
    return cast(Tensor, _Gather.apply(rows.contiguous()))  # type: ignore[no-untyped-call]


def _summed(values: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(values))  # type: ignore[no-untyped-call]


def _sum(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    with _answered():
        dist.all_reduce(total)
    return total


@contextmanager
def _answered() -> Iterator[None]:
    """What the libraries under torch raise when a rank has died, or says nothing for too long, in plain words."""
    try:
        yield
    except RuntimeError as error:
        raise InfoMaxError(
            f"another process of this training is gone, or has not answered for {PATIENCE:.0f} seconds: "
            "look at what it said; the same command with --resume goes on from the last checkpoint"
        ) from error
