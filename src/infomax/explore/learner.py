"""The process that learns behind the page: fit, then index, or an update of both.

    python -m infomax.explore.learner       a Plan on the first line of stdin, events on stdout as lines of JSON

It ends with its parent, even if that is killed: stdin is a pipe that nobody writes to any more, and its end tells.
Then, and on SIGTERM, what was learned so far is saved, and the next run goes on from there. The process is nice, so
that the page stays quick.
"""

import json
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from infomax.devices import choose_device
from infomax.errors import InfoMaxError, InfoMaxWarning
from infomax.explore.decoded import DecodedOnce
from infomax.explore.folder import Completion, ExploreFolder
from infomax.explore.plan import QUICK_MINUTES, Plan
from infomax.images import open_source
from infomax.images.census import count_left_out
from infomax.images.source import Source
from infomax.model import InfoMax
from infomax.progress import ProgressReport, announce, listening, staged_progress
from infomax.recipes import Recipe, resolve_recipe
from infomax.recipes.registry import AUTO
from infomax.search.index import Index
from infomax.search.index_folder import IndexFolder
from infomax.search.sync import Changes
from infomax.training.diagnostics import HealthWarning
from infomax.training.run_folder import Run

NICENESS = 10
"""Added to that of the parent."""

GRACE = 5.0
"""Seconds to save in, once the parent is gone."""

GROWTH = 2.0
"""Times as many images as were learned from, above which learning again is advised."""

EVENT_INTERVAL = 0.2
"""Seconds between two events of one stage, at least."""

THUMBNAIL_SECONDS, ROW_SECONDS = 2e-3, 1e-3
"""To make a thumbnail, and the row of an image, on two cores: the expected shares of the bar, no promise."""

BATCH = 250
"""Images that are indexed at a time: what a kill may cost, and how often the bar moves."""

Tell = Callable[[dict[str, Any]], None]


def learn(plan: Plan, tell: Tell) -> None:
    """Bring model and index up to date, one process at a time for each folder.

    Args:
        plan: What to learn.
        tell: Sends an event to the parent: progress, then `ready`.

    Raises:
        InfoMaxError: The source, a setting or the folder cannot be used.
        TrainingInterrupted: SIGTERM asked to stop.

    """
    folder = ExploreFolder(plan.place)

    def follow() -> None:
        shown = folder.shown()
        tell({"event": "progress", "stage": "another infomax explore is learning", "part": None, "left": None} | shown)

    def progress(event: dict[str, Any]) -> None:
        folder.show(event)
        tell(event)

    with folder.locked(follow), listening(_Reporter(progress)):
        folder.replace()  # goes on with what a kill has interrupted
        source = open_source(list(plan.sources), plan.reading())
        before = folder.completion()
        again = plan.refit and before is not None
        run = Run(folder.new_model if again else folder.model)
        if again and run.finished and not _is_of(run, source):
            folder.start_over()
        with DecodedOnce(folder.path) as decoded, _bar(plan, run, source) as recipe:
            if recipe is not None:
                decoded.read(source, recipe.size, plan.reading())
            model = InfoMax.load(run.path) if recipe is None else _fit(plan, run, source, recipe)
            place = _place(folder, model.fingerprint)
            index = Index.create(place, model, device=plan.device, progress=True)
            changes = index.synchronize(source, reading=plan.reading(), batch=BATCH, find_decoded=decoded.find)
        count, learned_from = len(index), int(model.config_["data"]["images"])
        if place != folder.index:
            place.rename(folder.new_index)
            folder.replace()
        folder.start_over()  # a model that came out the same has no use
        folder.complete(Completion(count, learned_from))
        tell({"event": "ready", "note": _remark(plan, changes, count, learned_from, fitted=recipe is not None)})


def _place(folder: ExploreFolder, model: str) -> Path:
    """Where to index: the index itself if it is of this model or new, else a new one that will take its place."""
    for place in (folder.index, folder.index_part):
        if not place.exists() or IndexFolder(place).read_metadata().model == model:
            return place
    folder.start_over(model=False)
    return folder.index_part


def _is_of(run: Run, source: Source) -> bool:
    """Whether a finished model was learned from as many images as the source has now."""
    data = run.read_config()["data"]
    left_out = data["left_out"]
    return bool(data["images"] + left_out["broken"] + left_out["too_large"] == len(source.entries))


@contextmanager
def _bar(plan: Plan, run: Run, source: Source) -> Iterator[Recipe | None]:
    """One bar over all stages, and the recipe to learn with; None where the model is there."""
    if run.finished:
        yield None
        return
    device, before = choose_device(plan.device), run.read_config() if run.exists else None
    is_auto = plan.recipe in (None, AUTO)
    minutes = (QUICK_MINUTES if plan.minutes is None else plan.minutes) if is_auto else plan.minutes
    recipe, reason = resolve_recipe(
        *(plan.recipe, plan.settings, None),
        source=source,
        device=device,
        before=before and before["recipe"],
        minutes=minutes,
    )
    announce(reason, shown=bool(reason))
    n = len(source.entries)
    stages = dict(recipe.stage_seconds(n, device))
    if stages:
        embedding = (recipe.expected_seconds(n, device) or 0.0) - sum(stages.values())
        stages["decoding"] += n * THUMBNAIL_SECONDS
        stages["indexing"] = max(embedding, 0.0) + n * ROW_SECONDS
    with staged_progress(stages) if stages else nullcontext():
        yield recipe


def _fit(plan: Plan, run: Run, source: Source, recipe: Recipe) -> InfoMax:
    """Learn, from where a former process was stopped if the collection is still the same."""
    model = InfoMax(recipe, device=plan.device, seed=plan.seed, progress=True, reading=plan.reading())
    if run.exists:
        try:
            return model.fit(source, out=run.path, resume=True)
        except InfoMaxError:  # other images or settings meanwhile
            return model.fit(source, out=run.path, overwrite=True)
    return model.fit(source, out=run.path)


def _remark(plan: Plan, changes: Changes, count: int, learned_from: int, *, fitted: bool) -> str | None:
    """Say on stderr what was done and left out; return what the page should say, too."""
    for line in _left_out(changes, plan):
        announce(line, shown=True)
    done = {"new": changes.added, "changed": changes.updated, "moved": changes.moved, "gone": changes.gone}
    if not fitted and any(done.values()):
        announce(", ".join(f"{number} {name}" for name, number in done.items() if number), shown=True)
    note = None
    if count > GROWTH * learned_from:
        note = f"the collection has grown from {learned_from} to {count} images: --refit learns from all of them"
    elif not fitted and plan.recipe not in (None, AUTO) and not plan.refit:
        note = f"the model is there already: --refit learns it again, by the recipe {plan.recipe}"
    announce(note or "", shown=note is not None)
    return note


def _left_out(changes: Changes, plan: Plan) -> list[str]:
    """Lines on images that were not read."""
    counts = count_left_out(changes.skipped, changes.census)
    number = int(counts["broken"]) + int(counts["too_large"])
    images = "1 image was" if number == 1 else f"{number} images were"
    listed = ExploreFolder(plan.place).index / "skipped.csv"
    return [f"{images} left out, being broken or too large: {listed}"] if number else []


class _Reporter:
    """Turns reports into events: each stage at once, and then a few a second."""

    def __init__(self, send: Tell) -> None:
        self._send, self._last, self._stage = send, 0.0, ""
        self._lock = threading.Lock()

    def __call__(self, report: ProgressReport) -> None:
        with self._lock:
            now = time.monotonic()
            if report.stage == self._stage and now - self._last < EVENT_INTERVAL:
                return
            self._last, self._stage = now, report.stage
            left = report.seconds_left
            self._send({"event": "progress", "stage": report.stage, "part": report.part, "left": left})


def _end_with_parent() -> None:
    """Watch stdin: its end is that of the parent. Save and end then, at the latest after GRACE seconds."""

    def watch() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **_more: Any) -> None:
    """Print warnings that are meant for the user, each as one line."""
    if issubclass(category, InfoMaxWarning | HealthWarning):
        announce(f"warning: {message}", shown=True)


def learn_as_told() -> None:
    """Learn as the plan on stdin says. Exit code 0 means done or failed with an event, 130 that it was stopped."""
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints is no event
    plan = Plan.from_json(sys.stdin.buffer.readline().decode())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _stop)
    _end_with_parent()
    with suppress(OSError):
        os.nice(NICENESS)
    warnings.simplefilter("ignore")
    warnings.simplefilter("once", InfoMaxWarning)
    warnings.simplefilter("always", HealthWarning)
    warnings.showwarning = _show_warning

    def tell(event: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):
            events.write(json.dumps(event) + "\n")

    try:
        learn(plan, tell)
    except KeyboardInterrupt:
        os._exit(130)
    except InfoMaxError as error:
        tell({"event": "failed", "error": str(error)})
    except OSError as error:
        place = error.filename or plan.folder
        tell({"event": "failed", "error": f"{error.strerror or error}: {place}: make room there, or choose a --folder"})
    except MemoryError:
        tell({"event": "failed", "error": "there is not enough memory to learn from these: close other programs"})


if __name__ == "__main__":
    learn_as_told()
