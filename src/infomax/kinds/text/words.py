"""Words of a text, and their hashes.

A word is a run of letters, digits and marks, in lower case (NFKC, case folded). Scripts that put no space between words
(Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan) give pairs of neighboring characters in place of words.

A hash is CRC-32, as a signed number of 32 bits that is never 0. Two of 30,000 words share one with a probability of
10 %; then they count as one word.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import islice, pairwise
from zlib import crc32

import numpy as np
from jaxtyping import Int32

LONGEST_WORD = 64
"""Characters for each word that is asked for: what comes later in a text is not looked at."""

_SCRIPTS = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\U00020000-\U0003ffff"
)
# vowel signs and other marks, which no \w matches, of Latin, Hebrew, Arabic and the scripts of India
_MARKS = "\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0900-\u0963\u0966-\u0dff"
_WORD = re.compile(rf"[\w{_MARKS}{_SCRIPTS}]+")
_WITHOUT_SPACES = re.compile(f"[{_SCRIPTS}]")
_RUN = re.compile(f"[{_SCRIPTS}]+|[^{_SCRIPTS}]+")


def words(text: str) -> Iterator[str]:
    """Find the words of a text, in order.

    Args:
        text: Any text.

    Yields:
        The words.

    Examples:
        >>> list(words("The Café, 1 Euro!")), list(words("知识图谱 ok"))
        (['the', 'café', '1', 'euro'], ['知识', '识图', '图谱', 'ok'])

    """
    for found in _WORD.finditer(unicodedata.normalize("NFKC", text).casefold()):
        word = found.group()
        if not _WITHOUT_SPACES.search(word):
            yield word
            continue
        for run in _RUN.findall(word):
            yield from _pairs_of_characters(run) if _WITHOUT_SPACES.match(run) else (run,)


def word_hashes(text: str, size: int) -> Int32[np.ndarray, " words"]:
    """Hash the first words of a text.

    Args:
        text: Any text.
        size: Most words. Only the first 64 characters for each of them are looked at.

    Returns:
        The hashes, in order.

    """
    found = [crc32(word.encode("utf-8", "surrogatepass")) or 1 for word in _first_words(text, size)]
    return np.array(found, np.uint32).view(np.int32)


def padded(hashes: Int32[np.ndarray, " words"], size: int) -> Int32[np.ndarray, " size"]:
    """Write 0 after the last word.

    Args:
        hashes: Hashes of words, `size` of them at most.
        size: Numbers in the result.

    Returns:
        The hashes and zeros.

    """
    row = np.zeros(size, np.int32)
    row[: len(hashes)] = hashes
    return row


def _first_words(text: str, size: int) -> Iterator[str]:
    return islice(words(text[: LONGEST_WORD * size]), size)


def _pairs_of_characters(run: str) -> Iterator[str]:
    return map("".join, pairwise(run)) if len(run) > 1 else iter((run,))
