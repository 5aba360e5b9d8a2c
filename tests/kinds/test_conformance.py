"""One conformance suite for every kind of data. A new kind joins by an entry of `WORLDS`."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from infomax import Index, InfoMax
from infomax.decoding.broken import BrokenImage
from infomax.decoding.options import DEFAULT_OPTIONS
from infomax.errors import InfoMaxError
from infomax.evaluation.evaluate import evaluate_model
from infomax.images.source import Source
from infomax.kinds.kind import DataKind, Loaded
from infomax.kinds.registry import DATA_KINDS, find_kind
from infomax.recipes import RECIPES, Recipe
from tests.conftest import SMALL, colored
from tests.kinds.text.conftest import SMALL_TEXT, topical


@dataclass(frozen=True)
class World:
    """A small collection of a kind.

    Attributes:
        recipe: A recipe that learns from it in no time.
        write: Writes 40 items into a folder, in two sub-folders.
        in_memory: The same items, as a user may have them in memory.
        broken: Writes a file of the kind that cannot be read.
        again: Writes an item's content another time, with other bytes, as a file.

    """

    recipe: Recipe
    write: Callable[[Path], None]
    in_memory: Callable[[], Any]
    broken: Callable[[Path], Path]
    again: Callable[[Path], Path]


def write_images(folder: Path) -> None:
    for number, pixels in enumerate(colored(40)):
        file = folder / ("cat", "dog")[number % 2] / f"{number:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).resize((96, 96), Image.Resampling.NEAREST).save(file)


def images_in_memory() -> Any:
    return [np.asarray(Image.fromarray(pixels).resize((96, 96), Image.Resampling.NEAREST)) for pixels in colored(40)]


def broken_image(folder: Path) -> Path:
    (folder / "broken.png").write_bytes(b"no image")
    return folder / "broken.png"


def image_again(folder: Path) -> Path:
    with Image.open(folder / "cat" / "00.png") as image:
        image.save(folder / "again.bmp")
    return folder / "again.bmp"


def write_texts(folder: Path) -> None:
    for number, text in enumerate(topical(40)[0]):
        file = folder / ("cat", "dog")[number % 2] / f"{number:02d}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def broken_text(folder: Path) -> Path:
    (folder / "broken.txt").write_bytes(b"\0\1")
    return folder / "broken.txt"


def text_again(folder: Path) -> Path:
    text = (folder / "cat" / "00.txt").read_text("utf-8")
    (folder / "again.md").write_text(f"\n{text.upper()} !\n", "utf-8")
    return folder / "again.md"


WORLDS = {
    "images": World(SMALL, write_images, images_in_memory, broken_image, image_again),
    "text": World(SMALL_TEXT, write_texts, lambda: topical(40)[0], broken_text, text_again),
}


@pytest.fixture(params=DATA_KINDS)
def kind(request: pytest.FixtureRequest) -> DataKind:
    found: DataKind = find_kind(request.param)
    return found


@pytest.fixture
def world(kind: DataKind) -> World:
    return WORLDS[kind.name]


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    world.write(tmp_path / "items")
    return tmp_path / "items"


def loaded(kind: DataKind, world: World, source: Any) -> Loaded:
    opened = kind.open(source, DEFAULT_OPTIONS)
    return kind.load(opened, world.recipe.size, DEFAULT_OPTIONS, cache=None, progress=False)


def test_every_kind_has_a_world_and_recipes() -> None:
    assert WORLDS.keys() == DATA_KINDS.keys() == {recipe.data for recipe in RECIPES.values()}
    assert all(find_kind(name).name == name for name in DATA_KINDS)


def test_a_folder_and_the_same_items_in_memory(kind: DataKind, world: World, folder: Path) -> None:
    source = kind.open(folder, DEFAULT_OPTIONS)
    assert isinstance(source, Source)
    assert kind.open(source, DEFAULT_OPTIONS) is source
    found, other = loaded(kind, world, source), loaded(kind, world, world.in_memory())
    assert isinstance(found, Loaded)
    assert len(found.examples) == len(found.contents) == len(found.keys) == 40
    assert found.labels == ["cat"] * 20 + ["dog"] * 20
    order = [int(Path(key).stem) for key in found.keys]
    np.testing.assert_array_equal(found.examples, other.examples[order])
    assert not found.examples.flags.writeable
    assert (found.rows, found.skipped, other.labels) == (list(range(40)), [], None)


def test_names_of_a_command_line(kind: DataKind, folder: Path) -> None:
    names = [str(folder / "cat"), str(folder / "dog")]
    assert len(kind.open(names, DEFAULT_OPTIONS, named=True).entries) == 40


def test_one_item_is_read_as_all_are(kind: DataKind, world: World, folder: Path) -> None:
    found, size = loaded(kind, world, folder), world.recipe.size
    path = folder / found.keys[3]
    item, query = kind.read(path, size, DEFAULT_OPTIONS), kind.example(str(path), size, DEFAULT_OPTIONS)
    np.testing.assert_array_equal(item.example, query)
    np.testing.assert_array_equal(item.example[: found.examples.shape[1]], found.examples[3])
    np.testing.assert_array_equal(kind.read(path.read_bytes(), size, DEFAULT_OPTIONS).example, item.example)
    assert item.card.width > 0
    assert str(item.card.width) in kind.extent(item.card.width, item.card.height)
    with Image.open(BytesIO(kind.drawn(item.card.content))) as image:
        assert image.format == "WEBP"
    assert "\n" not in kind.line(item.card.content)
    assert kind.has_lines == (kind.line(item.card.content) != "")


def test_what_cannot_be_read_is_told_and_left_out(kind: DataKind, world: World, folder: Path) -> None:
    path = world.broken(folder)
    found = loaded(kind, world, folder)
    assert [each.where for each in found.skipped] == [path.name]
    assert len(found.examples) == 40
    with pytest.raises(BrokenImage):
        kind.read(path, world.recipe.size, DEFAULT_OPTIONS)


def test_some_items(kind: DataKind, world: World, folder: Path) -> None:
    found = loaded(kind, world, folder)
    some = found.select(np.array([1, 5]))
    np.testing.assert_array_equal(some.examples, found.examples[[1, 5]])
    assert (some.keys, some.rows, some.labels) == ([found.keys[1], found.keys[5]], [1, 5], ["cat", "cat"])
    assert found.select(np.arange(40)) is found


def test_the_encoder_takes_what_was_loaded_and_nothing_else(kind: DataKind, world: World, folder: Path) -> None:
    found, size = loaded(kind, world, folder), world.recipe.size
    kind.validate(found.examples, size)
    wrong = [found.examples.astype(np.float64), found.examples[:, :, None], found.examples.tolist()]
    for each in [*wrong, np.zeros((2, size + 1, *found.examples.shape[2:]), found.examples.dtype)]:
        with pytest.raises(InfoMaxError, match=r"encode takes u?int\d+ \(n, "):
            kind.validate(each, size)


def test_empty_and_missing_sources(kind: DataKind, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sources: list[Any] = [tmp_path / "empty", tmp_path / "missing", []]
    for source in sources:
        with pytest.raises(InfoMaxError) as raised:
            kind.open(source, DEFAULT_OPTIONS)
        assert "\n" not in str(raised.value)


def test_fit_transform_search_and_duplicates(kind: DataKind, world: World, folder: Path, tmp_path: Path) -> None:
    world.again(folder)
    model = InfoMax(world.recipe, device="cpu").fit(folder, out=tmp_path / "run")
    assert model.transform(folder).shape == (41, world.recipe.dim)
    assert InfoMax.load(tmp_path / "run").fingerprint == model.fingerprint
    index = Index.create(tmp_path / "index", tmp_path / "run", device="cpu").add(folder)
    assert (index.kind.name, len(index)) == (kind.name, 41)
    assert index.synchronize(folder).unchanged == 41
    first = folder / "cat" / next(each.name for each in sorted((folder / "cat").iterdir()))
    found = index.search(first, k=2)
    assert {Path(match.image.path).name for match in found} == {first.name, next(folder.glob("again.*")).name}
    assert found[0].distance == pytest.approx(0, abs=1e-6)
    (group,) = index.duplicates()
    assert {Path(image.path).name for image in group.images} == {first.name, next(folder.glob("again.*")).name}
    assert group.kind == "same image"
    cards = index.thumbnails([image.id for image in group.images])
    assert all(content[8:12] == b"WEBP" for content in cards.values())
    (folder / "dog" / first.name).write_bytes(first.read_bytes())
    assert index.synchronize(folder, dry_run=True).added == 1


def test_evaluation_tells_leaks(kind: DataKind, world: World, folder: Path) -> None:
    model = InfoMax(world.recipe, device="cpu").fit(folder)
    items = model.load_examples(folder)
    found = evaluate_model(model, items, items.select(np.arange(0, 40, 8)))
    assert found.split is not None
    assert found.split.by_itself  # a test split of training items says nothing
    document = found.to_dict()
    raw = kind.raw(items.examples[:30], items.examples[30:], world.recipe.dim)
    assert {*raw, "random"} <= document.keys()
    assert [len(each) for pair in raw.values() for each in pair] == [30, 10]
