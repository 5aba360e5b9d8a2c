"""The site: it builds without a warning, every link resolves, and the reference has all that the code has."""

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import typer
from playwright.sync_api import Browser, Page

from infomax.cli import app
from infomax.recipes import RECIPES
from tests.browser import TIMEOUT, needs_chromium
from tests.pages import ROOT, hook

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


def test_terms_are_linked_once_and_only_in_plain_text() -> None:
    html = "<h2>nats</h2><p>0.69 nats, 2 Nats, <code>nat</code>. <a href='x'>kNN</a> and kNN. We run RUN, run it.</p>"
    nat = '<a class="term" href="g#nat">nats</a>'
    knn = '<a class="term" href="g#knn-nearest-neighbors">kNN</a>'
    assert hook("terms").linked(html, "g") == (
        f"<h2>nats</h2><p>0.69 {nat}, 2 Nats, <code>nat</code>. <a href='x'>kNN</a> and {knn}. "
        'We run <a class="term" href="g#run">RUN</a>, run it.</p>'
    )


def test_terms_lead_to_their_entries(site: Path) -> None:
    entries = set(re.findall(r'<h3 id="([^"]+)"', (site / "glossary" / "index.html").read_text("utf-8")))
    assert set(hook("terms").terms().values()) <= entries
    pages = {page: page.read_text("utf-8") for page in site.rglob("index.html")}
    links = {page: re.findall(r'class="term" href="([^"#]*)#([^"]+)"', text) for page, text in pages.items()}
    assert sum(map(bool, links.values())) > 30
    for page, found in links.items():
        assert len(set(found)) == len(found), page
        assert {anchor for _, anchor in found} <= entries
        assert all((page.parent / address / "index.html").resolve() in pages for address, _ in found), page


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site over HTTP, which its search needs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    """Log nothing."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


ASKED = {
    "skip heic": "guides/heic/",
    "update nightly": "guides/nightly/",
    "move an index": "guides/move-index/",
    "use a gpu": "guides/gpu/",
    "what is a nat": "glossary/",
    "nats": "glossary/",
    "how to cite": "cite/",
    "add an encoder": "developer/encoder/",
    "duplicates": "guides/duplicates/",
    "faiss": "guides/vectors/",
}
"""What a newcomer types -> the page that must come first."""


@needs_chromium
def test_what_a_newcomer_types_finds_its_page(address: str, browser: Browser) -> None:
    page = browser.new_page()
    found = {words: first_found(page, f"{address}?q={words}").removeprefix(address) for words in ASKED}
    page.close()
    assert found == ASKED


def first_found(page: Page, search: str) -> str:
    """The address of the first page that a search lists."""
    page.goto(search)
    first = page.locator(".md-search-result__item > a").first
    first.wait_for(state="attached", timeout=TIMEOUT)
    return (first.get_attribute("href") or "").partition("?")[0]


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


def test_a_guide_is_short() -> None:
    words = {page.name: len(page.read_text("utf-8").split()) for page in (ROOT / "docs" / "guides").glob("*.md")}
    assert len(words) > 10
    assert [name for name, n in words.items() if not 200 <= n <= 500] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_sentences_are_short(page: Path) -> None:
    lengths = [len(each.split()) for each in sentences(page.read_text("utf-8"))]
    assert not lengths or sum(lengths) / len(lengths) <= LONGEST_MEAN
