"""How a run was learned, read from its log: time, stages of a closed form, curves of a training by gradients."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Float

from infomax.training.run_folder import Run

_CURVE_POINTS = 3  # fewer points are no curve
_NOT_BOUNDS = ("seconds", "images_per_second")


@final
@dataclass(frozen=True)
class Stage:
    """One stage of a closed form.

    Attributes:
        name: Its name.
        seconds: Wall time.
        rank: How many directions it kept.
        bound: Pearson chi2 bound on the images that were learned from; it is no information in nats.
        held_out: The same on images that were held out; None if there were too few.

    """

    name: str
    seconds: float
    rank: int
    bound: float
    held_out: float | None


@final
@dataclass(frozen=True)
class LearningLog:
    """How a run was learned.

    Attributes:
        seconds: Wall time of the training; None without a log.
        stages: Stages of a closed form, in order.
        curves: (steps, values) of each quantity with three points or more, by name, shape (2, points), in nats.
        ends: First and last value of the other quantities, by name, in nats.

    """

    seconds: float | None
    stages: list[Stage]
    curves: dict[str, Float[np.ndarray, "2 points"]] = field(default_factory=dict)
    ends: dict[str, tuple[float, float]] = field(default_factory=dict)


def read_learning(run: Run) -> LearningLog:
    """Read the log of a run.

    Args:
        run: The folder of the run.

    Returns:
        Time, stages and curves, as far as the log has them.

    Raises:
        InfoMaxError: The log is damaged.

    """
    lines = list(run.read_log())
    stages = _stages(line for line in lines if line["kind"] == "stage")
    spent = [stage.seconds for stage in stages] or [line["seconds"] for line in lines if line["kind"] == "epoch"]
    points = _points(lines)
    return LearningLog(
        sum(spent) if spent else None,
        stages,
        {name: np.array(each).T for name, each in points.items() if len(each) >= _CURVE_POINTS},
        {name: (each[0][1], each[-1][1]) for name, each in points.items() if len(each) < _CURVE_POINTS},
    )


def _stages(lines: Iterable[Mapping[str, Any]]) -> list[Stage]:
    """Stages with the time of each; the log counts from the start, and from 0 again where a training was resumed."""
    stages, before = [], 0.0
    for line in lines:
        since = line["seconds"] - before if line["seconds"] >= before else line["seconds"]
        stages.append(Stage(line["stage"], since, line["rank"], line["chi2"], line.get("chi2_held_out")))
        before = line["seconds"]
    return stages


def _points(lines: Iterable[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Bounds in nats: one point each few hundred steps, or one each epoch without such lines."""
    lines = list(lines)
    kind = "step" if sum(line["kind"] == "step" for line in lines) > 1 else "epoch"
    points: dict[str, list[tuple[float, float]]] = {}
    for line in (line for line in lines if line["kind"] == kind):
        for name, value in line.items():
            if isinstance(value, float) and name not in _NOT_BOUNDS:
                points.setdefault(name, []).append((float(line["step"]), value))
    return points
