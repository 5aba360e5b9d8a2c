"""Output that several commands share: JSON documents and lines on stderr."""

import json
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, TextIO


def write_json(file: str, document: object) -> None:
    """Write one JSON document to a file, or to stdout when the file is `-`."""
    text = json.dumps(document, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    from infomax.files import written_atomically
    from infomax.paths import expand_home

    with written_atomically(expand_home(file), "w") as out:
        out.write(text)


def print_skipped(count: int, where: str) -> None:
    """Say on stderr how many broken images were skipped, and where to find the reasons."""
    if count:
        print(f"infomax: skipped {count} broken {'image' if count == 1 else 'images'}: {where}", file=sys.stderr)


def print_warnings(messages: Iterable[str]) -> None:
    """Print each warning as a line on stderr."""
    for message in messages:
        print(f"infomax: {message}", file=sys.stderr)


def one_line(text: str) -> str:
    """Text with its line breaks replaced by spaces: a path may contain them."""
    return " ".join(text.splitlines())


def health_warnings_on_stderr() -> AbstractContextManager[None]:
    """Print each HealthWarning of a training as one line on stderr, whatever Python's warning filters say."""
    from infomax.training.diagnostics import HealthWarning

    return warnings_on_stderr(HealthWarning, "always")


@contextmanager
def warnings_on_stderr(shown: type[Warning], action: Literal["always", "once"]) -> Iterator[None]:
    """Print each warning of one kind as one line on stderr, whatever Python's warning filters say."""
    with warnings.catch_warnings():
        warnings.simplefilter(action, shown)
        show_others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, shown):
                print(f"infomax: warning: {message}", file=sys.stderr)
            else:
                show_others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def quoted(text: str | Path) -> str:
    """An argument quoted for a shell."""
    from shlex import quote

    return quote(str(text))
