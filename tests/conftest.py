import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax.cli import main
from infomax.images.folder import ImageFiles, image_folder
from infomax.images.source import Content, first_folder
from infomax.recipes import DeepInfoMax, MultiViewInfoMax
from tests.browser import browser
from tests.objects import bucket, s3, s3_server

__all__ = ["browser", "bucket", "s3", "s3_server"]

torch.set_num_threads(1)

SMALL = DeepInfoMax(name="small", size=8, blocks=(4, 8), dim=8, batch=16, epochs=2)
"""The article's method at the size of a test."""

SMALL_VIEWS = MultiViewInfoMax(
    name="small-views",
    size=16,
    dim=8,
    widths=(4, 8),
    batch=16,
    micro_batches=2,
    epochs=2,
    view_size=16,
    local_crops=1,
    hidden=8,
    rank=4,
    beta=0.5,
)
"""Information between views at the size of a test, with all that a training can have."""

SMALL_RECIPE = ["--recipe", "dim-cifar10"]
for setting in ("size=8", "blocks=4,8", "dim=8", "batch=16", "epochs=2"):
    SMALL_RECIPE += ["--set", setting]
"""The options of fit that make it take no time."""


def colored(n: int, side: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    """Images (n, side, side, 3) of one random color each under noise: easy to tell apart."""
    random = np.random.default_rng(seed)
    colors = random.integers(0, 256, (n, 1, 1, 3))
    noise = random.integers(-20, 21, (n, side, side, 3))
    images: NDArray[np.uint8] = np.clip(colors + noise, 0, 255).astype(np.uint8)
    return images


def environment(cache: Path, **more: str) -> dict[str, str]:
    """What a child process of a test runs under: one thread, a cache of its own, warnings as errors."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "INFOMAX_CACHE": str(cache), "PYTHONWARNINGS": "error", **more}


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """Writing a file above a size fails, as on a full disk or over a quota; though the error is called another name."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


class LabeledFolder(ImageFiles):
    """A folder whose sub-folders count as labels, as a table of labels would give them."""

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        for content in super().read(wanted):
            yield content._replace(label=content.folder)

    def labels(self) -> list[str | None] | None:
        return [first_folder(entry.key) for entry in self.entries]


def labeled(folder: Path) -> LabeledFolder:
    """Open a folder with its sub-folders as labels."""
    return LabeledFolder(**vars(image_folder(folder)))


@dataclass(frozen=True)
class Outcome:
    """What a command said and how it ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def failure(self) -> str:
        """The one line of a command that failed as it should: exit code 1, nothing on stdout, no traceback."""
        assert (self.code, self.stdout) == (1, ""), self
        assert self.stderr.startswith("infomax: "), self
        assert self.stderr.count("\n") == 1, self
        assert self.stderr.endswith("\n"), self
        return self.stderr.removeprefix("infomax: ").rstrip("\n")


Infomax = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees the prepared images of another, or of the user."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("INFOMAX_CACHE", str(folder))
    return folder


@pytest.fixture
def infomax(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Infomax:
    """The command line as `infomax` enters it, in this process."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["infomax", *(str(word) for word in words)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture
def shell(tmp_path: Path, cache: Path) -> Infomax:
    """The command line as a user meets it: another process, started in tmp_path."""

    def run(*words: object) -> Outcome:
        command = [sys.executable, "-m", "infomax", *(str(word) for word in words)]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment(cache))
        return Outcome(ended.returncode, ended.stdout, ended.stderr)

    return run
