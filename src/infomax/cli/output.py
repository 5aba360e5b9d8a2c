"""Output that several commands share: JSON documents and lines on stderr."""

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, TextIO


def write_json(file: str, document: object) -> None:
    """Write one JSON document to a file, or to stdout when the file is `-`; say which numbers are not finite."""
    from infomax.files import finite_json, json_text, written_atomically
    from infomax.paths import expand_home

    document, replaced = finite_json(document)
    print_warnings(f"{name} is not a finite number: it is null in the JSON" for name in replaced)
    text = json_text(document, indent=2) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    with written_atomically(expand_home(file), "w") as out:
        out.write(text)


def print_left_out(counts: Mapping[str, Any], where: str, noun: str = "image") -> None:
    """Say on stderr how many items were left out, as `count_left_out` has them, and where to find the reasons."""
    from infomax.images.census import census_lines

    broken, too_large = counts["broken"], counts["too_large"]
    if broken:
        print(f"infomax: skipped {broken} broken {noun if broken == 1 else f'{noun}s'}: {where}", file=sys.stderr)
    if too_large:
        images, them = ("image", "it") if too_large == 1 else ("images", "them")
        print(f"infomax: skipped {too_large} too large {images}, --max-pixels lets {them} in: {where}", file=sys.stderr)
    print_warnings(census_lines(counts))


def print_warnings(messages: Iterable[str]) -> None:
    """Print each warning as a line on stderr."""
    for message in messages:
        print(f"infomax: {message}", file=sys.stderr)


def print_gone(left_out: int, missing_roots: Iterable[str]) -> None:
    """Say on stderr how many images were left out because their files are gone, and which whole folders are missing."""
    if left_out:
        images = "1 image was left out: its file is gone" if left_out == 1 else f"{left_out} images were left out: gone"
        remedy = "--include-gone shows them, infomax index SOURCE --index DIR --prune removes them"
        print(f"infomax: {images} ({remedy})", file=sys.stderr)
    for root in missing_roots:
        print(
            f"infomax: {root!r} is missing (an unplugged disk?): images below it are shown, marked as gone; "
            "infomax index SOURCE --index DIR --prune removes them",
            file=sys.stderr,
        )


def counted(number: int, word: str) -> str:
    """A number and a noun: "1 image", "2 images"."""
    return f"{number} {word if number == 1 else f'{word}s'}"


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
