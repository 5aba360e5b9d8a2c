"""Images as a kind of data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Int8, UInt8
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.decoding.image import center_crop_resize
from infomax.decoding.options import ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.loading import LoadedImages, load_images
from infomax.images.opening import SourceLike, open_source
from infomax.images.pixels import pixels_of_pil, to_pixels, validate_image
from infomax.images.source import Source
from infomax.images.thumbnails import decode_views
from infomax.kinds.images.copies import ImageCopies
from infomax.kinds.images.raw_pixels import raw_pixels
from infomax.kinds.kind import Cards, ReadItem, type_and_shape
from infomax.paths import expand_home


@final
class ImageKind:
    """Square images of 8-bit RGB, (n, size, size, 3); see `DataKind` for the methods."""

    name: ClassVar[str] = "images"
    noun: ClassVar[str] = "image"
    wanted: ClassVar[str] = "an image"
    has_lines: ClassVar[bool] = False

    def open(self, source: SourceLike, options: ReadingOptions, *, named: bool = False) -> Source:  # noqa: ARG002
        """List the images of a source; text in a list always names files."""
        return open_source(source, options)

    def load(
        self, source: Source, size: int, options: ReadingOptions, *, cache: Path | None, progress: bool
    ) -> LoadedImages:
        """Decode all images, or take them from the cache."""
        return load_images(source, size, options=options, cache=cache, progress=progress)

    def read(self, data: bytes | Path | NDArray[np.uint8], size: int, options: ReadingOptions) -> ReadItem:
        """Decode one image: its square, its thumbnail, and what its file says."""
        return ReadItem(*decode_views(data, size, options))

    def example(self, query: Any, size: int, options: ReadingOptions) -> UInt8[np.ndarray, "size size 3"]:
        """Decode a query: upright, cropped to the central square, resized."""
        return center_crop_resize(_content(query), size, options)

    def validate(self, examples: object, size: int) -> None:
        """Refuse what is not uint8 (n, size, size, 3)."""
        if not isinstance(examples, np.ndarray) or examples.dtype != np.uint8 or examples.shape[1:] != (size, size, 3):
            given = type_and_shape(examples)
            raise InfoMaxError(f"images of {given}: encode takes uint8 (n, {size}, {size}, 3), transform any size")

    def drawn(self, card: bytes) -> bytes:
        """Give the thumbnail, which is a WebP already."""
        return card

    def line(self, card: bytes) -> str:  # noqa: ARG002
        """Say nothing: an image is not told in words."""
        return ""

    def extent(self, width: int, height: int) -> str:
        """Give the sides in pixels."""
        return f"{width} x {height}"

    def next_step(self, source: str, run: str) -> str:
        """Name the command that shows neighbors."""
        return f"see which images they find alike:  infomax montage {source} --model {run} --out montage.png"

    def copies(self, keys: Sequence[str], cards: Cards, file: Path | None) -> ImageCopies:
        """Compare thumbnails."""
        return ImageCopies(keys, cards, file)

    def raw(
        self,
        train: UInt8[np.ndarray, "m h w 3"],
        test: UInt8[np.ndarray, "n h w 3"],
        dim: int,  # noqa: ARG002
    ) -> Mapping[str, tuple[Int8[np.ndarray, "m values"], Int8[np.ndarray, "n values"]]]:
        """Take the pixels themselves, shifted so that gray is the origin."""
        return {"pixels": (raw_pixels(train), raw_pixels(test))}


def _content(query: Any) -> bytes | Path | NDArray[np.uint8]:
    """What a query is decoded from. Raises BrokenImage or InfoMaxError if it is no image."""
    if isinstance(query, Image.Image):
        pixels = pixels_of_pil(query)
        if isinstance(pixels, BrokenImage):
            raise pixels
        return pixels
    if isinstance(query, np.ndarray):
        validate_image(query.dtype, query.shape, "an array that")
        return to_pixels(query, "an array that")
    if isinstance(query, str | bytes | Path):
        return expand_home(query) if isinstance(query, str) else query
    raise BrokenImage(f"a {type(query).__name__}")
