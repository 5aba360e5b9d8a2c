"""Copies of a text: the same words, and nearly the same words."""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np
from jaxtyping import Bool, Int

from infomax.kinds.kind import Cards
from infomax.kinds.text.cards import SKETCH, TextCard

if TYPE_CHECKING:  # torch loads when it is first needed
    from infomax.copies.same_image import SamePair

OVERLAP = 0.5
"""Least part of the different words of two texts that both have, for near copies."""

_READ_AT_ONCE = 1000


@final
class TextCopies:
    """Finds texts of the same words in the same order, and checks how far the words of near ones overlap.

    Args:
        count: Number of texts.
        cards: Reads their cards.

    """

    def __init__(self, count: int, cards: Cards) -> None:
        self._digests: list[bytes] = []
        self._sketches = np.zeros((count, SKETCH), np.uint32)
        for start in range(0, count, _READ_AT_ONCE):
            rows = range(start, min(start + _READ_AT_ONCE, count))
            for row, content in zip(rows, cards(rows), strict=True):
                card = TextCard.parse(content) if content else None
                self._digests.append(card.digest if card else b"")
                if card:
                    self._sketches[row] = card.sketch

    @property
    def blank(self) -> Bool[np.ndarray, " n"]:
        """None is: a text without words is not in an index."""
        return np.zeros(len(self._digests), np.bool_)

    def same(self, *, mirrored: bool, turned: bool, framed: bool) -> "Sequence[SamePair]":  # noqa: ARG002
        """Find texts that differ in case, space and punctuation alone. A text is not mirrored, turned or framed."""
        from infomax.copies.same_image import SamePair

        groups: dict[bytes, list[int]] = defaultdict(list)
        for row, digest in enumerate(self._digests):
            if digest:
                groups[digest].append(row)
        return [
            SamePair(a, b, 1.0, 0, False, False)
            for rows in groups.values()
            for place, a in enumerate(rows)
            for b in rows[place + 1 :]
        ]

    def near(self, a: Int[np.ndarray, " m"], b: Int[np.ndarray, " n"]) -> Bool[np.ndarray, "m n"]:
        """Check by sketches which pairs share half of their different words."""
        equal = np.zeros((len(a), len(b)), np.uint8)
        for one, other in zip(self._sketches[a].T, self._sketches[b].T, strict=True):
            equal += one[:, None] == other
        return equal >= OVERLAP * SKETCH
