"""A collection with copies, its index in memory, and a comparison of whole trees of files."""

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from infomax import Index, InfoMax
from infomax.cleaning.choice import GroupChoice, choose
from infomax.search.index_folder import IndexFolder
from infomax.search.results import Group
from tests.conftest import SMALL, colored
from tests.search.memory import MemoryStore

NewIndex = Callable[..., Index]
Tree = dict[str, tuple[str, int, int]]


def scene(seed: int, width: int = 64, height: int = 48) -> Image.Image:
    """Shapes on a ground, others for each seed."""
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (3, 4, 3), np.uint8)).resize((width, height))
    draw = ImageDraw.Draw(image)
    for _ in range(5):
        x, y, size = random.uniform(0, width), random.uniform(0, height), random.uniform(4, width / 4)
        draw.rectangle((x - size, y - size / 2, x + size, y + size / 2), tuple(random.integers(0, 256, 3).tolist()))
    return image


@pytest.fixture(scope="session")
def fitted() -> InfoMax:
    return InfoMax(SMALL, device="cpu").fit(colored(40))


@pytest.fixture
def new_index(fitted: InfoMax, tmp_path: Path) -> NewIndex:
    """Makes an index of folders whose rows are in memory, so that a forked child can read them."""

    def make(*sources: Path | np.ndarray) -> Index:
        folder = tmp_path / "photos.index"
        if not folder.exists():
            IndexFolder(folder).create(fitted)
        index = Index(folder, device="cpu", store=MemoryStore(fitted.recipe_.dim))
        for source in sources:
            index.synchronize(source)
        return index

    return make


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two originals, with three copies of the first and one of the second, and one image without a copy."""
    folder = tmp_path / "photos"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
    for seed in range(3):
        scene(seed).save(folder / "cat" / f"{seed}.png")
    for copy, original in (("dog/0.png", 0), ("dog/zero.png", 0), ("cat/again.png", 0), ("dog/one.png", 1)):
        (folder / copy).write_bytes((folder / "cat" / f"{original}.png").read_bytes())
    for number, path in enumerate(sorted(folder.rglob("*.png"))):
        os.utime(path, ns=(10**18, 10**18 + number * 1_000_000_007))
    (folder / "dog" / "zero.png").chmod(0o440)
    return folder


def same_bytes(index: Index) -> list[Group]:
    """Groups of images whose content is equal and whose files are there, the largest first."""
    images = [image for image in index.page(0, 1000) if not image.gone]
    hashes = index.hashes([image.id for image in images])
    groups = [[each for each in images if hashes[each.id] == content] for content in dict.fromkeys(hashes.values())]
    found = [Group(tuple(group), 1.0, "same bytes") for group in groups if len(group) > 1]
    return sorted(found, key=lambda group: -len(group.images))


def chosen(index: Index, references: Sequence[Path] = (), *, across_folders: bool = False) -> list[GroupChoice]:
    return choose(same_bytes(index), references=references, across_folders=across_folders)


def tree(*folders: Path) -> Tree:
    """Digest, time and permissions of every file below some folders, by path."""
    return {
        str(path): (sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, path.stat().st_mode)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def contents(*folders: Path) -> set[str]:
    """Digests of all files below some folders."""
    return {digest for digest, _, _ in tree(*folders).values()}
