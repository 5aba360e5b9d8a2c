"""Patterns that were excluded from folders before, so that a later call leaves the same files out."""

import glob
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from infomax.decoding.options import ReadingOptions
from infomax.errors import InfoMaxError
from infomax.files import written_atomically
from infomax.paths import expand_home, printable, quoted_path


class RememberedExclusions:
    """Patterns by the folder that they were given for: of names as they were given, of paths as whole paths.

    Args:
        file: A JSON file that holds them; none are known where it is missing or damaged.

    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._patterns = _read(file)

    def applied(self, source: Any, options: ReadingOptions) -> ReadingOptions:
        """Leave out what was left out of a source before.

        Args:
            source: What the user named: a path, or several. Others have no folder.
            options: How the source is read now.

        Returns:
            The options, with the patterns of all folders that hold the source, or that it holds.

        """
        found = dict.fromkeys(pattern for folder in _folders(source) for pattern in self._for(folder))
        new = [pattern for pattern in found if pattern not in options.exclude]
        return replace(options, remembered=tuple(new)) if new else options

    def add(self, source: Any, options: ReadingOptions) -> None:
        """Remember the patterns that were given for a source, and write the file if there is anything new.

        Args:
            source: What the user named.
            options: How the source is read, with the patterns.

        Raises:
            InfoMaxError: The file cannot be written.

        """
        before = json.dumps(self._patterns)
        for folder, typed in _folders(source).items() if options.exclude else ():
            whole = [_whole(pattern, folder, typed) for pattern in options.exclude]
            self._patterns[str(folder)] = list(dict.fromkeys([*self._patterns.get(str(folder), []), *whole]))
        if json.dumps(self._patterns) != before:
            self._write()

    def forget(self) -> None:
        """Forget all patterns. Raises InfoMaxError where the file cannot be written."""
        if self._patterns:
            self._patterns = {}
            self._write()

    def _for(self, folder: Path) -> Iterator[str]:
        for name, patterns in self._patterns.items():
            root = Path(name)
            if root == folder or root in folder.parents:
                yield from patterns
            elif folder in root.parents:  # what was excluded there says nothing of the other folders
                inside = f"{glob.escape(name)}/"
                for pattern in patterns:
                    yield from [pattern] if "/" in pattern else [f"{inside}{pattern}", f"{inside}*/{pattern}"]

    def _write(self) -> None:
        try:
            with written_atomically(self._file, "w") as out:
                json.dump(self._patterns, out, indent=2, sort_keys=True)
                out.write("\n")
        except OSError as error:
            raise InfoMaxError(
                f"cannot remember what is excluded in {quoted_path(self._file)} ({error.strerror}): make room there, "
                "or choose a place that you may write to"
            ) from None


def _read(file: Path) -> dict[str, list[str]]:
    try:
        known = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(known, Mapping):
        return {}
    return {str(folder): [str(each) for each in found] for folder, found in known.items() if isinstance(found, list)}


def _folders(source: Any) -> dict[Path, Path]:
    """The folders that a source names, without links, each as it was typed. Of a pattern, where it starts from."""
    given: Iterable[Any] = source if isinstance(source, list | tuple) else [source]
    found: dict[Path, Path] = {}
    for each in given:
        if isinstance(each, str | Path):
            typed = expand_home(each)
            start = Path(*takewhile(lambda part: not glob.has_magic(part), typed.parts))
            if start.is_dir():
                found[Path(printable(str(start.resolve())))] = start
    return found


def _whole(pattern: str, folder: Path, typed: Path) -> str:
    """A pattern that means the same in any current folder: one of a path becomes a whole path."""
    path = pattern.removeprefix("./").rstrip("/")
    if "/" not in path or Path(path).is_absolute():
        return pattern.rstrip("/")
    start = typed.as_posix().removeprefix("./")
    below = path.removeprefix(f"{start}/")
    return f"{glob.escape(str(folder))}/{below}"
