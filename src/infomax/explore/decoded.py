"""Each image is decoded once, for two readers: the model takes the square, and the index the thumbnail and the rest.

Learning comes first and indexing second, and in between thumbnails wait in a file without a name. It is gone with the
process, however that ends.
"""

import threading
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.exif import ImageMetadata
from infomax.decoding.options import ReadingOptions
from infomax.images import load_images
from infomax.images.source import Source, content_digest
from infomax.images.thumbnails import Thumbnail, decode_views
from infomax.search.scan import DecodedImage

LARGEST_STORE = 4 << 30
"""Bytes that the file may have. What does not fit is decoded a second time."""


class _Place(NamedTuple):
    """Where the bytes of an image are, and what is known of it besides."""

    start: int
    length: int
    width: int
    height: int
    metadata: ImageMetadata


@final
class DecodedOnce:
    """What was found in the images besides their squares, until they are indexed.

    Args:
        folder: Folder on a disk with room: each image takes its square and its thumbnail, 5 to 40 kB.

    """

    def __init__(self, folder: Path) -> None:
        self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._places: dict[str, _Place] = {}
        self._end, self._size = 0, 0
        self._lock = threading.Lock()

    def __enter__(self) -> "DecodedOnce":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, source: Source, size: int, options: ReadingOptions) -> None:
        """Decode all images that the cache does not have into it, and keep their thumbnails.

        Args:
            source: The open source.
            size: Side of the squares that the model takes, in pixels.
            options: How images are read.

        Raises:
            InfoMaxError: No image can be decoded, or there is no room for the cache.

        """
        self._size = size
        load_images(source, size, options=options, progress=True, decode=self._decode)

    def find(self, digest: str) -> DecodedImage | None:
        """Find an image that `read` has decoded.

        Args:
            digest: Digest of its content, as `content_digest` gives it.

        Returns:
            The image; None where it was not decoded, or there was no room for it.

        """
        place = self._places.get(digest)
        if place is None:
            return None
        with self._lock:
            self._file.seek(place.start)
            content = self._file.read(place.length)
        square = self._size * self._size * 3
        pixels = np.frombuffer(content[:square], np.uint8).reshape(self._size, self._size, 3)
        return DecodedImage(pixels, Thumbnail(place.width, place.height, content[square:]), place.metadata)

    def _decode(self, data: bytes | Path | NDArray[Any], size: int, options: ReadingOptions) -> NDArray[np.uint8]:
        """Make the square of an image, and keep what else was found."""
        square, small, metadata = decode_views(data, size, options)
        digest, _ = content_digest(data)
        content = square.tobytes() + small.content
        with self._lock:
            if digest not in self._places and self._end + len(content) <= LARGEST_STORE:
                self._file.seek(self._end)
                self._file.write(content)
                self._places[digest] = _Place(self._end, len(content), small.width, small.height, metadata)
                self._end += len(content)
        return square
