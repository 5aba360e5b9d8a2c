"""File names in forms that people and databases can read."""

from pathlib import Path

JOURNAL = "infomax-moves.jsonl"
"""Name of the undo file of a folder that duplicates were moved to. Such a folder is no part of a collection."""


def quoted_path(path: Path | str) -> str:
    r"""Quote a path, or any other name, for an error message.

    Args:
        path: Path or name. Line breaks and other control characters come out escaped.

    Returns:
        The quoted path, on one line.

    Example:
        >>> print(quoted_path("photos/two\nlines.jpg"))
        'photos/two\nlines.jpg'

    """
    return repr(str(path))


def printable(name: str) -> str:
    r"""Make a name valid Unicode. File names are bytes, which need not be valid UTF-8.

    Args:
        name: Name as Python decodes it, with a surrogate for each undecodable byte.

    Returns:
        The name with its surrogates escaped.

    Example:
        >>> print(printable("caf\udce9.jpg"))
        caf\udce9.jpg

    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
