from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax import Index, InfoMax
from infomax.search.folder import IndexFolder
from infomax.search.lance import LanceStore
from infomax.search.store import Store
from tests.conftest import SMALL, colored
from tests.search.memory import MemoryStore

NewStore = Callable[[int], Store]
NewIndex = Callable[[], Index]


@pytest.fixture(scope="session")
def model() -> InfoMax:
    return InfoMax(SMALL).fit(colored(40))


@pytest.fixture(params=["lance", "lance without a copy in memory", "memory"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewStore:
    """Every backend has to pass the same tests: name a further one here."""
    if request.param == "lance without a copy in memory":
        monkeypatch.setattr("infomax.search.lance.HELD_AT_MOST", 0)

    def make(dim: int) -> Store:
        return MemoryStore(dim) if request.param == "memory" else LanceStore.create(tmp_path / "store", dim)

    return make


@pytest.fixture
def new_index(new_store: NewStore, model: InfoMax, tmp_path: Path) -> NewIndex:
    def make() -> Index:
        home = IndexFolder(tmp_path / "index")
        home.create(model)
        return Index(home, new_store(model.recipe_.dim), device="cpu")

    return make


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """30 images in two folders, and one beside them."""
    folder = tmp_path / "photos"
    for number, pixels in enumerate(colored(31, 12)):
        save(folder / ("cat", "dog", "")[number % 2 if number < 30 else 2] / f"{number:02d}.png", pixels)
    return folder


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def content(index: Index) -> list[tuple[object, ...]]:
    """All that an index says, but for vectors and times: what two indexes of the same images agree in."""
    images, _ = index.vectors()
    return [(each.path, each.label, each.width, each.height, each.size, index.thumbnail(each.id)) for each in images]


def assert_same(index: Index, other: Index) -> None:
    assert content(index) == content(other)
    np.testing.assert_allclose(index.vectors()[1], other.vectors()[1], rtol=1e-4, atol=1e-5)


def paths(found: Sequence[object]) -> list[str]:
    return [each.image.path for each in found]  # type: ignore[attr-defined]
