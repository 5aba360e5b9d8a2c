"""One scale for images deeper than 8 bits: contrast and order of brightness are kept, 8-bit images do not change."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import MissingExtraImage
from infomax.decoding.depth import FULL_RANGE, NO_SCALE, DepthScale, common_scale, range_of, sample_values
from infomax.decoding.formats import TIFF
from infomax.decoding.image import decode
from infomax.images import ReadingOptions, load_images
from tests.images.conftest import noise, put, stored

SHARED = Path(__file__).parents[3] / "shared" / "cases"


def gradient(low: float, high: float, dtype: type[np.generic] = np.uint16, side: int = 16) -> NDArray[Any]:
    values: NDArray[Any] = np.linspace(low, high, side * side).reshape(side, side).astype(dtype)
    return values


def put_tiff(path: Path, values: NDArray[Any]) -> Path:
    return put(path, stored(values, "TIFF"))


def levels(pixels: NDArray[np.uint8]) -> int:
    return len(np.unique(pixels))


# the value


def test_a_range_leaves_a_thousandth_out_at_either_end() -> None:
    values = np.concatenate([np.arange(100, 400).repeat(100), [65535] * 3, [0] * 3]).astype(np.uint16)
    assert range_of([values]) == (100.0, 399.0)
    assert range_of([np.full(9, 7, np.uint16)]) is None
    assert range_of([]) is None


def test_photographs_of_16_bits_have_the_whole_range() -> None:
    assert range_of([np.arange(1000, 60_000).astype(np.uint16)]) == FULL_RANGE
    assert range_of([np.arange(31_000, 36_000).astype(np.uint16)]) == (31_005.0, 35_994.0)  # signed, with an offset


def test_integers_and_floats_have_ranges_of_their_own() -> None:
    scale = common_scale([np.arange(100, 200, dtype=np.uint16), np.linspace(0, 1, 100, dtype=np.float32)])
    assert scale == DepthScale((100.0, 199.0), (0.0, 1.0))
    assert DepthScale.from_dict(scale.to_dict()) == scale
    assert DepthScale.from_dict(NO_SCALE.to_dict()) == NO_SCALE


def test_values_outside_are_clipped_and_nan_is_black() -> None:
    scale = DepthScale((100.0, 355.0), (-1.0, 1.0))
    assert scale.to_8_bits(np.array([[0, 100, 101, 355, 9999]], np.uint16)).tolist() == [[0, 0, 1, 255, 255]]
    odd = np.array([[np.nan, np.inf, -np.inf, 0, 1, 5]], np.float32)
    assert scale.to_8_bits(odd).tolist() == [[0, 0, 0, 128, 255, 255]]
    assert sample_values(odd).tolist() == [0, 1, 5]


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.int16])
def test_an_image_of_one_value_has_one_level(dtype: type[np.generic]) -> None:
    assert levels(NO_SCALE.to_8_bits(np.full((4, 4), 7, dtype))) == 1


def noisy(low: float, high: float, seed: int) -> NDArray[np.uint16]:
    return np.random.default_rng(seed).uniform(low, high, 5000).astype(np.uint16)


ODD: dict[str, NDArray[np.uint16]] = {
    "saturated": np.full(5000, 65535, np.uint16),
    "half saturated": np.where(np.arange(5000) % 2, noisy(100, 400, 9), 65535).astype(np.uint16),
    "blank": np.zeros(5000, np.uint16),
    "dark frame": noisy(0, 6, 9),
    "no image": np.empty(0, np.uint16),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("n", [3, 12, 64])
def test_one_odd_frame_does_not_spoil_a_dim_collection(name: str, n: int) -> None:
    dim = [noisy(1000, 1300, seed) for seed in range(n)]
    low, high = range_of([*dim, ODD[name]]) or (0, 0)
    assert (low, high) == pytest.approx((1000, 1300), abs=2)


def test_images_that_differ_by_more_than_a_few_all_count() -> None:
    dim, bright = [noisy(100, 400, seed) for seed in range(8)], [noisy(100, 4000, seed) for seed in range(3)]
    assert range_of([*dim, *bright]) == pytest.approx((100, 4000), rel=0.02)
    assert range_of([dim[0], bright[0]]) == pytest.approx((100, 4000), rel=0.02)
    assert range_of([ODD["saturated"], ODD["blank"]]) == FULL_RANGE


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64])
def test_wide_integers_have_a_range_of_their_own(dtype: type[np.generic]) -> None:
    wide = [np.linspace(0, 10**6, 999).astype(dtype) for _ in range(4)]
    scale = common_scale([noisy(100, 400, 1), *wide])
    assert scale.integers == pytest.approx((100, 400), abs=2)
    assert scale.wide_integers == pytest.approx((0, 10**6), abs=2000)
    assert scale.to_8_bits(np.array([[400]], np.uint16)).tolist() == [[255]]
    assert scale.to_8_bits(np.array([[10**6]], dtype)).tolist() == [[255]]
    assert DepthScale.from_dict(scale.to_dict()) == scale


# collections


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the generator in ../shared/cases")
@pytest.mark.parametrize("folder", ["dim", "twelve_bits"])
def test_dim_microscopy_keeps_its_contrast(folder: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, SHARED / "dim_microscopy.py", tmp_path], check=True)
    images = load_images(tmp_path / folder, 32)
    assert levels(images.pixels) > 200
    assert images.pixels.std() > 25
    means = [np.asarray(Image.open(tmp_path / folder / key)).mean() for key in images.keys]
    assert np.corrcoef(means, images.pixels.mean((1, 2, 3)))[0, 1] > 0.99  # brightness stays comparable


def test_float_images_share_one_scale(tmp_path: Path) -> None:
    for i in range(5):
        put_tiff(tmp_path / f"{i}.tif", gradient(0, 0.01 * (i + 1), np.float32))
    images = load_images(tmp_path, 16)
    assert images.options.depth_scale is not None
    assert images.options.depth_scale.floats == pytest.approx((0, 0.05), abs=1e-3)
    assert images.pixels.reshape(5, -1).max(1).tolist() == sorted(images.pixels.reshape(5, -1).max(1).tolist())
    assert images.pixels[0].max() == pytest.approx(51, abs=3)


def test_one_hot_pixel_does_not_set_the_scale(tmp_path: Path) -> None:
    for i in range(4):
        values = gradient(100, 400, side=64)
        values[5, 5] = 65535
        put_tiff(tmp_path / f"{i}.tif", values)
    assert levels(load_images(tmp_path, 64).pixels) > 200


def test_signed_values_are_taken(tmp_path: Path) -> None:
    put_tiff(tmp_path / "a.tif", gradient(-1000, 1000, np.int32))
    put_tiff(tmp_path / "b.tif", gradient(-1000, 0, np.int32))
    images = load_images(tmp_path, 16)
    assert images.pixels[0].max() == 255
    assert images.pixels[1].max() == pytest.approx(128, abs=2)


def test_8_bit_images_do_not_change_beside_deep_ones(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(8, 8))
    put_tiff(tmp_path / "b.tif", gradient(100, 400, side=8))
    images = load_images(tmp_path, 8)
    assert np.array_equal(images.pixels[0], noise(8, 8))
    assert images.pixels[1].min() == 0
    assert images.pixels[1].max() == 255


def test_a_few_deep_images_among_many_are_found(tmp_path: Path) -> None:
    for i in range(300):
        put(tmp_path / f"{i:03}.png", noise(4, 4, seed=i))
    put(tmp_path / "101.png", stored(gradient(100, 300)))
    put(tmp_path / "102.png", stored(gradient(100, 200)))
    images = load_images(tmp_path, 4)
    assert images.options.depth_scale == DepthScale((100.0, 299.0))
    assert images.pixels[101].max() > 220  # the brightest of 256 values is averaged with others
    assert images.pixels[102].max() == pytest.approx(images.pixels[101].max() / 2, abs=8)


def test_a_constant_collection_is_loaded(tmp_path: Path) -> None:
    for i in range(3):
        put_tiff(tmp_path / f"{i}.tif", np.full((8, 8), 300, np.uint16))
    assert levels(load_images(tmp_path, 8).pixels) == 1


def test_a_collection_of_8_bits_has_no_scale(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(8, 8))
    assert load_images(tmp_path, 8).options.depth_scale == NO_SCALE


# the cache


def test_the_scale_is_kept_with_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        put_tiff(tmp_path / f"{i}.tif", gradient(100, 200 + 100 * i))
    first = load_images(tmp_path, 8)

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("infomax.images.loading.measure_depth", refuse)
    again = load_images(tmp_path, 8)
    assert again.options == first.options
    assert np.array_equal(again.pixels, first.pixels)


def test_a_scale_that_is_given_is_used_and_not_taken_for_the_measured_one(tmp_path: Path) -> None:
    put_tiff(tmp_path / "a.tif", gradient(100, 300))
    given = load_images(tmp_path, 8, options=ReadingOptions(depth_scale=DepthScale((0.0, 1000.0))))
    measured = load_images(tmp_path, 8)
    assert given.pixels.max() < 80
    assert measured.pixels.max() > 240
    assert measured.options.depth_scale == DepthScale((100.0, 300.0))


def test_a_new_image_that_changes_the_scale_changes_all(tmp_path: Path) -> None:
    put_tiff(tmp_path / "a.tif", gradient(100, 300))
    before = load_images(tmp_path, 8).pixels[0].max()
    put_tiff(tmp_path / "b.tif", gradient(100, 700))
    after = load_images(tmp_path, 8).pixels[0].max()
    assert (before > 240, after < 100) == (True, True)


# 16-bit color


def png_of_16_bits(values: NDArray[np.uint16]) -> bytes:
    """A PNG of RGB, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_dim_16_bit_color_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.decoding.formats._is_installed", lambda _: False)
    dim = np.stack([gradient(100, 400)] * 3, axis=-1)
    with pytest.raises(MissingExtraImage, match=r"pip install 'infomax\[tiff\]'"):
        decode(png_of_16_bits(dim), 16)
    bright = np.stack([gradient(0, 65535)] * 3, axis=-1)
    assert levels(decode(png_of_16_bits(bright), 16)) == 256


@pytest.mark.skipif(not TIFF.installed, reason="needs the extra tiff: pip install 'infomax[tiff]'")
def test_16_bit_color_keeps_its_lower_bits(tmp_path: Path) -> None:
    dim = np.stack([gradient(100, 400), gradient(400, 100), gradient(250, 250)], axis=-1)
    put(tmp_path / "a.png", png_of_16_bits(dim))
    pixels = load_images(tmp_path, 16).pixels[0]
    assert levels(pixels[..., 0]) > 200
    assert pixels[0, 0].tolist() == [0, 255, 128]
