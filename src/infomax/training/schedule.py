"""Schedule: how long, in which batches, how fast and by which optimizer to learn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.training.optimizers import OPTIMIZERS, Optimizer, Rates

DECAYS = ("constant", "linear", "cosine")


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn. The defaults are the article's: Adam at a constant rate.

    epochs: passes over the images.
    batch: images of a step. parts: in how many parts they are learned from, one after the other, to save memory. The
        gradients of the parts are averaged, and the negatives of an image come from its own part.
    learning_rate: of the optimizer, and of LARS and Muon that of the matrices; adamw_learning_rate: of Muon that of the rest.
    epsilon: of Adam and AdamW. weight_decay: of matrices alone; Adam has none.
    optimizer: by name.
    warmup: share of all steps in which the rate rises from nothing. decay: how it falls to nothing after that.
    whole: whether a last batch that is not full is left out.
    """

    epochs: int
    batch: int
    learning_rate: float
    epsilon: float
    optimizer: str = "adam"
    adamw_learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: float = 0.0
    decay: str = "constant"
    micro_batches: int = 1
    whole: bool = False

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InfoMaxError(f"epochs is {self.epochs}: train for 1 or more")
        if self.batch < 2:
            raise InfoMaxError(f"batch is {self.batch}: use 2 or more, for the negatives are other images of the batch")
        if self.micro_batches < 1 or self.batch % self.micro_batches or self.batch < 2 * self.micro_batches:
            raise InfoMaxError(
                f"a batch of {self.batch} in {self.micro_batches} parts: make parts equal, of 2 images or more"
            )
        for name in ("learning_rate", "adamw_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise InfoMaxError(f"{name} is {getattr(self, name)}: use a positive number, 0.001 say")
        if not 0 <= self.epsilon < math.inf:
            raise InfoMaxError(f"epsilon is {self.epsilon}: use 0 or a small positive number, 1e-7 say")
        if not 0 <= self.weight_decay < math.inf:
            raise InfoMaxError(f"weight_decay is {self.weight_decay}: use 0 or a small positive number, 0.05 say")
        if not 0 <= self.warmup <= 1:
            raise InfoMaxError(f"warmup is {self.warmup}: give a share of the training, 0 to 1")
        for name, known in {"optimizer": tuple(OPTIMIZERS), "decay": DECAYS}.items():
            if getattr(self, name) not in known:
                raise InfoMaxError(f"unknown {name} '{getattr(self, name)}': choose one of {', '.join(known)}")
        if self.optimizer == "adam" and self.weight_decay:
            raise InfoMaxError(f"weight_decay is {self.weight_decay}, and adam has none: use optimizer=adamw")

    def create_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """A new optimizer of these parameters."""
        rates = Rates(self.learning_rate, self.adamw_learning_rate, self.weight_decay, self.epsilon)
        return OPTIMIZERS[self.optimizer](parameters, rates)

    def validate(self, n: int, ranks: int = 1) -> None:
        """Raise InfoMaxError where n images, learned from by so many processes, make no step."""
        if self.batch % (ranks * self.micro_batches):
            in_parts = "" if self.micro_batches == 1 else f" in {self.micro_batches} parts"
            raise InfoMaxError(
                f"a batch of {self.batch} images{in_parts} cannot be shared equally among {ranks} processes: "
                f"use a multiple of {ranks * self.micro_batches}"
            )
        if n < self.batch and self.whole:
            raise InfoMaxError(f"batch is {self.batch}, and there are {n} images: use --set batch={n} or less")

    def batches(self, n: int, seed: int, epoch: int, ranks: int = 1) -> list[Int[Tensor, " batch"]]:
        """The batches of one epoch of n images; a last one that is not full is trimmed to be shared equally."""
        *full, last = batches(n, self.batch, seed, epoch)
        multiple = self.batch if self.whole else ranks * self.micro_batches
        last = last[: len(last) // multiple * multiple]
        return [*full, last] if len(last) >= 2 * self.micro_batches else full

    def steps(self, n: int, ranks: int = 1) -> int:
        """All steps of a training on n images."""
        return self.epochs * len(self.batches(n, 0, 0, ranks))

    def lr_factor(self, step: int, steps: int) -> float:
        """What the rates are multiplied by in one of so many steps, counted from 0."""
        rising = self.warmup * steps
        if step < rising:
            return min(1.0, (step + 1) / rising)
        if self.decay == "constant":
            return 1.0
        done = (step - rising) / (steps - rising)
        return 1 - done if self.decay == "linear" else (1 + math.cos(math.pi * done)) / 2


def batches(n: int, size: int, seed: int, epoch: int) -> list[Int[Tensor, " batch"]]:
    """The batches of one epoch, a function of seed and epoch alone; a last one of a single image is left out."""
    order = torch.randperm(n, generator=numbered_generator(seed, epoch))
    return [order[start : start + size] for start in range(0, n - 1, size)]


def numbered_generator(seed: int, number: int, device: torch.device | None = None) -> torch.Generator:
    """Random numbers that follow from a seed and the number of an epoch or batch alone."""
    return torch.Generator(device or torch.device("cpu")).manual_seed((seed * 1_000_003 + number) % 2**63)
