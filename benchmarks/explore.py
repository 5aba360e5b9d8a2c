"""From the command to a wall, and to neighbors, as a real browser sees them.

    python benchmarks/explore.py PHOTOS [--cores 2] [--out explore.json] [-- OPTIONS OF explore]

Each run starts `infomax explore PHOTOS` with an empty cache, in a process that may use so many cores, opens the printed
address in Chromium (Playwright), and waits for what a person waits for. Times are in seconds from the start of the
command. Chromium itself shares the cores of the machine, and so does all else that runs: `load` is the load average
before and after, and `cpu` are the seconds of CPU of the command and of the process that learns.

    listening   the address is printed: the files have been listed
    wall        all thumbnails in the window are shown
    features    the page says that search, neighbors and map are ready
    neighbors   after a click on an image, all of its 20 neighbors are shown
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from _common import argument_parser, machine_document, write_report

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.browser import CHROMIUM, FLAGS

PATIENCE = 3600.0
IN_VIEW = """() => [...document.querySelectorAll('#view .tile img')]
    .filter((each) => each.getBoundingClientRect().top < innerHeight)"""
LOADED = f"({IN_VIEW})().length > 0 && ({IN_VIEW})().every((each) => each.complete && each.naturalWidth)"
READY = "document.getElementById('learning').hidden || !document.querySelector('#learning progress')"


def wait_for(page: Page, condition: str) -> None:
    """Wait for a condition. Playwright's own method evaluates a string, which the page's security policy forbids."""
    deadline = time.monotonic() + PATIENCE
    while not page.evaluate(condition):
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(0.05)


def explore(photos: Path, cache: Path, cores: int, options: list[str]) -> tuple["subprocess.Popen[str]", str, float]:
    """Start the command; return it, its address and when it began."""
    command = [sys.executable, "-m", "infomax", "explore", str(photos), "--no-browser", "--port", "0", *options]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "INFOMAX_CACHE": str(cache)},
        preexec_fn=lambda: os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores]),
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process, process.stdout.readline().split(" at ")[1].split()[0], began


def measure(photos: Path, cores: int, options: list[str], shots: Path | None) -> dict[str, Any]:
    """Run the command once, and look at its page."""
    load, before = os.getloadavg()[0], resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as cache, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        process, address, began = explore(photos, Path(cache), cores, options)
        times = {"listening": time.monotonic() - began}
        page.goto(address)
        wait_for(page, LOADED)
        times["wall"] = time.monotonic() - began
        if shots is not None:
            page.screenshot(path=shots / "explore-learning.png")
        wait_for(page, READY)
        times["features"] = time.monotonic() - began
        wait_for(page, LOADED)
        page.locator(".tile-link").nth(3).click()
        page.locator(".neighbors .tile").nth(19).wait_for(timeout=PATIENCE * 1000)
        wait_for(page, LOADED)
        times["neighbors"] = time.monotonic() - began
        images = page.evaluate("fetch('api/learning').then((each) => each.json())")["images"]
        process.send_signal(signal.SIGINT)
        process.wait(60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)  # Chromium has not ended yet, and is not counted
        browser.close()
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rounded = {name: round(value, 1) for name, value in times.items()}
    return {"images": images, **rounded, "cpu": round(cpu, 1), "load": [round(load, 1), round(os.getloadavg()[0], 1)]}


def main() -> None:
    """Print and write the times."""
    parser = argument_parser(__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--screenshots", type=Path, help="folder for a screenshot during the learning")
    known, options = parser.parse_known_args()
    more = [each for each in options if each != "--"]
    runs = []
    for _ in range(known.runs):
        runs.append(measure(known.photos, known.cores, more, known.screenshots))
        print(json.dumps(runs[-1]), flush=True)
    if known.out is not None:
        write_report(known.out, {"machine": machine_document(), "cores": known.cores, "runs": runs})


if __name__ == "__main__":
    main()
