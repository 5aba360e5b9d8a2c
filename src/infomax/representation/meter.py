"""What an objective was worth of late, for the log."""

import time
from typing import Any, final

from torch import Tensor

from infomax.representation.objectives import Value


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
