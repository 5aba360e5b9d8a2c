"""Read images that are new or may have changed, and decode those whose content did change."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b, file_digest
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from infomax.devices import cores
from infomax.images.broken import BrokenImage, UnreadableImage
from infomax.images.decoding import regular_file_size
from infomax.images.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.images.source import Content
from infomax.paths import printable
from infomax.search.row_comparison import Listing, RowComparison
from infomax.search.thumbnails import Thumbnail, square_and_thumbnail

_CHUNK = 16  # images given to a thread at a time; each may be large

_Decode = Callable[[bytes | Path | NDArray[Any]], tuple[UInt8[np.ndarray, "s s 3"], Thumbnail]]


@dataclass(frozen=True)
class DecodedImage:
    """An image that is ready to be embedded.

    Attributes:
        pixels: Square that the model takes, 0 to 255.
        thumbnail: Small version for display.

    """

    pixels: UInt8[np.ndarray, "s s 3"]
    thumbnail: Thumbnail


@dataclass(frozen=True)
class ScanResult:
    """What was found out about an image by reading it.

    Attributes:
        path: Path of the image in the index.
        version: Version of its entry.
        label: Label of the image, None if it has none.
        hash: Digest of its content, "" if it is broken.
        size: Length of its content in bytes, 0 if it is broken.
        image: The decoded image, or why it is broken. None if the content is the same as in the index.

    """

    path: str
    version: str
    label: str | None
    hash: str
    size: int
    image: DecodedImage | BrokenImage | None


def scan(
    listing: Listing, comparison: RowComparison, size: int | None, options: ReadingOptions = DEFAULT_OPTIONS
) -> Generator[ScanResult, None, None]:
    """Read all images that may have changed, in order, by one thread per core.

    Args:
        listing: Images of a source.
        comparison: Differences between the listing and the index.
        size: Side of the decoded squares in pixels. None to decode nothing; then the pixels are empty.
        options: How images are read.

    Yields:
        One result per image in `comparison.changed`.

    """

    def inspect_chunk(chunk: Sequence[tuple[int, Content]]) -> list[ScanResult]:
        return [
            _inspect(content, listing.paths[i], entries[i].version, comparison.hashes, decoded) for i, content in chunk
        ]

    decoded = None if size is None else partial(square_and_thumbnail, size=size, options=options)
    entries = listing.source.entries
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
    content: Content, path: str, version: str, old_hashes: dict[str, str], decoded: _Decode | None
) -> ScanResult:
    label = None if content.label is None else printable(content.label)
    try:
        if isinstance(content.data, BrokenImage):
            raise content.data
        digest, length = _content_hash(content.data)
        image: DecodedImage | None = None
        if digest != old_hashes.get(path):
            image = _NOT_DECODED if decoded is None else DecodedImage(*decoded(content.data))
        return ScanResult(path, version, label, digest, length, image)
    except BrokenImage as broken:
        return ScanResult(path, version, label, "", 0, broken)


def _content_hash(data: bytes | Path | NDArray[Any]) -> tuple[str, int]:
    """Digest of an image's content as it is stored, and its length in bytes.

    Raises BrokenImage if it is not a regular file, UnreadableImage if it cannot be read.
    """
    if isinstance(data, np.ndarray):
        digest = blake2b(str(data.shape).encode(), digest_size=16)
        digest.update(np.ascontiguousarray(data).data)
        return digest.hexdigest(), data.nbytes
    if isinstance(data, bytes):
        return blake2b(data, digest_size=16).hexdigest(), len(data)
    try:
        length = regular_file_size(data)
        with data.open("rb") as file:
            return file_digest(file, lambda: blake2b(digest_size=16)).hexdigest(), length
    except FileNotFoundError:
        raise BrokenImage("there is no such file, or it is a link to nothing") from None
    except OSError as error:
        raise UnreadableImage(f"cannot be read: {error.strerror}") from None


# stands for a new or changed image if nothing is decoded
_NOT_DECODED = DecodedImage(np.empty((0, 0, 3), np.uint8), Thumbnail(0, 0, b""))
