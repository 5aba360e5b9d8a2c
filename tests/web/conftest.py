import ctypes
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from infomax import Index, InfoMax
from tests.conftest import SMALL, colored, environment

EVIL = "<img src=x onerror=window.hacked=1>"
"""A label and the name of a file that must stay text."""

LABELS = ("cat", "dog", EVIL)


@dataclass(frozen=True)
class Served:
    """A server of 45 images: of each label 15, 5 of which lie a folder deeper. The file `gone` was deleted since."""

    address: str
    index: Index
    photos: Path
    gone: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=60, trust_env=False)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `photos` and `photos.index`, to be copied by whoever changes it."""
    folder = tmp_path_factory.mktemp("collection")
    for number, pixels in enumerate(colored(45, 32)):
        below = "holiday" if number % 9 > 5 else ""
        name = f"{EVIL}.png" if number == 2 else f"{number:02d}.png"
        file = folder / "photos" / LABELS[number % 3] / below / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    Index.create(folder / "photos.index", model, device="cpu").add(folder / "photos")
    return folder


def as_by_a_user() -> None:
    """In a child: Ctrl-C ends it where the tests run in the background, permissions bind it where root runs them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        drop_from_bounding_set, override_permissions = 24, 1  # prctl(2), capabilities(7); refused to all but root
        ctypes.CDLL(None).prctl(drop_from_bounding_set, override_permissions)


@contextmanager
def serving(index: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`infomax serve` on a free port, and its address; stopped by Ctrl-C, which ends it well and in silence."""
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
        preexec_fn=as_by_a_user,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        pytest.fail(f"the server did not start: {process.communicate()}")
    try:
        yield process, line.split(" at ")[1].split()[0].rstrip("/")
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert "Traceback" not in said


@pytest.fixture(scope="session")
def served(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(template / "photos.index", folder / "photos.index")
    photos = template / "photos"
    gone = photos / "dog" / "01.png"
    gone.unlink()
    with serving(folder / "photos.index") as (_, address):
        yield Served(address, Index.open(folder / "photos.index", device="cpu"), photos, str(gone))


@pytest.fixture
def client(served: Served) -> Iterator[httpx.Client]:
    with served.client() as made:
        yield made


@pytest.fixture(scope="session")
def image() -> bytes:
    """An image from elsewhere."""
    return png(Image.fromarray(colored(1, 40, seed=9)[0]))


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "png")
    return file.getvalue()
