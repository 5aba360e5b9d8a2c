"""Images that are given one by one: one row an item, in the order given, whatever the items are."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.images import Skipped, load_images, open_source
from tests.conftest import SMALL, colored
from tests.images.conftest import noise, put, stored

NAMES = ["zebra.png", "apple.png", "pear.png", "apple.png", "mango.png"]


@pytest.fixture(scope="module")
def model() -> InfoMax:
    return InfoMax(SMALL).fit(colored(40))


@pytest.fixture
def fruits(tmp_path: Path) -> list[Path]:
    """Five paths to four files, in an order of their own."""
    for seed, name in enumerate(sorted(set(NAMES))):
        put(tmp_path / name, noise(8, 8, seed=seed))
    return [tmp_path / name for name in NAMES]


def test_files_in_an_order_of_ones_own_and_one_of_them_twice(fruits: list[Path], model: InfoMax) -> None:
    vectors = model.transform(fruits)
    np.testing.assert_allclose(
        vectors, np.concatenate([model.transform(path) for path in fruits]), rtol=1e-4, atol=1e-5
    )
    images = load_images(fruits, 8)
    assert (images.keys, images.rows) == (NAMES, [0, 1, 2, 3, 4])
    assert load_images(fruits, 8).keys == NAMES  # from the cache, too
    assert open_source(fruits).paths() == [str(path) for path in fruits]


class Column:
    """A column of a data frame, as pandas has it: no sequence, but NumPy reads it."""

    def __init__(self, values: list[Path]) -> None:
        self.values = values

    def __array__(self, dtype: object = None, copy: object = None) -> NDArray[np.object_]:
        return np.array([str(path) for path in self.values], object)


@pytest.mark.parametrize(
    "container",
    [tuple, iter, np.array, lambda paths: np.array(list(map(str, paths))), lambda paths: map(str, paths), Column],
    ids=["tuple", "iterator", "array of paths", "array of text", "generator", "column"],
)
def test_every_container_gives_the_same_rows(container: Callable[[list[Path]], object], fruits: list[Path]) -> None:
    assert load_images(container(fruits), 8).keys == NAMES  # type: ignore[arg-type]


def test_a_changed_file_of_a_list_is_decoded_again(fruits: list[Path]) -> None:
    load_images(fruits, 8)
    put(fruits[1], noise(8, 8, seed=9))
    os.utime(fruits[1], (5, 5))
    pixels = load_images(fruits, 8).pixels
    assert np.array_equal(pixels[1], noise(8, 8, seed=9))
    assert np.array_equal(pixels[1], pixels[3])


def test_items_of_all_kinds_are_mixed(fruits: list[Path], model: InfoMax) -> None:
    gray = noise(30, 20, 1)
    items = [fruits[0], noise(8, 8), Image.fromarray(gray), stored(noise(12, 9)), str(fruits[1]), noise(8, 8) > 100]
    images = load_images(items, 8)
    assert images.keys == ["zebra.png", "item#1", "item#2", "item#3", "apple.png", "item#5"]
    assert set(images.pixels[5].ravel().tolist()) == {0, 255}
    assert len(model.transform(items)) == 6
    assert model.fit_transform(iter([*items, *colored(40)])).shape == (46, 8)


def test_one_image_in_memory_is_a_collection_of_one(fruits: list[Path], model: InfoMax) -> None:
    expected = model.transform(fruits[0])
    with Image.open(fruits[0]) as image:
        for source in (image, [image], fruits[0].read_bytes(), [np.asarray(image)], np.asarray(image)[None]):
            np.testing.assert_allclose(model.transform(source), expected, rtol=1e-4, atol=1e-5)


def test_a_pil_image_is_what_its_file_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned
    turned = tmp_path / "turned.jpg"
    Image.fromarray(noise(12, 8)).save(turned, exif=exif)
    for file in (
        turned,
        put(tmp_path / "rgba.png", noise(8, 12, 4)),
        put(tmp_path / "palette.gif", stored(Image.fromarray(noise(8, 12)).quantize(9), "GIF")),
        put(tmp_path / "bits.png", stored(Image.fromarray(noise(8, 12, 1)).convert("1"))),
    ):
        with Image.open(file) as image:
            assert np.array_equal(load_images([image], 8).pixels, load_images(file, 8).pixels), file


def test_a_broken_item_has_no_row_and_transform_says_so(fruits: list[Path], model: InfoMax) -> None:
    put(fruits[2], b"text")
    images = load_images(fruits, 8)
    assert (images.rows, images.skipped) == ([0, 1, 3, 4], [Skipped("pear.png", "not an image")])
    with pytest.raises(InfoMaxError, match=r"^1 of 5 files cannot be decoded, 'pear.png' first \(not an image\): "):
        model.transform(fruits)
    assert len(model.transform(fruits[0].parent)) == 3  # a folder may hold anything
    closed = Image.open(fruits[0])
    closed.close()
    with pytest.raises(InfoMaxError, match=r"^1 of 2 images cannot be decoded, 'item#1' first \(damaged"):
        model.transform([noise(8, 8), closed])


def test_a_list_of_something_else_is_one_line(fruits: list[Path], tmp_path: Path) -> None:
    with (tmp_path / "apple.png").open("rb") as file:
        for source, message in (
            ([fruits[0], None], "item 1 of the list is a NoneType: give paths, arrays or PIL images"),
            ([fruits[0], float("nan")], "item 1 of the list is a float"),
            ([fruits[0], [fruits[1]]], "item 1 of the list is a list"),
            ([{"image": 1}, {"image": 2}], "item 0 of the list is a dict"),
            ({"a.png": 1}, "a dict is no source of images"),
            (set(fruits), "a set is no source of images"),
            (file, "a BufferedReader is no source of images"),
            ([fruits[0], tmp_path / "b.png", tmp_path / "c.png"], r"no such file: .*b.png' \(2 of 3 are missing\)"),
            ([colored(3), colored(2)], "item 0 is uint8 of shape .3, 8, 8, 3.: an item of a list is one image"),
            ([noise(8, 8), noise(8, 8)[..., :2]], r"item 1 is uint8 of shape \(8, 8, 2\): expected one image"),
            (iter([]), "no files given"),
        ):
            with pytest.raises(InfoMaxError, match=message) as raised:
                load_images(source, 8)
            assert "\n" not in str(raised.value)
