"""Trainings of two processes: python -m tests.training.learning_together FOLDER WHAT...

Each WHAT is done by two ranks, forked off before torch has computed anything, with the environment that torchrun gives
them. FOLDER/endings.json says how each ended, [status of rank 0, of rank 1], and FOLDER/WHAT-RANK.err what it said.

`gradient`: writes FOLDER/RANK.pt, the gradients of one step in float64, and what it did to the running statistics.
`whole`: fits into FOLDER/whole. `dies`: into FOLDER/dead, and rank 1 kills itself in the third step. `stops`: into
FOLDER/stopped, and rank 1 sends itself SIGTERM then. `goes-on`: resumes that.
"""

import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path

import numpy as np
import torch

from infomax.cli import main
from infomax.recipes import MultiViewInfoMax
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective
from infomax.training.context import TrainingContext
from infomax.training.distributed import Distributed
from infomax.training.trainer import Trainer
from tests.conftest import colored

CPU = torch.device("cpu")

SMALL = MultiViewInfoMax(
    name="together", size=16, dim=6, widths=(4, 8), epochs=1, batch=16, view_size=16, final_view_size=16,
    hidden=8, rank=4, alpha=0.7, beta=0.4, gamma=0.1,
)  # fmt: skip
TOGETHER = {
    "batch norm, InfoNCE, small views": SMALL.with_settings(local_crops=1, views=3),
    "in two parts": SMALL.with_settings(micro_batches=2),
    "a prior, noise and derangements": SMALL.with_settings(prior="gaussian", pairs="derangement", bound="f-divergence"),
    "no batch norm": SMALL.with_settings(network="vit"),
}


def begun(recipe: MultiViewInfoMax) -> tuple[Encoder, Objective]:
    torch.manual_seed(3)
    return recipe.encoder().double(), recipe.objective().double()


def gradients(recipe: MultiViewInfoMax, ranks: Distributed) -> dict[str, torch.Tensor]:
    """Of one step, by name, and the running statistics after it."""
    encoder, objective = begun(recipe)
    context = TrainingContext(distributed=ranks)
    trainer = Trainer(encoder, objective, recipe.schedule(), context, views=recipe.view_plan)
    trainer.total_steps = 9
    images = torch.from_numpy(colored(16, side=16))
    trainer.train_step(images[ranks.share(torch.arange(16), recipe.micro_batches)])
    parts = {"encoder": encoder, "objective": objective}
    found = {f"{part}.{name}": each.grad for part, module in parts.items() for name, each in module.named_parameters()}
    buffers = {f"{part}.{name}": each for part, module in parts.items() for name, each in module.named_buffers()}
    return {**{name: gradient for name, gradient in found.items() if gradient is not None}, **buffers}


def fits(folder: Path, what: str, rank: int) -> None:
    train_step = Trainer.train_step

    def watched(self: Trainer, images: torch.Tensor, rows: torch.Tensor | None = None) -> None:
        if rank == 1 and self.step == 2 and what in ("dies", "stops"):
            os.kill(os.getpid(), signal.SIGKILL if what == "dies" else signal.SIGTERM)
        train_step(self, images, rows)

    Trainer.train_step = watched  # type: ignore[method-assign]
    run = folder / {"whole": "whole", "dies": "dead"}.get(what, "stopped")
    sys.argv = ["infomax", "fit", str(folder / "images.npy"), "--out", str(run), *SHARED_RECIPE]
    sys.argv += ["--resume"] if what == "goes-on" else []
    main()


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def forked(folder: Path, what: str, rank: int, port: int) -> int:
    """The process of one rank."""
    child = os.fork()
    if child:
        return child
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    code = 1
    try:
        with (folder / f"{what}-{rank}.err").open("w") as said:
            os.dup2(said.fileno(), 2)
        if what == "gradient":
            ranks = Distributed.of_environment()
            with ranks.joined(CPU):
                found = {name: gradients(recipe, ranks) for name, recipe in TOGETHER.items()}
            torch.save(found, folder / f"{rank}.pt")
        else:
            fits(folder, what, rank)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)


SHARED_RECIPE = ["--recipe", "multiview-fast", "--epochs", "3"]
for setting in (
    "size=16",
    "widths=4,8",
    "dim=8",
    "hidden=8",
    "rank=4",
    "batch=16",
    "view_size=16",
    "final_view_size=16",
):
    SHARED_RECIPE += ["--set", setting]


if __name__ == "__main__":
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports much, once for all children
    folder, endings = Path(sys.argv[1]), {}
    np.save(folder / "images.npy", colored(70, side=16))
    for what in sys.argv[2:]:
        port = free_port()
        children = [forked(folder, what, rank, port) for rank in range(2)]
        endings[what] = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    (folder / "endings.json").write_text(json.dumps(endings))
