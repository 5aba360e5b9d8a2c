"""Training by several processes, as torchrun starts them, each on its share of every batch.

Every rank encodes its share. All ranks gather the representations of the whole batch, and each computes the whole
objective on it, so that every pair over all ranks takes part, whatever the objective. Gradients flow back through the
gathering. Their mean over ranks is the gradient that one process has on the whole batch. A single process is one rank.
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

ANSWER_SECONDS = 45.0  # seconds after which a rank that does not answer counts as gone

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Distributed:
    """One of several processes that train together.

    Attributes:
        rank: Number of this process, from 0 on.
        world_size: How many processes there are.

    """

    rank: int = 0
    world_size: int = 1

    @classmethod
    def of_environment(cls) -> "Distributed":
        """Read RANK and WORLD_SIZE as torchrun sets them; without them there is one process."""
        return cls(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and prints."""
        return self.rank == 0

    @contextmanager
    def joined(self, device: torch.device) -> Iterator[None]:
        """Connect with the other processes while the context lasts; on GPUs each process uses its own.

        Args:
            device: Where this process computes.

        Yields:
            Nothing.

        Raises:
            InfoMaxError: A process does not come, or one is lost while the context lasts.

        """
        if self.world_size == 1:
            yield
            return
        if device.type == "cuda":
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        with _answered():
            backend = "nccl" if device.type == "cuda" else "gloo"
            dist.init_process_group(backend, timeout=timedelta(seconds=ANSWER_SECONDS))
        try:
            yield
        finally:
            dist.destroy_process_group()

    def share(self, batch: Int[Tensor, " batch"], micro_batches: int = 1) -> Int[Tensor, " share"]:
        """Select the rows of a batch that this rank encodes, for each gradient-accumulation chunk.

        Args:
            batch: Row numbers (batch,); their number is a multiple of world_size * micro_batches.
            micro_batches: Into how many equal parts the batch is split.

        Returns:
            The rows of this rank, part after part.

        """
        if self.world_size == 1:
            return batch
        return batch.view(micro_batches, self.world_size, -1)[:, self.rank].flatten()

    def gather(self, seen: Representation) -> Representation:
        """Collect the representation of the whole batch, rank after rank, with gradients.

        Args:
            seen: The representation of this rank's share.

        Returns:
            The representation of the whole batch.

        """
        if self.world_size == 1:
            return seen
        log_var = None if seen.log_var is None else _gathered(seen.log_var)
        return Representation(_gathered(seen.local), _gathered(seen.mean), log_var, seen.grid, seen.further_grids)

    def average(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace the gradients by their means over all ranks.

        Args:
            parameters: The parameters, in the same order on every rank.

        """
        if self.world_size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        mean = _sum(torch.cat([gradient.flatten() for gradient in gradients])) / self.world_size
        for gradient, part in zip(gradients, torch.split(mean, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, said: bool, device: torch.device) -> bool:
        """Ask whether a condition holds on any rank.

        Args:
            said: Whether it holds on this rank.
            device: Where this rank computes.

        Returns:
            The same answer on every rank.

        """
        if self.world_size == 1:
            return said
        return bool(_sum(torch.tensor(float(said), device=device)))

    def broadcast(self, what: T) -> T:
        """Send an object from the first rank to all.

        Args:
            what: The object; only that of the first rank counts.

        Returns:
            The object of the first rank.

        """
        if self.world_size == 1:
            return what
        box: list[Any] = [what]
        with _answered():
            dist.broadcast_object_list(box)
        return cast(T, box[0])

    def share_norms(self, module: nn.Module) -> None:
        """Make batch norms of feature maps count the shares of all ranks as one batch.

        Args:
            module: The encoder; its BatchNorm2d layers are replaced in place.

        """
        if self.world_size == 1:
            return
        for parent in list(module.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.BatchNorm2d:
                    setattr(parent, name, SharedBatchNorm(child))


@final
class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the equal shares of all ranks. torch's own SyncBatchNorm does the same, on GPUs alone.

    Args:
        alone: The layer to replace; its weights and running statistics are shared with the new one.

    """

    def __init__(self, alone: nn.BatchNorm2d) -> None:
        super().__init__(alone.num_features, alone.eps, alone.momentum)
        self.weight, self.bias = alone.weight, alone.bias
        for name, buffer in alone.named_buffers():
            setattr(self, name, buffer)
        self.train(alone.training)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Normalize by the mean and variance of the whole batch."""
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
    """Concatenate the rows of all ranks; backward sums the gradients that all ranks have for this rank's rows."""

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
    """Sum over ranks; backward sums the gradients of all ranks."""

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
    """Translate the errors that torch raises when a rank has died or does not answer."""
    try:
        yield
    except RuntimeError as error:
        raise InfoMaxError(
            f"another process of this training is gone, or has not answered for {ANSWER_SECONDS:.0f} seconds: "
            "look at what it said; the same command with --resume goes on from the last checkpoint"
        ) from error
