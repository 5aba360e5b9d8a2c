"""What every training is given beside its encoder, objective and images."""

from dataclasses import dataclass, field

import torch

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


def validate_count(n: int, skipped: int = 0) -> None:
    """Refuse a collection that has no pair of different images.

    Args:
        n: Images that could be decoded.
        skipped: Images that could not.

    Raises:
        InfoMaxError: n is below 2.

    """
    if n < 2:
        aside = f" ({skipped} broken ones aside)" if skipped else ""
        raise InfoMaxError(f"{n} image{aside} is too few to learn from: a negative pair takes two different images")


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
