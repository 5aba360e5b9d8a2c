"""Sources of image files: all images below a folder, or a few named files."""

import os
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from infomax.decoding.broken import UnreadableImage
from infomax.decoding.formats import image_extensions, is_photo, remedy_for
from infomax.decoding.options import DEFAULT_OPTIONS, ReadingOptions
from infomax.errors import InfoMaxError
from infomax.images.census import Census, Skipped, census_lines, extension_of
from infomax.images.exclusion import DEFAULT_EXCLUDES, Exclusion
from infomax.images.source import Content, Entry, file_entries, first_folder, relative_names
from infomax.paths import JOURNAL, printable, quoted_path


@dataclass(frozen=True)
class ImageFiles:
    """Image files. A key is a path relative to `root`. Files have no labels; the first folder on that path may serve.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache.
        entries: One entry per file, and one per folder of `unreadable`.
        root: Folder that the keys are relative to.
        whole_folder: Whether the entries are all images below `root`, rather than a selection.
        unreadable: Keys of the folders below `root` that cannot be listed. Each stands for the images it may hold.
        passed_over: What the folder holds besides.

    """

    name: str
    identity: str
    entries: Sequence[Entry]
    root: Path
    whole_folder: bool = False
    unreadable: frozenset[str] = frozenset()
    passed_over: Census = field(default_factory=Census)

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Give the paths only. Threads open the files when they decode them."""
        for key in (self.entries[i].key for i in wanted):
            if key in self.unreadable:
                yield Content(UnreadableImage("a folder that cannot be opened"))
            else:
                yield Content(self.root / key, folder=first_folder(key))

    def paths(self) -> list[str]:
        """Absolute paths, with links above `root` resolved, so that nested folders give one image one path."""
        root = self.root.resolve()
        return [printable((root / entry.key).as_posix()) for entry in self.entries]

    def labels(self) -> list[str | None] | None:
        """No labels: a folder is where a file lies, not what it shows."""
        return [None] * len(self.entries)

    def roots(self) -> list[str] | None:
        """The folder, if the source is all of it."""
        return [printable(self.root.resolve().as_posix().rstrip("/") + "/")] if self.whole_folder else None

    def unreadable_roots(self) -> list[str]:
        """The folders that cannot be listed."""
        root = self.root.resolve()
        return [printable(f"{(root / key).as_posix()}/") for key in self.unreadable]

    def census(self) -> Census:
        """What the folder holds besides its images."""
        return self.passed_over

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because files must be decoded."""
        return None


def image_files(paths: Sequence[Path], name: str, identity: str) -> ImageFiles:
    """List some image files as if they were all there is in the folder that they share.

    Args:
        paths: At least one image file.
        name: Name of the source in messages.
        identity: Opaque name for the cache.

    Returns:
        The source, in the order of the paths.

    """
    root, names = relative_names(paths)
    return ImageFiles(name, identity, file_entries(root, names), root)


def image_folder(root: Path, options: ReadingOptions = DEFAULT_OPTIONS) -> ImageFiles:
    """List all images below a folder, recognized by extension.

    Hidden files, thumbnails that a NAS keeps, and what `options.exclude` names are left out and counted, and so are
    folders that duplicates were moved to. Links are followed, but each folder is visited only once.

    Args:
        root: Folder in any nesting.
        options: What to leave out.

    Returns:
        The source, in the order of the paths.

    Raises:
        InfoMaxError: There is no image, or `root` cannot be opened.

    """
    listing = _list(root, Exclusion(root, (*DEFAULT_EXCLUDES, *options.excluded)))
    if not listing.images:
        content = _describe_content(listing, options)
        raise InfoMaxError(f"{quoted_path(root)} {content}: give a folder with images in it, in any nesting")
    entries = file_entries(root, listing.images)
    entries += [Entry(key, "absent") for key in listing.unreadable]
    return ImageFiles(
        str(root),
        f"folder {root.resolve()}",
        sorted(entries),
        root,
        whole_folder=True,
        unreadable=frozenset(listing.unreadable),
        passed_over=listing.census(options.exclude),
    )


def pass_over(paths: Sequence[Path], exclusion: Exclusion) -> tuple[list[Path], Census]:
    """Leave out what is excluded, and photos that are not read here, from the files that match a pattern.

    Args:
        paths: The files and folders, below the root of the exclusion.
        exclusion: What to leave out.

    Returns:
        The other files and folders, and what was passed over.

    """
    kept, unread, excluded = [], [], Counter[str]()
    for path in paths:
        if pattern := exclusion.match_any(path.relative_to(exclusion.root).as_posix()):
            excluded[pattern] += _is_image(path.name) and not _is_folder(path)
        elif is_photo(extension_of(path.name)):
            unread.append(Skipped(path.as_posix(), f"not looked at: {remedy_for(extension_of(path.name))}"))
        else:
            kept.append(path)
    return kept, Census(unread, {}, {pattern: count for pattern, count in excluded.items() if count})


@dataclass
class _Listing:
    """What a folder holds, as keys below its root."""

    images: list[str] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)

    def add(self, key: str) -> None:
        extension = extension_of(key)
        if extension in image_extensions():
            self.images.append(key)
        elif is_photo(extension):
            self.photos.append(key)
        else:
            self.others[extension] += 1

    def census(self, patterns: Sequence[str]) -> Census:
        """Say what was passed over; a pattern of the user is named even where it matches nothing."""
        unread = [Skipped(key, f"not looked at: {remedy_for(extension_of(key))}") for key in sorted(self.photos)]
        excluded = dict.fromkeys(patterns, 0) | {key: count for key, count in self.excluded.items() if count}
        return Census(unread, dict(self.others), excluded)


def _list(root: Path, exclusion: Exclusion) -> _Listing:
    """Sort all files below a folder. Raises InfoMaxError if the folder itself cannot be opened."""
    listing = _Listing()
    for found in walk_files(root, exclusion):
        if found.error is not None and found.key == "":
            raise InfoMaxError(f"{quoted_path(root)} cannot be opened ({found.error.strerror}): check its permissions")
        if found.error is not None:
            listing.unreadable.append(found.key)
        elif found.pattern is None:
            listing.add(found.key)
        else:
            images_only = found.pattern in DEFAULT_EXCLUDES  # a hidden folder may hold anything
            listing.excluded[found.pattern] += _count_files(root / found.key, images_only=images_only)
    return listing


class FoundFile(NamedTuple):
    """A file below a folder; or a folder that cannot be listed; or a file or folder that a pattern excludes.

    Attributes:
        key: Path below the folder.
        error: Why the folder cannot be listed.
        pattern: What excludes it.

    """

    key: str
    error: OSError | None = None
    pattern: str | None = None


def walk_files(root: Path, exclusion: Exclusion) -> Iterator[FoundFile]:
    """Find all files below a folder, without going into folders that are excluded.

    Args:
        root: The folder.
        exclusion: What to leave out.

    Yields:
        What was found, in no particular order. Links are followed, but each folder is visited only once.

    """
    visited: set[Path] = set()
    pending = deque([""])
    while pending:
        folder = pending.popleft()
        if (real := (root / folder).resolve()) in visited:
            continue
        visited.add(real)
        try:
            paths = sorted((root / folder).iterdir())
        except OSError as error:
            yield FoundFile(folder, error)
            continue
        if folder and root / folder / JOURNAL in paths:
            yield FoundFile(folder, pattern=JOURNAL)  # duplicates that infomax has moved away
            continue
        for path in paths:
            key = f"{folder}/{path.name}" if folder else path.name
            if pattern := exclusion.match(key):
                yield FoundFile(key, pattern=pattern)
            elif _is_folder(path):
                # an image is listed under its own folder rather than under a link to it: links come last
                (pending.append if path.is_symlink() else pending.appendleft)(key)
            else:
                yield FoundFile(key)


def _count_files(path: Path, *, images_only: bool) -> int:
    """Number of files that are excluded with a file or folder. Links are not followed."""
    if path.is_symlink() or not _is_folder(path):
        return not images_only or _is_image(path.name)
    return sum(not images_only or _is_image(name) for _, _, names in os.walk(path) for name in names)


def _is_image(name: str) -> bool:
    extension = extension_of(name)
    return extension in image_extensions() or is_photo(extension)


def _is_folder(path: Path) -> bool:
    """Whether `path` is a folder or links to one. A path that cannot be examined counts as a file."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _describe_content(listing: _Listing, options: ReadingOptions) -> str:
    """What a folder without images holds instead, for an error message."""
    counts = listing.census(options.exclude).counts()
    total = len(listing.photos) + listing.others.total()
    lines = census_lines(counts)
    if not lines:
        return "is an empty folder"
    return f"holds no images{f', only {total} files of other kinds' if total else ''} ({'; '.join(lines)})"
