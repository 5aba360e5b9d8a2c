"""`infomax explore` as a user runs it: the page before the features, and what a stop at any time leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from infomax import Index
from infomax.explore.folder import ExploreFolder
from infomax.files import locked_folder
from tests.browser import needs_chromium, until
from tests.conftest import SMALL_RECIPE, Infomax, colored, environment
from tests.web.conftest import run_as_user

PATIENCE = 120.0
"""Seconds after which a process that does not do what is waited for counts as hanging."""

SLOW_LEARNER = """
import os, time
import infomax.images.loading as loading
from infomax.explore.learner import learn_as_told
from infomax.search.row_writer import RowWriter
from infomax.training.trainer import Trainer

def slowly(phase, work):
    def wrapped(*arguments):
        if os.environ["SLOW"] == phase:
            time.sleep(1)
        return work(*arguments)
    return wrapped

loading._pixels_or_error = slowly("decoding", loading._pixels_or_error)
Trainer.train_step = slowly("training", Trainer.train_step)
RowWriter.write = slowly("indexing", RowWriter.write)
import infomax.explore.learner as learner
learner.BATCH = 2
learn_as_told()
"""
"""The process that learns, so slow in one of its phases that there is time to stop it there."""

COMMAND_LINE = """
import sys
from infomax.explore import learning
learning.COMMAND = [sys.executable, "-c", {learner!r}]
from infomax.cli import main
main()
"""


@dataclass
class Exploring:
    """A running `infomax explore`."""

    process: "subprocess.Popen[str]"
    address: str
    folder: ExploreFolder

    def ask(self, path: str) -> Any:
        return httpx.get(self.address + path, trust_env=False, timeout=PATIENCE).json()

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until what is said of the learning fulfills a condition."""
        deadline = time.monotonic() + PATIENCE
        while not condition(status := self.ask("/api/learning")):
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        return dict(status)

    def learners(self) -> list[int]:
        """Processes that this one has started and that still run."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(each) for each in children]


def is_ready(status: dict[str, Any]) -> bool:
    return status["state"] == "ready" and status["stage"] is None


STARTED: list["subprocess.Popen[str]"] = []


@pytest.fixture(autouse=True)
def no_server_is_left() -> Iterator[None]:
    """A test that fails ends its servers, too."""
    yield
    while STARTED:
        STARTED.pop().kill()


def start(photos: Path, *options: str, slow: str | None = None) -> Exploring:
    program = ["-m", "infomax"] if slow is None else ["-c", COMMAND_LINE.format(learner=SLOW_LEARNER)]
    words = ["explore", str(photos), "--no-browser", "--port", "0", "--device", "cpu", *SMALL_RECIPE, *options]
    process = subprocess.Popen(
        [sys.executable, *program, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(photos.parent / "cache", SLOW=slow or ""),
        preexec_fn=run_as_user,
    )
    STARTED.append(process)
    assert process.stdout is not None
    kept, address = process.stdout.readline(), process.stdout.readline()
    if not address:
        pytest.fail(f"it did not start: {process.communicate()}")
    folder = ExploreFolder(kept.split(" are kept in ")[1].strip())
    return Exploring(process, address.split(" at ")[1].split("/?")[0].split()[0].rstrip("/"), folder)


def end(exploring: Exploring, number: signal.Signals = signal.SIGINT) -> str:
    """Stop it by a signal; no child of it is left. Return what it printed on stderr."""
    children = exploring.learners()
    exploring.process.send_signal(number)
    _, stderr = exploring.process.communicate(timeout=PATIENCE)
    assert exploring.process.returncode == (0 if number == signal.SIGINT else -number), stderr
    assert "Traceback" not in stderr
    deadline = time.monotonic() + PATIENCE
    while any(is_running(each) for each in children):
        assert time.monotonic() < deadline, "a child is left"
        time.sleep(0.02)
    return stderr


def is_running(number: int) -> bool:
    """Whether there is a process of this number that has not ended, waited for or not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@contextmanager
def exploring(photos: Path, *options: str) -> Iterator[Exploring]:
    found = start(photos, *options)
    yield found
    end(found)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of 20 images, one of them in a subfolder, and one that is broken."""
    folder = tmp_path / "photos"
    (folder / "holiday").mkdir(parents=True)
    for number, pixels in enumerate(colored(20, 32)):
        Image.fromarray(pixels).save(folder / ("holiday" if number == 19 else "") / f"{number:02d}.png")
    (folder / "broken.png").write_bytes(b"no image")
    return folder


@pytest.fixture(params=[{}])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    expect.set_options(timeout=PATIENCE * 1000)
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **request.param})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@needs_chromium
def test_the_wall_comes_first_then_features_and_the_next_run_updates(photos: Path, page: Page) -> None:
    from infomax.explore.folder import folder_of

    os.environ["INFOMAX_CACHE"], before = str(photos.parent / "cache"), os.environ["INFOMAX_CACHE"]
    kept = ExploreFolder(folder_of([str(photos)]))
    os.environ["INFOMAX_CACHE"] = before
    kept.path.mkdir(parents=True)
    with locked_folder(kept.path, "taken"):  # as another process that learns would: there are no features yet
        first = start(photos)
        assert first.folder.path == kept.path
        page.goto(f"{first.address}/?view=wall")
        expect(page.locator("#name")).to_have_text("photos")
        expect(page.locator(".tile")).to_have_count(21)
        names = [str(each.get_attribute("title")) for each in page.locator(".tile").all()]
        assert names == sorted(str(each) for each in photos.rglob("*.png"))
        expect(page.locator(".tile img.missing")).to_have_count(1)
        until(page, "[...document.querySelectorAll('.tile img:not(.missing)')].every((i) => i.naturalWidth === 32)")
        expect(page.locator("#learning b")).to_contain_text("Learning features")
        expect(page.locator("#learning .stage")).to_have_text("another infomax explore is learning")
        expect(page.get_by_role("button", name="Search by image")).to_be_disabled()
        link = page.locator(".tile-link").nth(1)
        address = str(link.get_attribute("href")).removeprefix("./")
        link.click()  # there are no neighbors yet: the image itself is shown
        expect(page.get_by_role("dialog", name="Image")).to_be_visible()
        page.goto(f"{first.address}/{address}")
        expect(page.locator(".waiting")).to_contain_text("Search, neighbors and map are ready")
        assert first.ask("/api/map") == {"error": "features are still being learned"}
        assert not kept.model.exists()
    expect(page.locator(".neighbors .tile")).to_have_count(19)  # the same view, once there are features
    expect(page.locator("#learning")).to_be_hidden()
    expect(page.get_by_role("button", name="Search by image")).to_be_enabled()
    page.goto(f"{first.address}/?view=wall")
    expect(page.locator(".tile")).to_have_count(20)  # the broken one is in no index
    stderr = end(first)
    assert "1 image was left out" in stderr

    fingerprint = Index(kept.index).fingerprint
    Image.fromarray(colored(1, 32, seed=5)[0]).save(photos / "new.png")
    (photos / "03.png").unlink()
    with exploring(photos) as second:
        assert second.ask("/api/learning")["state"] == "ready"  # from the beginning
        page.goto(f"{second.address}/?view=wall")
        expect(page.locator(".tile")).not_to_have_count(0)
        second.until(is_ready)
        expect(page.locator(".tile")).to_have_count(21)
        expect(page.locator(".badge")).to_have_text("deleted")
    assert Index(kept.index).fingerprint == fingerprint
    assert kept.completion() is not None


def test_a_stop_in_any_phase_leaves_no_child_and_a_state_to_go_on_from(photos: Path) -> None:
    for phase, number in (
        ("starting", signal.SIGINT),
        ("decoding", signal.SIGINT),
        ("training", signal.SIGKILL),
        ("indexing", signal.SIGINT),
    ):
        running = start(photos, slow=phase)
        assert len(running.ask("/api/images")["images"]) == 21  # the preview, as the index is not complete
        if phase != "starting":
            running.until(lambda status, phase=phase: status["stage"] == phase)  # type: ignore[misc]
        if phase == "indexing":
            deadline = time.monotonic() + PATIENCE
            while not (running.folder.index.exists() and len(Index(running.folder.index)) > 1):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        stderr = end(running, number)
        assert number == signal.SIGKILL or "the same command goes on from here" in stderr
        assert running.folder.completion() is None
    had = len(Index(running.folder.index))
    assert 1 < had < 20
    learned = (running.folder.model / "model.safetensors").stat().st_mtime_ns
    with exploring(photos) as last:
        last.until(is_ready)
        assert last.ask("/api/images")["total"] == 20
        assert len(last.ask(f"/api/matches?id={Index(last.folder.index).page()[0].id}&k=5")["matches"]) == 5
    assert (running.folder.model / "model.safetensors").stat().st_mtime_ns == learned  # learned once, in spite of all


def test_what_cannot_be_shown_is_said_in_one_line(infomax: Infomax, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty" in infomax("explore", tmp_path / "empty", "--no-browser").failure
    assert "no such file or folder" in infomax("explore", tmp_path / "nowhere", "--no-browser").failure
    Image.fromarray(colored(1)[0]).save(tmp_path / "a.png")
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "letter.txt").write_text("Dear Ann")
    said = infomax("explore", tmp_path / "a.png", "--no-browser", "--folder", taken).failure
    assert "is not empty and holds no model: choose another --folder" in said


@needs_chromium
def test_a_failure_to_learn_is_said_on_the_page(tmp_path: Path, page: Page) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.png").write_bytes(b"no image")
    running = start(folder)
    page.goto(f"{running.address}/?view=wall")
    expect(page.locator("#learning .remark")).to_contain_text("none of its 2 images can be decoded")
    expect(page.locator(".tile")).to_have_count(2)
    page.goto(f"{running.address}/?view=map")
    expect(page.locator(".waiting")).to_contain_text("There is no search: ")
    stderr = end(running)
    assert stderr.count("none of its 2 images can be decoded") == 1
