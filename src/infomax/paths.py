"""File names as people write them, and in forms that people and databases can read."""

import os
from pathlib import Path

from infomax.errors import InfoMaxError

JOURNAL = "infomax-moves.jsonl"
"""Name of the undo file of a folder that duplicates were moved to. Such a folder is no part of a collection."""


def expand_home(path: Path | str) -> Path:
    """Replace a leading `~` or `~name` by a home folder, as a shell does.

    Args:
        path: Path as the user wrote it. A file in the current folder may be called ~name: then it is meant, unless
            there is a user of that name. `./~name`, as text, always means the file.

    Returns:
        The path.

    Raises:
        InfoMaxError: Nobody knows the home folder: there is no such user, or this user has no name and no HOME.

    Examples:
        >>> expand_home("./~old") == Path("~old")
        True

    """
    if not str(path).startswith("~"):
        return Path(path)
    try:
        return Path(path).expanduser()
    except RuntimeError:
        if os.path.lexists(path):
            return Path(path)
        whose = Path(path).parts[0]
        known = "HOME is not set" if whose == "~" else f"there is no user {whose[1:]!r}"
        raise InfoMaxError(
            f"{quoted_path(path)}: {known}, so nobody knows this home folder; give the whole path, "
            f"such as {quoted_path(Path.cwd() / path)}"
        ) from None


def quoted_path(path: Path | str) -> str:
    r"""Quote a path, or any other name, for an error message.

    Args:
        path: Path or name. Line breaks and other control characters come out escaped.

    Returns:
        The quoted path, on one line.

    Examples:
        >>> print(quoted_path("photos/two\nlines.jpg"))
        'photos/two\nlines.jpg'

    """
    return repr(str(path))


def path_from_here(path: str) -> str:
    """Write a path as one would type it in the current folder.

    Args:
        path: Absolute path, or a name that is none.

    Returns:
        The path relative to the current folder if it lies below it, else the path itself.

    Examples:
        >>> path_from_here(os.path.join(os.getcwd(), "photos", "cat.jpg")), path_from_here("digits#3")
        ('photos/cat.jpg', 'digits#3')

    """
    here = os.path.join(printable(os.getcwd()), "")  # noqa: PTH109, PTH118 - of a str
    return path[len(here) :] if path.startswith(here) and len(path) > len(here) else path


def printable(name: str) -> str:
    r"""Make a name valid Unicode. File names are bytes, which need not be valid UTF-8.

    Args:
        name: Name as Python decodes it, with a surrogate for each undecodable byte.

    Returns:
        The name with its surrogates escaped.

    Examples:
        >>> print(printable("caf\udce9.jpg"))
        caf\udce9.jpg

    """
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
