"""The text of a file, of stored bytes or of a cell."""

import codecs
from pathlib import Path
from typing import Any

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.decoding.image import regular_file_size
from infomax.kinds.text.words import LONGEST_WORD

_BYTES = 4  # of a character, at most


def read_text(data: Any, size: int) -> str:
    """Read the beginning of a text.

    Args:
        data: A file, or bytes: UTF-8, UTF-16 with its mark, or else Windows-1252.
        size: Words that are wanted, at most.

    Returns:
        Its first 64 characters for each word, at least, or the whole text.

    Raises:
        BrokenImage: It is no text, or cannot be read.

    """
    content = _beginning(data, size * LONGEST_WORD * _BYTES) if isinstance(data, Path) else data
    if not isinstance(content, bytes):
        raise BrokenImage(f"a {type(content).__name__}, no text")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise BrokenImage("holds zero bytes: this is no text")
    try:
        # the last character may be cut off, which is no error
        return codecs.getincrementaldecoder("utf-8-sig")().decode(content)
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _beginning(path: Path, most: int) -> bytes:
    try:
        regular_file_size(path)
        with path.open("rb") as file:
            return file.read(most)
    except FileNotFoundError:
        raise BrokenImage("there is no such file, or it is a link to nothing") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from None
