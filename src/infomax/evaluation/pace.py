"""Long work in steps: a bar, and in a log file a line that says how long it will take."""

import sys
import time
from collections.abc import Iterator

from infomax.progress import progress_bar

STEPS_TIMED = 20


def timed_steps(what: str, steps: int, *, shown: bool) -> Iterator[int]:
    """1 to `steps`; after the first few, where stderr is no terminal to draw a bar on, it tells the time left."""
    with progress_bar(what, steps, unit="steps", shown=shown) as advance:
        began = time.monotonic()
        for step in range(1, steps + 1):
            yield step
            advance(1)
            if shown and step == STEPS_TIMED and not sys.stderr.isatty():
                left = (time.monotonic() - began) / step * (steps - step)
                print(f"infomax: {what} takes about {_duration(left)} more", file=sys.stderr)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{seconds:.0f} seconds"
