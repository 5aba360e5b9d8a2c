"""What several commands print and write."""

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


def write_json(file: str, document: object) -> None:
    """Write one JSON document to a file; `-` is stdout."""
    text = json.dumps(document, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    from infomax.files import written_atomically

    with written_atomically(Path(file), "w") as out:
        out.write(text)


def tell_skipped(count: int, where: str) -> None:
    """Say on stderr how many broken images were left out, and where the reasons are."""
    if count:
        print(f"infomax: skipped {count} broken {'image' if count == 1 else 'images'}: {where}", file=sys.stderr)


@contextmanager
def health_warnings_told() -> Iterator[None]:
    """What a training ails from is one line on stderr, whatever the filters of Python's warnings say."""
    from infomax.training.diagnostics import HealthWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", HealthWarning)
        show_others = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if issubclass(category, HealthWarning):
                print(f"infomax: warning: {message}", file=sys.stderr)
            else:
                show_others(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def quoted(text: str | Path) -> str:
    """An argument as a shell takes it."""
    from shlex import quote

    return quote(str(text))
