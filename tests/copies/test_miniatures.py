"""Miniatures: blank images, frames, and the file that keeps them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from infomax.copies.miniatures import MINIATURE, UNCUT, Miniatures, inner_box, is_blank, load_or_make, miniatures_of
from infomax.images.thumbnails import thumbnail
from tests.search.conftest import scene


def content(image: Image.Image) -> bytes:
    return thumbnail(np.asarray(image)).content


def page(strokes: int) -> Image.Image:
    image = Image.new("RGB", (240, 320), "white")
    for number in range(strokes):
        ImageDraw.Draw(image).line((40, 40 + 9 * number, 90, 43 + 9 * number), fill="black", width=2)
    return image


def clear_clip_art() -> Image.Image:
    """White strokes on nothing: a white page once it is flattened."""
    image = Image.new("RGBA", (120, 120), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((20, 20, 100, 100), outline="white", width=3)
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image).convert("RGB")


def gradient() -> Image.Image:
    return Image.linear_gradient("L").resize((200, 150)).convert("RGB")


def noisy() -> Image.Image:
    levels = 128 + np.random.default_rng(0).normal(0, 3, (90, 120, 1))
    return Image.fromarray(levels.repeat(3, 2).round().astype(np.uint8))


BLANK = {
    "white": Image.new("RGB", (300, 200), "white"),
    "red": Image.new("RGB", (300, 200), "red"),
    "one pixel": Image.new("RGB", (1, 1), "blue"),
    "empty page": page(0),
    "page with three strokes": page(3),
    "clip art": clear_clip_art(),
    "gradient": gradient(),
    "sensor noise": noisy(),
}
NOT_BLANK = {
    "scene": scene(3),
    "page of writing": page(28),
    "half and half": Image.fromarray(np.repeat(np.array([[[0] * 3], [[250] * 3]], np.uint8), 60, 1).repeat(40, 0)),
    "dark scene": scene(4).point([level // 4 for level in range(256)] * 3),
}


@pytest.mark.parametrize("name", BLANK)
def test_a_blank_image_is_told_as_such(name: str) -> None:
    assert miniatures_of([content(BLANK[name])]).blank.tolist() == [True]
    assert is_blank(np.asarray(BLANK[name]))


@pytest.mark.parametrize("name", NOT_BLANK)
def test_an_image_that_shows_something_is_not_blank(name: str) -> None:
    assert miniatures_of([content(NOT_BLANK[name])]).blank.tolist() == [False]


@pytest.mark.parametrize("color", ["black", "white", "#7a2"])
def test_a_frame_is_found(color: str) -> None:
    framed = ImageOps.expand(scene(5), (16, 24), color)
    left, top, right, bottom = inner_box(np.asarray(framed))
    assert (left, right) == pytest.approx((16 / 192, 1 - 16 / 192), abs=0.02)
    assert (top, bottom) == pytest.approx((24 / 168, 1 - 24 / 168), abs=0.02)


def test_bars_above_and_below_are_found() -> None:
    tall = Image.new("RGB", (160, 300))
    tall.paste(scene(5), (0, 90))
    left, top, right, bottom = inner_box(np.asarray(tall))
    assert (left, right) == (0, 1)
    assert (top, bottom) == pytest.approx((0.3, 0.7), abs=0.02)


@pytest.mark.parametrize("image", [scene(5), Image.new("RGB", (40, 40), "red")])
def test_an_image_without_a_frame_is_whole(image: Image.Image) -> None:
    assert inner_box(np.asarray(image)) == UNCUT


def test_what_is_within_a_frame_is_the_miniature_of_the_image_itself() -> None:
    made = miniatures_of([content(scene(5)), content(ImageOps.expand(scene(5), 20, "black"))])
    assert made.framed.tolist() == [False, True]
    assert made.pixels.shape == (2, MINIATURE, MINIATURE, 3)
    assert np.abs(made.trimmed[1].astype(int) - made.pixels[0]).mean() < 8
    assert np.abs(made.pixels[1].astype(int) - made.pixels[0]).mean() > 20
    assert np.array_equal(made.trimmed[0], made.pixels[0])


IMAGES = [scene(0), ImageOps.expand(scene(1), 12, "white"), BLANK["white"], scene(2)]


def assert_equal(a: Miniatures, b: Miniatures) -> None:
    for name in ("pixels", "trimmed", "boxes", "sides", "blank"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.fixture
def asked() -> list[int]:
    return []


def load(keys: Sequence[str], images: Sequence[Image.Image], asked: list[int], file: Path | None) -> Miniatures:
    def thumbnails(rows: Sequence[int]) -> list[bytes | None]:
        asked.extend(rows)
        return [content(images[row]) for row in rows]

    return load_or_make(keys, thumbnails, file)


def test_only_new_content_is_read_again(tmp_path: Path, asked: list[int]) -> None:
    file = tmp_path / "miniatures"
    first = load(["a", "b", "c"], IMAGES[:3], asked, file)
    assert_equal(first, miniatures_of([content(image) for image in IMAGES[:3]]))
    assert asked == [0, 1, 2]
    again = load(["d", "b", "a", "c"], [IMAGES[row] for row in (3, 1, 0, 2)], asked, file)
    assert asked == [0, 1, 2, 0]
    assert_equal(again, miniatures_of([content(IMAGES[row]) for row in (3, 1, 0, 2)]))
    load(["d"], IMAGES[3:], asked, file)
    assert asked == [0, 1, 2, 0]


@pytest.mark.parametrize("damage", [b"", b"no miniatures", None])
def test_a_damaged_or_missing_file_is_made_again(tmp_path: Path, asked: list[int], damage: bytes | None) -> None:
    file = tmp_path / "miniatures"
    if damage is not None:
        file.write_bytes(damage)
    for _ in range(2):
        assert_equal(load(["a"], IMAGES[:1], asked, file), miniatures_of([content(IMAGES[0])]))
    assert asked == [0]


def test_a_folder_that_cannot_be_written_to_costs_time_only(tmp_path: Path, asked: list[int]) -> None:
    made = load(["a"], IMAGES[:1], asked, tmp_path / "missing" / "miniatures")
    assert made.blank.tolist() == [False]


def test_a_thumbnail_that_is_missing_or_broken_is_like_no_other(tmp_path: Path) -> None:
    contents: list[bytes | None] = [None, b"no image", content(IMAGES[0])]
    file = tmp_path / "miniatures"
    for _ in range(2):
        made = load_or_make(["a", "b", "c"], lambda rows: [contents[row] for row in rows], file)
        assert made.blank.tolist() == [True, True, False]
        assert (made.sides == 0).tolist() == [True, True, False]
