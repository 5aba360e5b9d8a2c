"""Formats that extras add, and what is said where an extra is missing."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import BrokenImage, MissingExtraImage, TooLargeImage, UnreadableImage
from infomax.decoding.codecs import _jpeg_xl_size, is_heif, is_jpeg_xl, is_raw
from infomax.decoding.formats import HEIF, JPEG_XL, RAW, image_extensions
from infomax.decoding.image import decode
from infomax.images import ReadingOptions
from tests.images.conftest import noise, put, stored

HEIC_HEAD = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)
JXL_HEAD = b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(64)

FILES = {
    "HEIF": (HEIC_HEAD, "heif"),
    "JPEG XL": (JXL_HEAD, "jxl"),
    "camera RAW": (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "raw"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_missing_extra_is_named_and_tried_again(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.decoding.formats._is_installed", lambda _: False)
    content, extra = FILES[what]
    with pytest.raises(MissingExtraImage, match=rf"{what}: pip install 'infomax\[{extra}\]'") as raised:
        decode(content, 8)
    assert isinstance(raised.value, UnreadableImage)  # so that neither cache nor index takes it for broken for good


def test_raw_files_are_known_by_name_or_content() -> None:
    assert is_raw(b"II*\0" + bytes(28), ".dng")
    assert is_raw(b"FUJIFILMCCD-RAW " + bytes(16), "")
    assert is_raw(b"\0\0\0\x18ftypcrx " + bytes(16), "")
    assert not is_raw(b"II*\0\x08\0\0\0" + bytes(24), ".tif")


def test_avif_is_no_heif_to_us() -> None:
    assert not is_heif(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1")
    assert not is_heif(b"\0\0\0\x1cftypmif1\0\0\0\0avifmif1")
    assert is_heif(HEIC_HEAD[:32])
    assert is_jpeg_xl(JXL_HEAD[:32])
    pixels = np.full((16, 16, 3), (200, 10, 10), np.uint8)
    assert np.abs(decode(stored(pixels, "AVIF"), 4).astype(int) - (200, 10, 10)).max() <= 4


def test_the_first_frame_of_an_mpo(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    first.save(tmp_path / "a.mpo", save_all=True, append_images=[second])
    assert ".mpo" in image_extensions()
    assert np.abs(decode(tmp_path / "a.mpo", 4).astype(int) - (255, 0, 0)).max() <= 2


# too large is not broken


def test_too_large_says_how_large_and_what_to_do() -> None:
    with pytest.raises(TooLargeImage) as raised:
        decode(stored(noise(30, 20)), 8, ReadingOptions(max_pixels=100))
    assert raised.value.reason == "too large: 20 x 30 pixels, above the limit of 100 (--max-pixels 600 lets it in)"
    assert decode(stored(noise(30, 20)), 8, ReadingOptions(max_pixels=600)).shape == (8, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "JPEG2000", "PPM", "WEBP"])
def test_a_panorama_above_twice_the_limit_is_let_in(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    content = stored(noise(20, 400), kind)
    with pytest.raises(BrokenImage, match="too large"):
        decode(content, 8)
    assert decode(content, 8, ReadingOptions(max_pixels=8000)).shape == (8, 8, 3)


# with the extras


@pytest.mark.skipif(not HEIF.installed, reason="needs the extra heif: pip install 'infomax[heif]'")
def test_heic_is_decoded_upright(tmp_path: Path) -> None:
    import pillow_heif

    pixels = np.zeros((64, 32, 3), np.uint8)
    pixels[:32] = (255, 0, 0)
    file = BytesIO()
    pillow_heif.from_bytes("RGB", (32, 64), pixels.tobytes()).save(file, quality=95)
    result = decode(put(tmp_path / "a.heic", file.getvalue()), 8)
    assert np.abs(result[0].astype(int) - (255, 0, 0)).max() <= 8
    assert result[-1].max() <= 8
    with pytest.raises(TooLargeImage):
        decode(file.getvalue(), 8, ReadingOptions(max_pixels=100))
    with pytest.raises(BrokenImage):
        decode(file.getvalue()[:-100], 8)


@pytest.mark.skipif(not JPEG_XL.installed, reason="needs the extra jxl: pip install 'infomax[jxl]'")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_jpeg_xl_is_decoded(dtype: type[Any]) -> None:
    import imagecodecs

    values: NDArray[Any] = np.arange(256, dtype=dtype).reshape(16, 16)
    pixels = np.stack([values, values[::-1], values.T], axis=-1) * (257 if dtype == np.uint16 else 1)
    content = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))
    assert np.array_equal(decode(content, 16), np.stack([values, values[::-1], values.T], axis=-1))
    with pytest.raises(TooLargeImage, match="16 x 16"):
        decode(content, 8, ReadingOptions(max_pixels=100))
    with pytest.raises(BrokenImage):
        decode(content[: len(content) // 2], 8)


@pytest.mark.skipif(not JPEG_XL.installed, reason="needs the extra jxl: pip install 'infomax[jxl]'")
@pytest.mark.parametrize("shape", [(8, 8), (17, 300), (300, 17), (1080, 1920), (513, 511), (9000, 3)])
def test_the_size_of_a_jpeg_xl_is_read_from_its_header(shape: tuple[int, int]) -> None:
    import imagecodecs

    for container in (False, True):
        content = bytes(imagecodecs.jpegxl_encode(np.zeros((*shape, 3), np.uint8), effort=1, usecontainer=container))
        assert _jpeg_xl_size(content) == (shape[1], shape[0])


@pytest.mark.skipif(not RAW.installed, reason="needs the extra raw: pip install 'infomax[raw]'")
def test_a_damaged_raw_file_says_to_convert(tmp_path: Path) -> None:
    with pytest.raises(BrokenImage, match=r"no preview of this camera RAW can be read .*: convert to JPEG"):
        decode(put(tmp_path / "a.cr2", b"II*\0\x10\0\0\0CR\2\0" + noise(50, 50).tobytes()), 8)
