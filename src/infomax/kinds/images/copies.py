"""Copies of an image among thumbnails."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Bool, Int, UInt8

from infomax.kinds.kind import Cards

if TYPE_CHECKING:  # torch loads when it is first needed
    from infomax.copies.miniatures import Rectangle
    from infomax.copies.same_image import SamePair


@final
class ImageCopies:
    """Finds copies of an image, verified on pixels; see `infomax.copies`.

    Args:
        keys: Digest of the content of each image.
        thumbnails: Reads their thumbnails.
        file: File that keeps miniatures of the thumbnails; None for none.

    """

    def __init__(self, keys: Sequence[str], thumbnails: Cards, file: Path | None) -> None:
        from infomax.copies.miniatures import load_or_make

        self._thumbnails = thumbnails
        self._small = load_or_make(keys, thumbnails, file)

    @property
    def blank(self) -> Bool[np.ndarray, " n"]:
        """Which images are of one color, or nearly so; images that were removed meanwhile are not."""
        return self._small.blank & (self._small.sides > 0)

    def same(self, *, mirrored: bool, turned: bool, framed: bool) -> "Sequence[SamePair]":
        """Find pairs that show the same image."""
        from infomax.copies.same_image import SameImageFinder

        return SameImageFinder(self._small, self._squares).find(mirrored=mirrored, turned=turned, framed=framed)

    def near(self, a: Int[np.ndarray, " m"], b: Int[np.ndarray, " n"]) -> Bool[np.ndarray, "m n"]:
        """Compare miniatures."""
        from infomax.copies.near_duplicates import ImageComparer

        return ImageComparer(self._small.pixels, self._small.blank).same(a, b)

    def _squares(
        self, wanted: Sequence[int], boxes: "Sequence[Rectangle]", side: int
    ) -> UInt8[np.ndarray, "m side side 3"]:
        from infomax.copies.miniatures import square

        missing = np.zeros((side, side, 3), np.uint8)  # removed meanwhile: like no other image
        pairs = zip(self._thumbnails(wanted), boxes, strict=True)
        return np.stack([square(content, side, box) if content else missing for content, box in pairs])
