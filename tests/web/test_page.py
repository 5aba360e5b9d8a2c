"""The page in a real browser."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlparse

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from infomax import Index
from tests.browser import TIMEOUT, needs_chromium, until
from tests.web.conftest import EVIL, LABELS, Served, serving

SCREEN = {"width": 1000, "height": 600}
"""Size of the window in pixels. The 45 images do not fit on one screen."""

pytestmark = needs_chromium


@pytest.fixture(params=[{}])
def page(browser: Browser, served: Served, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page. In the end, it must have no console messages, errors, requests to other hosts, or injected HTML."""
    expect.set_options(timeout=TIMEOUT)
    context = browser.new_context(**{"viewport": SCREEN, **request.param})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    hosts: set[str] = set()
    page.on("request", lambda sent: hosts.add(urlparse(sent.url).netloc))
    yield page
    assert page.evaluate("window.hacked") is None
    context.close()
    assert [each for each in messages if "status of 4" not in each] == []  # Chromium itself logs refused requests
    assert hosts - {""} == {urlparse(served.address).netloc}


WALL = "/?view=wall"


def visit(page: Page, served: Served, path: str = WALL) -> None:
    page.goto(served.address + path)
    expect(page.locator("#view:not([aria-busy]) h1")).not_to_have_count(0)


def tiles(page: Page) -> Locator:
    return page.locator("#view .tile")


def settled(page: Page) -> None:
    expect(page.locator("#view[aria-busy]")).to_have_count(0)


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlparse(page.url).query)


def names(page: Page) -> list[str]:
    return [str(each.get_attribute("aria-label")) for each in page.locator("#view .tile-link").all()]


def distances(page: Page) -> list[str]:
    """Distances of the matches, as the page tells them on hover."""
    return [str(each.get_attribute("title")).removeprefix("distance ") for each in page.locator(".caption").all()]


def loaded(page: Page) -> None:
    """Wait until every thumbnail has loaded."""
    until(page, "[...document.querySelectorAll('#view img')].every((each) => each.complete && each.naturalWidth)")


def test_the_wall_shows_all_images_in_rows_that_fill_the_width(page: Page, served: Served) -> None:
    visit(page, served)
    loaded(page)
    expect(page.locator("#count")).to_have_text("45 images")
    assert [each.get_attribute("title") for each in tiles(page).all()] == [
        each.path for each in served.index.page(0, 45)
    ]
    wall = page.locator(".wall").bounding_box()
    assert wall is not None
    rows = page.locator(".row")
    for row in rows.all()[:-1]:
        boxes = [box for each in row.locator(".tile").all() if (box := each.bounding_box())]
        assert {round(box["height"], 1) for box in boxes} == {round(boxes[0]["height"], 1)}
        assert boxes[-1]["x"] + boxes[-1]["width"] == pytest.approx(wall["x"] + wall["width"], abs=2)


def test_the_place_on_the_wall_is_in_the_address(page: Page, served: Served) -> None:
    visit(page, served)
    page.locator("[name=tiles]").select_option("large")
    page.mouse.wheel(0, 700)
    page.wait_for_url("**from=**")
    (first,) = query(page)["from"]
    page.reload()
    settled(page)
    until(page, "scrollY > 200")
    expect(page.locator(".page-range")).to_have_text(f"{int(first) + 1} of 45")


def test_orders(page: Page, served: Served) -> None:
    visit(page, served)
    by_path = names(page)
    for order in ("random", "likeness", "date"):
        page.locator("[name=order]").select_option(order)
        page.wait_for_url(f"**order={order}**")
        settled(page)
        expect(tiles(page)).to_have_count(45)
        assert sorted(names(page)) == sorted(by_path)
        assert (names(page) != by_path) or order == "date"


def test_a_click_shows_neighbors_and_distances(page: Page, served: Served) -> None:
    visit(page, served)
    path = tiles(page).nth(3).get_attribute("title")
    tiles(page).nth(3).locator("a").click()
    expect(page.locator(".query h1")).to_have_attribute("title", str(path))
    expect(page.locator("#view h2")).to_contain_text("20 neighbors by cosine distance")
    (one,) = query(page)["near"]
    assert distances(page) == [f"{match.distance:.4f}" for match in served.index.similar(one, 20)]


def test_metric_and_k_are_in_the_link_and_survive_a_reload(page: Page, served: Served) -> None:
    one = served.index.page()[0].id
    visit(page, served, f"/?near={one}")
    page.get_by_text("Advanced").click()
    page.get_by_text("Euclidean", exact=True).click()
    expect(page.locator("#view h2")).to_contain_text("by Euclidean distance")
    page.get_by_label("Neighbors").first.select_option("10")
    expect(page.locator("#view h2")).to_contain_text("10 neighbors")
    assert (query(page)["metric"], query(page)["k"]) == (["euclidean"], ["10"])
    page.get_by_label("Approximate").check()
    expect(page.locator("#view h2")).to_contain_text("approximate: a few may be missing")
    page.get_by_label("Approximate").uncheck()
    expect(page.locator("#view h2")).not_to_contain_text("approximate")
    far = distances(page)
    assert far == [f"{match.distance:.4f}" for match in served.index.similar(one, 10, metric="euclidean")]
    page.reload()
    expect(page.locator("#view h2")).to_contain_text("10 neighbors by Euclidean distance")
    assert distances(page) == far


def fill_filter(page: Page, name: str, text: str) -> None:
    field = page.locator(f"#{name}")
    field.fill(text)
    field.press("Enter")


def test_filters(page: Page, served: Served) -> None:
    visit(page, served)
    fill_filter(page, "label", "dog")
    expect(page.locator(".page-range")).to_contain_text("of 15")
    fill_filter(page, "folder", "dog/holi")  # a part of the name is enough
    page.wait_for_url("**folder=**")
    settled(page)
    page.reload()
    expect(page.locator("label:has(#label)")).to_have_class("active")
    (folder,) = query(page)["folder"]
    count = served.index.count(folder=Path(folder), label="dog")
    expect(tiles(page)).to_have_count(count)
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator(".page-range")).to_contain_text("of 45")
    fill_filter(page, "label", "nobody")
    assert page.evaluate("document.getElementById('label').validationMessage") == "No label is called so."
    visit(page, served, f"{WALL}&label=nobody")
    page.get_by_role("link", name="Show all 45 images").click()
    expect(page.locator(".page-range")).to_contain_text("of 45")


def expect_matches_of(page: Page, served: Served, image: bytes) -> None:
    expect(page.locator("h1", has_text="Your image")).to_be_visible()
    expect(page.get_by_alt_text("The image you searched with")).to_be_visible()
    expected = [f"{match.distance:.4f}" for match in served.index.search(image, 20)]
    assert distances(page) == expected


def test_a_chosen_image_and_its_link(page: Page, served: Served, image: bytes) -> None:
    visit(page, served)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Search by image").click()
    chooser.value.set_files({"name": "mine.png", "mimeType": "image/png", "buffer": image})
    expect_matches_of(page, served, image)
    page.reload()
    expect_matches_of(page, served, image)
    page.get_by_text("Advanced").click()
    page.get_by_text("Euclidean", exact=True).click()
    expect(page.locator("#view h2")).to_contain_text("Euclidean")
    expected = [f"{match.distance:.4f}" for match in served.index.search(image, 20, metric="euclidean")]
    assert distances(page) == expected
    elsewhere = page.context.new_page()
    elsewhere.goto(page.url)
    expect(elsewhere.get_by_text("not the image itself")).to_be_visible()
    assert distances(elsewhere) == expected


HAND_OVER = """([kind, content, name, type]) => {
    const bytes = Uint8Array.from(content);
    const data = new DataTransfer();
    data.items.add(new File([bytes], name, { type }));
    const send = (kind) => document.body.dispatchEvent(
        kind === "paste"
            ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
            : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true }));
    if (kind === "drop") { send("dragenter"); window.overlay = !document.getElementById("drop").hidden; }
    send(kind);
}"""


def test_a_pasted_and_a_dropped_image(page: Page, served: Served, image: bytes) -> None:
    visit(page, served)
    page.evaluate(HAND_OVER, ["paste", list(image), "image.png", "image/png"])
    expect_matches_of(page, served, image)
    page.keyboard.press("Escape")
    expect(page.locator(".wall")).to_be_visible()
    page.evaluate(HAND_OVER, ["drop", list(image), "image.png", "image/png"])
    assert page.evaluate("window.overlay") is True
    expect_matches_of(page, served, image)
    expect(page.locator("#drop")).to_be_hidden()


def test_a_file_other_than_an_image_gives_a_message(page: Page, served: Served) -> None:
    visit(page, served)
    page.evaluate(HAND_OVER, ["drop", list(b"hello"), "note.txt", "text/plain"])
    expect(page.get_by_role("alert")).to_contain_text("Text/plain is not an image type")
    expect(tiles(page)).not_to_have_count(0)
    page.evaluate(HAND_OVER, ["paste", list(b"hello"), "note.png", "image/png"])
    expect(page.get_by_role("alert")).to_contain_text("(not an image)")
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_be_empty()
    visit(page, served, "/?near=" + "0" * 32)
    expect(page.get_by_role("alert")).to_contain_text("No such image in this index")
    page.get_by_role("link", name="All images").last.click()
    expect(tiles(page)).not_to_have_count(0)


def test_a_deleted_image_has_its_thumbnail_and_a_note(page: Page, served: Served) -> None:
    one = next(each.id for each in served.index.page(0, 45) if each.path == served.gone)
    visit(page, served, f"/?near={one}")
    loaded(page)
    expect(page.get_by_role("note")).to_contain_text("The file was deleted")
    visit(page, served, f"{WALL}&label=dog")
    assert [name for name in names(page) if "deleted" in name] == ["01.png, dog, deleted"]
    expect(page.locator(".badge")).to_have_text("deleted")


def test_names_and_labels_stay_text(page: Page, served: Served) -> None:
    one = next(each.id for each in served.index.page(0, 45) if each.path.endswith(f"{EVIL}.png"))
    visit(page, served, f"/?near={one}")
    loaded(page)
    expect(page.locator(".query h1")).to_have_text(f"{EVIL}.png")
    page.locator(".query dd a").first.click()
    expect(page.locator(".page-range")).to_contain_text("of 15")
    visit(page, served, "/?view=map&color=label")
    expect(page.locator(".legend .group-name")).to_have_text(sorted(LABELS))
    assert page.locator("img[src=x]").count() == 0


def test_a_folder_is_called_a_folder(browser: Browser, served: Served, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "photos.index", served.index.model, device="cpu").add(served.photos)
    one = index.page()[0]
    assert (one.label, Path(one.path).parent.parent.name) == (None, "photos")
    with serving(index.path) as (_, address), browser.new_context() as context:
        expect.set_options(timeout=TIMEOUT)
        context.set_default_timeout(TIMEOUT)
        page, here = context.new_page(), replace(served, address=address, index=index)
        visit(page, here, f"/?near={one.id}")
        expect(page.locator("#view dt")).to_have_text(["Folder", "Image"])
        places = {name.split(", ")[1] for name in names(page)}
        assert places <= {f"in {each}" for each in (*LABELS, "holiday")}
        expect(page.locator("#label")).to_be_hidden()
        visit(page, here, "/?view=map&color=folder")
        folders = page.get_by_role("list", name="Folders").locator(".group-name")
        expect(folders).to_have_text(sorted(LABELS))


def on_the_map(page: Page, point: int) -> tuple[float, float]:
    """Position of a point in the window."""
    box = page.locator("canvas").bounding_box()
    assert box is not None
    x, y = page.evaluate(f"document.getElementById('view').plot.positionOf({point})")
    return box["x"] + x, box["y"] + y


def test_the_keyboard_reaches_everything(page: Page, served: Served) -> None:
    visit(page, served)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.tile-link')"):
            break
    focused = page.locator(".tile:has(.tile-link:focus)")
    expect(focused).to_have_count(1)
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("ArrowRight")
    expect(focused).to_have_attribute("title", served.index.page(1, 1)[0].path)
    before = focused.bounding_box()
    page.keyboard.press("ArrowDown")
    after = focused.bounding_box()
    assert before is not None
    assert after is not None
    assert after["y"] > before["y"]
    assert abs(after["x"] - before["x"]) <= before["width"]
    path = str(focused.get_attribute("title"))
    page.keyboard.press("Enter")
    expect(page.locator(".query h1")).to_have_attribute("title", path)
    expect(page.locator(".neighbors .tile-link:focus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".wall .tile-link:focus")).to_have_count(1)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("find similar images")
    expect(page.locator(".help dt")).to_have_count(10)
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


PHONE = {"viewport": {"width": 375, "height": 740}, "has_touch": True, "color_scheme": "dark"}


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_the_page_fits_on_a_phone(page: Page, served: Served) -> None:
    one = served.index.page()[0].id
    for path in ("/", WALL, f"/?near={one}", "/?view=map", "/?view=duplicates", f"{WALL}&label=nobody"):
        visit(page, served, path)
        assert page.evaluate("document.documentElement.scrollWidth") == 375
    visit(page, served, "/?view=map")
    page.touchscreen.tap(*on_the_map(page, 7))
    card = page.locator(".card")
    expect(card).to_be_visible()
    assert re.search("near=", str(card.get_attribute("href")))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 18, 21)"


@pytest.mark.parametrize("page", [{"viewport": {"width": 2560, "height": 1300}}], indirect=True)
def test_the_wall_fills_a_wide_screen(page: Page, served: Served) -> None:
    visit(page, served)
    loaded(page)
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.tile')].map((t) => t.getBoundingClientRect().right))"
    )
    assert right > 2500
    expect(tiles(page)).to_have_count(45)


VIEWS: dict[str, tuple[str, Literal["light", "dark"]]] = {
    "page-overview": ("/", "light"),
    "page-wall": ("/?view=wall", "light"),
    "page-matches": ("/?near={}", "light"),
    "page-map": ("/?view=map", "dark"),
}


def test_screenshots_for_the_readme(browser: Browser, served: Served, tmp_path: Path) -> None:
    """Settings: folder INFOMAX_SCREENSHOTS to write to, index INFOMAX_SHOWN, and image INFOMAX_SHOWN_ID to show."""
    folder, shown = Path(os.environ.get("INFOMAX_SCREENSHOTS", tmp_path)), os.environ.get("INFOMAX_SHOWN")
    index = Index.open(shown, device="cpu") if shown else served.index
    one = os.environ.get("INFOMAX_SHOWN_ID") or index.page(len(index) // 2, 1)[0].id
    with ExitStack() as stack:
        address = stack.enter_context(serving(index.path))[1] if shown else served.address
        for name, (path, scheme) in VIEWS.items():
            context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            page = stack.enter_context(context).new_page()
            page.goto(address + path.format(one))
            # computing the map of a large index takes minutes
            shown_first = page.locator("#view canvas, #view .tile-link, #view .strip a").filter(visible=True).first
            shown_first.wait_for(timeout=500_000 if shown else TIMEOUT)
            expect(page.locator(".spinner")).to_have_count(0, timeout=500_000 if shown else TIMEOUT)
            loaded(page)
            page.wait_for_timeout(500)  # until images have faded in
            page.screenshot(path=folder / f"{name}.png")
            with Image.open(folder / f"{name}.png") as image:
                assert image.size == (1280, 800)
                assert len(image.convert("RGB").getcolors(1 << 21) or ()) > 100
