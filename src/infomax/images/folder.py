"""Sources of image files: all images below a folder, or a few named files."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.images.decoding import UnreadableImage, image_extensions
from infomax.images.source import Content, Entry, file_version, relative_names
from infomax.paths import JOURNAL, printable, quoted_path


@dataclass(frozen=True)
class ImageFiles:
    """Image files. A key is a path relative to `root`; a label is the first folder on that path, if there is one.

    Attributes:
        name: Name of the source in messages.
        identity: Opaque name for the cache.
        entries: One entry per file, and one per folder of `unreadable`.
        root: Folder that the keys are relative to.
        whole_folder: Whether the entries are all images below `root`, rather than a selection.
        unreadable: Keys of the folders below `root` that cannot be listed. Each stands for the images it may hold.

    """

    name: str
    identity: str
    entries: Sequence[Entry]
    root: Path
    whole_folder: bool = False
    unreadable: frozenset[str] = frozenset()

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Give the paths only. Threads open the files when they decode them."""
        for key in (self.entries[i].key for i in wanted):
            if key in self.unreadable:
                yield Content(UnreadableImage("a folder that cannot be opened"), None)
            else:
                yield Content(self.root / key, self._label(key))

    def paths(self) -> list[str]:
        """Absolute paths, with links above `root` resolved, so that nested folders give one image one path."""
        root = self.root.resolve()
        return [printable((root / entry.key).as_posix()) for entry in self.entries]

    def labels(self) -> list[str | None] | None:
        """Names of the first folder on each path."""
        return [None if entry.key in self.unreadable else self._label(entry.key) for entry in self.entries]

    def roots(self) -> list[str] | None:
        """The folder, if the source is all of it."""
        return [printable(self.root.resolve().as_posix().rstrip("/") + "/")] if self.whole_folder else None

    def unreadable_roots(self) -> list[str]:
        """The folders that cannot be listed."""
        root = self.root.resolve()
        return [printable(f"{(root / key).as_posix()}/") for key in self.unreadable]

    def pixels_of_size(self, size: int) -> NDArray[np.uint8] | None:  # noqa: ARG002
        """None, because files must be decoded."""
        return None

    @staticmethod
    def _label(key: str) -> str | None:
        folder, separator, _ = key.partition("/")
        return folder if separator else None


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
    return ImageFiles(name, identity, [Entry(key, file_version(root / key)) for key in sorted(names)], root)


def image_folder(root: Path) -> ImageFiles:
    """List all images below a folder, recognized by extension.

    Hidden files and folders are ignored, and folders that duplicates were moved to. Links are followed, but each folder
    is visited only once.

    Args:
        root: Folder in any nesting.

    Returns:
        The source, in the order of the paths.

    Raises:
        InfoMaxError: There is no image, or `root` cannot be opened.

    """
    found: list[Entry] = []
    unreadable: set[str] = set()
    others: Counter[str] = Counter()
    for path, error in _walk(root):
        if error is not None and path == root:
            raise InfoMaxError(f"{quoted_path(root)} cannot be opened ({error.strerror}): check its permissions")
        if error is not None:
            unreadable.add(path.relative_to(root).as_posix())
        elif (extension := path.suffix.lower()) in image_extensions():
            found.append(Entry(path.relative_to(root).as_posix(), file_version(path)))
        else:
            others[extension] += 1
    if not found:
        content = _describe_other_files(others)
        raise InfoMaxError(f"{quoted_path(root)} {content}: give a folder with images in it, in any nesting")
    found += (Entry(key, "absent") for key in unreadable)
    identity = f"folder {root.resolve()}"
    return ImageFiles(str(root), identity, sorted(found), root, whole_folder=True, unreadable=frozenset(unreadable))


def _walk(root: Path) -> Iterator[tuple[Path, OSError | None]]:
    """Yield all files below a folder that are not hidden. A folder that cannot be listed comes with its error."""
    visited: set[Path] = set()
    pending = deque([root])
    while pending:
        folder = pending.popleft()
        if (real := folder.resolve()) in visited:
            continue
        visited.add(real)
        try:
            visible = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        except OSError as error:
            yield folder, error
            continue
        if folder != root and folder / JOURNAL in visible:
            continue  # duplicates that infomax has moved away
        for path in visible:
            if _is_folder(path):
                # an image is listed under its own folder rather than under a link to it: links come last
                (pending.append if path.is_symlink() else pending.appendleft)(path)
            else:
                yield path, None


def _is_folder(path: Path) -> bool:
    """Whether `path` is a folder or links to one. A path that cannot be examined counts as a file."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _describe_other_files(others: Counter[str]) -> str:
    """What a folder without images holds instead, for an error message."""
    if not others:
        return "is an empty folder"
    kinds = ", ".join(f"{count} {extension or 'without extension'}" for extension, count in others.most_common(3))
    return f"holds no images, only {others.total()} files of other kinds (most of all {kinds})"
