"""TIFF layouts that Pillow does not read, or reads at 8 bits: many bands, 16-bit color, planes, odd number types."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from infomax.decoding.broken import BrokenImage, MissingExtraImage, TooLargeImage
from infomax.decoding.formats import TIFF, OpenFile

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PLAIN_COLORS = {None, 0, 1, 2}  # photometric interpretations: gray or RGB, rather than a palette, CMYK, YCbCr or Lab
_BYTES_PER_PIXEL = 16  # of a layout with many bands; above it the limit of pixels counts bytes

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image of each EXIF orientation upright."""


@dataclass(frozen=True)
class TiffLayout:
    """How the first image of a TIFF is stored.

    Attributes:
        size: Width and height in pixels, as stored.
        bands: Samples of a pixel.
        bits: Bits of the deepest sample.
        kind: "unsigned", "signed", "float" or "complex".
        photometric: TIFF's number for what the samples mean; None if it is missing.
        planar: Whether each band is stored by itself.
        orientation: EXIF orientation, 1 to 8.

    """

    size: tuple[int, int]
    bands: int
    bits: int
    kind: str
    photometric: int | None
    planar: bool
    orientation: int

    @property
    def is_deep(self) -> bool:
        """Whether its values need a scale to become 8 bits."""
        return self.photometric in _PLAIN_COLORS and (self.bits > 8 or self.kind != "unsigned")

    @property
    def exceeds_pillow(self) -> bool:
        """Whether Pillow would refuse it, or drop its lower bits in silence."""
        return self.photometric in _PLAIN_COLORS and (self.bands > 4 or (self.bands > 1 and self.is_deep))

    def __str__(self) -> str:
        bands = f"{self.bands} bands of " if self.bands > 1 else ""
        return f"TIFF of {bands}{self.bits}-bit {self.kind} values{', planar' if self.planar and bands else ''}"


def is_tiff(head: bytes) -> bool:
    """Whether a file begins like a TIFF or a BigTIFF.

    Args:
        head: First 32 bytes of the file.

    Returns:
        True for TIFF.

    """
    return head.startswith(_SIGNATURES)


def tiff_layout(file: OpenFile) -> TiffLayout | None:
    """Read the header of the first image in a TIFF.

    Args:
        file: The open file; it is left at its start.

    Returns:
        The layout; None if the header is damaged.

    """
    try:
        file.seek(0)
        head = file.read(8)
        tags = TiffImagePlugin.ImageFileDirectory_v2(head + (file.read(8) if head[2] == 43 or head[3] == 43 else b""))
        file.seek(tags.next)
        tags.load(file)
        bits = _numbers(tags.get(258)) or [1]
        kinds = _numbers(tags.get(339)) or [1]
        return TiffLayout(
            (int(tags[256]), int(tags[257])),
            int(tags.get(277, 1)),
            max(bits),
            {1: "unsigned", 2: "signed", 3: "float", 5: "complex", 6: "complex"}.get(max(kinds), "unsigned"),
            tags.get(262),
            tags.get(284) == 2,
            _orientation(tags.get(274)),
        )
    except Exception:  # a damaged header raises nearly everything
        return None
    finally:
        file.seek(0)


def decode_tiff(file: OpenFile, layout: TiffLayout, limit: int | float) -> NDArray[Any]:
    """Decode the first image of a TIFF with all of its bands, at full depth.

    Args:
        file: The open file.
        layout: Its layout.
        limit: Largest number of pixels; of many bands, a sixteenth of the bytes.

    Returns:
        Pixels (h, w) or (h, w, bands), of the type that the file has.

    Raises:
        MissingExtraImage: The extra is not installed.
        TooLargeImage: The image is larger than the limit.
        BrokenImage: The values are complex numbers.

    """
    if layout.kind == "complex":
        raise BrokenImage(f"{layout}: convert to real numbers, such as magnitudes")
    if not TIFF.installed:
        raise MissingExtraImage(str(layout), TIFF.remedy)
    factor = max(1, -(-layout.bands * layout.bits // (8 * _BYTES_PER_PIXEL)))
    if layout.size[0] * layout.size[1] * factor > limit:
        raise TooLargeImage(layout.size, limit, factor)
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or else its remarks go to stderr
    file.seek(0)
    with tifffile.TiffFile(file) as opened:
        page = opened.pages[0]
        pixels: NDArray[Any] = page.asarray(maxworkers=1)
        axes: str = page.axes
    if "S" in axes:
        pixels = np.moveaxis(pixels, axes.index("S"), -1)
    while pixels.ndim > (3 if "S" in axes else 2):
        pixels = pixels[0]  # the first of several planes in depth
    return pixels


def read_pages_as_bands(image: Image.Image, bands: Sequence[int]) -> NDArray[Any]:
    """Read bands that are stored as pages of one TIFF, as microscopes do.

    Args:
        image: The open TIFF, whose pages are gray.
        bands: Numbers of the pages, counted from 1.

    Returns:
        Pixels (h, w, bands).

    Raises:
        BrokenImage: The file has fewer pages, or they differ in size.

    """
    count = getattr(image, "n_frames", 1)
    if max(bands) > count:
        raise BrokenImage(f"it has {count} band{'s' * (count > 1)}, and band {max(bands)} was asked for")
    pages = []
    for band in bands:
        image.seek(band - 1)
        pages.append(np.asarray(image))
    if len({page.shape for page in pages}) > 1:
        raise BrokenImage("its pages differ in size, so that they are no bands of one image")
    return np.stack(pages, axis=-1)


def _numbers(value: Any) -> list[int]:
    """A tag that holds one number or several."""
    return [] if value is None else [int(each) for each in (value if isinstance(value, tuple) else (value,))]


def _orientation(value: Any) -> int:
    """Orientation of a tag; 1 if it is missing or odd."""
    return value if value in TURNS else 1
