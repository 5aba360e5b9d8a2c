"""Forked children answer. Each parent is a process of its own, which has used all its threads before."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from infomax import Index, InfoMax
from tests.conftest import SMALL, colored, environment
from tests.images.conftest import put

PARENT = """
import multiprocessing, os, sys, threading
import numpy as np
import torch
import infomax
from infomax import Index, InfoMax, estimate_mi
from infomax.information.estimation import cross_fit

cross_fit.TRAINING_STEPS = cross_fit.CHECK_EVERY = 2
torch.set_num_threads(2)
photos = sys.argv[1] + "/photos"
index = Index.open(sys.argv[1] + "/index", device="cpu")
model = index.model
parent = os.getpid()
x = np.random.default_rng(0).normal(size=300)
y = x + np.random.default_rng(1).normal(size=300)
big = torch.rand(512, 512)

def transform(_=0):
    return model.transform(photos)

def refused(work):
    if os.getpid() == parent:
        return "refused" if work() is not None else None
    try:
        work()
    except infomax.InfoMaxError as error:
        return "refused" if "method 'spawn' or 'forkserver'" in str(error) and "\\n" not in str(error) else str(error)

def search(_=0):
    return refused(lambda: index.search(photos + "/0.png", 5, label="none"))

def thumbnail(_=0):
    return refused(lambda: index.thumbnail(index.page()[0].id))

def reopen(_=0):
    return refused(lambda: len(Index.open(index.path, device="cpu").search(photos + "/0.png", 5)))

def add(_=0):
    return refused(lambda: len(index.add(photos)))

def estimate(_=0):
    return round(estimate_mi(x, y).value, 2)

def multiply(_=0):
    return float((big @ big).sum())

def same(first, second):
    return first == second if isinstance(first, str) else np.allclose(first, second, rtol=1e-4)
"""

WAYS = {
    "multiprocessing": """
with multiprocessing.get_context("fork").Pool(2) as pool:
    answers = [pool.map_async(work, [0, 1]).get(60) for work in works]
""",
    "concurrent.futures": """
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
    answers = [[future.result(60) for future in [pool.submit(work, i) for i in (0, 1)]] for work in works]
""",
    "torch.utils.data": """
from torch.utils.data import DataLoader, Dataset
class Rows(Dataset):
    def __len__(self): return len(works)
    def __getitem__(self, i): return works[i]()
loader = DataLoader(Rows(), batch_size=None, num_workers=1, multiprocessing_context="fork", timeout=60)
answers = [[answer.numpy() if isinstance(answer, torch.Tensor) else answer] for answer in loader]
""",
    "a fork of a fork": """
def twice(work):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply_async(work).get(60)
from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
    answers = [[pool.submit(twice, work).result(90)] for work in works]
""",
    "while another thread searches": """
ended = threading.Event()
def busy():
    while not ended.is_set():
        index.search(photos + "/0.png", 5)
thread = threading.Thread(target=busy)
thread.start()
answers = []
for _ in range(3):
    with multiprocessing.get_context("fork").Pool(1) as pool:
        answers = [[pool.apply_async(work).get(60)] for work in works]
ended.set()
thread.join()
""",
}

WORKS = "transform, search, thumbnail, reopen, add, estimate, multiply"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forked")
    for number, pixels in enumerate(colored(30)):
        put(folder / "photos" / f"{number}.png", pixels)
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    Index.create(folder / "index", model, device="cpu").add(folder / "photos")
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks by habit")
@pytest.mark.parametrize("way", WAYS)
def test_forked_workers_answer_as_their_parent(folder: Path, cache: Path, way: str) -> None:
    """After the parent has used its threads. An index says how to start workers, at once."""
    works = WORKS if way != "while another thread searches" else "transform, search, thumbnail, multiply"
    program = f"""{PARENT}
works = [{works}]
wanted = [work() for work in works]
{WAYS[way]}
assert len(answers) == len(wanted)
for given, expected in zip(answers, wanted):
    assert given and all(same(answer, expected) for answer in given), (given, expected)
print("same")
"""
    code = folder / "parent.py"
    code.write_text(program)
    child = subprocess.Popen(
        [sys.executable, code, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(cache, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="passive", PYTHONWARNINGS="default"),
        start_new_session=True,
    )
    try:
        stdout, stderr = child.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        pytest.fail("a forked worker hangs")
    assert (child.returncode, stdout) == (0, "same\n"), stderr
    assert "lancedb fork support" not in stderr


def test_spawned_workers_answer_too(folder: Path) -> None:
    """loky, the way of joblib and scikit-learn, starts new processes and pickles what they need."""
    joblib = pytest.importorskip("joblib")
    model, index = InfoMax.load(folder / "index" / "model", device="cpu"), Index.open(folder / "index", device="cpu")
    images = colored(4)
    with joblib.parallel_config("loky", n_jobs=2):
        vectors, found = joblib.Parallel()([joblib.delayed(model.transform)(images), joblib.delayed(len)(index)])
    assert np.array_equal(vectors, model.transform(images))
    assert found == 30
