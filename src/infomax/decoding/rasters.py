"""Read the pixels of one file at the depth that it has, by Pillow or by the library of an extra."""

import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from infomax.decoding import codecs, tiff
from infomax.decoding.broken import BrokenImage, TooLargeImage
from infomax.decoding.formats import TIFF, OpenFile, pillow_formats
from infomax.decoding.options import ReadingOptions

_HEAD = 32  # bytes by which formats are told apart
_SHALLOW = (b"\xff\xd8", b"GIF8", b"BM", b"RIFF")  # formats of 8 bits
_DEEP_MODES = ("I", "F")
_SLOW_LIMIT = 6_000_000  # pixels that Pillow's decoders in pure Python read within a few seconds


class Raster(NamedTuple):
    """Decoded pixels before they become 8 bits.

    Attributes:
        pixels: A Pillow image in any mode, or an array (h, w) or (h, w, c) of any type.
        size: Full width and height; `pixels` are smaller if a JPEG was read at a fraction of its size.
        turn: What makes the pixels upright, None if they are.

    """

    pixels: Image.Image | NDArray[Any]
    size: tuple[int, int]
    turn: Image.Transpose | None = None


SIDEWAYS = {
    *(Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270),
    *(Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE),
}
"""Turns that exchange width and height."""


def read_raster(file: OpenFile, extension: str, enough: int, options: ReadingOptions) -> Raster:
    """Decode the first frame of a file in any format.

    Args:
        file: The open file.
        extension: Its extension in lower case, "" if it has no name. Only camera RAW is known by its name.
        enough: Pixels per side that suffice. A JPEG several times larger is read at a fraction of its size.
        options: How images are read.

    Returns:
        The pixels.

    Raises:
        BrokenImage: The file cannot be used. Besides, Pillow's readers raise nearly every exception.

    """
    head = file.read(_HEAD)
    file.seek(0)
    if codecs.is_raw(head, extension):
        return _read_raw(file, enough, options)
    if codecs.is_jpeg_xl(head):
        pixels = codecs.decode_jpeg_xl(file, options.pixel_limit)
        return _raster(pixels if options.bands is None else select_bands(pixels, options.bands))
    layout = tiff.tiff_layout(file) if tiff.is_tiff(head) else None
    if layout is not None and layout.exceeds_pillow and (TIFF.installed or layout.kind == "complex"):
        return _read_tiff(file, layout, options)
    try:
        return _read_by_pillow(file, head, layout, enough, options)
    except UnidentifiedImageError:
        if layout is None:
            raise
        return _read_tiff(file, layout, options)


def _read_by_pillow(
    file: OpenFile, head: bytes, layout: tiff.TiffLayout | None, enough: int, options: ReadingOptions
) -> Raster:
    """Decode by Pillow, and by an extra only what Pillow would cut to 8 bits."""
    image = codecs.open_heif(file) if codecs.is_heif(head) else _identify(file)
    limit = options.pixel_limit
    if image.width * image.height > limit:
        raise TooLargeImage(image.size, limit)
    _refuse_slow(image)
    if options.bands is not None and layout is not None and len(image.getbands()) == 1 and image.mode != "P":
        return _raster(tiff.read_pages_as_bands(image, options.bands))
    size = image.size
    image.draft(None, (enough, enough))
    image.load()
    if layout is not None and layout.exceeds_pillow and layout.is_deep:
        codecs.refuse_if_dim(image, str(layout))
    turn = tiff.TURNS.get(image.getexif().get(274, 1)) if codecs.is_deep_png(head) else None
    deep = codecs.decode_deep_png(file, image) if codecs.is_deep_png(head) else None
    if deep is not None:
        return Raster(deep if options.bands is None else select_bands(deep, options.bands), size, turn)
    stored_size = image.size
    _exif_transpose(image)
    if image.size != stored_size:
        size = (size[1], size[0])
    if options.bands is not None:
        plain = image.convert("RGB") if image.mode == "P" else image
        return Raster(select_bands(np.asarray(plain), options.bands), size)
    return Raster(image, size)


def _read_tiff(file: OpenFile, layout: tiff.TiffLayout, options: ReadingOptions) -> Raster:
    """Decode a TIFF that exceeds Pillow: the bands asked for, or the first three."""
    pixels = tiff.decode_tiff(file, layout, options.pixel_limit)
    many = pixels.ndim == 3 and pixels.shape[2] > 3
    bands = options.bands or ((1, 2, 3) if many else None)
    return _raster(pixels if bands is None else select_bands(pixels, bands), tiff.TURNS.get(layout.orientation))


def _read_raw(file: OpenFile, enough: int, options: ReadingOptions) -> Raster:
    """Decode the preview in a camera's RAW file. Where the preview does not say how it is turned, the camera does."""
    preview, turn = codecs.raw_preview(file)
    if not isinstance(preview, bytes):
        return _raster(preview, turn)
    with Image.open(BytesIO(preview)) as image:
        says = image.getexif().get(274)
    raster = read_raster(BytesIO(preview), "", enough, options)
    return raster if says is not None or turn is None else raster._replace(turn=turn)


def _raster(pixels: NDArray[Any], turn: Image.Transpose | None = None) -> Raster:
    return Raster(pixels, (pixels.shape[1], pixels.shape[0]), turn)


def _identify(file: OpenFile) -> Image.Image:
    """Open a file by the first of Pillow's readers that takes it, as `Image.open` does, but whatever its size."""
    prefix = file.read(16)
    for name in pillow_formats():
        reader, accept = Image.OPEN[name]
        try:
            accepted = accept is None or accept(prefix)
            if accepted and not isinstance(accepted, str):  # a text is why not
                file.seek(0)
                return reader(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue
    raise UnidentifiedImageError


def _refuse_slow(image: Image.Image) -> None:
    """Refuse large images of the rare formats that Pillow decodes in pure Python: they would take minutes."""
    tiles = getattr(image, "tile", None) or []
    if image.width * image.height > _SLOW_LIMIT and any(tile[0] in Image.DECODERS for tile in tiles):
        size = f"{image.width} x {image.height} pixels"
        raise BrokenImage(f"too slow to decode: {size} of {image.format}: convert to PNG")


def may_hold_deep(file: OpenFile) -> bool:
    """Tell by the first bytes of a file whether its image may be deeper than 8 bits.

    Args:
        file: The open file; it is left at its start.

    Returns:
        False only if it is certainly not.

    """
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(_SHALLOW):
        return False
    if head.startswith(b"\x89PNG"):
        return head[24:25] == b"\x10"
    layout = tiff.tiff_layout(file) if tiff.is_tiff(head) else None
    return layout is None or layout.is_deep


def is_deep(image: Image.Image) -> bool:
    """Whether an image of Pillow has more than 8 bits.

    Args:
        image: The image.

    Returns:
        True for 16-bit and 32-bit gray and for floats.

    """
    return image.mode in _DEEP_MODES or image.mode.startswith("I;16")


def select_bands(pixels: NDArray[Any], bands: Sequence[int]) -> NDArray[Any]:
    """Pick bands.

    Args:
        pixels: Pixels (h, w) or (h, w, c).
        bands: Numbers of the bands, counted from 1.

    Returns:
        Pixels (h, w, bands), or (h, w) for a single one.

    Raises:
        BrokenImage: There are too few bands.

    """
    count = 1 if pixels.ndim == 2 else pixels.shape[2]
    if max(bands) > count:
        raise BrokenImage(f"it has {count} band{'s' * (count > 1)}, and band {max(bands)} was asked for")
    picked = pixels.reshape(*pixels.shape[:2], count)[..., [band - 1 for band in bands]]
    return picked[..., 0] if len(bands) == 1 else picked


def _exif_transpose(image: Image.Image) -> None:
    """Turn an image upright, in place, as its EXIF orientation says. Broken EXIF is ignored: the pixels are sound."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except MemoryError:
        raise
    except Exception:
        pass
