"""infomax compare, as a user runs it: the report, its JSON, and input that cannot be compared."""

import re
import subprocess
import sys
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Page

from infomax import InfoMax, __version__
from infomax.evaluation.comparison import compare
from infomax.figures.report import write_report
from tests.browser import needs_chromium
from tests.cli.conftest import document
from tests.conftest import Infomax, colored, environment


@pytest.fixture(scope="module")
def report(home: Path) -> Path:
    """The report on both runs, written once."""
    words = ["compare", "first", "a<b>&c", "--train", "train", "--test", "test", "--out", "report"]
    ended = subprocess.run(
        [sys.executable, "-m", "infomax", *words, "--json", "report.json"],
        cwd=home,
        env=environment(home / "cache"),
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    said, where = ended.stdout.splitlines()
    assert where == "the report is report/index.html, and its figures are beside it"
    assert said == document((home / "report.json").read_text())["conclusion"]
    return home / "report"


def test_the_page_needs_no_other_file_and_escapes_names(report: Path) -> None:
    page = (report / "index.html").read_text("utf-8")
    assert {link[:5] for link in re.findall(r"(?:src|href)=\"([^\"]*)\"", page)} == {"data:"}
    assert not re.search(r"url\(|@import|<script", page)
    assert "a&lt;b&gt;&amp;c" in page
    assert "a<b>" not in page
    assert "&lt;i&gt;odd&lt;_i&gt; &amp; $x$" in page
    assert "<i>" not in page
    for text in (
        "two sources: 60 to learn from, 30 to test",
        "recipe alpha",
        "seed",
        "kNN, cosine",
        "one hidden layer",
    ):
        assert text in page


def test_figures_are_beside_the_page(report: Path) -> None:
    files = {path.name for path in report.iterdir()}
    terms = {
        f"curve-{name}.png" for name in ("total", "local", "prior")
    }  # the first run has too few epochs for a curve
    assert terms | {"accuracies.png", "index.html"} <= files
    assert "curve-global.png" not in files
    for kind in ("map", "neighbors", "confusion"):
        assert {f"{kind}-1-first.png", f"{kind}-2-a-b-c.png"} <= files
    for path in report.glob("*.png"):
        with Image.open(path) as image:
            assert min(image.size) > 100


def test_differences_are_paired_by_image(report: Path) -> None:
    found = document((report.parent / "report.json").read_text())
    first, second = found["runs"]
    assert (first["name"], second["name"]) == ("first", "a<b>&c")
    assert first["difference"]["linear"] == {"value": 0, "interval": [0, 0]}
    low, high = second["difference"]["knn_cosine"]["interval"]
    apart = second["knn"]["cosine"] - first["knn"]["cosine"]
    assert second["difference"]["knn_cosine"]["value"] == pytest.approx(apart)
    assert low <= apart <= high


def test_the_page_opens_with_its_conclusion(report: Path) -> None:
    page = (report / "index.html").read_text("utf-8")
    said = document((report.parent / "report.json").read_text())["conclusion"]
    assert page.index(escape(said)) < page.index("<h2>")
    top = page[: page.index("<main>")]
    assert re.search(r"<dt>written</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d", top)
    for text in ("GiB at most", f"infomax {__version__}, torch {torch.__version__}, Python", "(train and test)"):
        assert text in top


def test_the_table_of_runs_comes_first_and_the_other_settings_are_folded(report: Path) -> None:
    page = (report / "index.html").read_text("utf-8")
    runs = page[page.index("<h2>Runs") : page.index("<h2>Neighbors")]
    titles = re.findall(r'<th scope="row">([^<]*)</th>', runs.partition("<details>")[0])
    assert titles[:4] == ["recipe", "epochs", "time to learn", "file of the model"]
    assert re.findall(r"<summary>([^<]*)</summary>", runs)[0].endswith("more settings differ")
    assert "recipe alpha" in runs.partition("more settings differ")[2]


def test_queries_are_of_different_labels_and_both_verdicts_have_a_mark(report: Path) -> None:
    page = (report / "index.html").read_text("utf-8")
    queries = re.findall(r'alt="query \d"><figcaption>([^<]*)<', page)
    assert Counter(queries) == {"plain": 4, "&lt;i&gt;odd&lt;_i&gt; &amp; $x$": 4}
    marks = dict(re.findall(r'\.(yes|no)::before \{ content: "(.) "', page))
    assert marks == {"yes": "\N{CHECK MARK}", "no": "\N{BALLOT X}"}
    assert {*re.findall(r'<figcaption class="(\w*)"', page)} == {"yes", "no"}


@pytest.fixture(scope="module")
def closed_form(home: Path, report: Path) -> Path:
    """The report on a run in closed form beside one that was trained, split by itself."""
    settings = {"components": 16, "atoms": 32, "channels": 8, "dim": 8, "grid": 2, "cell_images": 40, "view_images": 40}
    model = InfoMax("spectral-fast", settings=settings, cache=home / "cache", device="cpu")
    model.fit(colored(120, 32), out=home / "closed")
    found = compare([home / "closed", home / "first"], str(home / "train"))
    return write_report(found, home / "closed-report").parent


def test_a_closed_form_is_a_table_of_stages(closed_form: Path) -> None:
    page = (closed_form / "index.html").read_text("utf-8")
    assert "split by itself: 48 to learn from, 12 to test" in page
    stages = page[page.index("closed: in closed form") :].partition("</table>")[0]
    assert re.findall(r'<th scope="row">(\w+)</th>', stages) == ["cells", "views"]
    assert re.findall(r'data-of="(seconds|rank|held out)"', stages) == ["seconds", "rank", "held out"] * 2
    assert not [*closed_form.glob("curve-chi2*")]
    assert "first: too short for a curve" in page


def opened(browser: Browser, report: Path, width: int, scheme: Any, complaints: list[str]) -> Page:
    """The report in Chromium, with every part unfolded."""
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url[:80]))
    page.goto(report.joinpath("index.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    return page


CUT = """[...document.querySelectorAll('td, th, p, dd')].filter((each) => {
  const box = each.getBoundingClientRect();
  const isHidden = each.closest('thead')?.offsetWidth <= 1;
  return !isHidden && (box.right > innerWidth || each.scrollWidth > each.clientWidth + 1);
}).map((each) => each.textContent)"""
"""Texts that reach beyond the window or beyond their place."""


@needs_chromium
@pytest.mark.parametrize("name", ["report", "closed_form"])
def test_the_page_on_a_screen_and_a_phone(browser: Browser, name: str, request: pytest.FixtureRequest) -> None:
    report, complaints, inks = request.getfixturevalue(name), list[str](), set()
    for width, scheme in ((1440, "light"), (390, "dark")):
        page = opened(browser, report, width, scheme, complaints)
        if name == "report":
            assert page.title() == "first, a<b>&c on test: infomax compare"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        assert page.locator("img").count() > 2 * 8 * 8
        inks.add(page.evaluate("getComputedStyle(document.body).color"))
        page.context.close()
    assert complaints == []
    assert len(inks) == 2


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing(browser: Browser, closed_form: Path, width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="it holds axe-core: pip install axe-playwright-python")
    page = opened(browser, closed_form, width, scheme, [])
    page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")
    page.context.close()
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert len(found["passes"]) > 10


@pytest.mark.usefixtures("here")
def test_leaked_images_are_told_in_the_report(infomax: Infomax, tmp_path: Path) -> None:
    with np.load("train.npz") as train, np.load("test.npz") as test:
        pixels = np.concatenate([train["images"][:4], test["images"]])
        np.savez("leaky.npz", images=pixels, labels=np.concatenate([train["labels"][:4], test["labels"]]))
    words = ("compare", "first", "--train", "train.npz", "--test", "leaky.npz", "--out", tmp_path / "report")
    ended = infomax(*words, "--json", tmp_path / "found.json")
    assert "of 34 test images 4 have the pixels of a training image" in ended.stderr
    page = (tmp_path / "report" / "index.html").read_text("utf-8")
    assert "Warning: of 34 test images 4 have the pixels of a training image: the figures leave them out." in page
    (run,) = document((tmp_path / "found.json").read_text())["runs"]
    assert (run["n_test"], run["leaks"]["same"]) == (30, 4)
    assert "as_given" in run["leaks"]


@pytest.mark.usefixtures("here")
def test_a_report_without_labels_has_no_accuracies(infomax: Infomax, tmp_path: Path) -> None:
    ended = infomax("compare", "first", "--train", "train.npy", "--test", "test.npy", "--out", tmp_path / "new" / "r")
    assert (ended.code, ended.stderr) == (0, "")
    page = (tmp_path / "new" / "r" / "index.html").read_text()
    assert "no labels in both sources" in page
    assert "copies that find their original" in page
    assert re.search(r'class="conclusion">first: [\d.]+ % \(altered copies that find their original\)', page)
    assert "<h2>Confusion" not in page
    assert not (tmp_path / "new" / "r" / "accuracies.png").exists()


@pytest.mark.usefixtures("here")
def test_a_report_is_written_completely_or_not_at_all(
    infomax: Infomax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compare([Path("first")], "train.npz", "test.npz")
    monkeypatch.setattr("infomax.evaluation.comparison.compare", lambda *_, **__: found)
    out = tmp_path / "report"
    words = ("compare", "first", "--train", "train.npz", "--test", "test.npz", "--out", out)

    def written() -> dict[str, int]:
        return {path.name: path.stat().st_ino for path in out.iterdir()}

    def fails(*more: str) -> bool:
        with monkeypatch.context() as patched:
            patched.setattr("infomax.figures.report_plots.as_svg", full)  # fails after the first PNG is written
            return "No space left on device" in infomax(*words, *more).failure

    assert fails()
    assert not [*tmp_path.iterdir()]
    assert infomax(*words).code == 0
    (out / "map-9-of-an-older-one.png").touch()
    before = written()
    assert fails("--overwrite")
    assert written() == before
    assert infomax(*words, "--overwrite").code == 0
    assert written().keys() == before.keys() - {"map-9-of-an-older-one.png"}
    assert [*tmp_path.iterdir()] == [out]


def full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.usefixtures("here")
def test_runs_and_folders_that_cannot_be_used(infomax: Infomax, report: Path, tmp_path: Path) -> None:
    sources = ("--train", "train.npz", "--test", "test.npz", "--out")
    assert "holds a report: choose another --out, or" in infomax("compare", "first", *sources, report).failure
    assert "exists and is not a report" in infomax("compare", "first", *sources, "first").failure
    assert "cannot be replaced as a whole" in infomax("compare", "first", *sources, ".").failure
    album = tmp_path / "album"
    album.mkdir()
    for name in ("index.html", "me.png"):
        (album / name).touch()
    words = ("compare", "first", *sources, album, "--overwrite")
    assert "album holds more than a report, me.png first: choose another --out" in infomax(*words).failure
    assert "the same run is given twice" in infomax("compare", "first", "first", *sources, tmp_path / "r").failure
    assert "holds no run" in infomax("compare", "first", "cache", *sources, tmp_path / "r").failure
    assert not (tmp_path / "r").exists()
