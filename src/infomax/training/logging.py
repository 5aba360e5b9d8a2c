"""Numbers of a training: means over steps for log.jsonl, and TensorBoard, an optional package loaded when used."""

import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
from jaxtyping import UInt8
from torch import Tensor

from infomax.errors import InfoMaxError
from infomax.representation.objectives import Value

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

Line = Mapping[str, Any]


@final
class RunningMeans:
    """Means over steps of an objective's total and terms, in nats.

    The sums stay on the device where they arise, so that no step waits for them.

    Args:
        sums: Sums from before, by name.
        steps: Steps that the sums count.
        images: Images that the steps saw.
        seconds: Wall time that the steps took.

    """

    def __init__(
        self, sums: dict[str, Tensor] | None = None, steps: int = 0, images: int = 0, seconds: float = 0.0
    ) -> None:
        self.sums = sums or {}
        self.steps, self.images = steps, images
        self._began = time.perf_counter() - seconds

    @property
    def seconds(self) -> float:
        """Wall time since the beginning, without the pauses between processes."""
        return time.perf_counter() - self._began

    def add(self, value: Value, images: int) -> None:
        """Count one step.

        Args:
            value: The objective's value at this step.
            images: How many images it saw.

        """
        for name, term in {"total": value.total, **value.terms}.items():
            term = term.detach().double()
            self.sums[name] = self.sums[name].to(term.device) + term if name in self.sums else term
        self.steps, self.images = self.steps + 1, self.images + images

    def means(self) -> dict[str, float]:
        """Compute each mean in nats, the seconds, and the images per second."""
        values = {name: total.item() / self.steps for name, total in self.sums.items()}  # waits for the device
        seconds = self.seconds
        return values | {"seconds": round(seconds, 3), "images_per_second": round(self.images / seconds, 1)}

    def state(self) -> dict[str, Any]:
        """List the arguments of the constructor that restore these means."""
        return {"sums": self.sums, "steps": self.steps, "images": self.images, "seconds": self.seconds}


@final
class TensorBoardLogger:
    """Event files in a folder, for `tensorboard --logdir` to show. Nothing is written before `begin`.

    The numbers of a line of log.jsonl become points at its step: step/total, epoch/local, health/effective_rank.

    Args:
        folder: The folder to write into.

    Raises:
        InfoMaxError: The package tensorboard is missing.

    """

    def __init__(self, folder: str | Path) -> None:
        if find_spec("tensorboard") is None:
            raise InfoMaxError("TensorBoard is not installed: pip install 'infomax[tensorboard]', or do without")
        self.folder = Path(folder)
        self._writer: SummaryWriter | None = None
        self._step = 0

    def begin(self, past: Iterable[Line] = ()) -> None:
        """Draw the lines of a training that is resumed, in place of all that the folder holds.

        TensorBoard forgets what earlier files say from step 0 on. So there is one curve, also over epochs that were
        trained without TensorBoard. The earlier files stay.

        Args:
            past: Lines of log.jsonl.

        """
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(self.folder), purge_step=0)
        for line in past:
            self.log(line)

    def log(self, line: Line) -> None:
        """Draw one line of log.jsonl.

        Args:
            line: The line; its numbers are drawn at its step.

        """
        assert self._writer is not None, "begin first"
        self._step = line["step"]
        for name, value in _numbers(line["kind"], line):
            self._writer.add_scalar(name, value, self._step)
        self._writer.flush()

    def show(self, name: str, image: UInt8[np.ndarray, "h w 3"]) -> None:
        """Show an image at the step of the last line.

        Args:
            name: Its title.
            image: Pixels (h, w, 3) in 0..255.

        """
        assert self._writer is not None, "begin first"
        self._writer.add_image(name, image, self._step, dataformats="HWC")
        self._writer.flush()

    def __enter__(self) -> "TensorBoardLogger":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _numbers(path: str, line: Line) -> Iterator[tuple[str, float]]:
    """Yield name and value of every number in a line, except step and epoch, which say where the points lie."""
    for name, value in line.items():
        if name == "health":
            yield from _numbers(name, value)
        elif isinstance(value, Mapping):
            yield from _numbers(f"{path}/{name}", value)
        elif isinstance(value, int | float) and name not in ("step", "epoch"):
            yield f"{path}/{name}", value
