"""What an index keeps of a text: its first words to show, and what its copies are told by."""

import textwrap
from dataclasses import dataclass
from io import BytesIO
from typing import final

import numpy as np
from jaxtyping import Int32, UInt32
from PIL import Image, ImageDraw, ImageFont

from infomax.kinds.text.loading import words_digest

SKETCH = 64
"""Numbers of a sketch: the standard error of an estimated overlap is 0.06 at most."""

CARD_SIDE = 256  # pixels of a drawn card
_SHOWN = 400  # characters
_COLUMNS, _LINES, _MARGIN, _STEP, _FONT = 34, 13, 14, 17, 13  # of a drawn card: characters, lines, and pixels
_DIGEST = 16  # bytes

# fixed odd multipliers and offsets of the hash functions of a sketch
_RANDOM = np.random.default_rng(20181210)
_MULTIPLIERS = (_RANDOM.integers(0, 2**63, SKETCH, np.uint64) << np.uint64(1)) | np.uint64(1)
_OFFSETS = _RANDOM.integers(0, 2**63, SKETCH, np.uint64)


@final
@dataclass(frozen=True)
class TextCard:
    """The card of a text.

    Attributes:
        digest: Digest of its words, 16 bytes.
        sketch: The least of its different words by each of some hash functions, shape (64,). Of two texts as many
            numbers are equal as their words overlap (Broder 1997).
        beginning: Its first characters.

    """

    digest: bytes
    sketch: UInt32[np.ndarray, " 64"]
    beginning: str

    @classmethod
    def of(cls, text: str, hashes: Int32[np.ndarray, " words"]) -> "TextCard":
        """Make the card of a text.

        Args:
            text: The text.
            hashes: Hashes of its words, at least one.

        Returns:
            The card.

        """
        return cls(words_digest(hashes), sketch_of(hashes), text[:_SHOWN])

    @classmethod
    def parse(cls, content: bytes) -> "TextCard":
        """Read a card.

        Args:
            content: What `content` gave.

        Returns:
            The card.

        """
        end = _DIGEST + 4 * SKETCH
        sketch = np.frombuffer(content[_DIGEST:end], np.uint32)
        return cls(content[:_DIGEST], sketch, content[end:].decode("utf-8", "replace"))

    @property
    def content(self) -> bytes:
        """The card as bytes."""
        return self.digest + self.sketch.tobytes() + self.beginning.encode("utf-8", "replace")

    @property
    def line(self) -> str:
        """The beginning in one line."""
        return " ".join(self.beginning.split())

    def drawn(self) -> bytes:
        """Draw the first lines.

        Returns:
            The content of a WebP of 256 x 256 pixels. Pillow's own font draws Latin letters alone.

        """
        image = Image.new("RGB", (CARD_SIDE, CARD_SIDE), "white")
        draw, font = ImageDraw.Draw(image), ImageFont.load_default(_FONT)
        lines = [line for part in self.beginning.splitlines() for line in textwrap.wrap(part, _COLUMNS) or [""]]
        for number, line in enumerate(lines[:_LINES]):
            draw.text((_MARGIN, _MARGIN + number * _STEP), line, "black", font)
        file = BytesIO()
        image.save(file, "webp", quality=80, method=2)
        return file.getvalue()


def sketch_of(hashes: Int32[np.ndarray, " words"]) -> UInt32[np.ndarray, " 64"]:
    """Sketch the different words of a text, so that overlaps can be estimated from sketches.

    Args:
        hashes: Hashes of the words, at least one.

    Returns:
        The least hash by each of 64 hash functions (multiply, add, shift).

    """
    different = np.unique(hashes).astype(np.int64).astype(np.uint64)
    mixed = different[:, None] * _MULTIPLIERS + _OFFSETS
    least: UInt32[np.ndarray, " 64"] = (mixed >> np.uint64(32)).min(0).astype(np.uint32)
    return least
