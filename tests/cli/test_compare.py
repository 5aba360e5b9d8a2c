"""infomax compare, as a user runs it: the report, its JSON, and input that cannot be compared."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from infomax.evaluation.comparison import compare
from tests.cli.conftest import document
from tests.conftest import Infomax, environment


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
    assert ended.stdout == "the report is report/index.html, and its figures are beside it\n"
    return home / "report"


def test_the_page_needs_no_other_file_and_escapes_names(report: Path) -> None:
    page = (report / "index.html").read_text("utf-8")
    assert {link[:5] for link in re.findall(r"(?:src|href)=\"([^\"]*)\"", page)} == {"data:"}
    assert not re.search(r"url\(|@import|<script", page)
    assert "a&lt;b&gt;&amp;c" in page
    assert "a<b>" not in page
    assert "&lt;i&gt;odd&lt;_i&gt; &amp; $x$" in page
    assert "<i>" not in page
    for text in ("60 training and 30 test images", "recipe alpha", "seed", "kNN, cosine", "one hidden layer"):
        assert text in page


def test_figures_are_beside_the_page(report: Path) -> None:
    files = {path.name for path in report.iterdir()}
    terms = {f"curve-{name}.png" for name in ("total", "global", "local", "prior")}
    assert terms | {"accuracies.png", "index.html"} <= files
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


def test_the_page_opens_without_errors_on_a_screen_and_a_phone(report: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright drives the browser: pip install it")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    switches = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    switches += ["--disable-background-networking", "--disable-component-update"]
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=switches)
        inks = set()
        for width, scheme in ((1280, "light"), (390, "dark")):
            context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
            page = context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("requestfailed", lambda request: complaints.append(request.url[:80]))
            page.goto(report.joinpath("index.html").as_uri())
            assert page.title() == "infomax: first, a<b>&c"
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
            assert page.locator("img").count() > 2 * 8 * 8
            inks.add(page.evaluate("getComputedStyle(document.body).color"))
        browser.close()
    assert complaints == []
    assert len(inks) == 2


@pytest.mark.usefixtures("here")
def test_a_report_without_labels_has_no_accuracies(infomax: Infomax, tmp_path: Path) -> None:
    ended = infomax("compare", "first", "--train", "train.npy", "--test", "test.npy", "--out", tmp_path / "new" / "r")
    assert (ended.code, ended.stderr) == (0, "")
    page = (tmp_path / "new" / "r" / "index.html").read_text()
    assert "no labels in both sources" in page
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
