"""Copies look the same and other images do not, on pieces of two photographs that come with scikit-learn."""

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from infomax import load_images
from infomax.copies import near_duplicates
from infomax.copies.miniatures import miniatures_of
from infomax.copies.near_duplicates import ImageComparer, halved, is_near_duplicate, near_copies
from infomax.images.thumbnails import thumbnail
from tests.evaluation.conftest import as_jpeg, brightened, scaled, scenes

Changed = Callable[[Image.Image], Image.Image]
Changes = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]

SIDE = 128


def reencoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    """The image after it was written to a file and read again."""
    file = BytesIO()
    image.save(file, kind, **options)
    return Image.open(file).convert("RGB")


COPIES: dict[str, Changed] = {
    "JPEG": lambda image: reencoded(image, "jpeg", quality=75),
    "poor JPEG": lambda image: reencoded(image, "jpeg", quality=25),
    "WebP": lambda image: reencoded(image, "webp", quality=50),
    "palette": lambda image: reencoded(image.quantize(64), "png"),
    "smaller": lambda image: image.resize((45, 45)),
    "larger": lambda image: image.resize((300, 300)),
    "trimmed": lambda image: image.crop((2, 2, SIDE - 2, SIDE - 2)),
    "trimmed on one side": lambda image: image.crop((4, 0, SIDE, SIDE)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.25),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.7),
    "all at once": lambda image: reencoded(
        ImageEnhance.Brightness(image.crop((1, 1, SIDE - 1, SIDE - 1)).resize((80, 80))).enhance(1.1),
        "jpeg",
    ),
}
OTHERS: dict[str, Changed] = {
    "mirrored": ImageOps.mirror,
    "turned": lambda image: image.rotate(90),
    "its half": lambda image: image.crop((0, 0, SIDE // 2, SIDE)),
    "its negative": ImageOps.invert,
}


@pytest.fixture(scope="module")
def pieces() -> list[Image.Image]:
    """Disjoint pieces of a palace and a flower, without those that show only sky or shadow."""
    cut = [
        photo[top : top + SIDE, left : left + SIDE]
        for photo in load_sample_images().images
        for top in range(0, photo.shape[0] - SIDE, SIDE)
        for left in range(0, photo.shape[1] - SIDE, SIDE)
    ]
    return [Image.fromarray(piece) for piece in cut if piece.std(axis=(0, 1)).max() > 25]


def small(images: Sequence[Image.Image]) -> NDArray[np.uint8]:
    return halved(miniatures_of([thumbnail(np.asarray(image)).content for image in images]).pixels)


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_looks_like_its_image_and_no_other(pieces: list[Image.Image], name: str) -> None:
    same = is_near_duplicate(small(pieces), small([COPIES[name](piece) for piece in pieces]))
    assert np.array_equal(same, np.eye(len(pieces), dtype=bool)), np.argwhere(same != np.eye(len(pieces), dtype=bool))


@pytest.mark.parametrize("name", OTHERS)
def test_other_images_look_different(pieces: list[Image.Image], name: str) -> None:
    assert not is_near_duplicate(small(pieces), small([OTHERS[name](piece) for piece in pieces])).any()


def test_images_without_detail_are_the_same_only_in_the_same_color() -> None:
    colors = [(200, 30, 30), (30, 200, 30), (203, 31, 29), (90, 90, 90), (255, 255, 255), (0, 0, 0)]
    same = is_near_duplicate(*2 * [small([Image.new("RGB", (20, 20), color) for color in colors])])
    assert [tuple(pair) for pair in np.argwhere(np.triu(same, 1))] == [(0, 2)]


def test_two_ships_before_the_same_sky_differ() -> None:
    sky = np.linspace((90, 140, 220), (200, 220, 250), 64)[:, None].repeat(64, 1).astype(np.uint8)
    ships = [sky.copy() for _ in range(3)]
    ships[0][30:40, 10:30] = (80, 60, 60)
    ships[1][34:40, 40:60] = (150, 30, 30)
    ships[2][31:41, 10:30] = (85, 62, 60)
    same = is_near_duplicate(*2 * [small([Image.fromarray(ship) for ship in ships])])
    assert [tuple(pair) for pair in np.argwhere(np.triu(same, 1))] == [(0, 2)]


def test_the_order_of_a_pair_does_not_matter(pieces: list[Image.Image]) -> None:
    mixed = small([*pieces, *(COPIES["trimmed"](piece) for piece in pieces)])
    same = is_near_duplicate(mixed, mixed)
    assert np.array_equal(same, same.T)
    assert same.diagonal().all()


def test_blank_images_are_like_no_other(pieces: list[Image.Image]) -> None:
    pixels = miniatures_of([thumbnail(np.asarray(pieces[row % 3])).content for row in range(6)]).pixels
    comparer = ImageComparer(pixels, np.arange(6) == 4)
    assert comparer.same(np.array([0, 1]), np.array([3, 4])).tolist() == [[True, False], [False, False]]
    assert comparer.same(np.array([4, 2]), np.array([4, 5])).tolist() == [[False, False], [False, True]]


def test_halves_are_means() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    assert halved(pixels)[1, 1, 0].tolist() == pixels[1, 2:4, 0:2].reshape(4, 3).mean(0).round().tolist()


# in a collection, and between two


@pytest.mark.parametrize("change", [np.copy, as_jpeg, scaled, brightened], ids=["same", "jpeg", "half", "brighter"])
@pytest.mark.parametrize("side", [32, 64])
def test_copies_are_found_and_other_images_are_not(
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], side: int
) -> None:
    images = scenes(60, side)
    found = near_copies(images, np.stack([change(image) for image in images[::2]]))
    assert sorted(map(tuple, found.tolist())) == [(2 * number, number) for number in range(30)]


def test_within_a_collection_each_pair_comes_once() -> None:
    images = scenes(20)
    found = near_copies(np.concatenate([images, np.stack([as_jpeg(images[3]), scaled(images[7])])]))
    assert sorted(map(tuple, found.tolist())) == [(3, 20), (7, 21)]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.concatenate([scenes(30), np.stack([as_jpeg(each) for each in scenes(30)])])
    whole = {tuple(pair) for pair in near_copies(images).tolist()}
    monkeypatch.setattr(near_duplicates, "_BLOCK", 7)
    assert {tuple(pair) for pair in near_copies(images).tolist()} == whole
    assert whole == {(row, row + 30) for row in range(30)}


def test_blank_images_and_digits_are_no_near_copies() -> None:
    """Three of four digits have another one that is nearer than any other photograph is to a photograph."""
    blank = np.full((5, 32, 32, 3), 255, np.uint8)
    blank[np.arange(5), 0, 0] -= np.arange(5, dtype=np.uint8)[:, None]
    assert not len(near_copies(blank))
    assert not len(near_copies(np.zeros((1, 8, 8, 3), np.uint8)))
    assert len(near_copies(load_images("digits", 8).pixels)) <= 2
