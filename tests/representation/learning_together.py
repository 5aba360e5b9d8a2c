"""One rank of a training of several: python -m tests.representation.learning_together WHAT FOLDER

RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are in the environment, as torchrun puts them.

`gradient`: writes FOLDER/RANK.pt, the gradients of one step in float64, and what it did to the running statistics.
`dies`: fits into FOLDER/run; rank 1 kills itself in the third step.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch

from infomax.cli import main
from infomax.recipes import ViewInfoMax
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.representation.ranks import Ranks
from infomax.representation.training import Training
from tests.conftest import coloured

CPU = torch.device("cpu")

SMALL = ViewInfoMax(
    name="together", size=16, dim=6, widths=(4, 8), epochs=1, batch=16, view_size=16, late_size=16, hidden=8, rank=4,
    alpha=0.7, beta=0.4, gamma=0.1,
)  # fmt: skip
TOGETHER = {
    "batch norm, InfoNCE, small views": SMALL.with_settings(small_views=1, views=3),
    "in two parts": SMALL.with_settings(parts=2),
    "a prior, noise and derangements": SMALL.with_settings(prior="gaussian", pairs="derangement", bound="f-divergence"),
    "no batch norm": SMALL.with_settings(network="vit"),
}


def begun(recipe: ViewInfoMax) -> tuple[Encoder, Objective]:
    torch.manual_seed(3)
    return recipe.encoder().double(), recipe.objective().double()


def gradients(recipe: ViewInfoMax, ranks: Ranks) -> dict[str, torch.Tensor]:
    """Of one step, by name, and the running statistics after it."""
    encoder, objective = begun(recipe)
    training = Training(encoder, objective, recipe.schedule(), steps=9, views=recipe.plan, device=CPU, ranks=ranks)
    pictures = torch.from_numpy(coloured(16, side=16))
    training.learn(pictures[ranks.share(torch.arange(16), recipe.parts)])
    parts = {"encoder": encoder, "objective": objective}
    found = {f"{part}.{name}": each.grad for part, module in parts.items() for name, each in module.named_parameters()}
    buffers = {f"{part}.{name}": each for part, module in parts.items() for name, each in module.named_buffers()}
    return {**{name: gradient for name, gradient in found.items() if gradient is not None}, **buffers}


def dies(folder: Path, rank: int) -> None:
    learn = Training.learn

    def fatal(self: Training, pictures: torch.Tensor) -> None:
        if rank == 1 and self.step == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        learn(self, pictures)

    Training.learn = fatal  # type: ignore[method-assign]
    np.save(folder / f"{rank}.npy", coloured(64, side=16))
    sys.argv = ["infomax", "fit", str(folder / f"{rank}.npy"), "--out", str(folder / "run"), *SHARED_RECIPE]
    main()


SHARED_RECIPE = ["--recipe", "views-fast", "--epochs", "3"]
for setting in ("size=16", "widths=4,8", "dim=8", "hidden=8", "rank=4", "batch=16", "view_size=16", "late_size=16"):
    SHARED_RECIPE += ["--set", setting]


if __name__ == "__main__":
    what, folder = sys.argv[1], Path(sys.argv[2])
    ranks = Ranks.of_environment()
    if what == "gradient":
        with ranks.joined(CPU):
            found = {name: gradients(recipe, ranks) for name, recipe in TOGETHER.items()}
        torch.save(found, folder / f"{ranks.rank}.pt")
    else:
        dies(folder, ranks.rank)
