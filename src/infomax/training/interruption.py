"""Stop a training by SIGINT or SIGTERM: save first, then say how to go on."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from infomax.training.run_folder import Run


class TrainingInterrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM stopped the training; a run folder holds a checkpoint to resume from.

    It is a KeyboardInterrupt, not an error: `except Exception` in a loop over settings does not swallow it.
    """


def interruption_message(where: str, run: Run | None) -> str:
    """Say where a training stopped and how to go on.

    Args:
        where: What was under way: "stopped at step 30, in epoch 2 of 5".
        run: The folder with the checkpoint; None if nothing was saved.

    Returns:
        One line.

    """
    if run is None:
        return f"{where}; nothing was saved, because no run folder was given"
    return f"{where}; saved in {run.checkpoint_file}: the same command with --resume goes on from there"


@contextmanager
def catch_signals() -> Iterator[threading.Event]:
    """Turn the first SIGINT or SIGTERM into an event; a second one ends the program at once.

    Yields:
        An event that the first signal sets. Outside the main thread, where Python allows no handlers, it is never set.

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
