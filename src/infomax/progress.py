"""Progress on stderr: what is done, how far it is, how long it still takes. Stdout stays clean.

A single piece of work draws a bar by `progress_bar`. Work in stages opens `staged_progress` with the seconds that each
stage is expected to take; the bars that are asked for meanwhile become stages of that one bar. `listening` tells the
same to a function, so that a page in the browser can show it.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int], None]

TICK = 0.5  # seconds between two moves of a bar whose work cannot say how far it is
NOTE_SECONDS = 30.0  # seconds between two lines where stderr is not a terminal that a bar could be drawn on


@dataclass(frozen=True)
class ProgressReport:
    """How far work is.

    Attributes:
        stage: What is being done, in a few words.
        part: Part of the work that is done, 0 to 1; None where nobody can say.
        seconds_left: Seconds that the rest will take; None where nobody can say.

    """

    stage: str
    part: float | None = None
    seconds_left: float | None = None


Listener = Callable[[ProgressReport], None]
"""Takes reports as work goes on, possibly from another thread."""

_LISTENER: ContextVar[Listener | None] = ContextVar("progress listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Report the progress of all work in a block to a function, beside the bar that is drawn.

    Args:
        listener: Called at each step; it should return at once.

    Yields:
        Nothing.

    Examples:
        >>> with listening(lambda report: print(report.stage, report.part)), progress_bar("reading", 4) as advance:
        ...     advance(1)
        reading 0.0
        reading 0.25

    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def announce(text: str, *, shown: bool) -> None:
    """Say on stderr what is about to happen.

    Args:
        text: One line.
        shown: Whether to say it at all.

    """
    if shown:
        print(f"infomax: {text}", file=sys.stderr, flush=True)


@contextmanager
def progress_bar(
    what: str, total: int, *, unit: str = "images", done: int = 0, shown: bool = True
) -> Iterator[Advance]:
    """Draw a bar, or advance a stage of the bar that is being drawn.

    Args:
        what: The work, in a word or two; the name of a stage within `staged_progress`.
        total: Units of work in all.
        unit: What is counted.
        done: Units that were done before.
        shown: Whether to draw at all. Nothing is drawn either where stderr is not a terminal.

    Yields:
        A function that adds so many units.

    """
    staged = _STAGED.get()
    if staged is not None and what in staged.stages:
        with staged.stage(what) as report:
            counted = [done]

            def advance(count: int) -> None:
                counted[0] += count
                report(counted[0] / max(total, 1))

            staged.skip_to(what, done / max(total, 1))
            yield advance
        return
    if not shown or staged is not None:
        yield lambda _: None
        return
    with _bar(unit) as progress:
        task = progress.add_task(what, total=total, completed=done)
        tell = _teller(what, total, done)

        def advance_bar(count: int) -> None:
            progress.advance(task, count)
            tell(count)

        yield advance_bar


@contextmanager
def busy(what: str, *, shown: bool = True) -> Iterator[None]:
    """Keep a bar moving while work goes on that cannot say how far it is.

    Args:
        what: The work, in a word or two; the name of a stage within `staged_progress`.
        shown: Whether to draw at all.

    Yields:
        Nothing.

    """
    staged = _STAGED.get()
    if staged is not None and what in staged.stages:
        with staged.stage(what) as report, _ticking(staged.stages[what], report):
            yield
        return
    if not shown or staged is not None:
        yield
        return
    with _bar("", counted=False) as progress:
        progress.add_task(what, total=None)
        if (listener := _LISTENER.get()) is not None:
            listener(ProgressReport(what))
        yield


def _teller(what: str, total: int, done: int) -> Advance:
    """Report to the listener, if there is one, how far a single bar is."""
    listener, began, count = _LISTENER.get(), time.monotonic(), done
    if listener is None:
        return lambda _: None

    def tell(more: int) -> None:
        nonlocal count
        count += more
        pace = (time.monotonic() - began) / (count - done) if count > done else None
        left = None if pace is None else pace * max(total - count, 0)
        listener(ProgressReport(what, min(count / max(total, 1), 1.0), left))

    tell(0)
    return tell


@contextmanager
def staged_progress(stages: Mapping[str, float], *, shown: bool = True) -> Iterator[None]:
    """Draw one bar for work in stages, with the time left over all of them.

    Args:
        stages: Seconds that each stage is expected to take, by its name, in order. They only weigh the stages: the time
            left follows from how fast the first ones were. A stage that never comes is passed over.
        shown: Whether to draw. Where stderr is not a terminal a line is printed every NOTE_SECONDS instead.

    Yields:
        Nothing: `progress_bar` and `busy` find the bar by themselves.

    """
    if not shown or not stages or _STAGED.get() is not None:
        yield
        return
    with _bar("", staged=True) as progress:
        token = _STAGED.set(_Staged(stages, progress))
        try:
            yield
        finally:
            _STAGED.reset(token)


@final
class _Staged:
    """The bar over all stages; its unit is a second of the expected time."""

    def __init__(self, stages: Mapping[str, float], progress: "Progress") -> None:
        self.stages = dict(stages)
        self._progress = progress
        self._names = list(stages)
        self._task = progress.add_task(self._names[0], total=sum(stages.values()), worked=0.0)
        self._began = self._noted = time.monotonic()
        self._completed = self._worked = 0.0  # in all, and of that by this process
        self._listener = _LISTENER.get()  # a thread that reports would not find it

    @contextmanager
    def stage(self, name: str) -> Iterator[Callable[[float], None]]:
        """Yield a function that takes the part of the stage that is done, 0 to 1."""
        self.skip_to(name, 0.0)
        yield lambda part: self._report(name, part, worked=True)
        self._report(name, 1.0, worked=True)

    def skip_to(self, name: str, part: float) -> None:
        """Move the bar over what is not done by this process: stages that never came, and work from before."""
        self._report(name, part, worked=False)

    def _report(self, name: str, part: float, *, worked: bool) -> None:
        number = self._names.index(name)
        completed = sum(self.stages[each] for each in self._names[:number]) + min(part, 1.0) * self.stages[name]
        self._worked += max(0.0, completed - self._completed) if worked else 0.0
        self._completed = max(completed, self._completed)
        title = f"{number + 1} of {len(self._names)}: {name}"
        self._progress.update(self._task, description=title, completed=self._completed, worked=self._worked)
        now, total = time.monotonic(), sum(self.stages.values())
        left = _seconds_left(now - self._began, self._worked, self._completed, total)
        if self._listener is not None:
            self._listener(ProgressReport(name, self._completed / total if total else None, left))
        self._note(title, now, left)

    def _note(self, title: str, now: float, left: float) -> None:
        if self._progress.console.is_terminal or now - self._noted < NOTE_SECONDS:
            return
        self._noted = now
        announce(f"{title}, about {duration(left)} left", shown=True)


_STAGED: ContextVar[_Staged | None] = ContextVar("staged progress", default=None)


def duration(seconds: float) -> str:
    """Say a time in words.

    Args:
        seconds: The time.

    Returns:
        Seconds below a minute and a half, else minutes.

    """
    if seconds < 1.5:
        return "a second"
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"


def _seconds_left(elapsed: float, worked: float, completed: float, total: float) -> float:
    """The time left: as expected at first, and at the pace of this process once it has done a twentieth."""
    pace = elapsed / worked if worked > total / 20 else 1.0
    return max(0.0, total - completed) * pace


@contextmanager
def _ticking(seconds: float, report: Callable[[float], None]) -> Iterator[None]:
    """Report the part of the expected time that is over, from another thread; never quite all of it."""
    ended = Event()

    def tick() -> None:
        began = time.monotonic()
        while not ended.wait(TICK):
            passed = (time.monotonic() - began) / max(seconds, TICK)
            report(min(passed, 1 - 0.1 / (1 + passed)))

    thread = Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _bar(unit: str, *, counted: bool = True, staged: bool = False) -> Iterator["Progress"]:
    """A bar of rich on stderr, drawn on a terminal alone."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else f"- {unit}/s", style="cyan")

    class Left(ProgressColumn):
        def render(self, task: Task) -> Text:
            if task.finished:
                return Text("done", style="cyan")
            left = _seconds_left(task.elapsed or 0.0, task.fields["worked"], task.completed, task.total or 0.0)
            return Text(f"about {duration(left)} left", style="cyan")

    columns: list[ProgressColumn] = [TextColumn("{task.description}")]
    if staged:
        columns += [BarColumn(), SpinnerColumn(), TimeElapsedColumn(), Left()]
    elif counted:
        columns += [BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()]
    else:
        columns += [SpinnerColumn(), TimeElapsedColumn()]
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, speed_estimate_period=30) as progress:
        yield progress
