"""Read images that are new or may have changed, and decode those whose content did change."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage
from infomax.decoding.exif import ImageMetadata
from infomax.devices import cores
from infomax.images.source import Content, content_digest
from infomax.images.thumbnails import Thumbnail
from infomax.kinds.kind import ReadItem
from infomax.paths import printable
from infomax.search.row_comparison import Listing, RowComparison

_CHUNK = 16  # images given to a thread at a time; each may be large

Read: TypeAlias = Callable[[bytes | Path | NDArray[Any]], ReadItem]
"""Reads an image, or an item of another kind, from its content as it is stored."""


@dataclass(frozen=True)
class DecodedImage:
    """An image that is ready to be embedded.

    Attributes:
        pixels: What the model takes: the square of an image, 0 to 255, or the words of a text.
        thumbnail: Small version for display, or the card of what is no image.
        metadata: What the file says of itself.

    """

    pixels: Shaped[np.ndarray, "..."]
    thumbnail: Thumbnail
    metadata: ImageMetadata


@dataclass(frozen=True)
class ScanResult:
    """What was found out about an image by reading it.

    Attributes:
        path: Path of the image in the index.
        version: Version of its entry.
        label: Label of the image, None if it has none.
        inode: Inode of its file; None if it has none.
        hash: Digest of its content, "" if it is broken.
        size: Length of its content in bytes, 0 if it is broken.
        image: The decoded image, or why it is broken. None if the content is the same as in the index.
        is_known: Whether a row of another path, which no longer serves, has the same content.

    """

    path: str
    version: str
    label: str | None
    inode: int | None
    hash: str
    size: int
    image: DecodedImage | BrokenImage | None
    is_known: bool = False


FindDecoded: TypeAlias = Callable[[str], DecodedImage | None]
"""Finds an image that was decoded before, by the digest of its content; None for others."""


def nothing_decoded(_digest: str) -> None:
    """Find no image: none was decoded before."""


def scan(
    listing: Listing,
    comparison: RowComparison,
    read: Read | None,
    find_decoded: FindDecoded = nothing_decoded,
) -> Generator[ScanResult, None, None]:
    """Read all images that may have changed, in order, by one thread per core.

    Args:
        listing: Images of a source.
        comparison: Differences between the listing and the index.
        read: Reads an image as the model takes it. None to decode nothing; then the pixels are empty.
        find_decoded: Finds images that need not be decoded again.

    Yields:
        One result per image in `comparison.changed`.

    """

    def inspect_chunk(chunk: Sequence[tuple[int, Content]]) -> list[ScanResult]:
        return [_inspect(content, listing, position, comparison, read, find_decoded) for position, content in chunk]

    contents = zip(comparison.changed, listing.source.read(comparison.changed), strict=True)
    workers = cores()
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[list[ScanResult]]] = deque()
        while chunk := list(islice(contents, _CHUNK)):
            pending.append(pool.submit(inspect_chunk, chunk))
            if len(pending) > 2 * workers:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()


def _inspect(
    content: Content,
    listing: Listing,
    position: int,
    comparison: RowComparison,
    read: Read | None,
    find_decoded: FindDecoded,
) -> ScanResult:
    path = listing.paths[position]
    label = None if content.label is None else printable(content.label)
    found = partial(ScanResult, path, listing.source.entries[position].version, label, listing.inode(position))
    try:
        if isinstance(content.data, BrokenImage):
            raise content.data
        digest, length = content_digest(content.data)
        if digest == comparison.hashes.get(path):
            return found(digest, length, None)
        if digest in comparison.lost:
            return found(digest, length, None, is_known=True)
        if read is None:
            return found(digest, length, _NOT_DECODED)
        image = find_decoded(digest) or DecodedImage(*read(content.data))
        return found(digest, length, image)
    except BrokenImage as broken:
        return found("", 0, broken)


# stands for a new or changed image if nothing is decoded
_NOT_DECODED = DecodedImage(np.empty((0, 0, 3), np.uint8), Thumbnail(0, 0, b""), ImageMetadata())
