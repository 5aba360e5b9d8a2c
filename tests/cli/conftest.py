"""Models, images and indexes that the tests of several commands use."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax import Index, InfoMax
from tests.conftest import SMALL, colored

LABELS = ("plain", "<i>odd</i> & $x$")


def dark_and_light(n: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Noisy images of two kinds, dark and light, and their labels."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    pixels = random.integers(0, 160, (n, 8, 8, 3)) + 60 * labels[:, None, None, None]
    return pixels.astype(np.uint8), labels


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, labeled images in folders, and the same images in arrays with and without labels."""
    home = tmp_path_factory.mktemp("evaluation")
    for name, n, seed in (("train", 60, 1), ("test", 30, 2)):
        pixels, labels = dark_and_light(n, seed)
        np.savez(home / f"{name}.npz", images=pixels, labels=labels)
        np.save(home / f"{name}.npy", pixels)
        for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
            file = home / name / LABELS[label].replace("/", "_") / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(file)
    cache = home / "cache"
    InfoMax(SMALL, cache=cache, device="cpu").fit(colored(40), out=home / "first")
    other = SMALL.with_settings(alpha=0.0, epochs=3)
    InfoMax(other, seed=1, cache=cache, device="cpu").fit(colored(40), out=home / "a<b>&c")
    return home


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder, as the current one."""
    monkeypatch.chdir(home)
    return home


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fitted model."""
    folder = tmp_path_factory.mktemp("fitted") / "run"
    InfoMax(SMALL).fit(colored(40)).save(folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve images in two folders."""
    for number, pixels in enumerate(colored(12)):
        file = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return tmp_path / "photos"


@pytest.fixture
def index(tmp_path: Path, photos: Path, run: Path) -> Path:
    """An index of the twelve images."""
    return Index.create(tmp_path / "index", run).add(photos).path


def document(text: str) -> Any:
    """The JSON document that a command printed."""
    return json.loads(text)
