import ctypes
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageFilter

from infomax import Index, InfoMax
from tests.conftest import SMALL, colored, environment, labeled

EVIL = "<img src=x onerror=window.hacked=1>"
"""A label and a file name that must stay text on the page."""

LABELS = ("cat", "dog", EVIL)


@dataclass(frozen=True)
class Served:
    """A server of 45 images, 15 of each label, 5 of which are in a subfolder. The file `gone` has been deleted."""

    address: str
    index: Index
    photos: Path
    gone: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60, trust_env=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and `photos.index`. Tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("collection")
    for number, pixels in enumerate(colored(45, 32)):
        subfolder = "holiday" if number % 9 > 5 else ""
        name = f"{EVIL}.png" if number == 2 else f"{number:02d}.png"
        file = folder / "photos" / LABELS[number % 3] / subfolder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    Index.create(folder / "photos.index", model, device="cpu").add(labeled(folder / "photos"))
    return folder


def run_as_user() -> None:
    """Prepare a child process.

    Ctrl-C ends it even if the tests run in the background. File permissions apply to it even if root runs the tests.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        drop_from_bounding_set, override_permissions = 24, 1  # prctl(2), capabilities(7); only root may do this
        ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions)


@contextmanager
def serving(index: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `infomax serve` on a free port and yield its address. Ctrl-C must stop it with code 0 and no traceback."""
    command = [
        sys.executable,
        "-m",
        "infomax",
        "serve",
        "--index",
        str(index),
        "--port",
        "0",
        "--device",
        "cpu",
        *options,
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(index.parent / "cache"),
        preexec_fn=run_as_user,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the server did not start: {process.communicate()}")
    try:
        yield process, line.split(" at ")[1].split()[0].rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr


@pytest.fixture(scope="session")
def served(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server, shared by all tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(template / "photos.index", folder / "photos.index")
    photos = template / "photos"
    gone = photos / "dog" / "01.png"
    gone.unlink()
    with serving(folder / "photos.index") as (_, address):
        yield Served(address, Index.open(folder / "photos.index", device="cpu"), photos, str(gone))


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


@pytest.fixture(scope="session")
def image() -> bytes:
    """The PNG file of an image that is not in the index."""
    return png(Image.fromarray(colored(1, 40, seed=9)[0]))


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "png")
    return file.getvalue()


def scene(seed: int) -> Image.Image:
    """An image that is like no other: patches of color at four scales."""
    random = np.random.default_rng(seed)
    pixels = np.zeros((96, 128, 3))
    for cells in (3, 6, 12, 24):
        small = Image.fromarray(random.integers(0, 256, (cells, cells, 3), np.uint8))
        pixels += np.asarray(small.resize((128, 96), Image.Resampling.BICUBIC), float)
    return Image.fromarray((pixels / 4).astype(np.uint8))


@dataclass(frozen=True)
class Acting:
    """A server that may write: 24 photos in two folders, with copies of two of them, a dark and a blurred one."""

    address: str
    folder: Path

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=120, trust_env=False)

    @property
    def index(self) -> Index:
        return Index.open(self.folder / "photos.index", device="cpu")

    def ids(self) -> dict[str, str]:
        return {Path(image.path).name: image.id for image in self.index.page(0, 100)}


@pytest.fixture(scope="session")
def acting_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and `photos.index`."""
    folder = tmp_path_factory.mktemp("acting")
    for number in range(24):
        file = folder / "photos" / ("sea" if number % 2 else "city") / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        scene(number).save(file)
    scene(0).save(folder / "photos" / "copy of 00.jpg", quality=85)
    shutil.copy(folder / "photos" / "sea" / "01.png", folder / "photos" / "copy of 01.png")
    ImageEnhance.Brightness(scene(50)).enhance(0.1).save(folder / "photos" / "dark.png")
    scene(51).filter(ImageFilter.GaussianBlur(12)).save(folder / "photos" / "blurred.png")
    (folder / "photos" / "broken.jpg").write_bytes(b"no image")
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    Index.create(folder / "photos.index", model, device="cpu").add(folder / "photos")
    return folder


@pytest.fixture
def acting(acting_template: Path, tmp_path: Path) -> Iterator[Acting]:
    """A server of its own for each test: it changes files."""
    shutil.copytree(acting_template / "photos", tmp_path / "photos")
    model = Index.open(acting_template / "photos.index", device="cpu").model
    Index.create(tmp_path / "photos.index", model, device="cpu").add(tmp_path / "photos")
    with serving(tmp_path / "photos.index", "--allow-changes") as (_, address):
        yield Acting(address, tmp_path)


def computed(client: httpx.Client, path: str, **params: Any) -> Any:
    """An answer, asked for again while it is being computed."""
    for _ in range(200):
        answer = client.get(path, params=params)
        if answer.status_code == 200:
            return answer.json()
        assert answer.status_code == 202, answer.text
        time.sleep(0.1)
    pytest.fail(f"{path} is never ready")
