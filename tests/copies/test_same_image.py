"""Copies of many kinds are the same image and other images are not: scenes, and pieces of two real photographs."""

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from sklearn.datasets import load_sample_images

from infomax.copies.agreement import match_clipping
from infomax.copies.color import same_color
from infomax.copies.miniatures import Rectangle, miniatures_of, square
from infomax.copies.registration import compose, identity_maps, invert, register, sample, stretch
from infomax.copies.same_image import SameImageFinder, SamePair
from infomax.images.thumbnails import thumbnail
from tests.search.conftest import scene

Change = Callable[[Image.Image], Image.Image]


def encoded(image: Image.Image, kind: str, **options: int) -> Image.Image:
    """The image after it was written to a file and read again."""
    file = BytesIO()
    image.save(file, kind, **options)
    return Image.open(file).convert("RGB")


def cropped(left: float, top: float, right: float, bottom: float) -> Change:
    """Cuts parts of the sides off."""

    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop(
            (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
        )

    return crop


def marked(image: Image.Image) -> Image.Image:
    copy = image.copy()
    width, height = copy.size
    ImageDraw.Draw(copy).rectangle((0.69 * width, 0.87 * height, 0.97 * width, 0.96 * height), "white")
    return copy


def letterboxed(image: Image.Image) -> Image.Image:
    tall = Image.new("RGB", (image.width, 2 * image.height))
    tall.paste(image, (0, image.height // 2))
    return tall


COPIES: dict[str, Change] = {
    "JPEG 30": lambda image: encoded(image, "jpeg", quality=30),
    "WebP": lambda image: encoded(image, "webp", quality=50),
    "palette": lambda image: encoded(image.quantize(200), "png"),
    "half": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a quarter": lambda image: image.resize((image.width // 4, image.height // 4)),
    "larger": lambda image: image.resize((300, 300)),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.6),
    "gray": lambda image: image.convert("L").convert("RGB"),
    "cropped by 5 %": cropped(0.025, 0.025, 0.025, 0.025),
    "cropped on one side": cropped(0.08, 0, 0, 0),
    "cropped by 5 % on each side": cropped(0.05, 0.05, 0.05, 0.05),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "sharpened": lambda image: image.filter(ImageFilter.UnsharpMask(2, 150, 0)),
    "turned a little": lambda image: image.rotate(1.5, Image.Resampling.BICUBIC),
    "gray, cropped and small": lambda image: encoded(
        cropped(0.03, 0.01, 0.02, 0.05)(image).convert("L").resize((90, 70)), "jpeg", quality=60
    ),
}
OPTIONAL: dict[str, tuple[Change, str]] = {
    "mirrored": (ImageOps.mirror, "mirrored"),
    "turned": (lambda image: image.transpose(Image.Transpose.ROTATE_90), "turned"),
    "upside down": (lambda image: image.transpose(Image.Transpose.ROTATE_180), "turned"),
    "framed": (lambda image: ImageOps.expand(image, 14, "black"), "framed"),
    "framed in white": (lambda image: ImageOps.expand(image, (20, 9), "white"), "framed"),
    "letterboxed": (letterboxed, "framed"),
}
OTHERS: dict[str, Change] = {
    "negative": ImageOps.invert,
    "half of it": cropped(0, 0, 0.5, 0),
    "channels exchanged": lambda image: Image.merge("RGB", image.split()[::-1]),
}


def photo_pieces() -> list[Image.Image]:
    """Disjoint pieces of a palace and a flower, without those that are mostly sky or shadow."""
    side = 128
    cut = [
        photo[top : top + side, left : left + side]
        for photo in load_sample_images().images
        for top in range(0, photo.shape[0] - side, side)
        for left in range(0, photo.shape[1] - side, side)
    ]
    return [Image.fromarray(piece) for piece in cut if np.median(np.abs(np.diff(piece.mean(2), axis=0))) > 1.5]


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    return [*photo_pieces(), *(scene(seed) for seed in range(6))]


def find(images: Sequence[Image.Image], **options: bool) -> list[SamePair]:
    contents = [thumbnail(np.asarray(image)).content for image in images]

    def squares(rows: Sequence[int], boxes: Sequence[Rectangle], side: int) -> NDArray[np.uint8]:
        return np.stack([square(contents[row], side, box) for row, box in zip(rows, boxes, strict=True)])

    return SameImageFinder(miniatures_of(contents), squares).find(**options)


def pairs(found: Sequence[SamePair]) -> set[tuple[int, int]]:
    return {(pair.a, pair.b) for pair in found}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_its_image_and_no_other(images: list[Image.Image], name: str) -> None:
    found = find([*images, *(COPIES[name](image) for image in images)])
    n = len(images)
    assert pairs(found) == {(row, row + n) for row in range(n)}
    assert {pair.change() for pair in found} == {""}


def test_a_mark_in_a_corner_changes_little(images: list[Image.Image]) -> None:
    scenes = images[-6:]
    assert pairs(find([*scenes, *map(marked, scenes)])) == {(row, row + 6) for row in range(6)}


@pytest.mark.parametrize("name", OTHERS)
def test_another_image_is_not_the_same(images: list[Image.Image], name: str) -> None:
    others = [image for image in images if not nearly_gray(image)]
    assert pairs(find([*others, *map(OTHERS[name], others)])) == set()


def nearly_gray(image: Image.Image) -> bool:
    """Exchanged channels change little in such an image."""
    pixels = np.asarray(image).astype(int)
    return bool(np.abs(pixels - pixels[..., ::-1]).mean() < 12)


@pytest.mark.parametrize("name", OPTIONAL)
def test_mirrored_turned_and_framed_copies_are_found_when_asked_for(images: list[Image.Image], name: str) -> None:
    change, word = OPTIONAL[name]
    scenes = images[-6:]
    both = [*scenes, *map(change, scenes)]
    if word != "framed":  # a thin frame is within what registration bridges
        assert pairs(find(both)) == set()
    found = find(both, **{word: True})
    assert pairs(found) == {(row, row + 6) for row in range(6)}
    told = {(pair.change(), pair.change(to_first=True)) for pair in found}
    assert told - {("", "")} == {(word, "without frame" if word == "framed" else word)}


def test_all_options_at_once_find_a_framed_mirrored_copy_that_is_turned(images: list[Image.Image]) -> None:
    scenes = images[-4:]
    copies = [ImageOps.expand(ImageOps.mirror(image).rotate(90, expand=True), 12, "black") for image in scenes]
    found = find([*scenes, *copies], mirrored=True, turned=True, framed=True)
    assert pairs(found) == {(row, row + 4) for row in range(4)}
    words = {pair.change() for pair in found}
    assert "turned, mirrored, framed" in words
    assert words <= {"turned, mirrored, framed", "turned, mirrored"}  # a thin frame is within what is registered


def test_one_frame_around_two_images_does_not_make_them_the_same() -> None:
    framed = [ImageOps.expand(scene(seed), 20, "black") for seed in range(5)]
    assert find(framed) == find(framed, framed=True) == []
    assert pairs(find([*framed, encoded(framed[2], "jpeg", quality=50)])) == {(2, 5)}


def test_pages_of_different_writing_differ_and_copies_of_a_page_do_not() -> None:
    def page(seed: int) -> Image.Image:
        random = np.random.default_rng(seed)
        image = Image.new("RGB", (210, 297), "white")
        for line in range(20):
            words = " ".join("".join(random.choice(list("abdegklmnoprstuw"), 6)) for _ in range(5))
            ImageDraw.Draw(image).text((12, 12 + 13 * line), words, fill="black")
        return image

    pages = [page(seed) for seed in range(5)]
    assert pairs(find([*pages, encoded(pages[1], "jpeg", quality=60)])) == {(1, 5)}


def test_a_shape_elsewhere_on_the_same_sky_is_another_image() -> None:
    sky = np.linspace((90, 140, 220), (200, 220, 250), 96)[:, None].repeat(128, 1).astype(np.uint8)
    ships = []
    for x, y, color in ((20, 40, (80, 60, 60)), (80, 60, (150, 30, 30)), (50, 20, (60, 90, 60))):
        image = Image.fromarray(sky)
        ImageDraw.Draw(image).polygon([(x, y), (x + 40, y), (x + 30, y + 18), (x + 8, y + 18)], color)
        ImageDraw.Draw(image).rectangle((x + 15, y - 14, x + 18, y), color)
        ships.append(image)
    assert pairs(find([*ships, ImageEnhance.Brightness(ships[0]).enhance(0.85)])) == {(0, 3)}


def test_copies_of_copies_are_found_although_no_candidate_names_them(images: list[Image.Image]) -> None:
    """Opposite crops differ by far more than each differs from the original."""
    scenes = images[-6:]
    first, second = cropped(0.09, 0.09, 0, 0), cropped(0, 0, 0.09, 0.09)
    found = pairs(find([*scenes, *map(first, scenes), *map(second, scenes)]))
    assert found == {(row + i, row + j) for row in range(6) for i, j in ((0, 6), (0, 12), (6, 12))}


def test_a_small_copy_is_the_same_as_the_other_copies_of_its_image(images: list[Image.Image]) -> None:
    """Not only as its image: all pairs of a group must be the same."""
    changes = [COPIES[name] for name in ("a quarter", "sharpened", "cropped by 5 % on each side", "gray")]
    n = len(images)
    found = pairs(find([*images, *(change(image) for change in changes for image in images)]))
    assert {(a, b) for a, b in found if (b - a) % n} == set()
    missing = [(row, k) for row in range(n) for k in (0, 2, 3, 4) if tuple(sorted((row + n, row + k * n))) not in found]
    assert len(missing) <= 1, missing


def test_a_photo_that_looks_drawn_once_it_is_small_or_brightened_is_a_photo() -> None:
    """The noise of its bright ground is gone in a small copy, and clipped to white in a brightened one."""
    random = np.random.default_rng(0)
    photos = []
    for seed in range(1, 4):
        pixels = random.normal(222, 5, (120, 160, 3))
        pixels[24:96, 32:128] = np.asarray(scene(seed, 96, 72))
        photos.append(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))
    brighter = [ImageEnhance.Brightness(photo).enhance(1.3) for photo in photos]
    small = [photo.resize((40, 30)) for photo in photos]
    every = [*photos, *brighter, *small]
    drawn = miniatures_of([thumbnail(np.asarray(image)).content for image in every]).drawn
    assert drawn.tolist() == [False] * 3 + [True] * 6
    assert pairs(find(every)) == {(row + a, row + b) for row in range(3) for a, b in ((0, 3), (0, 6), (3, 6))}


def test_a_collection_of_nothing_or_of_one_has_no_pair(images: list[Image.Image]) -> None:
    assert find([]) == find(images[:1]) == find([Image.new("RGB", (9, 9))] * 3) == []


def test_registration_finds_a_known_map() -> None:
    images = torch.stack(
        [torch.from_numpy(np.array(scene(seed).convert("L").resize((64, 64)))).float() for seed in range(5)]
    )
    true = identity_maps(5) + torch.tensor([[[-0.06, 0.01, 0.04], [0.0, -0.03, -0.05]]])
    warped = sample(images[:, None], true)[0][:, 0] * 0.7 + 20
    maps = identity_maps(5)
    for reduction, noise in ((4, 30.0), (2, 4.0), (1, 2.0)):
        maps = register(warped, images, maps, reduction, 6, noise)
    torch.testing.assert_close(maps, true, atol=0.006, rtol=0)
    torch.testing.assert_close(compose(maps, invert(maps)), identity_maps(5), atol=1e-5, rtol=0)


def test_a_crop_and_a_squeezed_copy_are_scaled_evenly_and_a_squeezed_crop_is_not() -> None:
    """0.8 of the width: of an image of 4 x 3 pixels in one of 3.2 x 3, squeezed to 4 x 3, or all of it in 3.2 x 3."""
    crop, whole = torch.tensor([[[0.8, 0.0, 0.1], [0.0, 1.0, 0.0]]]), identity_maps(1)
    turn = torch.tensor([[[0.6, -0.8 * 3 / 4, 0.0], [0.8 * 4 / 3, 0.6, 0.0]]])  # a rotation in pixels
    wide, narrow = torch.tensor([4 / 3]), torch.tensor([3.2 / 3])
    for maps, first, expected in ((crop, narrow, 1.0), (crop, wide, 1.25), (whole, narrow, 1.0), (turn, wide, 1.0)):
        assert stretch(maps, first, wide).item() == pytest.approx(expected, abs=1e-5)
        assert stretch(invert(maps), wide, first).item() == pytest.approx(expected, abs=1e-5)


def test_colors_may_fade_or_shift_but_not_change_places() -> None:
    red = torch.full((1, 64, 64, 3), 128.0)
    red[:, 20:44, 20:44] = torch.tensor([200.0, 60, 60])
    everywhere = torch.ones(1, 64, 64)
    gray = (red @ torch.tensor([0.299, 0.587, 0.114]))[..., None].expand(-1, -1, -1, 3)
    for other in (red, red * 0.7, gray, gray * 0.4 + red * 0.6, red + torch.tensor([15.0, 0, -15])):
        assert bool(same_color(red, other, everywhere))
        assert bool(same_color(other, red, everywhere))
    spot = gray.clone()
    spot[:, 4:8, 4:8] = torch.tensor([128.0, 128, 190])  # nearly gray, but for a spot of another color
    for other in (red.flip(-1), red[..., [1, 0, 2]], spot):
        assert not bool(same_color(red, other, everywhere))


def test_the_order_of_the_images_does_not_matter(images: list[Image.Image]) -> None:
    scenes = images[-6:]
    changes = [COPIES[name] for name in ("JPEG 30", "a quarter", "gray", "cropped by 5 % on each side", "blurred")]
    changes += [lambda image: ImageEnhance.Brightness(image).enhance(1.3), ImageOps.mirror]
    every = [*scenes, *(change(image) for change in changes for image in scenes)]
    places = np.random.default_rng(0).permutation(len(every))
    straight = find(every, mirrored=True)
    permuted = find([every[place] for place in places], mirrored=True)
    there = {(min(places[pair.a], places[pair.b]), max(places[pair.a], places[pair.b])): pair for pair in permuted}
    assert len(straight) > 100
    assert there.keys() == pairs(straight)
    for pair in straight:
        other = there[pair.a, pair.b]
        assert (pair.agreement, pair.turns) == (other.agreement, other.turns)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_copy_with_clipped_highlights_is_found_in_either_order(images: list[Image.Image], reverse: bool) -> None:
    scenes = images[-6:]
    both = [[image, ImageEnhance.Brightness(image).enhance(1.3)][:: -1 if reverse else 1] for image in scenes]
    assert pairs(find([image for pair in both for image in pair])) == {(2 * row, 2 * row + 1) for row in range(6)}


def test_steps_of_a_dissolve_that_differ_by_a_fifth_are_not_the_same() -> None:
    """Also not by way of the step between them."""
    start, end = (np.asarray(scene(seed), float) for seed in (1, 2))
    steps = [0.2, 0.3, 0.4, 0.6, 0.8]
    mixed = [Image.fromarray((start * (1 - step) + end * step).round().astype(np.uint8)) for step in steps]
    assert pairs(find(mixed)) <= {(0, 1), (1, 2)}


def test_clipped_pixels_that_are_bright_in_both_images_are_equal() -> None:
    ramp = torch.arange(256.0).reshape(1, 16, 16)
    x, y = match_clipping(ramp, (1.5 * ramp + 10).clamp(max=255), torch.ones_like(ramp))
    torch.testing.assert_close(x, y, atol=0.5, rtol=0)
    y, x = match_clipping((1.5 * ramp + 10).clamp(max=255), ramp, torch.ones_like(ramp))
    torch.testing.assert_close(x, y, atol=0.5, rtol=0)
    page, other = torch.full((1, 16, 16), 255.0), torch.full((1, 16, 16), 255.0)
    page[:, 4], other[:, 9] = 0, 0
    x, y = match_clipping(page, other, torch.ones_like(page))
    assert (x - y).abs().max() > 200
