"""The site: it builds without a warning, every link resolves, and the reference has all that the code has."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from infomax.cli import app
from infomax.recipes import RECIPES

ROOT = Path(__file__).parents[1]
LONGEST_MEAN = 20.0  # words in a sentence of a page, on average

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make site` does: every warning, such as a dead link, is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "INFOMAX_CACHE": str(folder / "cache")}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_option_of_every_command_is_there(site: Path) -> None:
    page = (site / "reference" / "cli" / "index.html").read_text("utf-8")
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"infomax {name}" in page
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or all(option in page for option in parameter.opts), name


def test_every_setting_of_every_recipe_is_there(site: Path) -> None:
    page = (site / "reference" / "recipes" / "index.html").read_text("utf-8")
    for name, recipe in RECIPES.items():
        assert f"<code>{name}</code>" in page
        assert all(f"<code>{setting}</code>" in page for setting in vars(recipe) if setting != "name")


def test_every_operation_is_there(site: Path) -> None:
    page = (site / "reference" / "http" / "index.html").read_text("utf-8")
    for operation in ("GET /api/matches", "POST /api/matches", "GET /api/ids", "POST /api/trash", "GET /api/map"):
        assert operation in page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    page = (site / "index.html").read_text("utf-8")
    loaded = re.findall(r"<(?:script|img)[^>]* src=\"([^\"]+)|<link[^>]*stylesheet[^>]* href=\"([^\"]+)", page)
    assert loaded
    assert not [each for pair in loaded for each in pair if each.startswith(("http", "//"))]


def command_lines() -> list[tuple[str, str]]:
    """Every command line of the pages: those that begin with infomax, without comments and placeholders."""
    lines = [
        (page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in page.read_text("utf-8").splitlines()
    ]
    return [
        (page, line.partition(" #")[0].strip())
        for page, line in lines
        if re.match(r"    infomax [a-z]", line) and not re.search(r"[\[\]|;]|\.\.\.", line)
    ]


def test_every_command_line_of_the_pages_is_one() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    lines = command_lines()
    assert len(lines) > 60
    for page, line in lines:
        _, name, *words = shlex.split(line)
        with commands[name].make_context(name, words) as parsed:
            assert parsed.params, (page, line)


def sentences(text: str) -> list[str]:
    """Sentences of the prose of a page: no code, no tables, no headings."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    lines = [
        "" if line.startswith(("    ", "#", "|", "!", ":::")) else re.sub(r"^(- |\* |\d+\. )", "\n", line)
        for line in text.split("\n")
    ]
    prose = re.sub(r"\]\([^)]*\)", "]", "\n".join(lines))
    found = [" ".join(each.split()) for part in prose.split("\n\n") for each in re.split(r"(?<=[.:?!])\s", part)]
    return [each for each in found if len(each.split()) > 1]


def test_sentences_are_counted() -> None:
    text = "# Head\n\nOne two three. Four five:\n\n- six seven\n- eight nine ten\n\n| a | b |\n    code here\n"
    assert sentences(text) == ["One two three.", "Four five:", "six seven", "eight nine ten"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_sentences_are_short(page: Path) -> None:
    lengths = [len(each.split()) for each in sentences(page.read_text("utf-8"))]
    assert not lengths or sum(lengths) / len(lengths) <= LONGEST_MEAN
