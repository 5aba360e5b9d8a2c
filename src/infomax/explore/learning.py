"""The process that learns, as the server sees it: started, listened to, stopped; and how far it is."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal

from infomax.errors import InfoMaxError
from infomax.explore.plan import Plan
from infomax.progress import announce
from infomax.search.index import Index

COMMAND = [sys.executable, "-m", "infomax.explore.learner"]
"""What starts the process that learns."""

STOP_SECONDS = 5.0
"""Seconds that the process has to save in, before it is killed."""

_SHOW_CURSOR = "\x1b[?25h"  # a bar that is killed leaves a terminal without a cursor


@dataclass(frozen=True)
class LearningStatus:
    """How far the learning is.

    Attributes:
        state: "learning" while there are no features; "ready" once there are, be it that they are being brought up to
            date; "failed".
        stage: What is being done, None where nothing is.
        part: Part of it that is done, 0 to 1, None where nobody can say.
        seconds_left: Seconds that the rest will take, None where nobody can say.
        error: Why it failed, and what to do.
        note: What the user may want to know besides.

    """

    state: Literal["learning", "ready", "failed"]
    stage: str | None = None
    part: float | None = None
    seconds_left: float | None = None
    error: str | None = None
    note: str | None = None


class LearningProcess:
    """A child process that learns, in a process group of its own.

    Args:
        plan: What to learn.
        ready: Whether an index of the collection is being served already, which is only brought up to date.

    """

    def __init__(self, plan: Plan, *, ready: bool = False) -> None:
        self._plan = plan
        self._status = LearningStatus("ready" if ready else "learning", stage="starting")
        self._since = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    @property
    def status(self) -> LearningStatus:
        """How far the learning is now: the seconds left go down between two events."""
        status, since = self._status, self._since
        if status.seconds_left is None:
            return status
        return replace(status, seconds_left=max(0.0, status.seconds_left - (time.monotonic() - since)))

    def start(self, on_ready: Callable[[Index], None]) -> None:
        """Start the process.

        Args:
            on_ready: Called with the index, in a thread, each time that the index is complete.

        Raises:
            OSError: The process cannot be started.

        """
        environment = {"OMP_WAIT_POLICY": "PASSIVE", **os.environ}  # threads that wait must not keep a core busy
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{self._plan.to_json()}\n".encode())
            self._process.stdin.flush()  # and left open: its end is the sign that this process is gone
        self._thread = threading.Thread(target=self._listen, args=(self._process, on_ready), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the process, which saves what it has. It is killed if that takes long."""
        self._stopping = True
        process = self._process
        if process is None or process.poll() is not None:
            return
        try:
            for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                    break
        except KeyboardInterrupt:  # a second Ctrl-C
            os.killpg(process.pid, signal.SIGKILL)
        if sys.stderr.isatty():
            print(_SHOW_CURSOR, end="", file=sys.stderr, flush=True)

    def _listen(self, process: "subprocess.Popen[bytes]", on_ready: Callable[[Index], None]) -> None:
        """Take the events of the process until it ends."""
        assert process.stdout is not None
        ended = False
        for line in process.stdout:
            with suppress(ValueError):
                ended |= self._take(json.loads(line), on_ready)
        code = process.wait()
        if not ended and not self._stopping:
            how = f"was killed (signal {-code}), perhaps for want of memory" if code < 0 else "ended unexpectedly"
            self._fail(f"the process that learns {how}: run the same command again, it goes on from there")

    def _take(self, event: dict[str, Any], on_ready: Callable[[Index], None]) -> bool:
        """Take one event; return whether it is the last."""
        match event.get("event"):
            case "progress":
                self._since = time.monotonic()
                self._status = replace(
                    self._status, stage=event.get("stage"), part=event.get("part"), seconds_left=event.get("left")
                )
                return False
            case "ready":
                try:
                    on_ready(Index.open(self._plan.place / "index", device=self._plan.device))
                except InfoMaxError as error:
                    self._fail(str(error))
                    return True
                self._status = LearningStatus("ready", note=event.get("note"))
                return True
            case "failed":
                self._fail(str(event.get("error")))
                return True
        return False

    def _fail(self, error: str) -> None:
        """Say on the page and on stderr why there are no features, or no new ones."""
        announce(error, shown=True)
        state: Literal["ready", "failed"] = "ready" if self._status.state == "ready" else "failed"
        self._status = LearningStatus(state, error=error)
