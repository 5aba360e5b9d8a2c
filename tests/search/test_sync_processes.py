"""Several processes on one index, and killed processes. INFOMAX_KILLS=20 kills at more moments."""

import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from infomax import Index, InfoMax
from tests.conftest import colored, environment
from tests.search.conftest import assert_same, save

KILLS = int(os.environ.get("INFOMAX_KILLS", "2"))

INDEXER = """
import sys
from infomax import Index
from infomax.search.stores.lance import LanceStore
index, photos, run = sys.argv[1:]
upsert = LanceStore.upsert
def upsert_and_report(self, rows):
    upsert(self, rows)
    print(len(rows), flush=True)
LanceStore.upsert = upsert_and_report
import torch; torch.set_num_threads(1)
from infomax import InfoMax
model = InfoMax.load(run)
print("ready", flush=True)
sys.stdin.readline()
Index.create(index, model).synchronize(photos, batch=5)
"""

READER = """
import sys, threading
from infomax import Index
index, image = sys.argv[1:]
opened, ended = Index(index), threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
print(len(opened.search(image, 999)), flush=True)
last = False
while not last:
    last = ended.is_set()
    found = [each.image.path for each in opened.search(image, 999)]
    assert len(set(found)) == len(found)
    print(len(found), flush=True)
"""
"""Search until stdin is closed and once more, and print the number of images found each time."""


def indexer(index: Path, photos: Path, run: Path, cache: Path) -> subprocess.Popen[str]:
    """Start a process that indexes after it has read a line. It prints the size of every committed batch."""
    child = subprocess.Popen(
        [sys.executable, "-c", INDEXER, str(index), str(photos), str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(cache),
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def go(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    for number, pixels in enumerate(colored(100)):
        save(folder / f"{number % 3}" / f"{number:03d}.png", pixels)
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, many: Path, model: InfoMax) -> tuple[Index, Path, float]:
    """The expected index, a RUN, and the seconds that a process takes to build the index."""
    home = tmp_path_factory.mktemp("whole")
    model.save(home / "run")
    with indexer(home / "index", many, home / "run", home) as child:
        start = time.monotonic()
        go(child)
        assert child.wait() == 0
    return Index(home / "index"), home / "run", time.monotonic() - start


@pytest.mark.parametrize("moment", range(KILLS))
def test_a_killed_process_loses_no_committed_row(
    moment: int, whole: tuple[Index, Path, float], many: Path, tmp_path: Path, cache: Path
) -> None:
    expected, run, seconds = whole
    with indexer(tmp_path / "index", many, run, cache) as child:
        go(child)
        time.sleep(seconds * random.Random(moment).random())
        child.kill()
        child.wait()
        assert child.stdout is not None
        committed = sum(int(line) for line in child.stdout.read().splitlines())
    model = InfoMax.load(run)
    index = Index.create(tmp_path / "index", model)
    before = [each.path for each in index.page(limit=999)]
    assert committed <= len(before) <= committed + 5
    assert len(set(before)) == len(before) == len(index)
    changes = index.synchronize(many)
    assert (changes.added, changes.updated, changes.unchanged) == (100 - len(before), 0, len(before))
    assert_same(index, expected)


def test_two_indexers_and_two_readers_lose_nothing(
    whole: tuple[Index, Path, float], many: Path, tmp_path: Path, cache: Path, model: InfoMax
) -> None:
    expected, run, _ = whole
    Index.create(tmp_path / "index", model)
    image = many / "0" / "000.png"
    reader = Index(tmp_path / "index")
    with ExitStack() as stack:
        children = [stack.enter_context(indexer(tmp_path / "index", many, run, cache)) for _ in range(2)]
        other = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-c", READER, str(tmp_path / "index"), str(image)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment(cache),
            )
        )
        assert other.stdout is not None
        assert other.stdout.readline() == "0\n"
        for child in children:
            go(child)
        seen = [0]
        while any(child.poll() is None for child in children):
            seen.append(len(reader.search(image, 999)))
            assert seen == sorted(seen)
            time.sleep(0.05)
        told = [int(line) for line in other.communicate()[0].splitlines()]
    assert [child.returncode for child in (*children, other)] == [0, 0, 0]
    assert told == sorted(told)
    assert told[-1] == 100
    images = reader.page(limit=999)
    assert len(images) == len({each.path for each in images}) == 100
    assert_same(reader, expected)
