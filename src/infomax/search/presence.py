"""Whether the file of a row still exists, and which file it is: questions to the file system, one `stat` each.

A row has an absolute path, `/path/to/file.parquet#row` for an image in a file of many, or a name such as `digits#3`,
which no file belongs to.
"""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from stat import S_ISDIR

from infomax.paths import printable

_ROW = re.compile(r"#\d{1,18}\Z")
_ESCAPED_BYTE = re.compile(r"\\udc([89a-f][0-9a-f])")


def is_gone(path: str) -> bool:
    """Whether the path of a row names a file that no longer exists.

    A link to nothing is gone. A file that cannot be examined (permissions, a failing disk) is not known to be gone. Of
    an image in a file of many, the file counts.

    Args:
        path: Path of a row.

    Returns:
        Whether the file is gone; False where the row never had a file.

    Examples:
        >>> is_gone("/no/such/file.jpg"), is_gone("/no/such/file.parquet#3"), is_gone("digits#3")
        (True, True, False)

    """
    if not _names_a_file(path):
        return False
    status = _stat(path)
    return status is None or S_ISDIR(status.st_mode)  # a folder may have taken the place of the file


def file_key(path: str) -> tuple[int, int] | None:
    """Device and inode of the file of a row: equal for every path that leads to the same file.

    Args:
        path: Path of a row. Rows of one file of many images share its key.

    Returns:
        The key; None where there is no such file, or it cannot be examined.

    """
    status = _stat(path) if _names_a_file(path) else None
    return None if status is None or status is _UNKNOWN else (status.st_dev, status.st_ino)


def container_of(path: str) -> str:
    """Path of the file that holds a row, as it would be if the row were one of many in a file.

    Args:
        path: Path of a row.

    Returns:
        The path without `#row` at its end.

    Examples:
        >>> container_of("/data/train.parquet#12"), container_of("/photos/cat.jpg")
        ('/data/train.parquet', '/photos/cat.jpg')

    """
    return _ROW.sub("", path)


def native(path: str) -> str:
    r"""Undo `infomax.paths.printable`: the path as the file system knows it.

    Args:
        path: A path with escaped bytes, such as `caf\udce9.jpg`.

    Returns:
        The path with a surrogate for each escaped byte.

    """
    return _ESCAPED_BYTE.sub(lambda byte: chr(0xDC00 + int(byte[1], 16)), path)


def gone_among(paths: Sequence[str]) -> set[str]:
    """Find the paths whose file no longer exists. A folder of many rows is listed once, which costs less than asking.

    Args:
        paths: Paths of rows.

    Returns:
        The paths that `is_gone` is true of.

    """
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[path.rpartition("/")[0]].append(path)
    gone: set[str] = set()
    for folder, rows in by_folder.items():
        there = _files_in(folder) if len(rows) >= _WORTH_LISTING and folder else set()
        gone_files: dict[str, bool] = {}  # by file: a table of many rows is asked for once
        for path in rows:
            container = container_of(path)
            if path in there or container in there:
                continue
            if container not in gone_files:
                gone_files[container] = is_gone(path)
            if gone_files[container]:
                gone.add(path)
    return gone


_WORTH_LISTING = 8
"""Rows of one folder from which on the folder is listed."""


def _files_in(folder: str) -> set[str]:
    """Paths of the files in a folder, as rows have them; without links, which may lead to nothing."""
    with suppress(OSError, ValueError), os.scandir(native(folder)) as entries:
        return {f"{folder}/{printable(entry.name)}" for entry in entries if not entry.is_symlink()}
    return set()


_UNKNOWN = os.stat_result([0] * 10)
"""Stands for a file that cannot be examined: it may exist."""


def _names_a_file(path: str) -> bool:
    return os.path.isabs(path)  # noqa: PTH117 - a Path takes ten times as long, and there may be a million


def _stat(path: str) -> os.stat_result | None:
    """Status of the file of a row; None if there is none. A file that has `#3` in its own name is found first."""
    names = [path]
    for name in names:
        try:
            return os.stat(name)  # noqa: PTH116 - a Path takes twice as long
        except (FileNotFoundError, NotADirectoryError):
            if name is path:
                container = container_of(path)
                names += [each for each in (container, native(path), native(container)) if each != path]
        except (OSError, ValueError):
            return _UNKNOWN
    return None
