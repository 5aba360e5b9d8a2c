from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from infomax import Index, InfoMax
from infomax.search.index_folder import IndexFolder
from infomax.search.stores.lance import LanceStore
from infomax.search.stores.store import Store
from tests.conftest import SMALL, colored
from tests.search.memory import MemoryStore, Vectors, rows_of

NewStore = Callable[[int], Store]
NewIndex = Callable[[], Index]


@pytest.fixture(scope="session")
def model() -> InfoMax:
    return InfoMax(SMALL).fit(colored(40))


@pytest.fixture(params=["lance", "lance without a copy in memory", "memory"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NewStore:
    """Every store must pass the same tests: add a new one here."""
    if request.param == "lance without a copy in memory":
        monkeypatch.setattr("infomax.search.stores.lance.HELD_AT_MOST", 0)

    def make(dim: int) -> Store:
        return MemoryStore(dim) if request.param == "memory" else LanceStore.create(tmp_path / "store", dim)

    return make


@pytest.fixture
def new_index(new_store: NewStore, model: InfoMax, tmp_path: Path) -> NewIndex:
    def make() -> Index:
        IndexFolder(tmp_path / "index").create(model)
        return Index(tmp_path / "index", device="cpu", store=new_store(model.recipe_.dim))

    return make


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """30 images in two folders, and one next to them."""
    folder = tmp_path / "photos"
    for number, pixels in enumerate(colored(31, 12)):
        save(folder / ("cat", "dog", "")[number % 2 if number < 30 else 2] / f"{number:02d}.png", pixels)
    return folder


def save(path: Path, pixels: NDArray[np.uint8]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def content(index: Index) -> list[tuple[object, ...]]:
    """The content of an index except vectors and times, which is equal for two indexes of the same images."""
    images, _ = index.vectors()
    return [(each.path, each.label, each.width, each.height, each.size, index.thumbnail(each.id)) for each in images]


def assert_same(index: Index, other: Index) -> None:
    assert content(index) == content(other)
    np.testing.assert_allclose(index.vectors()[1], other.vectors()[1], rtol=1e-4, atol=1e-5)


def paths(found: Sequence[object]) -> list[str]:
    return [each.image.path for each in found]  # type: ignore[attr-defined]


def filled(
    index: Index, vectors: Vectors, labels: list[str | None] | None = None, thumbnails: list[bytes] | None = None
) -> list[str]:
    names = [f"/p/{number % 3}/{number:03d}" for number in range(len(vectors))]
    store: Store = index._store
    order = np.random.default_rng(0).permutation(len(names))
    for part in np.array_split(order, 3):
        if len(part):
            some = None if labels is None else [labels[row] for row in part]
            small = None if thumbnails is None else [thumbnails[row] for row in part]
            store.upsert(rows_of([names[row] for row in part], vectors[part], some, thumbnails=small))
    return names


def scene(seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """An image of colored shapes, another one for every seed."""
    random = np.random.default_rng(seed)
    ground = random.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = Image.fromarray(ground).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        x, y, size = random.uniform(0, width), random.uniform(0, height), random.uniform(width / 16, width / 4)
        color = tuple(random.integers(0, 256, 3).tolist())
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape((x - size, y - size / 2, x + size, y + size / 2), color)
    return image
