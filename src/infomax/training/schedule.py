"""Schedule of a training by gradients: how long, in which batches, how fast, by which optimizer."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Int
from torch import Tensor, nn

from infomax.constraints import FRACTION, AtLeast, OneOf, not_negative, positive, validate_fields
from infomax.errors import InfoMaxError
from infomax.training.context import numbered_generator
from infomax.training.optimizers import OPTIMIZERS, Optimizer, Rates

DECAYS = ("constant", "linear", "cosine")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train. The defaults are those of Su (2018): Adam at a constant rate.

    Attributes:
        epochs: Passes over the images.
        batch: Images of a step.
        learning_rate: Of the optimizer; for LARS and Muon, of the matrices.
        epsilon: Of Adam and AdamW.
        optimizer: Its name.
        adamw_learning_rate: Of the vectors, which Muon leaves to AdamW.
        weight_decay: Of the matrices; Adam has none.
        warmup: Fraction of all steps in which the rate rises from 0.
        decay: How the rate falls to 0 after that, by name.
        micro_batches: Gradient accumulation: the batch is learned from in so many equal parts, to save memory. Their
            gradients are averaged; the negatives of an image come from its own part.
        drop_last: Whether a last batch that is not full is left out.

    """

    epochs: Annotated[int, AtLeast(1)]
    batch: Annotated[int, AtLeast(2, "the negatives are other images of the batch")]
    learning_rate: Annotated[float, positive(0.001)]
    epsilon: Annotated[float, not_negative(1e-7)]
    optimizer: Annotated[str, OneOf(tuple(OPTIMIZERS))] = "adam"
    adamw_learning_rate: Annotated[float, positive(0.001)] = 1e-3
    weight_decay: Annotated[float, not_negative(0.05)] = 0.0
    warmup: Annotated[float, FRACTION] = 0.0
    decay: Annotated[str, OneOf(DECAYS)] = "constant"
    micro_batches: Annotated[int, AtLeast(1)] = 1
    drop_last: bool = False

    def __post_init__(self) -> None:
        validate_fields(self)
        if self.batch % self.micro_batches or self.batch < 2 * self.micro_batches:
            raise InfoMaxError(
                f"a batch of {self.batch} in {self.micro_batches} micro_batches: make them equal, of 2 images or more"
            )
        if self.optimizer == "adam" and self.weight_decay:
            raise InfoMaxError(f"weight_decay is {self.weight_decay}, and adam has none: use optimizer=adamw")

    def create_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Make a new optimizer.

        Args:
            parameters: All that is trained.

        Returns:
            The optimizer, at full rate.

        """
        rates = Rates(self.learning_rate, self.adamw_learning_rate, self.weight_decay, self.epsilon)
        return OPTIMIZERS[self.optimizer](parameters, rates)

    def validate(self, n: int, world_size: int = 1) -> None:
        """Refuse a collection or a number of processes that no step can be made of.

        Args:
            n: How many images there are.
            world_size: How many processes train together.

        Raises:
            InfoMaxError: A batch cannot be shared equally, or there is no full batch.

        """
        multiple = world_size * self.micro_batches
        if self.batch % multiple:
            in_parts = "" if self.micro_batches == 1 else f" in {self.micro_batches} micro_batches"
            raise InfoMaxError(
                f"a batch of {self.batch} images{in_parts} cannot be shared equally among {world_size} processes: "
                f"use a multiple of {multiple}"
            )
        if n < self.batch and self.drop_last:
            raise InfoMaxError(f"batch is {self.batch}, and there are {n} images: use --set batch={n} or less")

    def batches(self, n: int, seed: int, epoch: int, world_size: int = 1) -> list[Int[Tensor, " batch"]]:
        """Draw the batches of one epoch.

        Args:
            n: How many images there are.
            seed: Seed of the training.
            epoch: Number of the epoch, from 0 on.
            world_size: How many processes share each batch.

        Returns:
            The row numbers of each batch. A last batch that is not full is left out, or trimmed so that it can be
            shared equally.

        """
        *full, last = batches(n, self.batch, seed, epoch)
        multiple = self.batch if self.drop_last else world_size * self.micro_batches
        last = last[: len(last) // multiple * multiple]
        return [*full, last] if len(last) >= 2 * self.micro_batches else full

    def steps(self, n: int, world_size: int = 1) -> int:
        """Count the steps of a training.

        Args:
            n: How many images there are.
            world_size: How many processes share each batch.

        Returns:
            The steps of all epochs.

        """
        return self.epochs * len(self.batches(n, 0, 0, world_size))

    def lr_factor(self, step: int, steps: int) -> float:
        """Give the factor on all learning rates.

        Args:
            step: Number of the step, from 0 on.
            steps: Steps of the whole training.

        Returns:
            The factor, 0 to 1.

        """
        rising = self.warmup * steps
        if step < rising:
            return min(1.0, (step + 1) / rising)
        if self.decay == "constant":
            return 1.0
        done = (step - rising) / (steps - rising)
        return 1 - done if self.decay == "linear" else (1 + math.cos(math.pi * done)) / 2


def batches(n: int, size: int, seed: int, epoch: int) -> list[Int[Tensor, " batch"]]:
    """Split a random order of the images, which depends on seed and epoch alone, into batches.

    Args:
        n: How many images there are.
        size: Images of a batch.
        seed: Seed of the training.
        epoch: Number of the epoch.

    Returns:
        The row numbers of each batch; a last batch of a single image is left out.

    """
    order = torch.randperm(n, generator=numbered_generator(seed, epoch))
    return [order[start : start + size] for start in range(0, n - 1, size)]
