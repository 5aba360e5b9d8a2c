"""LoadedImages that are files: all those below a folder, or a few by name."""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from infomax.errors import InfoMaxError
from infomax.images.decoding import UnreadableImage, extensions
from infomax.images.source import Content, Entry, file_version, relative_names
from infomax.paths import shown


@dataclass(frozen=True)
class ImageFiles:
    """Image files. A key is the path relative to `root`, a label the first folder on that path, if there is one."""

    name: str
    identity: str
    entries: Sequence[Entry]
    root: Path
    closed: frozenset[str] = frozenset()
    """Keys of folders that cannot be looked into: each stands among the entries for all it may hold."""

    def read(self, wanted: Sequence[int]) -> Iterator[Content]:
        """Paths: the files themselves are opened where they are decoded, by many threads at once."""
        for key in (self.entries[i].key for i in wanted):
            if key in self.closed:
                yield Content(UnreadableImage("a folder that cannot be looked into"), None)
            else:
                folder, separator, _ = key.partition("/")
                yield Content(self.root / key, folder if separator else None)


def image_files(paths: Sequence[Path], name: str, identity: str) -> ImageFiles:
    """The images at the given paths, as if they were all there is in the folder that they share."""
    root, names = relative_names(paths)
    return ImageFiles(name, identity, [Entry(key, file_version(root / key)) for key in sorted(names)], root)


def image_folder(root: Path) -> ImageFiles:
    """All images below `root`, by extension, in the order of their paths.

    Hidden files and folders are passed over. Links are followed, and each folder is visited once whatever leads to it.

    Raises InfoMaxError where there is no image or `root` cannot be looked into.
    """
    found: list[Entry] = []
    others: Counter[str] = Counter()
    closed: set[str] = set()
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
            if folder == root:
                raise InfoMaxError(
                    f"{shown(root)} cannot be looked into ({error.strerror}): change that first"
                ) from None
            closed.add(folder.relative_to(root).as_posix())
            continue
        for path in visible:
            if is_folder(path):
                # images are filed under the folder they lie in rather than under a link to it: links wait
                (pending.append if path.is_symlink() else pending.appendleft)(path)
            elif (extension := path.suffix.lower()) in extensions():
                found.append(Entry(path.relative_to(root).as_posix(), file_version(path)))
            else:
                others[extension] += 1
    if not found:
        raise InfoMaxError(f"{shown(root)} {contents(others)}: give a folder with images in it, in any nesting")
    found += (Entry(key, "absent") for key in closed)
    return ImageFiles(str(root), f"folder {root.resolve()}", sorted(found), root, frozenset(closed))


def is_folder(path: Path) -> bool:
    """Whether `path` is or leads to a folder; what cannot be asked is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def contents(others: Counter[str]) -> str:
    """What a folder without images holds instead, for an error message."""
    if not others:
        return "is an empty folder"
    kinds = ", ".join(f"{count} {extension or 'without extension'}" for extension, count in others.most_common(3))
    return f"holds no images, only {others.total()} files of other kinds (most of all {kinds})"
