"""The page behind a reverse proxy. The headers are those that browsers and proxies really send."""

import asyncio
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from infomax import Index, InfoMaxError
from infomax.web.app import create_app
from infomax.web.proxies import PublicAddress
from tests.browser import needs_chromium
from tests.conftest import Infomax
from tests.web.conftest import serving
from tests.web.reverse_proxy import proxy
from tests.web.test_page import loaded, settled, tiles

OWN = "http://127.0.0.1:8000"
BROWSER = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
FORWARDED = {"x-forwarded-host": "evil.example", "x-forwarded-proto": "https", "x-forwarded-prefix": "/evil"}

Behind = Callable[..., "Client"]


class Client:
    """Requests to an application without a server, with the same headers on each."""

    def __init__(self, loop: asyncio.AbstractEventLoop, app: Any, headers: dict[str, str]) -> None:
        self.loop = loop
        transport = httpx.ASGITransport(app)
        self.client = httpx.AsyncClient(transport=transport, base_url=OWN, headers=headers)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self.client.get(path, **options), self.loop).result(60)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(self.client.post(path, **options), self.loop).result(60)


@pytest.fixture(scope="module")
def index(template: Path) -> Index:
    return Index.open(template / "photos.index", device="cpu")


@pytest.fixture
def behind(index: Index) -> Iterator[Behind]:
    """The application behind a proxy, and what the proxy makes of a request's headers.

    The loop runs in a thread of its own, because a browser of other tests may have one in this thread.
    """
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    def client(public: str | None, *, token: str | None = None, **headers: str) -> Client:
        address = None if public is None else PublicAddress.parse(public)
        return Client(loop, create_app(index, public=address, token=token), headers)

    yield client
    asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


PROXIES: dict[str, tuple[str, str, dict[str, str]]] = {
    "nginx as it comes": ("https://photos.example.org/", "", {"connection": "close"}),
    "nginx keeps the name": (
        "https://photos.example.org/",
        "",
        {"host": "photos.example.org", "x-forwarded-for": "1.2.3.4", "x-forwarded-proto": "https"},
    ),
    "nginx keeps the name, on another port": ("https://nas.local:8443/", "", {"host": "nas.local"}),
    "a path that the proxy takes away": ("https://example.org/pictures/", "", {"host": "example.org"}),
    "a path that the proxy keeps": ("https://example.org/pictures", "/pictures", {}),
    "a path with a space": ("https://example.org/my%20pictures/", "/my%20pictures", {}),
    "JupyterHub": (
        "https://hub.example.org/user/ann/proxy/8000/",
        "",
        {"host": "hub.example.org", "x-forwarded-context": "/user/ann/proxy/8000", "x-forwarded-proto": "https,http"},
    ),
    "JupyterHub, absolute": (
        "https://hub.example.org/user/ann/proxy/absolute/8000/",
        "/user/ann/proxy/absolute/8000",
        {"host": "hub.example.org"},
    ),
    "a forwarded port": ("http://localhost:3000/", "", {"host": "localhost:8000"}),
    "a codespace": ("https://sturdy-disco-8000.app.github.dev/", "", {"host": "localhost:8000"}),
}


@pytest.mark.parametrize("name", PROXIES)
def test_page_files_and_uploads_pass_through_a_proxy(behind: Behind, name: str, image: bytes) -> None:
    public, path, headers = PROXIES[name]
    client, origin = behind(public, **headers), PublicAddress.parse(public).origin
    page = client.get(f"{path}/", headers={"sec-fetch-site": "none", "sec-fetch-mode": "navigate"})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert client.get(f"{path}/static/app.js", headers=BROWSER).status_code == 200
    assert client.get(f"{path}/api/statistics", headers=BROWSER).json()["images"] == 45
    sent = client.post(f"{path}/api/matches?k=1", content=image, headers={**BROWSER, "origin": origin})
    assert (sent.status_code, len(sent.json()["matches"])) == (200, 1)


@pytest.mark.parametrize("public", [None, "https://photos.example.org/pictures/"])
@pytest.mark.parametrize("headers", [{}, FORWARDED], ids=["plain", "forwarded"])
@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": "https://elsewhere.example.net", "sec-fetch-site": "cross-site"},
        {"origin": "https://evil.example"},
        {"origin": "http://photos.example.org"},
        {"origin": "https://photos.example.org:1"},
        {"origin": "https://photos.example.org.evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
    ],
)
def test_a_foreign_page_is_refused(
    behind: Behind, image: bytes, public: str | None, headers: dict[str, str], foreign: dict[str, str]
) -> None:
    """With the option and without, whatever a visitor puts into X-Forwarded headers."""
    answer = behind(public, **headers).post("/api/matches?k=1", content=image, headers=foreign)
    assert answer.status_code == 403
    assert "a page of another site" in answer.json()["error"]
    below = behind(public, **headers).post("/pictures/api/matches?k=1", content=image, headers=foreign)
    assert below.status_code == 403


@pytest.mark.parametrize("name", ["evil.example", "photos.example.org.evil.example", "xphotos.example.org"])
def test_other_names_are_refused(behind: Behind, name: str) -> None:
    answer = behind("https://photos.example.org/", host=name, **FORWARDED).get("/")
    assert answer.status_code == 400
    assert "or at https://photos.example.org/" in answer.json()["error"]


def test_without_the_option_each_refusal_names_it(behind: Behind, image: bytes) -> None:
    named = behind(None, host="photos.example.org").get("/")
    dropped = behind(None).post("/api/matches", content=image, headers={"origin": "https://photos.example.org"})
    assert (named.status_code, dropped.status_code) == (400, 403)
    for answer in (named, dropped):
        assert "start it with --public-url and the address of the page behind a proxy" in answer.json()["error"]


def test_a_path_needs_its_final_slash(behind: Behind) -> None:
    """Otherwise the relative addresses of the page would begin one level above."""
    client = behind("https://example.org/pictures/")
    answer = client.get("/pictures", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (308, "/pictures/")
    assert client.get("/picturesque/", follow_redirects=False).status_code == 404
    assert client.get("/pictures/pictures/").status_code == 404


def test_no_file_of_the_page_has_an_absolute_address(behind: Behind) -> None:
    client = behind(None)
    page = client.get("/").text
    assert 'src="static/app.js"' in page
    for mark in ('href="/', 'src="/', '"/api', "`/api", '"/static'):
        assert mark not in page
        for name in ("app", "api", "address", "images", "map", "map_card", "wall", "matches", "upload"):
            assert mark not in client.get(f"/static/{name}.js").text, name


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://photos.example.org", ("https://photos.example.org", "photos.example.org", "")),
        ("HTTP://NAS:80/a/b/", ("http://nas", "nas", "/a/b")),
        ("http://[fe80::1]:8000/", ("http://[fe80::1]:8000", "fe80::1", "")),
        ("https://bücher.example/", ("https://xn--bcher-kva.example", "xn--bcher-kva.example", "")),
    ],
)
def test_public_addresses_are_parsed(url: str, wanted: tuple[str, str, str]) -> None:
    found = PublicAddress.parse(url)
    assert (found.origin, found.name, found.path) == wanted


@pytest.mark.parametrize(
    "url",
    ["photos.example.org", "ftp://a/", "https://", "https://a:b/", "https://me@a/", "https://a/?b", "https://a b/", ""],
)
def test_other_public_addresses_are_one_line(infomax: Infomax, template: Path, url: str) -> None:
    with pytest.raises(InfoMaxError, match="give all of it, as in https://photos"):
        PublicAddress.parse(url)
    if not url.startswith("https://a"):
        failure = infomax("serve", "--index", template / "photos.index", "--public-url", url).failure
        assert failure.startswith(f"--public-url {url!r} is no address of a page")


@needs_chromium
@pytest.mark.parametrize("keeps_path", [True, False])
def test_the_page_works_below_a_path_in_a_browser(
    browser: Browser, template: Path, tmp_path: Path, image: bytes, keeps_path: bool
) -> None:
    """Wall, neighbors, map, a reload and an uploaded image, through a proxy that rewrites the Host header."""
    shutil.copytree(template / "photos.index", tmp_path / "i")
    (tmp_path / "query.png").write_bytes(image)
    failed: list[Any] = []
    with (
        proxy("/my/pictures", keeps_host=False, keeps_path=keeps_path) as (origin, server),
        serving(tmp_path / "i", "--public-url", f"{origin}/my/pictures/", "--no-token") as (process, address),
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == f"behind a proxy: {origin}/my/pictures/\n"
        server.append(address)
        context = browser.new_context(viewport={"width": 1000, "height": 600})
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("response", lambda got: failed.append(got.url) if got.status >= 400 else None)
        page.on("console", lambda message: failed.append(message.text))
        page.goto(f"{origin}/my/pictures/?view=wall")
        expect(page.locator("#count")).to_have_text("45 images", timeout=30_000)
        loaded(page)
        tiles(page).first.locator("a").click()
        expect(page.locator("#view h2")).to_contain_text("20 neighbors", timeout=30_000)
        assert page.url.startswith(f"{origin}/my/pictures/?near=")
        page.reload()
        expect(page.locator("#view h2")).to_contain_text("20 neighbors", timeout=30_000)
        loaded(page)
        page.set_input_files("#file", tmp_path / "query.png")
        expect(page).to_have_url(re.compile("vector="), timeout=30_000)
        settled(page)
        assert tiles(page).count() == 20
        page.get_by_role("link", name="Map", exact=True).click()
        expect(page.locator("canvas")).to_be_visible(timeout=60_000)
        assert page.url.startswith(f"{origin}/my/pictures/?view=map")
        context.close()
    assert failed == []
