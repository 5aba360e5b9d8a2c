"""The protocol of a kind of data: how a collection is opened, loaded, read item by item, and shown.

An example is what an encoder takes of one item. It is a row of an array in every kind: uint8 pixels (size, size, 3) of
an image, int32 hashes of words (size,) of a text. So whatever handles rows needs to know no kind.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int, Num, Shaped

from infomax.decoding.exif import ImageMetadata
from infomax.decoding.options import ReadingOptions
from infomax.images.census import Census, Skipped
from infomax.images.source import Source
from infomax.images.thumbnails import Thumbnail

if TYPE_CHECKING:  # torch loads when it is first needed
    from infomax.copies.same_image import SamePair

Own = TypeVar("Own", bound="Loaded")

Cards = Callable[[Sequence[int]], list[bytes | None]]
"""Maps positions to the cards of items, as `ReadItem.card` keeps them; None where a row was removed meanwhile."""


@runtime_checkable
class Loaded(Protocol):
    """A collection as an encoder takes it, with what is known of its items."""

    @property
    def examples(self) -> Shaped[np.ndarray, "n ..."]:
        """What the encoder takes, one row an item."""

    @property
    def contents(self) -> Num[np.ndarray, "n ..."]:
        """What tells copies apart: rows are equal where two items have the same content."""

    @property
    def rows(self) -> list[int]:
        """Position of each item in the source. Skipped ones count."""

    @property
    def keys(self) -> list[str]:
        """Name of each item."""

    @property
    def labels(self) -> list[str] | None:
        """Label of each item, "" if it has none; None if no item has any."""

    @property
    def skipped(self) -> list[Skipped]:
        """Items that could not be read."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest of the examples."""

    @property
    def options(self) -> ReadingOptions:
        """How they were read."""

    @property
    def census(self) -> Census:
        """What was passed over when the source was listed."""

    def select(self: Own, rows: Int[np.ndarray, " m"]) -> Own:
        """Keep some items.

        Args:
            rows: Which, increasing.

        Returns:
            These items; the same object if they are all.

        """


class ReadItem(NamedTuple):
    """One item, ready to be embedded and shown.

    Attributes:
        example: What the encoder takes of it.
        card: What an index keeps to show it and to find its copies; width and height are as people would say them.
        metadata: What its file says of itself.

    """

    example: Shaped[np.ndarray, "..."]
    card: Thumbnail
    metadata: ImageMetadata


@runtime_checkable
class Copies(Protocol):
    """Finds copies among the items of an index, by their cards."""

    @property
    def blank(self) -> Bool[np.ndarray, " n"]:
        """Which items show nothing by which copies could be told."""

    def same(self, *, mirrored: bool, turned: bool, framed: bool) -> "Sequence[SamePair]":
        """Find pairs with the same content, encoded in another way.

        Args:
            mirrored: Whether mirrored copies count.
            turned: Whether copies turned by 90, 180 or 270 degrees count.
            framed: Whether copies with a frame count.

        Returns:
            The pairs.

        """

    def near(self, a: Int[np.ndarray, " m"], b: Int[np.ndarray, " n"]) -> Bool[np.ndarray, "m n"]:
        """Check pairs that are near by their vectors.

        Args:
            a: Positions of some items.
            b: Positions of some others.

        Returns:
            Which pairs also look the same.

        """


@runtime_checkable
class DataKind(Protocol):
    """What a kind of data brings. Three methods carry it: `open`, `load` and `read`."""

    @property
    def name(self) -> str:
        """Name of the kind, for `--kind`, config.json and index.json."""

    @property
    def noun(self) -> str:
        """What people call one item."""

    @property
    def wanted(self) -> str:
        """The noun with its article: what a query should be."""

    def open(self, source: Any, options: ReadingOptions, *, named: bool = False) -> Source:
        """List a collection without reading it.

        Args:
            source: Whatever a user gives: a path, or items in memory.
            options: What to leave out, and how items are read.
            named: Whether all text in a list names files, as on a command line.

        Returns:
            The open source.

        Raises:
            InfoMaxError: There is nothing of this kind in it.

        """

    def load(self, source: Source, size: int, options: ReadingOptions, *, cache: Path | None, progress: bool) -> Loaded:
        """Read a whole collection as an encoder takes it, in memory that does not grow with its content.

        Args:
            source: The open source.
            size: How much of an item the encoder takes: a side in pixels, or words.
            options: How items are read.
            cache: Folder for what is decoded; None for the user's cache folder.
            progress: Whether to draw a progress bar.

        Returns:
            The collection.

        Raises:
            InfoMaxError: No item can be read.

        """

    def read(self, data: Any, size: int, options: ReadingOptions) -> ReadItem:
        """Read one item, for a row of an index.

        Args:
            data: Its content, as `Content.data` has it.
            size: As for `load`.
            options: How items are read.

        Returns:
            The item.

        Raises:
            BrokenImage: It cannot be read.

        """

    def example(self, query: Any, size: int, options: ReadingOptions) -> Shaped[np.ndarray, "..."]:
        """Read what a search is asked with.

        Args:
            query: A file, its content, or an item in memory.
            size: As for `load`.
            options: How items are read.

        Returns:
            What the encoder takes.

        Raises:
            BrokenImage: It cannot be read.
            InfoMaxError: It is nothing of this kind.

        """

    def validate(self, examples: object, size: int) -> None:
        """Refuse what the encoder does not take.

        Args:
            examples: Examples, one a row.
            size: As for `load`.

        Raises:
            InfoMaxError: They have another type or shape.

        """

    def drawn(self, card: bytes) -> bytes:
        """Draw a card.

        Args:
            card: As `ReadItem.card` has it.

        Returns:
            The content of a WebP.

        """

    @property
    def has_lines(self) -> bool:
        """Whether `line` has anything to say; else nobody reads the cards for it."""

    def line(self, card: bytes) -> str:
        """Say in one line what an item holds, for a terminal.

        Args:
            card: As `ReadItem.card` has it.

        Returns:
            The line; "" where a path says enough.

        """

    def extent(self, width: int, height: int) -> str:
        """Say how large an item is.

        Args:
            width: Width of its card, as an index has it.
            height: Height of its card.

        Returns:
            A few words.

        """

    def next_step(self, source: str, run: str) -> str:
        """Say what to type after a training.

        Args:
            source: What was learned from, as it was typed.
            run: Folder of the model, as it is typed.

        Returns:
            One line.

        """

    def copies(self, keys: Sequence[str], cards: Cards, file: Path | None) -> Copies:
        """Prepare to find copies among the items of an index.

        Args:
            keys: Digest of the content of each item.
            cards: Reads their cards.
            file: Where to keep what is computed; None for nowhere.

        Returns:
            The finder.

        """

    def raw(
        self, train: Shaped[np.ndarray, "m ..."], test: Shaped[np.ndarray, "n ..."], dim: int
    ) -> Mapping[str, tuple[Num[np.ndarray, "m d"], Num[np.ndarray, "n d"]]]:
        """Make features that are not learned, as a baseline.

        Args:
            train: Examples to learn from.
            test: Examples to test on.
            dim: Numbers in a code.

        Returns:
            The features of both, by the name of the baseline.

        """


def type_and_shape(examples: object) -> str:
    """Describe what was given for examples, in a message.

    Args:
        examples: Anything.

    Returns:
        The type of its numbers, and its shape.

    """
    return f"{getattr(examples, 'dtype', type(examples).__name__)} and shape {getattr(examples, 'shape', None)}"
