"""Training by gradients: checkpoints, resume, logging and diagnostics around gradient ascent on an objective.

The story: every epoch goes through the images in an order drawn from the seed and the number of the epoch. Each batch
is encoded, a code is drawn, the objective gives its value in nats, and the optimizer increases it. At the end of an
epoch a fixed sample of the images is measured to see whether the encoder is learning; that changes nothing. All that an
exact resume needs is in last.ckpt: a training that was stopped and resumed ends bit for bit where one that never
stopped does, on the same device with the same number of threads.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from infomax.devices import autocast
from infomax.errors import InfoMaxError
from infomax.progress import Advance, progress_bar
from infomax.representation.augmentation import CropPolicy, augment
from infomax.representation.encoders import Encoder
from infomax.representation.objectives import Objective, Value
from infomax.training.context import CHECKPOINT_SECONDS, TrainingContext, numbered_generator, validate_count
from infomax.training.diagnostics import Collapse, HealthWarning, diagnose, measure, sample_rows
from infomax.training.interruption import TrainingInterrupted, catch_signals, interruption_message
from infomax.training.logging import RunningMeans
from infomax.training.run_folder import LogLine
from infomax.training.schedule import Schedule

LOG_STEPS = 50
CHECKPOINT_KEYS = ("encoder", "objective", "optimizer", "generator", "interval", "whole", "epoch", "batch", "step")
PREPARED_FROM = 5_000  # images from which an encoder takes what is not learned

ViewPlan = Callable[[float], Sequence[CropPolicy]]
"""Fraction of the training that is done, from 0 on and below 1 -> how views are cropped."""


class TrainingDiverged(InfoMaxError):
    """The loss or the weights are no longer finite; the last good checkpoint is kept."""


@final
class Trainer:
    """Gradient ascent on an objective, with all state that an exact resume needs.

    With a run, log.jsonl gets a line every LOG_STEPS steps and every epoch. last.ckpt is written every
    CHECKPOINT_SECONDS, at the end of every epoch, and on SIGINT or SIGTERM.

    Args:
        encoder: Trained in place.
        objective: Its critics are trained in place.
        schedule: How long, in which batches and how fast.
        context: Where to compute, log and save.
        views: How views are cropped, by the fraction of the training that is done; None to learn from the images
            themselves.
        compiled: Whether to run the encoder through torch.compile.

    """

    def __init__(
        self,
        encoder: Encoder,
        objective: Objective,
        schedule: Schedule,
        context: TrainingContext,
        *,
        views: ViewPlan | None = None,
        compiled: bool = False,
    ) -> None:
        self.encoder, self.objective = encoder.to(context.device).train(), objective.to(context.device).train()
        self.schedule, self.context, self.views = schedule, context, views
        context.distributed.share_norms(encoder)
        self.parameters = [*encoder.parameters(), *objective.parameters()]
        self.optimizer = schedule.create_optimizer(self.parameters)
        self.generator = torch.Generator(context.device).manual_seed(context.seed)
        self.total_steps = 0
        self.epoch = self.batch = self.step = 0
        self.interval, self.whole = RunningMeans(), RunningMeans()
        self._encode = torch.compile(encoder, dynamic=False) if compiled else encoder
        self._saved = time.monotonic()
        self._collapse: Collapse | None = None
        self._warned: set[str] = set()

    def fit(self, pixels: UInt8[np.ndarray, "n h w 3"], labels: Sequence[str] | None = None) -> None:
        """Train to the end of the schedule, from the checkpoint of the run on if there is one.

        A training from the start first lets the encoder take from some images what is not learned.

        Args:
            pixels: The images (n, h, w, 3), 0..255.
            labels: Their labels, for diagnostics alone, "" where there is none; None without labels.

        Raises:
            InfoMaxError: The images make no batch, or another process is lost.
            TrainingDiverged: The loss or the weights are no longer finite.
            TrainingInterrupted: SIGINT or SIGTERM asked to stop.

        Warns:
            HealthWarning: The features collapse; each failure mode is reported once.

        """
        context, schedule, n = self.context, self.schedule, len(pixels)
        distributed = context.distributed
        validate_count(n)
        schedule.validate(n, distributed.world_size)
        self.total_steps = schedule.steps(n, distributed.world_size)
        with distributed.joined(context.device):
            load = batch_loader(pixels, context.device)
            if not self.resume():
                order = torch.randperm(n, generator=numbered_generator(context.seed, 0))
                self.encoder.prepare(load(order[:PREPARED_FROM]))
            measured = sample_rows(n, context.seed)
            known = None if labels is None else [labels[row] for row in measured.tolist()]
            total = schedule.epochs * n
            done = min(total, self.images_seen(n))
            with (
                catch_signals() as stop,
                progress_bar("training", total, done=done, shown=context.progress) as advance,
            ):
                while self.epoch < schedule.epochs:
                    self._train_epoch(n, load, stop.is_set, advance)
                    self.end_epoch(load(measured), known)
                    self.save()
                    self._warn()
        self.encoder.eval()
        self.objective.eval()

    def _train_epoch(
        self, n: int, load: Callable[[Int[Tensor, " b"]], Tensor], stopped: Callable[[], bool], advance: Advance
    ) -> None:
        """Take the steps that are left of an epoch; save by the clock, and when asked to stop."""
        distributed = self.context.distributed
        left = self.schedule.batches(n, self.context.seed, self.epoch, distributed.world_size)[self.batch :]
        for rows in left:
            self.train_step(load(distributed.share(rows, self.schedule.micro_batches)), rows)
            advance(len(rows))
            if self.step % LOG_STEPS == 0:
                self._log("step", self.interval.means())
                self.interval = RunningMeans()
            if distributed.any(stopped(), self.context.device):
                self.save()
                raise TrainingInterrupted(self._interruption_message())
            if time.monotonic() - self._saved > CHECKPOINT_SECONDS:
                self.save()

    def train_step(self, images: UInt8[Tensor, "n h w 3"], rows: Int[Tensor, " batch"] | None = None) -> None:
        """Take one step. The objective is in nats, larger is better; the optimizer descends on its negative.

        Args:
            images: This process's share of the batch.
            rows: Which images of the collection the whole batch has, for objectives that ask; None where none does.

        """
        self.optimizer.zero_grad()
        parts = images.tensor_split(self.schedule.micro_batches)
        known = [None] * len(parts) if rows is None else rows.to(images.device).tensor_split(len(parts))
        for part, these in zip(parts, known, strict=True):
            value = self.value(part, these)
            torch.autograd.backward(-value.total / len(parts))
            self.interval.add(value, len(part) * self.context.distributed.world_size)
            self.whole.add(value, len(part) * self.context.distributed.world_size)
        self.context.distributed.average(self.parameters)
        self.optimizer.set_lr_factor(self.schedule.lr_factor(self.step, self.total_steps))
        self.optimizer.step()
        self.batch += 1
        self.step += 1

    def value(self, images: UInt8[Tensor, "n h w 3"], rows: Int[Tensor, " batch"] | None = None) -> Value:
        """Compute the objective on a batch of images, or on views of them.

        Args:
            images: This process's share of the batch; the representations of all processes are gathered.
            rows: Which images of the collection the whole batch has, process after process.

        Returns:
            The value in nats.

        """
        distributed = self.context.distributed
        with autocast(self.context.device, enabled=self.context.bfloat16):
            if self.views is None:
                seen = replace(distributed.gather(self._encode(images)), rows=rows)
                value: Value = self.objective(seen, seen.sample(self.generator), self.generator)
                return value
            policies = self.views(self.step / self.total_steps)
            shard = (distributed.rank, distributed.world_size)
            batches = augment(policies, images, self.generator, shard=shard)
            own = (seen for batch in batches for seen in self._encode(batch).split(len(images)))
            views = [replace(distributed.gather(seen), rows=rows) for seen in own]
            return self.objective.of_views([(seen, seen.sample(self.generator)) for seen in views], self.generator)

    def images_seen(self, n: int) -> int:
        """Count the images that were learned from so far.

        Args:
            n: Images of the collection.

        Returns:
            The count, each image once per epoch.

        """
        return self.epoch * n + self.batch * self.schedule.batch

    def end_epoch(self, measured: UInt8[Tensor, "k h w 3"], labels: Sequence[str] | None) -> None:
        """Log the epoch with its diagnostics, and turn to the next.

        Args:
            measured: The images that are measured.
            labels: Their labels, or None.

        Raises:
            TrainingDiverged: The codes are no longer finite.

        """
        means = self.whole.means()
        self._check_finite(means["total"])
        with autocast(self.context.device, enabled=self.context.bfloat16):
            health = measure(self.encoder, self.objective, measured, labels)
        self._check_finite(means["total"], weights=health is not None)
        assert health is not None
        self._collapse = diagnose(health, self.step, self.schedule.learning_rate)
        warning = {} if self._collapse is None else {"warning": self._collapse.message}
        known = {name: value for name, value in asdict(health).items() if value is not None}
        self._log("epoch", {**means, "health": known, **warning})
        self.epoch, self.batch, self.whole = self.epoch + 1, 0, RunningMeans()

    def save(self) -> None:
        """Write last.ckpt.

        Raises:
            TrainingDiverged: A weight is no longer finite; the checkpoint stays as it was.

        """
        weights = [*self.encoder.state_dict().values(), *self.objective.state_dict().values()]
        finite = torch.stack([weight.isfinite().all() for weight in weights]).all()
        self._check_finite(self.whole.means()["total"] if self.whole.steps else 0.0, bool(finite))
        self._saved = time.monotonic()
        if self.context.run is None:
            return
        self.context.run.write_checkpoint(
            {
                "encoder": self.encoder.state_dict(),
                "objective": self.objective.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state(),
                "interval": self.interval.state(),
                "whole": self.whole.state(),
                **{name: getattr(self, name) for name in ("epoch", "batch", "step")},
            }
        )

    def resume(self) -> bool:
        """Continue from last.ckpt; log and TensorBoard drop what came after it.

        Returns:
            Whether there was a checkpoint.

        """
        run, logger = self.context.run, self.context.logger
        read = None if run is None else run.read_checkpoint(CHECKPOINT_KEYS)
        checkpoint = self.context.distributed.broadcast(read)
        if checkpoint is not None:
            self.encoder.load_state_dict(checkpoint["encoder"])
            self.objective.load_state_dict(checkpoint["objective"])
            self.optimizer.load_state_dict(checkpoint["optimizer"])
            self.generator.set_state(checkpoint["generator"])
            self.interval = RunningMeans(**checkpoint["interval"])
            self.whole = RunningMeans(**checkpoint["whole"])
            self.epoch, self.batch, self.step = (checkpoint[name] for name in ("epoch", "batch", "step"))
        if run is not None:
            run.rewind_log(self._is_past)
        if logger is not None:
            logger.begin(run.read_log() if run is not None else ())
        return checkpoint is not None

    def _is_past(self, line: LogLine) -> bool:
        """Whether a line of the log was written before the checkpoint.

        Steps alone do not tell: a checkpoint of the last step of an epoch comes before the line of that epoch.
        """
        return bool(line["step"] <= self.step and (line["kind"] != "epoch" or line["epoch"] <= self.epoch))

    def _log(self, kind: str, content: Mapping[str, Any]) -> None:
        self._check_finite(content["total"])
        line = {"kind": kind, "step": self.step, "epoch": self.epoch + 1, **content}
        if self.context.run is not None:
            self.context.run.log(line)
        if self.context.logger is not None:
            self.context.logger.log(line)

    def _warn(self) -> None:
        """Warn of the collapse that the last epoch showed, unless this process has before."""
        collapse = self._collapse
        if self.context.distributed.first and collapse is not None and collapse.name not in self._warned:
            self._warned.add(collapse.name)
            warnings.warn(f"epoch {self.epoch}: {collapse.message}", HealthWarning, stacklevel=3)

    def _interruption_message(self) -> str:
        where = f"stopped at step {self.step}, in epoch {self.epoch + 1} of {self.schedule.epochs}"
        if self.context.distributed.first:
            return interruption_message(where, self.context.run)
        return f"{where}, with process {self.context.distributed.rank} of several"

    def _check_finite(self, total: float, weights: bool = True) -> None:
        if math.isfinite(total) and weights:
            return
        what, run = "the loss" if weights else "a weight", self.context.run
        kept = "" if run is None or not run.checkpoint_file.exists() else " (the last good checkpoint is kept)"
        raise TrainingDiverged(
            f"training diverged: {what} is not finite by step {self.step}, in epoch {self.epoch + 1}{kept}; "
            f"lower the learning rate, now {self.schedule.learning_rate}"
        )


def batch_loader(
    pixels: UInt8[np.ndarray, "n h w 3"], device: torch.device
) -> Callable[[Int[Tensor, " b"]], UInt8[Tensor, "b h w 3"]]:
    """Make a function that puts images on the device. A GPU holds all of them where half of its memory is enough.

    Args:
        pixels: The images (n, h, w, 3), 0..255.
        device: Where the batches are wanted.

    Returns:
        A function from row numbers to those images.

    """
    if device.type == "cuda" and pixels.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        resident = torch.from_numpy(np.array(pixels)).to(device)
        return lambda rows: resident[rows.pin_memory().to(device, non_blocking=True)]
    return lambda rows: torch.from_numpy(pixels[rows.numpy()]).to(device)
