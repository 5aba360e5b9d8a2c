"""Stopping: what the first SIGINT or SIGTERM does to a training, and what it says."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from infomax.errors import InfoMaxError
from infomax.training.run_folder import Run


class TrainingInterrupted(InfoMaxError):
    """SIGINT or SIGTERM asked the training to stop; where it was is saved if it has a run."""


def interruption_message(where: str, run: Run | None) -> str:
    """What a learning that was stopped says: where it was, and how to go on."""
    if run is None:
        return f"{where}; nothing was saved, for no run folder was given"
    return f"{where}; saved in {run.checkpoint_file}: the same command with --resume goes on from there"


@contextmanager
def catch_signals() -> Iterator[threading.Event]:
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
