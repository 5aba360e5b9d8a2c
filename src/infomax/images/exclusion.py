"""Which files and folders below a SOURCE are left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

HIDDEN_FILES = ".*"
"""Pattern of hidden files and folders; macOS's `._IMG_1.jpg`, `.thumbnails` and `.Trash-1000` among them."""

DEFAULT_EXCLUDES = (
    HIDDEN_FILES,
    *("@eaDir", "#recycle", "#snapshot", "@tmp", "@SynoResource"),  # Synology
    *("@Recycle", "@Recently-Snapshot", "@__thumb"),  # QNAP
    *("$RECYCLE.BIN", "System Volume Information", "lost+found", "__MACOSX"),
)
"""Names that are left out by default. NAS and desktop systems keep thumbnails and deleted files there."""


@dataclass(frozen=True)
class Exclusion:
    """Patterns as in a shell: `*` any characters, `?` one, `[ab]` one of some. Upper and lower case are the same.

    A pattern without a slash is the name of a file or folder at any depth. One with a slash is a path below the SOURCE,
    or the path as one would type it from here. What is below an excluded folder is excluded, too.

    Attributes:
        root: Folder of the SOURCE.
        patterns: The patterns.

    Examples:
        >>> exclusion = Exclusion(Path("photos"), ("thumb*", "2019/raw"))
        >>> [exclusion.match(path) for path in ("2019/thumbs", "2019/raw", "2020/raw", "photos/2019/raw")]
        ['thumb*', '2019/raw', None, None]

    """

    root: Path
    patterns: Sequence[str]

    def match(self, path: str) -> str | None:
        """Find the pattern that excludes a file or a folder itself, not one of the folders above it.

        Args:
            path: Path below the root, with slashes.

        Returns:
            The first pattern that matches, None if there is none.

        """
        name, below = path.rpartition("/")[2].lower(), path.lower()
        for pattern in self.patterns:
            wanted = pattern.lower().rstrip("/")
            if "/" not in wanted:
                if fnmatchcase(name, wanted):
                    return pattern
            elif any(fnmatchcase(each, wanted.removeprefix("./")) for each in (below, *self._typed(below))):
                return pattern
        return None

    def _typed(self, below: str) -> list[str]:
        """The path as it is typed from here, and from the root of the file system, with links and without."""
        return [f"{root}/{below}" for root in self._roots]

    @cached_property
    def _roots(self) -> list[str]:
        roots = (
            self.root.as_posix().removeprefix("./"),
            self.root.absolute().as_posix(),
            self.root.resolve().as_posix(),
        )
        return [root.lower() for root in dict.fromkeys(roots)]

    def match_any(self, path: str) -> str | None:
        """Find the pattern that excludes a file, by its own name or by that of a folder above it.

        Args:
            path: Path below the root, with slashes.

        Returns:
            The first pattern that matches, from the top folder down; None if there is none.

        """
        parts = path.split("/")
        found = (self.match("/".join(parts[:count])) for count in range(1, len(parts) + 1))
        return next((pattern for pattern in found if pattern), None)
