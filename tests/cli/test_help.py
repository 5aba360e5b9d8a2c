"""Help and version: complete, and printed without loading the heavy libraries."""

import json
import subprocess
import sys

import pytest

import infomax as package
from infomax.cli import app
from tests.conftest import Infomax

HEAVY = ("torch", "numpy", "PIL", "pyarrow", "lancedb", "scipy", "sklearn", "matplotlib", "fastapi", "uvicorn")
COMMANDS = sorted(
    command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback
)


def test_help_and_version_load_nothing_heavy() -> None:
    """The help of every command in one process, so that the test is quick; each command must keep its imports lazy."""
    words = [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)]
    program = (
        "import sys, json, contextlib, io\n"
        "from infomax.cli import app\n"
        f"for words in {words}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        app(words, standalone_mode=False)\n"
        f"print(json.dumps([name for name in {HEAVY} if name in sys.modules]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == []


def test_the_version(infomax: Infomax) -> None:
    shown = infomax("--version")
    assert (shown.code, shown.stdout, shown.stderr) == (0, f"infomax {package.__version__}\n", "")


@pytest.mark.parametrize("name", sorted({*COMMANDS} - {"fit", "demo"}))
def test_help_shows_an_example_of_the_command(infomax: Infomax, name: str) -> None:
    text = " ".join(infomax(name, "--help").stdout.split())
    assert f"Example: infomax {name} " in text
