"""Shares of a source: what one task of a cluster reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from infomax.images.census import Census
from infomax.images.source import Content, Entry, Source


@dataclass(frozen=True)
class Share:
    """Some consecutive entries of a source, as a source of its own.

    Attributes:
        source: The source.
        start: Position of the first entry.
        stop: Position after the last entry.

    """

    source: Source
    start: int
    stop: int

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return self.source.name

    @property
    def identity(self) -> str | None:
        """None: what a task decodes is not kept in a cache."""
        return None

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries, under their keys in the source."""
        return self.source.entries[self.start : self.stop]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read some entries.

        Args:
            wanted: Increasing positions in `entries`.

        Returns:
            The content of each.

        """
        return self.source.read([self.start + each for each in wanted])

    def paths(self) -> list[str]:
        """Paths as the source gives them."""
        return self.source.paths()[self.start : self.stop]

    def labels(self) -> list[str | None] | None:
        """Labels as the source gives them."""
        labels = self.source.labels()
        return None if labels is None else labels[self.start : self.stop]

    def roots(self) -> list[str] | None:
        """None: what is missing here may be in another share."""
        return None

    def unreadable_roots(self) -> list[str]:
        """Roots that the source cannot list."""
        return self.source.unreadable_roots()

    def census(self) -> Census:
        """Nothing: the source tells it once."""
        return Census()

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:
        """Pixels of the share, where the source has them all.

        Args:
            size: Side of the squares in pixels.

        Returns:
            Pixels (n, size, size, 3), or None.

        """
        pixels = self.source.pixels_of_size(size)
        return None if pixels is None else pixels[self.start : self.stop]


def shares(source: Source, size: int) -> list[Share]:
    """Cut a source into shares.

    Args:
        source: An open source.
        size: Entries of a share, at most.

    Returns:
        The shares, in order.

    """
    total = len(source.entries)
    return [Share(source, start, min(start + size, total)) for start in range(0, total, size)]
