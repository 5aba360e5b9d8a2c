"""Training: the one place with an optimiser, checkpoints and resume, and the one place that flips a sign.

The story: every epoch goes through the pictures in an order drawn from the seed and the number of the epoch. Each batch
is represented, a code is drawn, the objective says what that is worth in nats, and the optimiser makes it worth more.
At the end of an epoch the same few pictures are looked at to tell whether it is learning at all; that changes nothing.
All that an exact resume needs is in last.ckpt: a training that was stopped and resumed ends bit for bit where one that
never stopped does, on the same device with the same number of threads.
"""

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor, nn

from infomax.errors import InfoMaxError
from infomax.progress import progress_bar
from infomax.representation.board import Board
from infomax.representation.devices import autocast
from infomax.representation.health import Ailment, HealthWarning, diagnosis, examined, some
from infomax.representation.objectives import Objective, Value
from infomax.representation.run import Checkpoint, Run

LOG_STEPS = 50
CHECKPOINT_SECONDS = 60.0


class TrainingInterrupted(InfoMaxError):
    """SIGINT or SIGTERM asked the training to stop; where it was is saved if it has a run."""


class TrainingDiverged(InfoMaxError):
    """The loss or the weights are no longer finite; the last good checkpoint is kept."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn: Adam (Kingma & Ba 2015, arXiv 1412.6980) at a constant rate."""

    epochs: int
    batch: int
    learning_rate: float
    epsilon: float

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InfoMaxError(f"epochs is {self.epochs}: train for 1 or more")
        if self.batch < 2:
            raise InfoMaxError(
                f"batch is {self.batch}: use 2 or more, for the negatives are other pictures of the batch"
            )
        if not 0 < self.learning_rate < math.inf:
            raise InfoMaxError(f"learning_rate is {self.learning_rate}: use a positive number, 0.001 say")
        if not 0 <= self.epsilon < math.inf:
            raise InfoMaxError(f"epsilon is {self.epsilon}: use 0 or a small positive number, 1e-7 say")


def fit(
    encoder: nn.Module,
    objective: Objective,
    pixels: UInt8[np.ndarray, "n h w 3"],
    schedule: Schedule,
    *,
    seed: int = 0,
    device: torch.device | None = None,
    bfloat16: bool = False,
    labels: Sequence[str] | None = None,
    run: Run | None = None,
    board: Board | None = None,
    progress: bool = False,
) -> None:
    """Train the encoder and the objective's critics in place, from the checkpoint of `run` on if it has one.

    With a run, log.jsonl gets a line every LOG_STEPS steps and every epoch, and last.ckpt is written every
    CHECKPOINT_SECONDS, every epoch, and on SIGINT or SIGTERM. A board is told every line of the log.

    At the end of every epoch the health of the training is measured on some of the pictures. Where it shows a collapse
    a HealthWarning says so, each kind once. The labels, "" where there is none, serve nothing else.

    Raises InfoMaxError for fewer than 2 pictures, TrainingDiverged, TrainingInterrupted.
    """
    require_pairs(len(pixels))
    device = device or torch.device("cpu")
    training = Training(encoder, objective, schedule, seed=seed, device=device, bfloat16=bfloat16, run=run, board=board)
    training.resume()
    pick = picker(pixels, device)
    looked_at = some(len(pixels), seed)
    known = None if labels is None else [labels[row] for row in looked_at.tolist()]
    total = schedule.epochs * len(pixels)
    with (
        stop_signals() as stop,
        progress_bar("training", total, done=min(total, training.seen(len(pixels))), shown=progress) as advance,
    ):
        while training.epoch < schedule.epochs:
            for indices in batches(len(pixels), schedule.batch, seed, training.epoch)[training.batch :]:
                training.learn(pick(indices))
                advance(len(indices))
                if training.step % LOG_STEPS == 0:
                    training.log_steps()
                if stop.is_set():
                    training.save()
                    raise TrainingInterrupted(training.farewell())
                if training.unsaved_seconds() > CHECKPOINT_SECONDS:
                    training.save()
            training.end_epoch(pick(looked_at), known)
            training.save()
            training.warn()
    encoder.eval()
    objective.eval()


def require_pairs(n: int, skipped: int = 0) -> None:
    """Raise InfoMaxError where n sound pictures, `skipped` broken ones aside, make no pair of different ones."""
    if n < 2:
        aside = f" ({skipped} broken ones aside)" if skipped else ""
        raise InfoMaxError(f"{n} picture{aside} is too few to learn from: a negative pair takes two different ones")


def batches(n: int, size: int, seed: int, epoch: int) -> list[Int[Tensor, " batch"]]:
    """The batches of one epoch, a function of seed and epoch alone; a last one of a single picture is left out."""
    order = torch.randperm(n, generator=numbered_generator(seed, epoch))
    return [order[start : start + size] for start in range(0, n - 1, size)]


def numbered_generator(seed: int, number: int, device: torch.device | None = None) -> torch.Generator:
    """Random numbers that follow from a seed and the number of an epoch or batch alone."""
    return torch.Generator(device or torch.device("cpu")).manual_seed((seed * 1_000_003 + number) % 2**63)


def farewell(where: str, run: Run | None) -> str:
    """What a learning that was stopped says: where it was, and how to go on."""
    if run is None:
        return f"{where}; nothing was saved, for no run folder was given"
    return f"{where}; saved in {run.checkpoint_file}: the same command with --resume goes on from there"


def picker(pixels: UInt8[np.ndarray, "n h w 3"], device: torch.device) -> Callable[[Int[Tensor, " b"]], Tensor]:
    """A function from indices to those pictures on the device; a GPU holds all of them where half of it is enough."""
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        resident = torch.from_numpy(np.array(pixels)).to(device)
        return lambda indices: resident[indices.to(device)]
    return lambda indices: torch.from_numpy(pixels[indices.numpy()]).to(device)


@final
class Training:
    """Everything that changes while learning, and how it is saved, restored and told."""

    def __init__(
        self,
        encoder: nn.Module,
        objective: Objective,
        schedule: Schedule,
        *,
        seed: int,
        device: torch.device,
        bfloat16: bool,
        run: Run | None,
        board: Board | None,
    ) -> None:
        self.encoder, self.objective = encoder.to(device).train(), objective.to(device).train()
        self.parameters = [*encoder.parameters(), *objective.parameters()]
        self.optimiser = torch.optim.Adam(self.parameters, schedule.learning_rate, eps=schedule.epsilon, fused=True)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.schedule, self.device, self.bfloat16, self.run, self.board = schedule, device, bfloat16, run, board
        self.epoch = self.batch = self.step = 0
        self.interval, self.whole = Meter(), Meter()
        self._saved = time.monotonic()
        self._ailment: Ailment | None = None
        self._told: set[str] = set()

    def learn(self, pictures: UInt8[Tensor, "n h w 3"]) -> None:
        """One step: the objective is in nats, larger is better; the optimiser descends on minus that."""
        with autocast(self.device, enabled=self.bfloat16):
            representation = self.encoder(pictures)
            value = self.objective(representation, representation.sample(self.generator), self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        (-value.total).backward()
        self.optimiser.step()
        self.batch += 1
        self.step += 1
        self.interval.add(value, len(pictures))
        self.whole.add(value, len(pictures))

    def seen(self, n: int) -> int:
        """How many pictures of a collection of n were learnt from so far."""
        return self.epoch * n + self.batch * self.schedule.batch

    def log_steps(self) -> None:
        """Tell the last LOG_STEPS steps."""
        self._log("step", self.interval.means())
        self.interval = Meter()

    def end_epoch(self, looked_at: UInt8[Tensor, "k h w 3"], labels: Sequence[str] | None) -> None:
        """Tell the epoch and its health, measured on some pictures, and turn to the next."""
        means = self.whole.means()
        self._check_finite(means["total"])
        with autocast(self.device, enabled=self.bfloat16):
            health = examined(self.encoder, self.objective, looked_at, labels)
        self._check_finite(means["total"], weights=health is not None)
        assert health is not None
        self._ailment = diagnosis(health, self.step, self.schedule.learning_rate)
        warning = {} if self._ailment is None else {"warning": self._ailment.words}
        known = {name: value for name, value in asdict(health).items() if value is not None}
        self._log("epoch", {**means, "health": known, **warning})
        self.epoch, self.batch, self.whole = self.epoch + 1, 0, Meter()

    def warn(self) -> None:
        """Warn of what the last epoch showed, unless this process has before."""
        if self._ailment is not None and self._ailment.name not in self._told:
            self._told.add(self._ailment.name)
            warnings.warn(f"epoch {self.epoch}: {self._ailment.words}", HealthWarning, stacklevel=3)

    def _log(self, kind: str, content: Mapping[str, Any]) -> None:
        self._check_finite(content["total"])
        line = {"kind": kind, "step": self.step, "epoch": self.epoch + 1, **content}
        if self.run is not None:
            self.run.log(line)
        if self.board is not None:
            self.board.tell(line)

    def save(self) -> None:
        """Write last.ckpt, unless what it would hold is no longer finite."""
        weights = [*self.encoder.state_dict().values(), *self.objective.state_dict().values()]
        finite = torch.stack([weight.isfinite().all() for weight in weights]).all()
        self._check_finite(self.whole.means()["total"] if self.whole.steps else 0.0, bool(finite))
        self._saved = time.monotonic()
        if self.run is None:
            return
        checkpoint: Checkpoint = {
            "encoder": self.encoder.state_dict(),
            "objective": self.objective.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "interval": self.interval.state(),
            "whole": self.whole.state(),
            **{name: getattr(self, name) for name in ("epoch", "batch", "step")},
        }
        self.run.write_checkpoint(checkpoint)

    def resume(self) -> None:
        """Continue from last.ckpt, if there is one. Log and board forget what came after it."""
        if self.run is None:
            if self.board is not None:
                self.board.begin()
            return
        if (checkpoint := self.run.read_checkpoint()) is not None:
            self.encoder.load_state_dict(checkpoint["encoder"])
            self.objective.load_state_dict(checkpoint["objective"])
            self.optimiser.load_state_dict(checkpoint["optimiser"])
            self.generator.set_state(checkpoint["generator"])
            self.interval, self.whole = Meter(**checkpoint["interval"]), Meter(**checkpoint["whole"])
            self.epoch, self.batch, self.step = (checkpoint[name] for name in ("epoch", "batch", "step"))
        self.run.rewind_log(self.step, self.epoch)
        if self.board is not None:
            self.board.begin(self.run.read_log())

    def unsaved_seconds(self) -> float:
        """How long ago the last checkpoint was."""
        return time.monotonic() - self._saved

    def farewell(self) -> str:
        """What to say when stopped."""
        return farewell(f"stopped at step {self.step}, in epoch {self.epoch + 1} of {self.schedule.epochs}", self.run)

    def _check_finite(self, total: float, weights: bool = True) -> None:
        if math.isfinite(total) and weights:
            return
        what = "the loss" if weights else "a weight"
        kept = (
            "" if self.run is None or not self.run.checkpoint_file.exists() else " (the last good checkpoint is kept)"
        )
        raise TrainingDiverged(
            f"training diverged: {what} is not finite by step {self.step}, in epoch {self.epoch + 1}{kept}; "
            f"lower the learning rate, now {self.schedule.learning_rate}"
        )


@final
class Meter:
    """Means over steps of an objective's total and terms, in nats, kept where they arise so that no step waits."""

    def __init__(
        self, sums: dict[str, Tensor] | None = None, steps: int = 0, pictures: int = 0, seconds: float = 0.0
    ) -> None:
        self.sums = sums or {}
        self.steps, self.pictures = steps, pictures
        self._began = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Wall time since the beginning, pauses between processes left out."""
        return time.perf_counter() - self._began

    def add(self, value: Value, pictures: int) -> None:
        """Count one step."""
        for name, term in {"total": value.total, **value.terms}.items():
            term = term.detach().double()
            self.sums[name] = self.sums[name].to(term.device) + term if name in self.sums else term
        self.steps, self.pictures = self.steps + 1, self.pictures + pictures

    def means(self) -> dict[str, float]:
        """Each mean in nats, and pictures per second."""
        values = {name: total.item() / self.steps for name, total in self.sums.items()}  # waits for the device
        seconds = self.seconds
        return values | {"seconds": round(seconds, 3), "images_per_second": round(self.pictures / seconds, 1)}

    def state(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {"sums": self.sums, "steps": self.steps, "pictures": self.pictures, "seconds": self.seconds}


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one ends the program at once.

    Outside the main thread, where Python allows no handlers, it is never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(_number: int, _frame: FrameType | None) -> None:
        event.set()
        restore()

    for number in before:
        signal.signal(number, stop)
    try:
        yield event
    finally:
        restore()
