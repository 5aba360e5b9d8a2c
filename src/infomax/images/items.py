"""Source of images that are given one by one: files, arrays and PIL images. Each is a row, in the order given."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from infomax.decoding.broken import BrokenImage
from infomax.images.census import Census
from infomax.images.pixels import pixels_of_pil, to_pixels, validate_image
from infomax.images.source import Content, Entry, file_entries, first_folder, relative_names
from infomax.paths import printable

Item: TypeAlias = Path | bytes | Image.Image | NDArray[Any]
"""One image: its file, the content of a file, or an image in memory."""


@dataclass(frozen=True)
class ItemRows:
    """One row for each item of a list, in the order given, repeats kept.

    The key of a file is its path relative to the folder that all files share; a key is `item#row` otherwise.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache; None if an item is in memory.
        entries: One entry per item.
        items: The items, files with the links above them resolved.

    """

    name: str
    identity: str | None
    entries: Sequence[Entry]
    items: Sequence[Item]

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Give the paths of files, and the pixels of images in memory."""
        for i in wanted:
            item = self.items[i]
            folder = first_folder(self.entries[i].key) if isinstance(item, Path) else None
            yield Content(_data(item, self.entries[i].key), folder=folder)

    def paths(self) -> list[str]:
        """Absolute paths of files; `item#row-digest` in memory, so that other images get other names in an index."""
        return self._paths

    @cached_property
    def _paths(self) -> list[str]:
        return [
            printable(item.as_posix()) if isinstance(item, Path) else f"{entry.key}-{_digest(_data(item, entry.key))}"
            for item, entry in zip(self.items, self.entries, strict=True)
        ]

    def labels(self) -> list[str | None] | None:
        """No labels: a folder is where a file lies, not what it shows."""
        return [None] * len(self.entries)

    def roots(self) -> list[str] | None:
        """Unknown for files; nothing for images in memory."""
        return None if any(isinstance(item, Path) for item in self.items) else []

    def unreadable_roots(self) -> list[str]:
        """Always empty: nothing is listed."""
        return []

    def census(self) -> Census:
        """Always empty: each item is a row."""
        return Census()

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because items are not one array."""
        return None


def item_rows(items: Sequence[Item]) -> ItemRows:
    """List items. Arrays are checked now, as far as their type and shape go.

    Args:
        items: At least one image.

    Returns:
        The source.

    Raises:
        InfoMaxError: An array is not one image.

    """
    for row, item in enumerate(items):
        if isinstance(item, np.ndarray):
            validate_image(item.dtype, item.shape, f"item {row}")
    files = [item for item in items if isinstance(item, Path)]
    root, names = relative_names(files) if files else (Path(), [])
    named, found = iter(file_entries(root, names)), list[Item]()
    entries = []
    for row, item in enumerate(items):
        if isinstance(item, Path):
            entries.append(next(named))
            found.append(root / entries[-1].key)
        else:
            found.append(item)
            entries.append(Entry(f"item#{row}", ""))
    plain = len(files) == len(items)
    name = f"{len(items)} {'files' if plain else 'images'}"
    identity = "\n".join(["files", *(str(item) for item in found)]) if plain else None
    return ItemRows(name, identity, entries, found)


def _data(item: Item, name: str) -> bytes | Path | NDArray[np.uint8] | BrokenImage:
    """The content of an item."""
    if isinstance(item, Image.Image):
        return pixels_of_pil(item)
    return to_pixels(item, f"'{name}'") if isinstance(item, np.ndarray) else item


def _digest(data: bytes | Path | NDArray[np.uint8] | BrokenImage) -> str:
    """Short digest of an image in memory."""
    if isinstance(data, np.ndarray):
        data = str(data.shape).encode() + np.ascontiguousarray(data).tobytes()
    return blake2b(data if isinstance(data, bytes) else str(data).encode(), digest_size=6).hexdigest()
