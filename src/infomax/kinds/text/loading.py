"""Load texts as one array of the hashes of their words."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import IO, final

import numpy as np
from jaxtyping import Int32, UInt8
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.cache_place import default_cache
from infomax.images.census import Census, Skipped
from infomax.images.loading import named_rows
from infomax.images.source import Content, Source
from infomax.kinds.text.content import read_text
from infomax.kinds.text.words import padded, word_hashes
from infomax.paths import expand_home, quoted_path
from infomax.progress import progress_bar

_DIGEST = 16  # bytes, of the words of a text
_ROWS_AT_ONCE = 4096


@final
@dataclass(frozen=True)
class LoadedTexts:
    """Texts of a source as an encoder takes them.

    Attributes:
        words: Hashes of the words of each text in order, then zeros, shape (n, most words of a text), read-only. They
            are mapped from a file that has no name and is gone with the process.
        contents: Digest of the words of each text, shape (n, 16).
        rows: Position of each text in the source. Skipped ones count.
        keys: Name of each text: a path relative to the folder, `file.jsonl#row` or `item#row`.
        labels: Label of each text, or the first folder on its path in place of one; "" if it has neither. None if no
            text has any.
        skipped: Texts that could not be read, or hold no word.
        fingerprint: Hexadecimal digest of the words.
        options: How they were read.
        census: What was passed over when the source was listed.

    """

    words: Int32[np.ndarray, "n words"]
    contents: UInt8[np.ndarray, "n 16"]
    rows: list[int]
    keys: list[str]
    labels: list[str] | None
    skipped: list[Skipped]
    fingerprint: str
    options: ReadingOptions = DEFAULT_OPTIONS
    census: Census = field(default_factory=Census)

    @property
    def examples(self) -> Int32[np.ndarray, "n words"]:
        """What an encoder takes: the words."""
        return self.words

    def select(self, rows: NDArray[np.int64]) -> "LoadedTexts":
        """Keep some texts.

        Args:
            rows: Which, increasing.

        Returns:
            These texts; the same object if they are all.

        """
        if len(rows) == len(self.keys):
            return self
        named = named_rows(self.rows, self.keys, self.labels, rows)
        return replace(self, words=self.words[rows], contents=self.contents[rows], **named)


def load_texts(
    source: Source,
    size: int,
    options: ReadingOptions = DEFAULT_OPTIONS,
    *,
    cache: Path | None = None,
    progress: bool = False,
) -> LoadedTexts:
    """Load all texts of a source. Of the words only a few thousand texts are in memory at a time.

    Args:
        source: The open source.
        size: Most words of a text: the rest of it is not looked at.
        options: How texts are read.
        cache: Folder on a disk with room; None for the user's cache folder.
        progress: Whether to draw a progress bar on stderr.

    Returns:
        The texts.

    Raises:
        InfoMaxError: No text can be read, or there is no room.

    """
    rows, keys, labels, skipped = list[int](), list[str](), list[str](), list[Skipped]()
    lengths, digests, digest = list[int](), bytearray(), blake2b(digest_size=_DIGEST)
    entries = source.entries
    with _room(cache) as file, progress_bar("reading", len(entries), shown=progress) as advance:
        for row, content in enumerate(source.read(range(len(entries)))):
            try:
                hashes = text_hashes(content.data, size)
            except BrokenImage as broken:
                skipped.append(Skipped(entries[row].key, broken.reason))
                continue
            file.write(hashes.tobytes())
            own = words_digest(hashes)
            digest.update(own)
            digests += own
            lengths.append(len(hashes))
            rows.append(row)
            keys.append(entries[row].key)
            labels.append(_label(content))
            advance(1)
        if not rows:
            raise InfoMaxError(f"{quoted_path(source.name)}: none of its {len(entries)} texts can be read")
        words = _mapped(file, np.array(lengths), cache)
    contents = np.frombuffer(bytes(digests), np.uint8).reshape(-1, _DIGEST)
    known = labels if any(labels) else None
    everything = [*skipped, *source.census().unread]
    return LoadedTexts(words, contents, rows, keys, known, everything, digest.hexdigest(), options, source.census())


def text_hashes(data: object, size: int) -> Int32[np.ndarray, " words"]:
    """Read the words of one text.

    Args:
        data: Its content, as `Content.data` has it.
        size: Most words.

    Returns:
        Their hashes, in order.

    Raises:
        BrokenImage: It cannot be read, or holds no word.

    """
    if isinstance(data, BrokenImage):
        raise data
    hashes = word_hashes(read_text(data, size), size)
    if not len(hashes):
        raise BrokenImage("holds no word")
    return hashes


def words_digest(hashes: Int32[np.ndarray, " words"]) -> bytes:
    """Digest the words of a text: equal for texts that differ in case, space and punctuation alone.

    Args:
        hashes: Hashes of the words, in order.

    Returns:
        16 bytes (BLAKE2b).

    """
    return blake2b(hashes.tobytes(), digest_size=_DIGEST).digest()


def _label(content: Content) -> str:
    """The label of a text, or the folder in its place: evaluations need labels."""
    return (content.folder if content.label is None else content.label) or ""


def _room(cache: Path | None) -> IO[bytes]:
    """Open a file without a name. Where the cache cannot be written to, it lies in the folder for temporary files."""
    folder = default_cache() if cache is None else expand_home(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=folder)
    except OSError:
        return tempfile.TemporaryFile()


def _mapped(file: IO[bytes], lengths: NDArray[np.int64], cache: Path | None) -> Int32[np.ndarray, "n words"]:
    """Write the words of all texts in rows of one length, and map them."""
    shape = len(lengths), int(lengths.max())
    file.flush()
    file.seek(0)
    with _room(cache) as out:
        for part in _parts(lengths):
            block = np.zeros((len(part), shape[1]), np.int32)
            filled = np.arange(shape[1]) < part[:, None]
            block[filled] = np.frombuffer(file.read(4 * int(part.sum())), np.int32)
            out.write(block.tobytes())
        out.flush()
        words: Int32[np.ndarray, "n words"] = np.memmap(out, np.int32, "r", shape=shape)
    return words


def _parts(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    return (lengths[start : start + _ROWS_AT_ONCE] for start in range(0, len(lengths), _ROWS_AT_ONCE))


def example_of(data: object, size: int) -> Int32[np.ndarray, " size"]:
    """Make the example of one text, for an index or a query.

    Args:
        data: Its content.
        size: Numbers in the example.

    Returns:
        Hashes of the words, and zeros.

    Raises:
        BrokenImage: It cannot be read, or holds no word.

    """
    return padded(text_hashes(data, size), size)
