"""Training: the one place with an optimizer, checkpoints and resume, and the one place that flips a sign.

The story: every epoch goes through the images in an order drawn from the seed and the number of the epoch. Each batch
is represented, a code is drawn, the objective says what that is worth in nats, and the optimizer makes it worth more.
At the end of an epoch the same few images are looked at to tell whether it is learning at all; that changes nothing.
All that an exact resume needs is in last.ckpt: a training that was stopped and resumed ends bit for bit where one that
never stopped does, on the same device with the same number of threads.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from infomax.devices import autocast
from infomax.errors import InfoMaxError
from infomax.progress import progress_bar
from infomax.representation.augmentation import CropPolicy, augment
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective, Value
from infomax.training.diagnostics import Collapse, HealthWarning, diagnose, measure, sample_rows
from infomax.training.distributed import Distributed
from infomax.training.interruption import TrainingInterrupted, catch_signals, interruption_message
from infomax.training.logging import RunningMeans, TensorBoardLogger
from infomax.training.run_folder import Checkpoint, Run
from infomax.training.schedule import Schedule, numbered_generator

LOG_STEPS = 50
CHECKPOINT_SECONDS = 60.0
PREPARED_FROM = 5_000  # images, from which an encoder takes what is not learned

Plan = Callable[[float], Sequence[CropPolicy]]
"""The share of a training that is done, from 0 on and below 1 -> the kinds of views to draw."""


class TrainingDiverged(InfoMaxError):
    """The loss or the weights are no longer finite; the last good checkpoint is kept."""


def fit(
    encoder: Encoder,
    objective: Objective,
    pixels: UInt8[np.ndarray, "n h w 3"],
    schedule: Schedule,
    *,
    views: Plan | None = None,
    seed: int = 0,
    device: torch.device | None = None,
    bfloat16: bool = False,
    compiled: bool = False,
    labels: Sequence[str] | None = None,
    run: Run | None = None,
    board: TensorBoardLogger | None = None,
    ranks: Distributed | None = None,
    progress: bool = False,
) -> None:
    """Train the encoder and the objective's critics in place, from the checkpoint of `run` on if it has one.

    It is learned from views of the images, drawn anew in each step by the plan `views`; without one, from the
    images as they are. A training from the start first lets the encoder take from some images what is not learned.

    With a run, log.jsonl gets a line every LOG_STEPS steps and every epoch, and last.ckpt is written every
    CHECKPOINT_SECONDS, every epoch, and on SIGINT or SIGTERM. A board is told every line of the log. Of several `ranks`
    each learns from its share of every batch; run, board and progress are for the first alone.

    At the end of every epoch the health of the training is measured on some of the images. Where it shows a collapse
    a HealthWarning says so, each kind once. The labels, "" where there is none, serve nothing else.

    Raises InfoMaxError for images that make no batch, and where another rank is gone; TrainingDiverged,
    TrainingInterrupted.
    """
    validate_count(len(pixels))
    device, ranks = device or torch.device("cpu"), ranks or Distributed()
    schedule.validate(len(pixels), ranks.count)
    with ranks.joined(device):
        training = Trainer(
            encoder,
            objective,
            schedule,
            steps=schedule.steps(len(pixels), ranks.count),
            views=views,
            seed=seed,
            device=device,
            bfloat16=bfloat16,
            compiled=compiled,
            run=run,
            board=board,
            ranks=ranks,
        )
        pick = batch_loader(pixels, device)
        if not training.resume():
            encoder.prepare(pick(torch.randperm(len(pixels), generator=numbered_generator(seed, 0))[:PREPARED_FROM]))
        looked_at = sample_rows(len(pixels), seed)
        known = None if labels is None else [labels[row] for row in looked_at.tolist()]
        total = schedule.epochs * len(pixels)
        with (
            catch_signals() as stop,
            progress_bar("training", total, done=min(total, training.seen(len(pixels))), shown=progress) as advance,
        ):
            while training.epoch < schedule.epochs:
                for indices in schedule.batches(len(pixels), seed, training.epoch, ranks.count)[training.batch :]:
                    training.learn(pick(ranks.share(indices, schedule.micro_batches)))
                    advance(len(indices))
                    if training.step % LOG_STEPS == 0:
                        training.log_steps()
                    if ranks.any(stop.is_set(), device):
                        training.save()
                        raise TrainingInterrupted(training.interruption_message())
                    if training.unsaved_seconds() > CHECKPOINT_SECONDS:
                        training.save()
                training.end_epoch(pick(looked_at), known)
                training.save()
                training.warn()
    encoder.eval()
    objective.eval()


def validate_count(n: int, skipped: int = 0) -> None:
    """Raise InfoMaxError where n sound images, `skipped` broken ones aside, make no pair of different ones."""
    if n < 2:
        aside = f" ({skipped} broken ones aside)" if skipped else ""
        raise InfoMaxError(f"{n} image{aside} is too few to learn from: a negative pair takes two different ones")


def batch_loader(pixels: UInt8[np.ndarray, "n h w 3"], device: torch.device) -> Callable[[Int[Tensor, " b"]], Tensor]:
    """A function from indices to those images on the device; a GPU holds all of them where half of it is enough."""
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        resident = torch.from_numpy(np.array(pixels)).to(device)
        return lambda indices: resident[indices.pin_memory().to(device, non_blocking=True)]
    return lambda indices: torch.from_numpy(pixels[indices.numpy()]).to(device)


@final
class Trainer:
    """Everything that changes while learning, and how it is saved, restored and told."""

    def __init__(
        self,
        encoder: Encoder,
        objective: Objective,
        schedule: Schedule,
        *,
        steps: int,
        views: Plan | None = None,
        seed: int = 0,
        device: torch.device,
        bfloat16: bool = False,
        compiled: bool = False,
        run: Run | None = None,
        board: TensorBoardLogger | None = None,
        ranks: Distributed | None = None,
    ) -> None:
        self.encoder, self.objective = encoder.to(device).train(), objective.to(device).train()
        self.ranks = ranks or Distributed()
        self.ranks.share_norms(encoder)
        self.parameters = [*encoder.parameters(), *objective.parameters()]
        self.optimizer = schedule.create_optimizer(self.parameters)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.schedule, self.steps, self.views = schedule, steps, views
        self.device, self.bfloat16, self.run, self.board = device, bfloat16, run, board
        self.represent = torch.compile(encoder, dynamic=False) if compiled else encoder
        self.epoch = self.batch = self.step = 0
        self.interval, self.whole = RunningMeans(), RunningMeans()
        self._saved = time.monotonic()
        self._ailment: Collapse | None = None
        self._told: set[str] = set()

    def learn(self, images: UInt8[Tensor, "n h w 3"]) -> None:
        """One step: the objective is in nats, larger is better; the optimizer descends on minus that."""
        self.optimizer.zero_grad()
        parts = images.tensor_split(self.schedule.micro_batches)
        for part in parts:
            value = self.value(part)
            torch.autograd.backward(-value.total / len(parts))
            self.interval.add(value, len(part) * self.ranks.count)
            self.whole.add(value, len(part) * self.ranks.count)
        self.ranks.average(self.parameters)
        self.optimizer.set_lr_factor(self.schedule.lr_factor(self.step, self.steps))
        self.optimizer.step()
        self.batch += 1
        self.step += 1

    def value(self, images: UInt8[Tensor, "n h w 3"]) -> Value:
        """What the objective is worth on the images, or on views of them, and those of the other ranks."""
        with autocast(self.device, enabled=self.bfloat16):
            if self.views is None:
                seen = self.ranks.gathered(self.represent(images))
                value: Value = self.objective(seen, seen.sample(self.generator), self.generator)
                return value
            kinds = self.views(self.step / self.steps)
            batches = augment(kinds, images, self.generator, share=(self.ranks.rank, self.ranks.count))
            own = (seen for batch in batches for seen in self.represent(batch).split(len(images)))
            views = [self.ranks.gathered(seen) for seen in own]
            return self.objective.of_views([(seen, seen.sample(self.generator)) for seen in views], self.generator)

    def seen(self, n: int) -> int:
        """How many images of a collection of n were learned from so far."""
        return self.epoch * n + self.batch * self.schedule.batch

    def log_steps(self) -> None:
        """Tell the last LOG_STEPS steps."""
        self._log("step", self.interval.means())
        self.interval = RunningMeans()

    def end_epoch(self, looked_at: UInt8[Tensor, "k h w 3"], labels: Sequence[str] | None) -> None:
        """Tell the epoch and its health, measured on some images, and turn to the next."""
        means = self.whole.means()
        self._check_finite(means["total"])
        with autocast(self.device, enabled=self.bfloat16):
            health = measure(self.encoder, self.objective, looked_at, labels)
        self._check_finite(means["total"], weights=health is not None)
        assert health is not None
        self._ailment = diagnose(health, self.step, self.schedule.learning_rate)
        warning = {} if self._ailment is None else {"warning": self._ailment.words}
        known = {name: value for name, value in asdict(health).items() if value is not None}
        self._log("epoch", {**means, "health": known, **warning})
        self.epoch, self.batch, self.whole = self.epoch + 1, 0, RunningMeans()

    def warn(self) -> None:
        """Warn of what the last epoch showed, unless this process has before."""
        if self.ranks.first and self._ailment is not None and self._ailment.name not in self._told:
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
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
            "interval": self.interval.state(),
            "whole": self.whole.state(),
            **{name: getattr(self, name) for name in ("epoch", "batch", "step")},
        }
        self.run.write_checkpoint(checkpoint)

    def resume(self) -> bool:
        """Continue from last.ckpt, if there is one; whether there was. Log and board forget what came after it."""
        checkpoint = self.ranks.from_first(None if self.run is None else self.run.read_checkpoint())
        if checkpoint is not None:
            self.encoder.load_state_dict(checkpoint["encoder"])
            self.objective.load_state_dict(checkpoint["objective"])
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.generator.set_state(checkpoint["generator"])
            self.interval, self.whole = RunningMeans(**checkpoint["interval"]), RunningMeans(**checkpoint["whole"])
            self.epoch, self.batch, self.step = (checkpoint[name] for name in ("epoch", "batch", "step"))
        if self.run is not None:
            self.run.rewind_log(self.step, self.epoch)
        if self.board is not None:
            self.board.begin(self.run.read_log() if self.run is not None else ())
        return checkpoint is not None

    def unsaved_seconds(self) -> float:
        """How long ago the last checkpoint was."""
        return time.monotonic() - self._saved

    def interruption_message(self) -> str:
        """What to say when stopped."""
        where = f"stopped at step {self.step}, in epoch {self.epoch + 1} of {self.schedule.epochs}"
        return (
            interruption_message(where, self.run)
            if self.ranks.first
            else f"{where}, with process {self.ranks.rank} of several"
        )

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
