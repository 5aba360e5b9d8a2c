"""Texts as a kind of data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float32, Int32

from infomax.decoding.broken import BrokenImage
from infomax.decoding.exif import ImageMetadata
from infomax.decoding.options import ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.source import Source
from infomax.images.thumbnails import Thumbnail
from infomax.kinds.kind import Cards, ReadItem, type_and_shape
from infomax.kinds.text.cards import TextCard
from infomax.kinds.text.common_words import common_words
from infomax.kinds.text.content import read_text
from infomax.kinds.text.copies import TextCopies
from infomax.kinds.text.loading import LoadedTexts, example_of, load_texts
from infomax.kinds.text.opening import open_texts
from infomax.kinds.text.words import padded, word_hashes
from infomax.paths import expand_home


@final
class TextKind:
    """Texts as hashes of their first words, int32 (n, words); see `DataKind` for the methods."""

    name: ClassVar[str] = "text"
    noun: ClassVar[str] = "text"
    wanted: ClassVar[str] = "a text with words in it"
    has_lines: ClassVar[bool] = True

    def open(self, source: Any, options: ReadingOptions, *, named: bool = False) -> Source:
        """List the texts of a source."""
        return open_texts(source, options, named=named)

    def load(
        self, source: Source, size: int, options: ReadingOptions, *, cache: Path | None, progress: bool
    ) -> LoadedTexts:
        """Read the words of all texts."""
        return load_texts(source, size, options, cache=cache, progress=progress)

    def read(self, data: Any, size: int, options: ReadingOptions) -> ReadItem:  # noqa: ARG002
        """Read one text. Its width is its number of words, of the first `size`, and its height is 1."""
        if isinstance(data, BrokenImage):
            raise data
        text = read_text(data, size)
        hashes = word_hashes(text, size)
        if not len(hashes):
            raise BrokenImage("holds no word")
        card = Thumbnail(len(hashes), 1, TextCard.of(text, hashes).content)
        return ReadItem(padded(hashes, size), card, ImageMetadata(format="text"))

    def example(self, query: Any, size: int, options: ReadingOptions) -> Int32[np.ndarray, " size"]:  # noqa: ARG002
        """Read a query: the file of that name where there is one, else the text itself."""
        if isinstance(query, str):
            query = _file_or_text(query)
        return example_of(query, size)

    def validate(self, examples: object, size: int) -> None:
        """Refuse what is not int32 (n, words), of at most `size` words."""
        if (
            not isinstance(examples, np.ndarray)
            or examples.dtype != np.int32
            or examples.ndim != 2
            or examples.shape[1] > size
        ):
            given = type_and_shape(examples)
            raise InfoMaxError(f"texts of {given}: encode takes int32 (n, up to {size}), transform texts")

    def drawn(self, card: bytes) -> bytes:
        """Draw the first lines."""
        return TextCard.parse(card).drawn()

    def line(self, card: bytes) -> str:
        """Give the beginning."""
        return TextCard.parse(card).line

    def extent(self, width: int, height: int) -> str:  # noqa: ARG002
        """Give the number of words."""
        return f"{width} {'word' if width == 1 else 'words'}"

    def next_step(self, source: str, run: str) -> str:
        """Name the command that makes an index to search."""
        return f"make them searchable:  infomax index {source} --model {run} --index texts.index"

    def copies(self, keys: Sequence[str], cards: Cards, file: Path | None) -> TextCopies:  # noqa: ARG002
        """Compare words."""
        return TextCopies(len(keys), cards)

    def raw(
        self, train: Int32[np.ndarray, "m _"], test: Int32[np.ndarray, "n _"], dim: int
    ) -> Mapping[str, tuple[Float32[np.ndarray, "m d"], Float32[np.ndarray, "n d"]]]:
        """Count the most common words, weighted by TF-IDF: as many of them as a code has numbers."""
        return {"common words": common_words(train, test, dim)}


def _file_or_text(query: str) -> Path | bytes:
    """The file of that name where there is one, else the text as bytes."""
    try:
        path = expand_home(query)
        found = path.is_file()
    except (OSError, ValueError, InfoMaxError):  # too long for a name
        found = False
    return path if found else query.encode("utf-8", "surrogatepass")
