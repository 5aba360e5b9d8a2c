"""Sources on an object store: the images below a URL, one object, parquet files there, or a glob of either."""

import glob
import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.broken import UnreadableImage
from infomax.decoding.formats import image_extensions, is_photo, remedy_for
from infomax.decoding.options import ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.census import Census, Skipped, census_lines, extension_of
from infomax.images.exclusion import DEFAULT_EXCLUDES, Exclusion
from infomax.images.parquet import parquet_rows
from infomax.images.parquet_columns import NamedColumns
from infomax.images.source import Content, Entry, Source, first_folder
from infomax.object_store import StoredObject, find_object, list_objects, read_object
from infomax.paths import quoted_path

CONNECTIONS = 16
"""Objects that are read at a time; each request waits for the network most of the time."""


@dataclass(frozen=True)
class RemoteImages:
    """Images as objects of a store. A key is what follows `url`. Objects have no labels; the first folder may serve.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache.
        entries: One entry per object.
        url: The URL that the keys are below.
        whole_folder: Whether the entries are all images below `url`.
        passed_over: What is there besides.

    """

    name: str
    identity: str
    entries: Sequence[Entry]
    url: str
    whole_folder: bool = False
    passed_over: Census = field(default_factory=Census)

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Read the objects by several connections, in order, a few ahead.

        Args:
            wanted: Increasing positions in `entries`.

        Yields:
            The content of each object.

        Raises:
            InfoMaxError: The store cannot be reached.

        """
        keys = (self.entries[place].key for place in wanted)
        pending: deque[Future[Content]] = deque()
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            try:
                for key in islice(keys, 2 * CONNECTIONS):
                    pending.append(pool.submit(self._content, key))
                while pending:
                    content = pending.popleft().result()
                    pending.extend(pool.submit(self._content, key) for key in islice(keys, 1))
                    yield content
            finally:
                for each in pending:
                    each.cancel()

    def _content(self, key: str) -> Content:
        try:
            return Content(read_object(f"{self.url}/{key}"), folder=first_folder(key))
        except FileNotFoundError:
            return Content(UnreadableImage("there is no such object any more"))

    def paths(self) -> list[str]:
        """List the URLs of the objects.

        Returns:
            One URL an entry.

        """
        return [f"{self.url}/{entry.key}" for entry in self.entries]

    def labels(self) -> list[str | None] | None:
        """No labels, as for files."""
        return [None] * len(self.entries)

    def roots(self) -> list[str] | None:
        """The URL, if the source is all that is below it."""
        return [f"{self.url}/"] if self.whole_folder else None

    def unreadable_roots(self) -> list[str]:
        """Always empty: a store that cannot be listed is an error."""
        return []

    def census(self) -> Census:
        """What is below the URL besides its images."""
        return self.passed_over

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """Give nothing, because objects must be decoded.

        Args:
            size: Side of the squares in pixels.

        Returns:
            None.

        """
        return None


def open_remote(url: str, options: ReadingOptions) -> Source:
    """List the images of a source on an object store.

    Args:
        url: URL of a "folder", of an image or a parquet file, or a glob of them.
        options: What to leave out, and which columns of parquet files hold images and labels.

    Returns:
        The source.

    Raises:
        InfoMaxError: There are no images, or the store cannot be reached.

    """
    if glob.has_magic(url):
        start = re.split(r"[*?\[]", url, maxsplit=1)[0].rpartition("/")[0]
        wanted = url.removeprefix(f"{start}/")
        objects = [each for each in list_objects(start) if _matches(each.url.removeprefix(f"{start}/"), wanted)]
        return _opened(url, start, objects, options, whole_folder=False)
    if extension_of(url) in (".parquet", *image_extensions()) and (found := find_object(url)):
        return _opened(url, url.rpartition("/")[0], [found], options, whole_folder=False)
    return _opened(url, url, list_objects(url), options, whole_folder=True)


def _opened(
    url: str, root: str, objects: Sequence[StoredObject], options: ReadingOptions, *, whole_folder: bool
) -> Source:
    """Images among some objects; or parquet files, where there are no images."""
    exclusion = Exclusion(Path(), (*DEFAULT_EXCLUDES, *options.excluded))
    images, tables, unread = list[Entry](), list[StoredObject](), list[Skipped]()
    others, excluded = Counter[str](), Counter(dict.fromkeys(options.exclude, 0))
    for each in objects:
        key = each.url.removeprefix(f"{root}/")
        extension = extension_of(key)
        if pattern := exclusion.match_any(key):
            excluded[pattern] += extension in image_extensions()
        elif extension in image_extensions():
            images.append(Entry(key, each.version))
        elif is_photo(extension):
            unread.append(Skipped(key, f"not looked at: {remedy_for(extension)}"))
        else:
            others[extension] += 1
            tables += [each] if extension == ".parquet" else []
    if images:
        census = Census(unread, dict(others), {key: n for key, n in excluded.items() if n or key in options.exclude})
        return RemoteImages(url, f"objects {url}", sorted(images), root, whole_folder, census)
    if tables:
        return parquet_rows(tables, url, f"tables {url}", NamedColumns(options.image_column, options.label_column))
    found = "; ".join(census_lines(Census(unread, dict(others), {}).counts())) or "nothing"
    raise InfoMaxError(f"no images at {quoted_path(url)}, which holds {found}: check the URL")


def _matches(key: str, pattern: str) -> bool:
    """Whether a key matches a glob, in which `**` goes through folders, and `*` does not."""
    names, wanted = key.split("/"), pattern.split("/")
    if "**" in wanted:
        at = wanted.index("**")
        tails = range(at, len(names) + 1)
        return _matches_all(names[:at], wanted[:at]) and any(
            _matches("/".join(names[start:]), "/".join(wanted[at + 1 :])) for start in tails
        )
    return _matches_all(names, wanted)


def _matches_all(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(names) == len(patterns) and all(map(fnmatchcase, names, patterns))
