"""Acting on the page as a person does, in a real browser: select, tag, hide, trash and undo, decide, open, shape."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import TIMEOUT, needs_chromium
from tests.web.conftest import Acting

WIDE = {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"}
PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark", "has_touch": True, "is_mobile": True}

pytestmark = needs_chromium


@pytest.fixture(params=[WIDE])
def page(browser: Browser, acting: Acting, request: pytest.FixtureRequest) -> Iterator[Page]:
    expect.set_options(timeout=TIMEOUT)
    context = browser.new_context(**request.param)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=acting.address)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    context.close()
    assert [each for each in messages if "status of 4" not in each] == []


def visit(page: Page, acting: Acting, path: str = "/?view=wall") -> None:
    page.goto(acting.address + path)
    expect(page.locator("#view:not([aria-busy]) h1")).not_to_have_count(0)


def names(page: Page) -> list[str]:
    return [Path(str(each.get_attribute("title"))).name for each in page.locator("#view .tile").all()]


def tick(page: Page, name: str) -> None:
    tile = page.locator(f"#view .tile[title$='/{name}']")
    tile.hover()
    tile.locator(".select").click()


def test_select_tag_undo_and_reload(page: Page, acting: Acting) -> None:
    visit(page, acting)
    tick(page, "00.png")
    page.locator("#view .tile[title$='/06.png'] .select").click(modifiers=["Shift"])
    expect(page.locator("#actions strong")).to_have_text("4 images selected")  # 00, 02, 04, 06
    page.get_by_label("Tag for the selected images").fill("old town")
    page.get_by_role("button", name="Tag", exact=True).click()
    expect(page.locator("#note")).to_contain_text("Added the tag “old town” to 4 images.")
    expect(page.locator("#actions strong")).to_have_text("4 images selected")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(page.locator("#actions")).to_be_hidden()
    page.locator("#tag").fill("old town")
    page.wait_for_url("**tag=**")
    expect(page.locator("#view .tile")).to_have_count(4)
    page.reload()
    expect(page.locator("#view .tile")).to_have_count(4)
    assert names(page) == ["00.png", "02.png", "04.png", "06.png"]
    page.keyboard.press("Control+a")
    expect(page.locator("#actions strong")).to_have_text("4 images selected")
    page.get_by_role("button", name="Remove tag").click()
    expect(page.get_by_text("No image matches the filters.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#view .tile")).to_have_count(4)
    assert acting.index.tagged().counts() == {"old town": 4}


def test_hide_and_show_again(page: Page, acting: Acting) -> None:
    visit(page, acting)
    tick(page, "04.png")
    page.get_by_role("button", name="Hide").click()
    expect(page.locator("#view .tile")).to_have_count(27)
    visit(page, acting, "/?view=wall&hidden=yes")
    expect(page.locator("#view .tile")).to_have_count(1)
    tick(page, "04.png")
    page.get_by_role("button", name="Show again").click()
    visit(page, acting)
    expect(page.locator("#view .tile")).to_have_count(28)


def test_move_to_the_trash_and_restore(page: Page, acting: Acting) -> None:
    file = acting.folder / "photos" / "city" / "02.png"
    visit(page, acting)
    tick(page, "02.png")
    tick(page, "04.png")
    page.get_by_role("button", name="Move to trash").click()
    expect(page.locator("#note")).to_contain_text("Moved 2 images to the trash folder.")
    expect(page.locator("#view .tile")).to_have_count(26)
    assert not file.exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#view .tile")).to_have_count(28)
    assert file.exists()
    tick(page, "02.png")
    page.get_by_role("button", name="Move to trash").click()
    expect(page.locator("#view .tile")).to_have_count(27)
    page.get_by_role("link", name="Trash").click()
    expect(page.locator("h1")).to_have_text("1 image in the trash")
    page.get_by_role("button", name="Restore /").click()
    expect(page.get_by_text("The trash is empty.")).to_be_visible()
    assert file.exists()
    page.go_back()
    expect(page.locator("#view .tile")).to_have_count(28)


def test_duplicates_are_kept_or_moved(page: Page, acting: Acting) -> None:
    visit(page, acting, "/?view=duplicates")
    expect(page.locator("h1")).to_have_text("2 groups of duplicates")
    group = page.locator(".group", has=page.locator("[title$='/00.png']"))
    expect(group.get_by_label("Keep 00.png")).to_be_checked()
    expect(group.get_by_label("Keep copy of 00.jpg")).not_to_be_checked()
    expect(group).to_contain_text("128 \u00d7 96")
    group.get_by_role("button", name="Keep all").click()
    expect(page.locator("#note")).to_contain_text("Kept all 2 images")
    expect(page.locator(".group")).to_have_count(1)
    page.reload()
    expect(page.locator("h1")).to_have_text("1 group of duplicates")
    page.get_by_role("button", name="Move 1 image to the trash").click()
    expect(page.get_by_text("No duplicates are left.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("h1")).to_have_text("1 group of duplicates")
    there = {path.name for path in (acting.folder / "photos").rglob("*.png")}
    assert {"01.png", "copy of 01.png"} <= there


def test_no_group_of_duplicates_is_moved_whole_and_ticks_stay(page: Page, acting: Acting) -> None:
    visit(page, acting, "/?view=duplicates")
    first = page.locator(".group", has=page.locator("[title$='/00.png']"))
    second = page.locator(".group", has=page.locator("[title$='/01.png']"))
    first.get_by_label("Keep 00.png").uncheck()
    expect(first.get_by_role("button", name="Tick what to keep")).to_be_disabled()
    expect(page.get_by_role("button", name="Move 1 image of the groups shown to the trash")).to_be_enabled()
    first.get_by_label("Keep copy of 00.jpg").check()
    expect(first.locator(".tile.best .file")).to_have_text(["copy of 00.jpg"])
    second.get_by_role("button", name="Move 1 image to the trash").dblclick()
    expect(page.locator("#note")).to_contain_text("Moved 1 image to the trash folder.")
    expect(page.locator(".group")).to_have_count(1)
    expect(first.get_by_label("Keep copy of 00.jpg")).to_be_checked()
    expect(first.get_by_label("Keep 00.png")).not_to_be_checked()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".group")).to_have_count(2)
    assert {"00.png", "01.png"} <= {path.name for path in (acting.folder / "photos").rglob("*.png")}


def test_the_lightbox(page: Page, acting: Acting) -> None:
    visit(page, acting)
    page.locator("#view .tile-link").first.focus()
    page.keyboard.press("Space")
    box = page.get_by_role("dialog", name="Image")
    expect(box).to_be_visible()
    first = str(page.locator(".lightbox h2").text_content())
    page.keyboard.press("ArrowRight")
    expect(page.locator(".lightbox h2")).not_to_have_text(first)
    picture = page.locator(".lightbox img")
    shown_box = picture.bounding_box()
    assert shown_box is not None
    assert (shown_box["x"], shown_box["y"]) == (0, 0)
    assert (shown_box["width"], shown_box["height"]) == (1440, 900)  # the whole image fits the window
    expect(picture).to_have_attribute("src", re.compile("/api/originals/"))
    page.keyboard.press("+")
    expect(picture).to_have_attribute("style", re.compile(r"scale\(1\.25\)"))
    page.mouse.wheel(0, -200)
    page.keyboard.press("0")
    expect(picture).to_have_attribute("style", re.compile(r"scale\(1\)"))
    shown = str(page.locator(".lightbox h2").text_content())
    page.keyboard.press("e")
    expect(box).to_be_hidden()
    expect(page.locator(".query h1")).to_have_text(shown)
    page.get_by_role("button", name="Open", exact=True).click()
    expect(box).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_queries_are_shaped(page: Page, acting: Acting) -> None:
    ids = acting.ids()
    visit(page, acting, f"/?near={ids['02.png']}")
    before = names(page)
    page.get_by_role("button", name=f"Less like {before[0]}", exact=True).click()
    page.wait_for_url("**unlike=**")
    expect(page.locator(".shape.unlike .chip")).to_have_count(1)
    assert before[0] not in names(page)
    page.get_by_role("button", name=f"More like {before[3]}", exact=True).click()
    page.wait_for_url("**like=**")
    page.reload()
    expect(page.locator(".shape.like .chip")).to_have_count(1)
    page.get_by_role("button", name=f"Remove {before[0]} from the query").click()
    expect(page.locator(".shape.unlike")).to_have_count(0)
    area = page.locator(".crop-area").bounding_box()
    assert area is not None
    page.mouse.move(area["x"] + 0.2 * area["width"], area["y"] + 0.2 * area["height"])
    page.mouse.down()
    page.mouse.move(area["x"] + 0.7 * area["width"], area["y"] + 0.8 * area["height"], steps=4)
    page.mouse.up()
    page.wait_for_url("**crop=**")
    x, y, width, height = map(float, parse_qs(urlparse(page.url).query)["crop"][0].split(","))
    assert (x, y, width, height) == pytest.approx((0.2, 0.2, 0.5, 0.6), abs=0.02)
    expect(page.locator(".crop-mark")).to_be_visible()
    page.get_by_role("button", name="Whole image").click()
    expect(page.locator(".crop-mark")).to_be_hidden()


def test_distances_have_a_meaning(page: Page, acting: Acting) -> None:
    visit(page, acting, f"/?near={acting.ids()['01.png']}")
    first = page.locator(".neighbors .tile").first
    assert Path(str(first.get_attribute("title"))).name == "copy of 01.png"
    words = "nearer than all but 1 in 380 random pairs, distance 0.0000"
    expect(first.locator(".nearness")).to_have_attribute("aria-label", words)
    expect(page.locator(".chance")).to_have_count(1)
    expect(page.locator(".chance ~ .tile.far")).not_to_have_count(0)
    expect(page.locator(".tile.far ~ .chance")).to_have_count(0)


def load_by_four(route: Route) -> None:
    """Serve a wall that loads four images at a time, and only those on the screen."""
    response = route.fetch()
    script = response.text()
    for name, value in (("SECTION", "4"), ("MARGIN", '"0px"')):
        script, count = re.subn(rf"const {name} = [^;]+;", f"const {name} = {value};", script)
        assert count == 1
    route.fulfill(response=response, body=script)


@pytest.mark.parametrize("page", [{"viewport": {"width": 500, "height": 300}}], indirect=True)
@pytest.mark.parametrize("order", ["path", "likeness"])
def test_select_all_and_ranges_reach_what_is_not_drawn(page: Page, acting: Acting, order: str) -> None:
    page.route("**/wall.js", load_by_four)
    visit(page, acting, f"/?view=wall&order={order}")
    tiles = page.locator("#view .tile")
    assert 0 < tiles.count() < 28
    page.keyboard.press("Control+a")
    expect(page.locator("#actions strong")).to_have_text("28 images selected")
    page.keyboard.press("Escape")
    with acting.client() as client:
        listed = client.get("/api/ids", params={"order": order}).json()["ids"]
    first = tiles.first
    first.hover()
    first.locator(".select").click()
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    last = page.locator(f"#view .tile:has(img[src*='{listed[-1]}'])")
    expect(last).to_be_visible()
    assert tiles.count() < 28
    last.locator(".select").click(modifiers=["Shift"])
    expect(page.locator("#actions strong")).to_have_text("28 images selected")
    page.goto(f"{acting.address}/?view=wall&order={order}")
    expect(page.locator("#actions")).to_be_hidden()


def test_select_all_says_what_was_selected_elsewhere(page: Page, acting: Acting) -> None:
    visit(page, acting, "/?view=wall&folder=" + str(acting.folder / "photos" / "sea"))
    expect(page.locator("#view .tile")).to_have_count(12)
    page.keyboard.press("Control+a")
    expect(page.locator("#actions strong")).to_have_text("12 images selected")
    page.get_by_role("link", name="Outliers").click()
    page.locator("#view a[href*='check=dark']").click()
    expect(page.locator("#view .tile")).to_have_count(1)
    page.keyboard.press("Control+a")
    expect(page.locator("#note")).to_contain_text("12 images that are not listed here had been selected before.")


def test_keys_work_beside_controls_that_have_the_focus(page: Page, acting: Acting) -> None:
    visit(page, acting)
    page.locator("[name=order]").select_option("random")
    page.wait_for_url("**order=random**")
    page.locator("[name=order]").focus()
    page.keyboard.press("Control+a")
    expect(page.locator("#actions strong")).to_have_text("28 images selected")
    page.get_by_role("button", name="Clear", exact=True).click()
    page.locator("#folder").fill("sea")
    page.keyboard.press("Enter")
    page.wait_for_url("**folder=**")
    expect(page.locator("#view .tile")).to_have_count(12)
    page.keyboard.press("Control+a")
    expect(page.locator("#actions strong")).to_have_text("12 images selected")


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_note_covers_no_control_on_a_phone(page: Page, acting: Acting) -> None:
    visit(page, acting)
    page.keyboard.press("Control+a")
    page.get_by_label("Tag for the selected images").fill("all")
    page.get_by_role("button", name="Tag", exact=True).click()
    note = page.locator("#note p")
    expect(note).to_contain_text("to 28 images")
    page.get_by_role("button", name="Filters").click(timeout=5_000)
    page.locator("#tag").fill("all")
    page.wait_for_url("**tag=all**")
    expect(page.get_by_role("button", name="Filters (1)")).to_be_visible()
    boxes = [each.bounding_box() for each in (note, page.locator("#actions"))]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]


def test_a_part_of_an_upload(page: Page, acting: Acting, image: bytes) -> None:
    visit(page, acting)
    page.set_input_files("#file", {"name": "image.png", "mimeType": "image/png", "buffer": image})
    expect(page.locator(".query h1")).to_have_text("Your image")
    whole = parse_qs(urlparse(page.url).query)["vector"]
    page.get_by_label("Search by", exact=False).select_option("the left half")
    expect(page.locator(".query h1")).to_have_text("A part of your image")
    expect(page.locator(".crop-mark")).to_be_visible()
    assert parse_qs(urlparse(page.url).query)["vector"] != whole
    page.reload()  # the tab remembers which part it was
    expect(page.locator(".query h1")).to_have_text("A part of your image")
    page.get_by_role("button", name="Whole image").click()
    expect(page.locator(".query h1")).to_have_text("Your image")
    assert parse_qs(urlparse(page.url).query)["vector"] == whole


def test_find_like_several_copy_and_download(page: Page, acting: Acting) -> None:
    visit(page, acting)
    tick(page, "02.png")
    tick(page, "05.png")
    page.get_by_role("button", name="Copy paths").click()
    expect(page.locator("#note")).to_contain_text("Copied 2 paths.")
    copied = str(page.evaluate("navigator.clipboard.readText()"))
    assert [Path(each).name for each in copied.split("\n")] == ["02.png", "05.png"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the list as CSV").click()
    assert download.value.path().read_text().count("\n") == 3
    page.get_by_role("button", name="Find like these").click()
    expect(page.locator(".shape.like .chip")).to_have_count(1)
    expect(page.locator("#actions strong")).to_have_text("2 images selected")
    page.keyboard.press("Escape")
    expect(page.locator("#actions")).to_be_hidden()


def test_the_overview_leads_to_its_views(page: Page, acting: Acting) -> None:
    visit(page, acting, "/")
    expect(page.locator(".number b").first).to_have_text("28")
    expect(page.get_by_role("region", name="Duplicates")).to_contain_text("2 groups of 4 images")
    expect(page.locator("#skipped li")).to_have_count(1)
    page.get_by_role("link", name="Dark (1)").click()
    expect(page.locator("h1")).to_have_text("Images that look dark")
    assert names(page) == ["dark.png"]
    page.get_by_role("link", name="Select", exact=True).click()
    expect(page.locator("h1")).to_have_text("A selection that stands for all")
    page.locator("[name=n]").select_option("20")
    expect(page.locator("#view .tile")).to_have_count(20)
    page.get_by_role("button", name="Select all").click()
    expect(page.locator("#actions strong")).to_have_text("20 images selected")


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_long_press_selects_on_a_phone(page: Page, acting: Acting) -> None:
    visit(page, acting)
    tile = page.locator("#view .tile").first
    link = tile.locator(".tile-link")
    for kind in ("pointerdown", "pointerup"):
        link.dispatch_event(kind, {"pointerType": "touch", "pointerId": 1, "bubbles": True})
        page.wait_for_timeout(700 if kind == "pointerdown" else 0)
    link.dispatch_event("click")
    expect(page.locator("#actions strong")).to_have_text("1 image selected")
    page.locator("#view .tile-link").nth(1).tap()  # while images are selected, a tap selects
    expect(page.locator("#actions strong")).to_have_text("2 images selected")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_label("Tag for the selected images").fill("phone")
    page.get_by_role("button", name="Tag", exact=True).click()
    expect(page.locator("#note")).to_contain_text("to 2 images")
    for path in ("/", "/?view=duplicates", "/?view=trash", f"/?near={acting.ids()['02.png']}"):
        visit(page, acting, path)
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path


def test_why_two_match(page: Page, acting: Acting) -> None:
    visit(page, acting, f"/?near={acting.ids()['00.png']}")
    page.get_by_role("button", name="Why").first.click()
    dialog = page.get_by_role("dialog", name="Why these match")
    expect(dialog).to_be_visible()
    expect(dialog.locator("canvas")).to_have_count(2)
    dialog.get_by_label("Heat").uncheck()
    expect(dialog.locator("canvas").first).to_be_hidden()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


AXE_VIEWS = [
    *("/", "/?view=wall", "/?near={}", "/?view=duplicates"),
    *("/?view=outliers", "/?view=selection", "/?view=trash", "/?view=map"),
]


@pytest.mark.parametrize("page", [WIDE, {**WIDE, "color_scheme": "dark"}, PHONE], indirect=True)
def test_axe_finds_nothing(page: Page, acting: Acting) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="it holds axe-core: pip install axe-playwright-python")
    script = Path(axe.__file__).with_name("axe.min.js").read_text("utf-8")
    found: list[object] = []
    for path in AXE_VIEWS:
        visit(page, acting, path.format(acting.ids()["02.png"]))
        expect(page.locator(".spinner")).to_have_count(0)
        if "wall" in path:
            page.locator("#view .select").first.dispatch_event("click")
            expect(page.locator("#actions")).to_be_visible()
        page.evaluate(script)
        for each in page.evaluate("axe.run()")["violations"]:
            found += [(path, each["id"], node["html"], node["failureSummary"]) for node in each["nodes"]]
    assert found == []
