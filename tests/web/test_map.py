"""The map in a real browser: what a person does, and its pure functions by value."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import numpy as np
import pytest
import uvicorn
from matplotlib.path import Path as Polygon
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from infomax import Index, InfoMax
from tests.browser import TIMEOUT, needs_chromium, until
from tests.conftest import SMALL, colored, labeled
from tests.web.conftest import serving

WIDE = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
COLORS = {"blue": (40, 60, 200), "gray": (120, 120, 120), "green": (30, 160, 60), "red": (200, 40, 40)}

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Index]]:
    """A server of 160 photos, 40 of each label, taken on 160 days."""
    folder = tmp_path_factory.mktemp("map")
    random = np.random.default_rng(0)
    for number in range(160):
        label, color = [*COLORS.items()][number % 4]
        pixels = np.clip(np.array(color) + random.normal(0, 25, (24, 32, 3)), 0, 255).astype(np.uint8)
        file = folder / "photos" / label / f"{number:03d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[306] = f"{2020 + number // 40}:{1 + number % 12:02d}:{1 + number % 28:02d} 12:00:00"
        Image.fromarray(pixels).save(file, exif=exif)
    model = InfoMax(SMALL, device="cpu").fit(colored(40))
    index = Index.create(folder / "photos.index", model, device="cpu").add(labeled(folder / "photos"))
    index.map()  # is kept in its file
    with serving(index.path) as (_, address):
        yield address, index


@pytest.fixture(params=[WIDE])
def page(browser: Browser, collection: tuple[str, Index], request: pytest.FixtureRequest) -> Iterator[Page]:
    """The map. In the end, it must have no console messages or errors."""
    expect.set_options(timeout=TIMEOUT)
    context = browser.new_context(**request.param)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    visit(page, collection[0])
    yield page
    context.close()
    assert messages == []


def visit(page: Page, address: str, more: str = "") -> None:
    page.goto(f"{address}/?view=map{more}")
    expect(page.locator(".map canvas")).to_be_visible()
    until(page, "document.getElementById('view').plot?.drawn.length")


def plot(page: Page, expression: str) -> Any:
    return page.evaluate(f"document.getElementById('view').plot.{expression}")


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def at(page: Page) -> tuple[float, ...]:
    """The place in the address, which is written a moment after a movement."""
    page.wait_for_timeout(400)
    return tuple(map(float, query(page)["at"][0].split(",")))


def canvas_box(page: Page) -> dict[str, float]:
    box = page.locator(".map canvas").bounding_box()
    assert box is not None
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def positions(page: Page) -> NDArray[np.float64]:
    """Where the points are in the window."""
    box = canvas_box(page)
    found = page.evaluate(
        """() => { const { points, viewport } = document.getElementById('view').plot;
        return Array.from(points.x, (x, i) => viewport.toScreen(x, points.y[i])); }"""
    )
    places: NDArray[np.float64] = np.array(found, np.float64) + np.array([box["x"], box["y"]])
    return places


def free_of(page: Page, places: list[list[float]]) -> int:
    """The first of some places in the window that no name of a cluster covers."""
    tags = page.evaluate("(places) => places.map(([x, y]) => document.elementFromPoint(x, y).tagName)", places)
    return int(tags.index("CANVAS"))


def selected(page: Page) -> set[str]:
    return set(page.evaluate("import('./static/selection.js').then((module) => module.selectedIds())"))


# Pure functions


CELLS = """async ([x, y, rank, zoom, place]) => {
    const { Points } = await import("./static/map_points.js");
    const { Viewport } = await import("./static/map_viewport.js");
    const { representatives, cellCount } = await import("./static/map_cells.js");
    const viewport = new Viewport(1000, 700);
    [viewport.x, viewport.y] = place;
    viewport.zoomBy(zoom);
    const cells = [cellCount(viewport.scaleX), cellCount(viewport.scaleY)];
    return [representatives(new Points(x, y, rank), viewport, (i) => i % 10 > 0), cells, viewport.bounds()];
}"""


@pytest.mark.parametrize(("zoom", "place"), [(1, [0.5, 0.5]), (2.3, [0.2, 0.9]), (40, [0.6, 0.4])])
def test_one_image_stands_for_each_cell(page: Page, zoom: float, place: list[float]) -> None:
    """Thumbnails do not overlap, and each is the most typical one of its cell. One point in ten does not count."""
    random = np.random.default_rng(0)
    x, y = random.uniform(0, 1, (2, 4000)).astype(np.float32)
    rank = random.permutation(4000)
    found, (columns, rows), bounds = page.evaluate(CELLS, [x.tolist(), y.tolist(), rank.tolist(), zoom, place])
    centers = np.array([[each["x"], each["y"]] for each in found])
    apart = np.abs(centers[:, None] - centers).max(-1) + 1e9 * np.eye(len(centers))
    assert apart.min() >= 64
    cell = (y * rows).astype(int) * columns + (x * columns).astype(int)
    allowed = np.arange(4000) % 10 > 0
    for each in found:
        same = np.flatnonzero((cell == cell[each["i"]]) & allowed)
        assert rank[each["i"]] == rank[same].min()
    inside = allowed & (x > bounds["left"]) & (x < bounds["right"]) & (y > bounds["top"]) & (y < bounds["bottom"])
    assert {*cell[inside].tolist()} <= {int(cell[each["i"]]) for each in found}  # no cell in view is left out


def test_cells_are_between_76_and_114_pixels(page: Page) -> None:
    counts = page.evaluate(
        "import('./static/map_cells.js').then((module) => [50, 152, 228, 304, 500, 1000, 1e5].map(module.cellCount))"
    )
    assert counts == [1, 2, 3, 4, 6, 12, 1024]


def test_the_viewport_keeps_the_point_under_the_pointer(page: Page) -> None:
    before, after, place, again, whole = page.evaluate(
        """async () => {
        const { Viewport } = await import("./static/map_viewport.js");
        const viewport = new Viewport(1000, 600, { left: 200 });
        const whole = [viewport.place, ...viewport.toScreen(0.5, 0.5)];
        const before = viewport.toMap(300, 200);
        viewport.zoomBy(3.7, 300, 200);
        const after = viewport.toMap(300, 200);
        const other = new Viewport(1000, 600, { left: 200 });
        other.goTo(viewport.place);
        other.goTo("not,a,place");
        return [before, after, viewport.place, other.toMap(300, 200), whole];
    }"""
    )
    assert after == pytest.approx(before, abs=1e-9)
    assert again == pytest.approx(before, abs=1e-3)
    assert place.endswith(",3.700")
    assert whole == [None, 600, 300]


def test_points_within_a_line_and_nearest_points(page: Page) -> None:
    random = np.random.default_rng(1)
    points = random.uniform(0, 1, (3000, 2)).astype(np.float32)
    line = [[0.1, 0.1], [0.9, 0.2], [0.5, 0.5], [0.8, 0.9], [0.2, 0.7]]
    within, nearest = page.evaluate(
        """async ([x, y, line]) => {
        const { Points } = await import("./static/map_points.js");
        const { Viewport } = await import("./static/map_viewport.js");
        const points = new Points(x, y, x), viewport = new Viewport(800, 800);
        const pixels = [[100, 100], [400, 420], [777, 3]];
        return [points.within(line, (i) => i > 9), pixels.map(([px, py]) =>
            [points.nearest(viewport, px, py, 30, () => true), ...viewport.toMap(px, py)])];
    }""",
        [*points.T.tolist(), line],
    )
    expected = np.flatnonzero(Polygon(line).contains_points(points))
    assert within == expected[expected > 9].tolist()
    for found, x, y in nearest:
        distances = np.hypot(*(points - [x, y]).T) * 720  # pixels: the map has a tenth of the screen as margin
        assert found == (int(distances.argmin()) if distances.min() <= 30 else -1)


def test_names_do_not_cover_each_other_or_thumbnails(page: Page) -> None:
    places = page.evaluate(
        """async () => {
        const { placeNames } = await import("./static/map_names.js");
        const size = { width: 60, height: 24 };
        const names = [[100, 100], [110, 104], [-9, 50], [300, 300], [5, 500]].map(([x, y]) => ({ x, y, ...size }));
        return placeNames(names, [{ x: 300, y: 300, width: 64, height: 30 }], 800, 600);
    }"""
    )
    by_index = {each["index"]: (each["x"], each["y"]) for each in places}
    assert by_index[0] == (100, 100)
    assert abs(by_index[1][0] - 100) >= 64 or abs(by_index[1][1] - 100) >= 28  # beside the larger cluster's name
    assert 2 not in by_index  # out of view
    assert abs(by_index[3][0] - 300) >= 66 or abs(by_index[3][1] - 300) >= 31
    assert by_index[4] == (30, 500)  # within the edge


# What a person does


def test_thumbnails_are_drawn_and_open_their_neighbors(page: Page, collection: tuple[str, Index]) -> None:
    until(
        page,
        "document.getElementById('view').plot.drawn.every(({ i }) => "
        "document.getElementById('view').plot.thumbnails.get(i))",
    )
    drawn, box = plot(page, "drawn"), canvas_box(page)
    assert len(drawn) > 8
    free = drawn[free_of(page, [[box["x"] + each["x"], box["y"] + each["y"]] for each in drawn])]
    page.mouse.move(box["x"] + free["x"], box["y"] + free["y"])
    expect(page.locator(".card b")).to_have_text(Path(collection[1].page(0, 160)[free["i"]].path).name)
    page.mouse.click(box["x"] + free["x"], box["y"] + free["y"])
    page.wait_for_url("**near=**")
    assert query(page)["near"] == [collection[1].page(0, 160)[free["i"]].id]


def test_back_from_a_neighbor_and_a_reload_restore_the_place(page: Page, collection: tuple[str, Index]) -> None:
    box = canvas_box(page)
    page.mouse.move(box["x"] + 700, box["y"] + 300)
    page.mouse.wheel(0, -600)
    page.mouse.down()
    page.mouse.move(box["x"] + 650, box["y"] + 340, steps=4)
    page.mouse.up()
    place = at(page)
    assert place[2] > 2
    entries = page.evaluate("history.length")
    page.locator(".map canvas").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url("**near=**")
    assert page.evaluate("history.length") == entries + 1  # moving about has made none
    page.go_back()
    expect(page.locator(".map canvas")).to_be_visible()
    until(page, "document.getElementById('view').plot?.drawn.length")
    restored = at(page)
    assert restored[2] == pytest.approx(place[2], rel=1e-3)
    assert restored[0] > place[0]
    page.reload()
    until(page, "document.getElementById('view').plot?.drawn.length")
    assert plot(page, "viewport.zoom") == pytest.approx(place[2], rel=1e-3)
    assert plot(page, "viewport.x") == pytest.approx(restored[0], abs=1e-3)


def test_a_double_click_zooms_and_opens_nothing(page: Page) -> None:
    points = positions(page)
    free = free_of(page, points.tolist())
    x, y = points[free]
    page.mouse.dblclick(x, y)
    until(page, "document.getElementById('view').plot.viewport.zoom > 1.9")
    page.wait_for_timeout(400)
    assert "near" not in query(page)
    assert positions(page)[free] == pytest.approx([x, y], abs=1)


LASSOS: dict[str, Callable[[Page], None]] = {
    "shift": lambda page: page.keyboard.down("Shift"),
    "button": lambda page: page.get_by_role("button", name="Lasso").click(),
    "key": lambda page: page.keyboard.press("l"),
}


@pytest.mark.parametrize("how", LASSOS)
def test_the_lasso_selects_what_it_encloses(page: Page, collection: tuple[str, Index], how: str) -> None:
    points = positions(page)
    (left, top), (right, bottom) = np.quantile(points, 0.3, axis=0), np.quantile(points, 0.7, axis=0)
    line = [(left, top), (right, top), (right, bottom), (left, bottom)]
    LASSOS[how](page)
    page.mouse.move(*line[0])
    page.mouse.down()
    for corner in line[1:]:
        page.mouse.move(*corner, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    ids = [each.id for each in collection[1].page(0, 160)]
    expected = {ids[row] for row in np.flatnonzero(Polygon(line).contains_points(points))}
    assert len(expected) > 10
    assert selected(page) == expected
    expect(page.locator("#status")).to_contain_text(f"{len(expected)} images in the lasso")
    assert plot(page, "viewport.zoom") == 1  # it has not moved
    until(page, "document.getElementById('view').plot.hasMarks")
    if how != "shift":
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "false")
        assert query(page)["view"] == ["map"]
        assert selected(page) == expected


def test_the_legend_shows_several_groups_and_counts(page: Page) -> None:
    page.get_by_label("Color by").select_option("label")
    groups = page.locator(".legend li button")
    expect(groups).to_have_count(4)
    assert [text.split() for text in groups.all_inner_texts()] == [[name, "40"] for name in COLORS]
    assert plot(page, "dimmed") is None
    groups.nth(0).click()
    groups.nth(3).click()
    expect(groups.nth(3)).to_have_attribute("aria-pressed", "true")
    assert plot(page, "dimmed.reduce((sum, each) => sum + each)") == 80
    assert plot(page, "drawn.every(({ i }) => [0, 3].includes(document.getElementById('view').plot.groups[i]))")
    page.wait_for_timeout(400)
    assert (query(page)["color"], query(page)["shown"]) == (["label"], ["0.3"])
    page.reload()
    expect(page.locator(".legend [aria-pressed=true]")).to_have_count(2)
    page.get_by_role("button", name="Show all", exact=True).click()
    assert plot(page, "dimmed") is None


def test_filters_dim_what_they_leave_out(page: Page, collection: tuple[str, Index]) -> None:
    address, index = collection
    images = index.page(0, 160)
    for more, counts in {
        "&label=red": [each.label == "red" for each in images],
        "&after=2022": [str(each.taken) >= "2022" for each in images],
        f"&folder={Path(images[0].path).parent}": [each.label == "blue" for each in images],
    }.items():
        visit(page, address, more)
        assert plot(page, "dimmed && Array.from(document.getElementById('view').plot.dimmed)") == [
            int(not each) for each in counts
        ]


def test_every_coloring(page: Page) -> None:
    options = page.locator(".legend option").all_inner_texts()
    assert options == ["Cluster", "Label", "Folder", "Date", "Outlier score"]
    seen = set()
    for option in options:
        page.get_by_label("Color by").select_option(label=option)
        seen.add(tuple(plot(page, "groups")))
        assert plot(page, "colors.length") > 1
    assert len(seen) >= 4  # labels and folders are the same here
    page.get_by_label("Color by").select_option("date")
    assert page.locator(".ramp span").all_inner_texts() == ["2020-01-01", "2023-12-20"]


def test_clusters_are_outlined_and_named(page: Page, collection: tuple[str, Index]) -> None:
    clusters = collection[1].map().clusters
    assert len(clusters) == 5
    assert plot(page, "clusters.map(({ outline }) => outline.length > 0)") == [True] * 5
    named = [cluster.name or f"Cluster {number}" for number, cluster in enumerate(clusters, 1)]
    assert page.locator(".legend .group-name").all_inner_texts() == named
    assert {*named} & {*COLORS}  # some are named after their label
    name = page.locator(".names button:not(.covered)").first
    name.click()
    until(page, "document.getElementById('view').plot.viewport.zoom > 1.1")


def test_the_keyboard(page: Page) -> None:
    canvas = page.locator(".map canvas")
    canvas.focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    zoom, x, y = (plot(page, f"viewport.{name}") for name in ("zoom", "x", "y"))
    assert zoom == pytest.approx(1.4**2)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert plot(page, "viewport.x") > x
    assert plot(page, "viewport.y") > y
    page.keyboard.press("-")
    assert plot(page, "viewport.zoom") == pytest.approx(1.4)
    page.keyboard.press("0")
    assert plot(page, "viewport.place") is None
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Lasso")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Enter")
    page.wait_for_url("**near=**")


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_two_fingers_zoom_on_a_phone(page: Page) -> None:
    box = canvas_box(page)
    x, y = box["x"] + 180, box["y"] + 200
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        listed = [{"x": px, "y": py, "id": number} for number, (px, py) in enumerate(points)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": listed})

    touch("touchStart", (x - 40, y), (x + 40, y))
    for step in range(1, 6):
        touch("touchMove", (x - 40 - 8 * step, y), (x + 40 + 8 * step, y))
    touch("touchEnd")
    assert plot(page, "viewport.zoom") == pytest.approx(2, rel=0.1)
    assert "near" not in query(page)


@pytest.mark.parametrize("page", [WIDE, PHONE], indirect=True, ids=["wide", "phone"])
def test_the_map_fills_the_screen(page: Page) -> None:
    box, window = canvas_box(page), page.viewport_size
    assert window is not None
    assert page.evaluate("document.documentElement.scrollWidth") == window["width"]
    assert box["width"] == window["width"]
    assert box["y"] + box["height"] == pytest.approx(window["height"], abs=1)
    assert box["height"] > 0.7 * window["height"]
    legend = page.locator(".legend").bounding_box()
    assert legend is not None
    width = box["width"] - (0 if legend["width"] > 300 else legend["x"] + legend["width"])
    height = box["height"] - (legend["height"] if legend["width"] > 300 else 0)
    extent = np.ptp(positions(page), axis=0)
    assert extent[0] > 0.85 * width
    assert extent[1] > 0.85 * height


SCHEMES = [{**size, "color_scheme": scheme} for size in (WIDE, PHONE) for scheme in ("light", "dark")]


@pytest.mark.parametrize("page", SCHEMES, indirect=True, ids=["wide", "wide dark", "phone", "phone dark"])
def test_axe_finds_nothing(page: Page) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="it holds axe-core: pip install axe-playwright-python")
    page.get_by_label("Color by").select_option("label")
    page.locator(".legend li button").first.click()
    page.evaluate(Path(axe.__file__).with_name("axe.min.js").read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert [(each["id"], each["nodes"][0]["html"]) for each in found["violations"]] == []
    assert len(found["passes"]) > 10


def test_the_benchmark_counts_frames(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    benchmark = import_module("map")
    config = uvicorn.Config(benchmark.make_app(benchmark.random_map(3000)), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    measured = benchmark.measure(page, f"http://127.0.0.1:{port}", 0.5)
    assert plot(page, "points.length") == 3000
    assert plot(page, "frames") >= 4
    page.close()
    server.should_exit = True
    thread.join()
    assert all(value > 0 for value in measured.values())
    sys.modules.pop("map")
