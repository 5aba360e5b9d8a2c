"""The folders that the images of an index came from, so that a missing file and a missing disk are told apart.

A file is gone if its folder was looked at and the file was not in it. Where the whole folder is missing, or its disk is
not mounted, nobody can tell: the disk may be unplugged, or the index may be on another machine.
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.paths import quoted_path
from infomax.search.presence import container_of, is_gone, native


class Roots:
    """Folders that were indexed, each with the mount point of its disk.

    Args:
        mounts: Mount point of each folder, both absolute and without a slash at their ends.

    """

    def __init__(self, mounts: Mapping[str, str]) -> None:
        self._mounts = dict(mounts)

    @classmethod
    def read(cls, file: Path) -> "Roots":
        """Read roots.json. A file that is missing or damaged holds none: rows are then judged by their own folders.

        Args:
            file: The file.

        Returns:
            The roots.

        """
        try:
            mounts = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            return cls({})
        return cls({str(root): str(mount) for root, mount in mounts.items()} if isinstance(mounts, dict) else {})

    def add(self, prefixes: Sequence[str], file: Path) -> None:
        """Remember where images came from.

        Args:
            prefixes: Prefixes of paths, as `Source.roots` gives them: a folder with a slash, or `/file.parquet#`.
            file: The file roots.json, which is written where there is anything new.

        Raises:
            InfoMaxError: The file cannot be written.

        """
        folders = [os.path.dirname(prefix) or "/" for prefix in prefixes if os.path.isabs(prefix)]  # noqa: PTH117, PTH120
        new = {folder: _mount_of(folder) for folder in folders if folder not in self._mounts}
        if new:
            self._mounts |= new
            try:
                with written_atomically(file, "w") as out:
                    json.dump(self._mounts, out, indent=2, sort_keys=True)
                    out.write("\n")
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                remedy = "make room there, or choose a place that you may write to"
                raise InfoMaxError(
                    f"cannot write to the index {quoted_path(file.parent)} ({reason}): {remedy}"
                ) from None

    def unmounted(self, folder: str) -> str | None:
        """Find the disk that a folder was on, where that disk is not mounted now.

        Args:
            folder: Absolute path of a folder.

        Returns:
            The mount point; None where nothing is known to be missing.

        """
        mount = self._mounts.get(self._root_of(f"{folder}/") or "", "/")
        return None if os.path.ismount(native(mount)) else mount

    def missing_root(self, path: str) -> str | None:
        """Find the folder that has to be there before the file of a row can be called gone.

        Args:
            path: Path of a row.

        Returns:
            The folder that was indexed, or else that of the file, where it is missing; the mount point where the disk
            is not mounted. None where the folder is there.

        """
        root = self._root_of(path)
        if root is None:
            root = container_of(path).rpartition("/")[0] or "/"
        return self.unmounted(root) or (None if os.path.isdir(native(root)) else root)  # noqa: PTH112

    def _root_of(self, path: str) -> str | None:
        """The longest root that a path is below."""
        return next((root for root in self._longest_first if path.startswith(root.rstrip("/") + "/")), None)

    @cached_property
    def _longest_first(self) -> Sequence[str]:
        return sorted(self._mounts, key=len, reverse=True)


NOWHERE = Roots({})
"""No folder is known to have been indexed."""


class PresenceFilter:
    """Leaves out rows whose file is gone, and remembers what was left out. Each file is asked for once.

    Args:
        roots: Where the rows came from. Rows below a root that is missing stay: nobody can tell whether they are gone.

    Attributes:
        left_out: Paths of the rows that were left out.
        missing_roots: Folders that are missing, below which rows were let through unseen.

    """

    def __init__(self, roots: Roots) -> None:
        self.left_out: set[str] = set()
        self.missing_roots: set[str] = set()
        self._roots = roots
        self._known: dict[str, bool] = {}

    def lets_through(self, path: str) -> bool:
        """Whether a row counts.

        Args:
            path: Path of the row.

        Returns:
            False where its file is gone.

        """
        if path not in self._known:
            self._known[path] = self._is_below_missing(path) or not is_gone(path) or self._is_missing_root(path)
            if not self._known[path]:
                self.left_out.add(path)
        return self._known[path]

    def _is_below_missing(self, path: str) -> bool:
        """Whether it is known already that nobody can tell: its file need not be asked for."""
        return any(path.startswith(root.rstrip("/") + "/") for root in self.missing_roots)

    def _is_missing_root(self, path: str) -> bool:
        root = self._roots.missing_root(path)
        if root is not None:
            self.missing_roots.add(root)
        return root is not None


def _mount_of(folder: str) -> str:
    """The mount point of the disk that holds a folder."""
    path = native(folder)
    while not os.path.ismount(path) and path != os.path.dirname(path):  # noqa: PTH120
        path = os.path.dirname(path)  # noqa: PTH120
    return path.encode("utf-8", "backslashreplace").decode()
