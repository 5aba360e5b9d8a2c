"""What every training is given beside its encoder, objective and images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from infomax.devices import bfloat16_is_fast
from infomax.errors import InfoMaxError
from infomax.training.distributed import Distributed
from infomax.training.logging import TensorBoardLogger
from infomax.training.run_folder import Run

CHECKPOINT_SECONDS = 60.0  # between two checkpoints, at least


@dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """Where a training computes, what it logs to, and what it saves; made once and passed whole.

    Attributes:
        seed: Seed of all that is random.
        device: Where to compute.
        bfloat16: Whether matrix products are rounded to bfloat16.
        run: The folder to log and save in, and to go on from; None to keep nothing.
        logger: Shows in TensorBoard what the log says; None for no TensorBoard.
        distributed: Which of several processes this is; run, logger and progress belong to the first.
        progress: Whether to draw progress bars on stderr.

    """

    seed: int = 0
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    bfloat16: bool = False
    run: Run | None = None
    logger: TensorBoardLogger | None = None
    distributed: Distributed = field(default_factory=Distributed)
    progress: bool = False

    @classmethod
    def of_environment(
        cls,
        seed: int,
        device: torch.device,
        run: Run | None,
        logger: TensorBoardLogger | None,
        before: Mapping[str, Any] | None = None,
        *,
        progress: bool = False,
    ) -> "TrainingContext":
        """Make the context of this process; only the first of several logs and saves.

        Args:
            seed: As of the class.
            device: As of the class.
            run: As of the class.
            logger: As of the class.
            before: The config.json of a run to resume, whose precision is kept; None for a new one.
            progress: As of the class.

        Returns:
            The context.

        """
        distributed = Distributed.of_environment()
        return cls(
            seed=seed,
            device=device,
            bfloat16=bfloat16_is_fast(device) if before is None else before["precision"] == "bfloat16",
            run=run if distributed.first else None,
            logger=logger if distributed.first else None,
            distributed=distributed,
            progress=progress and distributed.first,
        )


def validate_count(n: int, skipped: int = 0, noun: str = "image") -> None:
    """Refuse a collection that has no pair of different items.

    Args:
        n: Items that could be read.
        skipped: Items that could not.
        noun: What people call an item.

    Raises:
        InfoMaxError: n is below 2.

    """
    if n < 2:
        aside = f" ({skipped} broken ones aside)" if skipped else ""
        raise InfoMaxError(f"{n} {noun}{aside} is too few to learn from: a negative pair takes two different {noun}s")


def numbered_generator(seed: int, number: int, device: torch.device | None = None) -> torch.Generator:
    """Make a generator that depends on a seed and a number alone.

    Args:
        seed: Seed of the training.
        number: Of the epoch or batch that draws.
        device: Where the numbers are drawn; None for the CPU.

    Returns:
        The generator.

    """
    return torch.Generator(device or torch.device("cpu")).manual_seed((seed * 1_000_003 + number) % 2**63)
