"""How a SOURCE is read: what is left out, which bands are shown, and how large an image may be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from infomax.decoding.depth import NO_SCALE, DepthScale
from infomax.errors import InfoMaxError


@dataclass(frozen=True)
class ReadingOptions:
    """Options of listing and decoding, passed whole from the command line down to the decoder.

    Attributes:
        exclude: Patterns of files and folders to leave out, besides hidden ones and the folders of thumbnails and
            deleted files that NAS and desktop systems keep; see `infomax.images.exclusion`.
        max_pixels: Largest image that is decoded, in pixels. None for Pillow's limit, 89 million.
        bands: Which bands of an image are red, green and blue, counted from 1; a single one is shown as gray. None for
            the usual colors, or the first three of many bands.
        depth_scale: Ranges that become 0..255 for images deeper than 8 bits. None to measure the collection.
        image_column: Column of the images in parquet files; None to find it.
        label_column: Column of the labels in parquet files; None to find it.
        remembered: Patterns that were excluded before; where they match nothing, nothing is said of them.
        text_column: Column of the texts in parquet, CSV and JSONL files; None to find it.

    Raises:
        InfoMaxError: A value is out of range.

    """

    exclude: Sequence[str] = ()
    max_pixels: int | None = None
    bands: Sequence[int] | None = None
    depth_scale: DepthScale | None = None
    image_column: str | None = None
    label_column: str | None = None
    remembered: Sequence[str] = ()
    text_column: str | None = None

    def __post_init__(self) -> None:
        # a lone text is one pattern, not its letters
        patterns = (self.exclude,) if isinstance(self.exclude, str) else tuple(self.exclude)
        object.__setattr__(self, "exclude", patterns)
        if any(not pattern.strip("/") for pattern in patterns):
            raise InfoMaxError("an empty pattern to exclude: give the name of a file or folder, such as 'thumbs*'")
        if self.max_pixels is not None and self.max_pixels < 1:
            raise InfoMaxError(f"a limit of {self.max_pixels} pixels: give at least 1")
        if self.bands is not None:
            object.__setattr__(self, "bands", tuple(self.bands))
            if len(self.bands) not in (1, 3) or min(self.bands) < 1:
                given = ",".join(map(str, self.bands))
                raise InfoMaxError(f"bands {given}: give three, such as 4,3,2, or one, counted from 1")

    @property
    def excluded(self) -> tuple[str, ...]:
        """All patterns, those that were excluded before among them."""
        return (*self.exclude, *self.remembered)

    @property
    def pixel_limit(self) -> int | float:
        """Largest number of pixels of an image; infinite if Pillow's limit was switched off."""
        return self.max_pixels or Image.MAX_IMAGE_PIXELS or float("inf")

    @property
    def signature(self) -> str:
        """What the decoded pixels depend on besides the scale, for the cache. Empty for the defaults."""
        limit = "" if self.max_pixels is None else f"max_pixels={self.max_pixels}"
        bands = "" if self.bands is None else f"bands={self.bands}"
        return " ".join(filter(None, (limit, bands)))

    @property
    def pixel_signature(self) -> tuple[str, ...]:
        """What a given square image depends on, for the fingerprint of a model. Empty for the defaults."""
        scale = None if self.depth_scale == NO_SCALE else self.depth_scale
        return tuple(
            f"{name}={value}" for name, value in (("bands", self.bands), ("scale", scale)) if value is not None
        )

    def to_dict(self) -> dict[str, Any]:
        """Give what a model must remember: how pixels are made of a file."""
        return {
            "max_pixels": self.max_pixels,
            "bands": None if self.bands is None else list(self.bands),
            "depth_scale": None if self.depth_scale is None else self.depth_scale.to_dict(),
        }

    def as_learned(self, stored: dict[str, Any]) -> "ReadingOptions":
        """Read images as a model has learned from them.

        Args:
            stored: What `to_dict` gave at that time.

        Returns:
            These options with the bands and the scale of the model, and with its limit if these have none.

        """
        bands, scale = stored.get("bands"), stored.get("depth_scale")
        return replace(
            self,
            max_pixels=self.max_pixels or stored.get("max_pixels"),
            bands=None if bands is None else tuple(bands),
            depth_scale=NO_SCALE if scale is None else DepthScale.from_dict(scale),
        )


DEFAULT_OPTIONS = ReadingOptions()
"""Nothing special."""


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """Read band numbers as they are typed.

    Args:
        text: "4,3,2", say; None for none.

    Returns:
        The numbers; None for none.

    Raises:
        InfoMaxError: The text holds anything else.

    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise InfoMaxError(f"--bands {text}: give three numbers, such as 4,3,2, or one, counted from 1")
    return tuple(map(int, parts))
