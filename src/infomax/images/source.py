"""Source, the protocol of every kind of image collection: cheap to list, decoded on demand."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.broken import BrokenImage, UnreadableImage
from infomax.decoding.image import regular_file_size
from infomax.images.census import Census


class Entry(NamedTuple):
    """One image of a source.

    Attributes:
        key: Name of the image. Only an image that was named twice has its key twice.
        version: Changes if the content of the image may have changed. "" if that cannot be known without reading.

    """

    key: str
    version: str


class Content(NamedTuple):
    """The content of an entry.

    Attributes:
        data: Image as found (stored bytes, the path of a file, or pixels), or the reason why there is none.
        label: Label that is stored with the image, None if there is none.
        folder: First folder on the way from the source to the file, None if there is none. Commands that need labels
            take it for one.

    """

    data: bytes | Path | NDArray[Any] | BrokenImage
    label: str | None = None
    folder: str | None = None


@runtime_checkable
class Source(Protocol):
    """A collection of images, listed but not yet read."""

    @property
    def name(self) -> str:
        """Name of the source in messages."""

    @property
    def identity(self) -> str | None:
        """Opaque name that tells sources apart in the cache; None if the source is in memory and needs no cache."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All images: in the order given, or in one that depends only on the content of the source."""

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read some entries, piece by piece as the iterator is consumed.

        Args:
            wanted: Increasing positions in `entries`.

        Yields:
            The content of each wanted entry.

        Raises:
            InfoMaxError: The source as a whole is damaged.

        """

    def paths(self) -> list[str]:
        """One path per entry, the same however the source was named; the key of the image in an index.

        Returns:
            An absolute path, `/path/to/file#row` for files of many images, or `digits#row`. Always valid Unicode.

        """

    def labels(self) -> list[str | None] | None:
        """Stored labels of all entries as far as listing gives them. Names of folders are none.

        Returns:
            The labels that `read` would give, or None if they are only known after reading.

        """

    def roots(self) -> list[str] | None:
        """Prefixes of all paths that this source may ever have had. An index can look there for vanished images.

        Returns:
            The prefixes, as valid Unicode. None if they are unknown, as for a list of files. [] for a source in memory.

        """

    def unreadable_roots(self) -> list[str]:
        """Prefixes of paths that cannot be listed at the moment. Images below them may still exist.

        Returns:
            The prefixes, as valid Unicode.

        """

    def census(self) -> Census:
        """Files of the source that were passed over when it was listed.

        Returns:
            Their numbers by extension and by pattern. Empty for files of many images.

        """

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:
        """The whole collection as an array, if it is one already and needs no preparation.

        Args:
            size: Side of the squares in pixels.

        Returns:
            Pixels (n, size, size, 3), read-only, or None if the images must be decoded or resized.

        """


def content_digest(data: bytes | Path | NDArray[Any]) -> tuple[str, int]:
    """Digest the content of an image as it is stored.

    Args:
        data: The content, the path of its file, or pixels.

    Returns:
        The digest (BLAKE2b, 32 hexadecimal digits), and the length of the content in bytes.

    Raises:
        BrokenImage: It is not a regular file.
        UnreadableImage: It cannot be read.

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


def file_version(path: Path) -> str:
    """Version of a file for `Entry.version`.

    Args:
        path: The file.

    Returns:
        `size:mtime`, in bytes and nanoseconds since 1970, or "absent".

    """
    return _version_of(_status(path))


def file_entries(root: Path, keys: Sequence[str]) -> list[Entry]:
    """List files with versions that tell them apart.

    Files of one size and one time may change places and nothing else would show it. So their versions also name the
    inode, `size:mtime inode`. Others do without: on some disks (exFAT) every file has a new inode each time the disk is
    plugged in, and would have to be read again.

    Args:
        root: Folder that the keys are relative to.
        keys: Paths of the files.

    Returns:
        The entries, in the same order.

    """
    statuses = [_status(root / key) for key in keys]
    versions = [_version_of(status) for status in statuses]
    counts = Counter(versions)
    return [
        Entry(key, version if status is None or counts[version] == 1 else f"{version} {status.st_ino}")
        for key, version, status in zip(keys, versions, statuses, strict=True)
    ]


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):  # no file can have a name with a NUL
        return None


def _version_of(status: os.stat_result | None) -> str:
    return "absent" if status is None else f"{status.st_size}:{status.st_mtime_ns}"


def first_folder(key: str) -> str | None:
    """First folder on a relative path.

    Args:
        key: The path, as in `Entry.key`.

    Returns:
        The name of the folder, None for a file beside it.

    Examples:
        >>> first_folder("cats/2019/a.png"), first_folder("a.png")
        ('cats', None)

    """
    folder, separator, _ = key.partition("/")
    return folder if separator else None


def relative_names(paths: Sequence[Path]) -> tuple[Path, list[str]]:
    """Find the folder that all paths share.

    Args:
        paths: At least one path.

    Returns:
        The shared folder, and the paths relative to it, in the order given.

    """
    folders = {path.parent: path.parent.resolve() for path in paths}
    root = Path(os.path.commonpath(list(folders.values())))
    prefixes = {parent: folder.relative_to(root).as_posix() for parent, folder in folders.items()}
    return root, [
        path.name if prefixes[path.parent] == "." else f"{prefixes[path.parent]}/{path.name}" for path in paths
    ]
