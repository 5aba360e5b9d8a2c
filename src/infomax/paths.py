"""Names of files as people and databases can read them."""

from pathlib import Path


def shown(path: Path | str) -> str:
    """A path as an error message shows it: quoted, on one line whatever its name holds."""
    return repr(str(path))


def text(name: str) -> str:
    """A name as valid Unicode, which names of files need not be: undecodable bytes come out escaped."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
