"""TIFFs of many bands and odd layouts: the first three bands, those asked for, or a reason."""

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import BrokenImage, MissingExtraImage, TooLargeImage
from infomax.decoding.formats import TIFF
from infomax.decoding.image import decode
from infomax.decoding.options import parse_bands
from infomax.decoding.tiff import tiff_layout
from infomax.errors import InfoMaxError
from infomax.images import ReadingOptions, load_images
from tests.images.conftest import noise, put, stored

needs_tifffile = pytest.mark.skipif(not TIFF.installed, reason="needs the extra tiff: pip install 'infomax[tiff]'")


def head_of_tiff(bands: int, bits: int, sample_format: int = 1, width: int = 4, height: int = 4) -> bytes:
    """A TIFF without compression, of zeros."""
    pixels = bytes(width * height * bands * bits // 8)
    counts = struct.pack(f"<{bands}H", *[bits] * bands)
    formats = struct.pack(f"<{bands}H", *[sample_format] * bands)
    entries = [
        *((256, 4, 1, width), (257, 4, 1, height), (258, 3, bands, 8 if bands > 2 else bits), (259, 3, 1, 1)),
        *((262, 3, 1, 1), (273, 4, 1, 8 + 2 * len(counts)), (277, 3, 1, bands), (278, 4, 1, height)),
        *((279, 4, 1, len(pixels)), (339, 3, bands, 8 + len(counts) if bands > 2 else sample_format)),
    ]
    start = 8 + 2 * len(counts) + len(pixels)
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", start) + counts + formats + pixels + directory


def written(pixels: NDArray[Any], **options: Any) -> bytes:
    import tifffile

    file = BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def test_the_layout_is_read_without_the_extra() -> None:
    layout = tiff_layout(BytesIO(head_of_tiff(8, 16)))
    assert layout is not None
    assert (layout.size, layout.bands, layout.bits, layout.kind) == ((4, 4), 8, 16, "unsigned")
    assert layout.exceeds_pillow
    assert str(layout) == "TIFF of 8 bands of 16-bit unsigned values"
    plain = tiff_layout(BytesIO(stored(noise(4, 4), "TIFF")))
    assert plain is not None
    assert not plain.exceeds_pillow
    assert tiff_layout(BytesIO(b"II*\0" + bytes(20))) is None


@pytest.mark.parametrize(("bands", "bits", "kind"), [(8, 16, 1), (5, 32, 3), (4, 16, 2)])
def test_without_the_extra_the_reason_says_what_to_install(
    bands: int, bits: int, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infomax.decoding.formats._is_installed", lambda _: False)
    with pytest.raises(MissingExtraImage, match=rf"TIFF of {bands} bands of {bits}-bit .*infomax\[tiff\]"):
        decode(head_of_tiff(bands, bits, kind), 4)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(BrokenImage, match="complex values: convert to real numbers"):
        decode(head_of_tiff(4, 64, 6), 4)


@needs_tifffile
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.int16])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_the_first_three_of_many_bands(planar: str, dtype: type[Any], bigtiff: bool) -> None:
    first = noise(16, 16, 8)
    first[0, 0], first[0, 1] = 0, 255  # the whole range in every band
    pixels = first.astype(dtype)
    stacked = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    content = written(stacked, photometric="minisblack", planarconfig=planar, bigtiff=bigtiff)
    assert np.array_equal(decode(content, 16), first[..., :3])
    chosen = decode(content, 16, ReadingOptions(bands=(4, 3, 2)))
    assert np.array_equal(chosen, first[..., [3, 2, 1]])
    assert np.array_equal(decode(content, 16, ReadingOptions(bands=(5,)))[..., 0], first[..., 4])


@needs_tifffile
@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "zstd"])
def test_16_bit_color_of_a_collection_has_one_scale(compression: str | None, tmp_path: Path) -> None:
    for i in range(3):
        values = (noise(16, 16, seed=i).astype(np.uint16) + 100) // (i + 1)
        put(tmp_path / f"{i}.tif", written(values, photometric="rgb", compression=compression))
    images = load_images(tmp_path, 16)
    assert images.options.depth_scale is not None
    assert images.pixels[0].std() > 55
    assert images.pixels[0].mean() > images.pixels[1].mean() > images.pixels[2].mean()


@needs_tifffile
def test_orientation_of_a_tiff_with_many_bands() -> None:
    pixels = noise(8, 8, 5)
    content = written(pixels, photometric="minisblack", planarconfig="contig", extratags=[(274, 3, 1, 6, True)])
    assert np.array_equal(decode(content, 8), np.rot90(pixels[..., :3], -1))


@needs_tifffile
def test_many_bands_count_against_the_limit() -> None:
    content = written(np.zeros((16, 16, 100), np.uint16), photometric="minisblack", planarconfig="contig")
    with pytest.raises(TooLargeImage, match="16 x 16"):
        decode(content, 8, ReadingOptions(max_pixels=1000))


def test_bands_of_common_images() -> None:
    pixels = noise(8, 8)
    assert np.array_equal(decode(stored(pixels), 8, ReadingOptions(bands=(3, 2, 1))), pixels[..., ::-1])
    assert np.array_equal(decode(stored(pixels), 8, ReadingOptions(bands=(2,)))[..., 0], pixels[..., 1])
    with pytest.raises(BrokenImage, match="it has 3 bands, and band 4 was asked for"):
        decode(stored(pixels), 8, ReadingOptions(bands=(4, 3, 2)))
    with pytest.raises(BrokenImage, match="it has 1 band, and band 3 was asked for"):
        decode(stored(pixels[..., 0]), 8, ReadingOptions(bands=(1, 2, 3)))


def test_pages_of_a_microscope_are_bands(tmp_path: Path) -> None:
    pages = [Image.fromarray(noise(8, 8, 1, seed=i)) for i in range(4)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(decode(tmp_path / "a.tif", 8)[..., 0], np.asarray(pages[0]))
    chosen = decode(tmp_path / "a.tif", 8, ReadingOptions(bands=(4, 1, 2)))
    assert np.array_equal(chosen, np.stack([np.asarray(pages[i]) for i in (3, 0, 1)], axis=-1))
    with pytest.raises(BrokenImage, match="it has 4 bands, and band 5 was asked for"):
        decode(tmp_path / "a.tif", 8, ReadingOptions(bands=(5,)))


def test_bands_have_a_cache_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(8, 8))
    swapped = load_images(tmp_path, 8, options=ReadingOptions(bands=(3, 2, 1)))
    assert np.array_equal(swapped.pixels[0], noise(8, 8)[..., ::-1])
    assert np.array_equal(load_images(tmp_path, 8).pixels[0], noise(8, 8))


def test_bands_as_they_are_typed() -> None:
    assert parse_bands("4, 3,2") == (4, 3, 2)
    assert parse_bands(None) is None
    for text in ("red", "4,3", "0,1,2", "1,2,3,4", ""):
        with pytest.raises(InfoMaxError, match=r"give three"):
            ReadingOptions(bands=parse_bands(text))
