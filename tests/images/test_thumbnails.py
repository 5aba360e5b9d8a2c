from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from infomax.decoding import rasters
from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import center_crop_resize
from infomax.images.thumbnails import SIDE, decode_views, thumbnail
from tests.conftest import colored


def encoded(width: int, height: int, kind: str, turn: int = 1) -> bytes:
    """An image with varied pixels and an EXIF orientation."""
    image = Image.fromarray(colored(1, 20)[0]).resize((width, height), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    file = BytesIO()
    image.save(file, kind, exif=exif)
    return file.getvalue()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The files that Pillow has opened."""
    seen: list[object] = []
    really = rasters.read_raster

    def counting(file: BytesIO, *options: Any) -> rasters.Raster:
        seen.append(file)
        return really(file, *options)

    monkeypatch.setattr("infomax.decoding.image.read_raster", counting)
    return seen


@pytest.mark.parametrize("turn", [1, 3, 6])
@pytest.mark.parametrize(
    ("kind", "size", "times"),
    [("png", (900, 600), 1), ("jpeg", (90, 60), 1), ("jpeg", (900, 600), 2), ("jpeg", (3200, 2400), 1)],
)
def test_an_image_is_decoded_once_for_the_model_and_the_thumbnail(
    opened: list[object], kind: str, size: tuple[int, int], times: int, turn: int
) -> None:
    data = encoded(*size, kind, turn)
    square, small, _ = decode_views(data, 16)
    assert len(opened) == times
    assert np.array_equal(square, center_crop_resize(data, 16))
    assert (small.width, small.height) == (size if turn < 5 else size[::-1])
    with Image.open(BytesIO(small.content)) as image:
        assert max(image.size) == min(SIDE, max(size))
    if not (kind == "jpeg" and size[0] > 1000):
        assert small == thumbnail(data)


def test_a_thumbnail_of_pixels() -> None:
    pixels = colored(1, 40)[0]
    square, small, _ = decode_views(pixels, 8)
    assert np.array_equal(square, center_crop_resize(pixels, 8))
    assert small == thumbnail(pixels)
    assert (small.width, small.height) == (40, 40)


def test_broken_images_say_why() -> None:
    whole = encoded(90, 60, "png")
    for data, why in ((whole[:-900], "truncated"), (b"", "an empty file"), (b"text", "not an image")):
        with pytest.raises(BrokenImage, match=why):
            decode_views(data, 8)
