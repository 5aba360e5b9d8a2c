"""Command line: parse arguments, call the package, print. Results go to stdout, progress and warnings to stderr.

Exit code 0 means done, 1 failed, 2 wrong usage. A failure is one line that says what is wrong, where and what to do.
Commands import what they need when they run, so that `--help` answers at once.
"""

import errno
import logging
import os
import sys
from collections.abc import Callable
from functools import wraps
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from infomax.cli.compare import compare
from infomax.cli.demo import demo
from infomax.cli.duplicates import duplicates
from infomax.cli.embed import embed
from infomax.cli.estimate_mi import estimate_mi
from infomax.cli.evaluate import evaluate
from infomax.cli.explain import explain
from infomax.cli.explore import explore
from infomax.cli.export import export
from infomax.cli.fit import fit
from infomax.cli.index import index
from infomax.cli.montage import montage
from infomax.cli.outliers import outliers
from infomax.cli.output import warnings_on_stderr
from infomax.cli.pull import pull
from infomax.cli.push import push
from infomax.cli.search import search
from infomax.cli.select import select
from infomax.cli.serve import serve
from infomax.cli.tags import tags
from infomax.errors import InfoMaxError, InfoMaxWarning
from infomax.paths import expand_home

_INTERRUPTED = 130  # the exit code that typer gives to a KeyboardInterrupt

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _expanding_homes(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with every path that begins with ~ replaced: a shell leaves `--out=~/run` and unknown users."""

    def expanded(value: Any) -> Any:
        if isinstance(value, list):
            return [expanded(each) for each in value]
        return expand_home(value) if isinstance(value, Path) else value

    @wraps(command)
    def run(**options: Any) -> None:
        command(**{name: expanded(value) for name, value in options.items()})

    return run


for command in (
    *(explore, fit, embed, montage, index, search, duplicates, outliers, select, tags, serve),
    *(evaluate, compare, explain, export, push, pull, estimate_mi, demo),
):
    app.command()(_expanding_homes(command))


def _print_version(asked: bool) -> bool:
    if asked:
        from infomax.version import __version__

        print(f"infomax {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Image features learned without labels by maximizing mutual information, and search by image."""


def main() -> None:
    """Run the command line. A failure that the user can fix is one line on stderr and exit code 1."""
    _open_closed_streams()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path need not be valid Unicode
    _replace_missing_tmpdir()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns where a home folder is missing or read-only
    try:
        with warnings_on_stderr(InfoMaxWarning, "once"):
            _run()
    except BrokenPipeError:
        _leave_stdout()
        sys.exit(1)
    except InfoMaxError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or 'a file'}: {_remedy(error)}")
    except SystemExit as ended:
        if ended.code == _INTERRUPTED:
            _fail("stopped at once; repeat the command to start again, with --resume for a fit that had begun")
        raise


def _run() -> None:
    """Run the command, and write what it printed while an error of that can still be reported."""
    try:
        app()
    finally:
        sys.stdout.flush()


def _replace_missing_tmpdir() -> None:
    """Let LanceDB use the temporary folder that Python uses, where TMPDIR is no folder."""
    chosen = os.environ.get("TMPDIR")
    if chosen and not os.path.isdir(chosen):  # noqa: PTH112 - it may be no path at all
        import tempfile

        try:
            os.environ["TMPDIR"] = tempfile.gettempdir()
        except FileNotFoundError:
            _fail(f"TMPDIR is {chosen!r}, which is no folder: set it to a folder that you may write to")
        print(f"infomax: TMPDIR is {chosen!r}, which is no folder: {os.environ['TMPDIR']} is used", file=sys.stderr)


def _leave_stdout() -> None:
    """Drop what is left for a reader that has gone, as `| head` does: Python would complain of it at its exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _open_closed_streams() -> None:
    """Open standard streams that are closed: a file would take the number of one, and receive what is printed."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(descriptor)
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115 - to the end


def _fail(message: str) -> None:
    print(f"infomax: {' '.join(message.splitlines())}", file=sys.stderr)
    sys.exit(1)


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "make room there, or choose another place"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "choose a place that you may write to"
    return "check the path"
