"""Every image format, compared with known pixels or with an independent implementation of the pipeline."""

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.decoding.formats import image_extensions
from infomax.decoding.image import center_crop_resize, decode, no_pillow_warnings, to_rgb
from tests.images.conftest import Pixels, noise, put, stored


def reason(data: bytes | Path) -> str:
    with pytest.raises(BrokenImage) as raised:
        decode(data, 8)
    return raised.value.reason


def plainly(pixels: Pixels, size: int) -> NDArray[np.float64]:
    """Oracle: the central square times a matrix of cubic weights from each side, in floating point."""
    side = min(pixels.shape[:2])
    top, left = (pixels.shape[0] - side) // 2, (pixels.shape[1] - side) // 2
    scale = max(side / size, 1)
    centers = (np.arange(size)[:, None] + 0.5) * side / size
    x = np.abs(np.arange(side) + 0.5 - centers) / scale
    inner, outer = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2  # Keys' cubic, a = -1/2
    weights = np.where(x < 1, inner, np.where(x < 2, outer, 0))
    weights /= weights.sum(1, keepdims=True)
    square = pixels[top : top + side, left : left + side].astype(float).transpose(2, 0, 1)
    rows: NDArray[np.float64] = np.clip(square @ weights.T, 0, 255)
    return np.clip(weights @ rows, 0, 255).transpose(1, 2, 0)


def head_of_png(height: int, width: int) -> bytes:
    """Beginning of a PNG that claims to be this large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    signature = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    return signature + struct.pack(">I", 4) + b"IDAT" + bytes(8)


# pixels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_a_square_of_the_right_size_keeps_every_bit(kind: str) -> None:
    pixels = noise(16, 16)
    assert np.array_equal(decode(stored(pixels, kind), 16), pixels)


@pytest.mark.parametrize(("height", "width"), [(16, 31), (16, 40), (33, 16)])
def test_the_center_is_kept(height: int, width: int) -> None:
    pixels = noise(height, width)
    top, left = (height - 16) // 2, (width - 16) // 2
    assert np.array_equal(decode(stored(pixels), 16), pixels[top : top + 16, left : left + 16])


@pytest.mark.parametrize(("height", "width", "size"), [(64, 64, 16), (96, 64, 16), (50, 170, 32), (8, 8, 24)])
def test_resizing_agrees_with_a_plain_pipeline(height: int, width: int, size: int) -> None:
    pixels = noise(height, width)
    assert np.abs(decode(stored(pixels), size) - plainly(pixels, size)).max() <= 1.5  # rounded after each side


def test_small_details_are_averaged_rather_than_sampled() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(decode(stored(stripes), 16).astype(int) - 128).max() <= 3


def test_a_large_jpeg_read_at_a_fraction_of_its_size_looks_the_same() -> None:
    smooth = Image.fromarray(noise(40, 60)).resize((2400, 1600), Image.Resampling.BICUBIC)
    difference = decode(stored(smooth, "JPEG", quality=95), 32) - plainly(np.asarray(smooth), 32)
    assert np.abs(difference).mean() < 1
    assert np.abs(difference).max() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied(orientation: int, kind: str) -> None:
    stored_as = {  # how a file of each orientation stores an upright image
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: p[::-1, ::-1].swapaxes(0, 1),
        8: lambda p: np.rot90(p, -1),
    }
    pixels = noise(16, 21)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"exif": exif, "lossless": True} if kind == "WEBP" else {"exif": exif}
    turned = np.ascontiguousarray(stored_as[orientation](pixels))
    assert np.array_equal(decode(stored(turned, kind, **options), 16), pixels[:, 2:18])


def test_an_image_with_broken_exif_is_decoded() -> None:
    pixels = noise(16, 16)
    assert np.array_equal(decode(stored(pixels, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage"), 16), pixels)


def test_an_orientation_in_exif_that_cannot_be_rewritten_is_applied() -> None:
    """Pillow removes the orientation from the EXIF block after it has turned the image, which fails here."""
    orientation = b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x07\0\x02\0\0\0\x04xyz\0" + orientation + bytes(4)
    pixels = noise(16, 21)
    turned = np.ascontiguousarray(np.rot90(pixels, 1))
    assert np.array_equal(decode(stored(turned, exif=exif), 16), pixels[:, 2:18])


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_laid_on_white(mode: str) -> None:
    pixels = noise(16, 16, len(mode))
    color, alpha = pixels[..., :-1].astype(float), pixels[..., -1:] / 255
    expected = color * alpha + 255 * (1 - alpha)
    assert np.abs(decode(stored(pixels), 16) - expected).max() <= 1


def test_gray_that_was_multiplied_by_its_opacity_is_laid_on_white() -> None:
    """A TIFF may hold such an image; Pillow converts it to nothing but LA."""
    image = Image.fromarray(noise(16, 16, 2), "LA")
    difference = np.asarray(to_rgb(image.convert("La"))).astype(int) - np.asarray(to_rgb(image))
    assert np.abs(difference).max() <= 2
    content = bytearray(stored(Image.new("LA", (4, 4), (51, 51)), "TIFF"))
    content[content.index(struct.pack("<HHI", 338, 3, 1)) + 8] = 1  # ExtraSamples: gray was multiplied
    with Image.open(BytesIO(content)) as opened:
        assert opened.mode == "La"
    assert decode(bytes(content), 4).tolist() == np.full((4, 4, 3), 255).tolist()  # white, at a fifth of its opacity


def test_a_transparent_palette_entry_is_white() -> None:
    image = Image.fromarray(np.repeat(np.array([[0, 1]], np.uint8), 2, axis=0), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    pixels = decode(stored(image, transparency=1), 2)
    assert pixels[:, 0].tolist() == [[255, 0, 0]] * 2
    assert pixels[:, 1].tolist() == [[255, 255, 255]] * 2


@pytest.mark.parametrize(
    ("image", "kind", "color"),
    [
        (Image.new("1", (4, 4), 1), "PNG", (255, 255, 255)),
        (Image.new("L", (4, 4), 77), "PNG", (77, 77, 77)),
        (Image.new("RGB", (4, 4), (9, 8, 7)).convert("P", palette=Image.Palette.ADAPTIVE), "GIF", (9, 8, 7)),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("CMYK", (4, 4), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF", (255, 255, 255)),
        (Image.new("YCbCr", (4, 4), (200, 128, 128)), "TIFF", (200, 200, 200)),
    ],
    ids=["1-bit", "gray", "palette", "CMYK TIFF", "CMYK JPEG", "LAB", "YCbCr"],
)
def test_every_mode_becomes_rgb(image: Image.Image, kind: str, color: tuple[int, int, int]) -> None:
    assert np.abs(decode(stored(image, kind), 4).astype(int) - color).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_gray_is_rescaled_not_clipped(kind: str) -> None:
    deep = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    assert np.array_equal(decode(stored(deep, kind), 16)[..., 0], np.arange(256).reshape(16, 16))
    assert decode(stored(np.full((4, 4), 771, np.uint16), kind), 4).max() == 3


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_32_bit_images_fill_their_own_range(dtype: type[np.generic]) -> None:
    deep = np.linspace(-1e6, 1e9, 16).reshape(4, 4).astype(dtype)
    assert np.array_equal(decode(stored(deep, "TIFF"), 4)[..., 0].ravel(), np.rint(np.linspace(0, 255, 16)))
    assert decode(stored(np.full((4, 4), 7, dtype), "TIFF"), 4).max() == 0


def test_nan_and_infinity_are_black() -> None:
    odd = np.array([[np.nan, np.inf], [-3e38, 3e38]], np.float32)
    assert decode(stored(odd, "TIFF"), 2)[..., 0].tolist() == [[0, 0], [0, 255]]
    assert decode(stored(np.full((2, 2), np.nan, np.float32), "TIFF"), 2).max() == 0


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = stored(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert decode(data, 8)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 20000), (20000, 1), (3, 9000)])
def test_slivers(height: int, width: int) -> None:
    assert (decode(stored(np.full((height, width, 3), 90, np.uint8)), 64) == 90).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0, 1, 3, 4]), st.integers(0, 255), st.integers(1, 40))
def test_a_plain_color_does_not_change(height: int, width: int, channels: int, level: int, size: int) -> None:
    pixels = np.full((height, width, channels) if channels else (height, width), level, np.uint8)
    if channels == 4:
        pixels[..., 3] = 255
    square = center_crop_resize(pixels, size)
    assert square.shape == (size, size, 3)
    assert square.dtype == np.uint8
    assert (square == level).all()


def test_bytes_and_path_give_the_same(tmp_path: Path) -> None:
    path = put(tmp_path / "a.png", noise(20, 30))
    assert np.array_equal(decode(path, 16), decode(path.read_bytes(), 16))


# broken images


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_truncated(kind: str) -> None:
    data = stored(noise(64, 64), kind)
    assert any(word in reason(data[: len(data) // 2]) for word in ("truncated", "damaged", "not an image"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_truncated_jpeg_and_png_say_so(kind: str) -> None:
    data = stored(noise(64, 64), kind)
    assert reason(data[: len(data) // 2]) == "truncated: the end of the image is missing"


def test_a_variant_that_a_decoder_does_not_know_is_told_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow speaks of a driver, and each of its plugins may raise this."""

    def refuse(*_: object, **__: object) -> None:
        raise SyntaxError("not identified by this driver")

    monkeypatch.setattr("infomax.decoding.image.read_raster", refuse)
    with pytest.raises(BrokenImage) as raised:
        decode(stored(noise(8, 8)), 8)
    assert raised.value.reason == "damaged, or of a variant that its decoder does not know"


def test_no_bytes_at_all(tmp_path: Path) -> None:
    assert reason(b"") == "an empty file"
    assert reason(put(tmp_path / "a.jpg", b"")) == "an empty file"


@pytest.mark.parametrize(
    "text", [b"hello", b"not an image, " * 1000, b"%PDF-1.4", b"\x00" * 5000, b"%!PS-Adobe-3.0 EPSF"]
)
def test_files_that_are_not_images(text: bytes) -> None:
    assert reason(text) == "not an image"


def test_decompression_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    assert limit is not None
    assert reason(head_of_png(10_000, 10_000)).startswith("too large: 10000 x 10000 pixels")  # Pillow warns
    assert reason(head_of_png(60_000, 60_000)).startswith("too large")  # Pillow refuses
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert not reason(head_of_png(10_000, 10_000)).startswith("too large")


def test_paths_that_are_not_regular_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "link.jpg").symlink_to("nowhere")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    assert reason(tmp_path / "pipe.jpg") == "not a regular file"
    assert reason(tmp_path) == "a folder"
    assert reason(tmp_path / "link.jpg") == "there is no such file, or it is a link to nothing"
    assert reason(tmp_path / "loop.jpg").startswith("cannot be read")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied")

    path = put(tmp_path / "a.png", noise(8, 8))
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableImage, match="cannot be read: Permission denied"):
        decode(path, 8)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP", "ICO", "TGA", "PCX"]),
    st.data(),
)
def test_a_damaged_image_is_decoded_or_reported_as_broken(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(stored(noise(24, 24), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        outcome: Pixels | BrokenImage = decode(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]), 8)
    except BrokenImage as broken:
        outcome = broken
    assert outcome.shape == (8, 8, 3) if isinstance(outcome, np.ndarray) else "\n" not in outcome.reason


def test_extensions_are_those_of_image_formats() -> None:
    assert {".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp", ".avif"} <= image_extensions()
    assert not {".pdf", ".eps", ".ps", ".h5", ".mpg", ".txt", ".npy", ".parquet", ""} & image_extensions()


def test_warnings_are_suppressed_only_inside_the_block() -> None:
    with no_pillow_warnings(), pytest.raises(BrokenImage):
        center_crop_resize(head_of_png(10_000, 10_000), 4)
    with pytest.warns(Image.DecompressionBombWarning), Image.open(BytesIO(head_of_png(10_000, 10_000))):
        pass
