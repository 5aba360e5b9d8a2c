"""Trainings that are killed again and again: python -m tests.training.killed RECIPE FOLDER STORY...

Trains RECIPE, `article`, `views`, `spectral` or `text`, into FOLDER/whole without a break, then into FOLDER/0,
FOLDER/1, ... as each STORY says: "SECONDS MOMENT...", with so many seconds between checkpoints, killed with SIGKILL at
each moment in turn and resumed after it, at last to the end. Each training is a process of its own, forked off before
torch has computed anything.

A moment is `learn:N`, before step N of the whole training, or the Nth `save`, `sync` (a file is written but has no name
yet), `log` or `config` of that process.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import infomax.files
from infomax import InfoMax
from infomax.kinds.text import training as texts
from infomax.recipes import Recipe
from infomax.training import moments, trainer
from infomax.training.run_folder import Run
from tests.conftest import SMALL, SMALL_VIEWS, colored
from tests.kinds.text.conftest import SMALL_TEXT, topical
from tests.training.test_closed_form import LITTLE, textured

EPOCHS = 4
LEARNED: dict[str, tuple[Recipe, NDArray[np.uint8] | list[str]]] = {
    "article": (SMALL, colored(75)),
    "views": (
        SMALL_VIEWS.with_settings(final_fraction=0.4, final_view_size=20, size=20, epochs=EPOCHS),
        colored(85, side=20),
    ),
    "spectral": (LITTLE, textured(85)),
    "text": (SMALL_TEXT, topical(85)[0]),
}
"""In batches of 16: five steps an epoch, the article's last of them with 11 images."""


def train(name: str, out: Path, seconds: float, moment: str | None, *, resume: bool) -> None:
    trainer.LOG_STEPS = 3
    vars(trainer).update(CHECKPOINT_SECONDS=seconds)
    vars(moments).update(CHECKPOINT_SECONDS=seconds, BATCH_IMAGES=16)
    vars(texts).update(CHECKPOINT_SECONDS=seconds)
    if moment is not None:
        plan(moment)
    recipe, images = LEARNED[name]
    epochs = EPOCHS if recipe.schedule() else None
    InfoMax(recipe, epochs=epochs, device="cpu", seed=7).fit(images, out=out, resume=resume)


def plan(moment: str) -> None:
    """Make the process end by SIGKILL at that moment."""
    kind, count = moment.split(":")
    owner, name = {
        "learn": (trainer.Trainer, "train_step"),
        "save": (Run, "write_checkpoint"),
        "log": (Run, "log"),
        "config": (Run, "write_config"),
        "sync": (infomax.files, "fsync"),
    }[kind]
    original: Callable[..., Any] = getattr(owner, name)
    calls = 0

    def fatal(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        reached = arguments[0].step + 1 if kind == "learn" else calls
        if reached == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments)

    setattr(owner, name, fatal)


def forked(work: Callable[[], None]) -> int:
    """Do it in a child; the number of the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "a training failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def live(name: str, out: Path, seconds: float, moments: Sequence[str | None]) -> None:
    for moment in moments:
        resume = (out / "config.json").exists()
        ended = forked(partial(train, name, out, seconds, moment, resume=resume))
        assert ended == (signal.SIGKILL if moment else 0), f"{out.name}: {moment} ended with signal {ended}"


def main() -> None:
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports much, once for all children
    name, folder, stories = sys.argv[1], Path(sys.argv[2]), sys.argv[3:]
    live(name, folder / "whole", 1e6, [None])
    for index, story in enumerate(stories):
        seconds, *moments = story.split()
        live(name, folder / str(index), float(seconds), [*moments, None])


if __name__ == "__main__":
    main()
