"""The token in the address: who has it is let in, and gets a cookie; nobody else learns anything."""

import re
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, expect

from infomax.web.proxies import PublicAddress
from infomax.web.server import Access, with_token
from infomax.web.tokens import REFUSAL, TokenProtection, new_token
from tests.browser import needs_chromium
from tests.web.conftest import serving
from tests.web.reverse_proxy import proxy
from tests.web.test_proxies import Client, behind, index

__all__ = ["behind", "index"]

TOKEN = "right-token"


@pytest.fixture
def protected(behind: Callable[..., Client]) -> Client:
    """An application that asks for a token. Its client keeps no cookies."""
    return behind(None, token=TOKEN)


def test_only_the_token_opens_anything(protected: Client) -> None:
    for path in ("/", "/static/app.js", "/api/statistics", "/api/learning", "/openapi.json", "/nowhere"):
        protected.client.cookies.clear()
        for query in ("", "?token=", "?token=wrong-token", "?token=right-tokenx", "?token=%ff", "?tokens=right-token"):
            answer = protected.get(path + query)
            assert (answer.status_code, answer.json()) == (403, {"error": REFUSAL})
            assert "set-cookie" not in answer.headers
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        answer = protected.get(f"{path}?token={TOKEN}")
        assert answer.status_code == (404 if path == "/nowhere" else 200)
        cookie = answer.headers["set-cookie"]
        assert re.fullmatch(r"infomax-\w+=right-token; HttpOnly; SameSite=Strict", cookie)
        name = cookie.partition("=")[0]
        protected.client.cookies.clear()
        known = protected.get(path, headers={"cookie": f"a=b; {name}={TOKEN}"})
        assert known.status_code != 403
        assert "set-cookie" not in known.headers
        assert protected.get(path, headers={"cookie": f"{name}=wrong-token"}).status_code == 403
        assert protected.get(path, headers={"cookie": f"other={TOKEN}"}).status_code == 403
    assert protected.post("/api/matches", content=b"x").status_code == 403


def test_the_guard_against_foreign_pages_stays(protected: Client) -> None:
    answer = protected.get(f"/?token={TOKEN}", headers={"origin": "https://evil.example"})
    assert (answer.status_code, "a page of another site" in answer.json()["error"]) == (403, True)
    assert protected.get(f"/?token={TOKEN}", headers={"host": "evil.example"}).status_code == 400


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(query=st.binary(max_size=40), cookie=st.binary(max_size=40))
def test_random_queries_and_cookies_are_refused(query: bytes, cookie: bytes) -> None:
    protection = TokenProtection(lambda *_: None, TOKEN)  # type: ignore[arg-type]
    scope = {"query_string": query, "headers": [(b"cookie", cookie)]}
    assert not protection._brings_token(scope)
    assert not protection._is_known(scope)


def test_tokens_are_drawn_anew_and_need_no_quotes() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[\w-]{32}", each) for each in tokens)
    assert with_token("http://a/", None) == "http://a/"
    assert with_token("http://a/", "b") == "http://a/?token=b"


def test_a_page_is_shared_if_others_may_reach_it() -> None:
    public = PublicAddress.parse("https://photos.example.org/images/")
    assert [each.is_shared for each in (Access(), Access("localhost"), Access("::1"))] == [False] * 3
    assert [each.is_shared for each in (Access("0.0.0.0"), Access("nas.local"), Access(public=public))] == [True] * 3


def test_a_cookie_of_https_is_for_https_alone(behind: Callable[..., Client]) -> None:
    public = "https://photos.example.org/images/"
    there = behind(public, token=TOKEN, host="photos.example.org").get(f"/images/?token={TOKEN}")
    assert there.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict; Secure")
    here = behind(public, token=TOKEN).get(f"/?token={TOKEN}")
    assert here.headers["set-cookie"].endswith("; HttpOnly; SameSite=Strict")
    redirected = behind(public, token=TOKEN).get(f"/images?token={TOKEN}", follow_redirects=False)
    assert redirected.headers["location"] == f"/images/?token={TOKEN}"


@needs_chromium
def test_a_browser_is_let_in_by_the_printed_address_alone(browser: Browser, template: Path, tmp_path: Path) -> None:
    """Directly, as another machine would come, and behind a proxy below a path."""
    copytree(template / "photos.index", tmp_path / "i")
    expect.set_options(timeout=60_000)
    with (
        proxy("/pictures", keeps_host=False, keeps_path=False) as (origin, server),
        serving(tmp_path / "i", "--host", "0.0.0.0", "--public-url", f"{origin}/pictures/") as (process, address),
    ):
        assert process.stdout is not None
        here, token = address.replace("0.0.0.0", "127.0.0.1").split("/?token=")
        server.append(here)
        behind = process.stdout.readline().split("behind a proxy: ")[1].strip()
        assert behind == f"{origin}/pictures/?token={token}"
        assert httpx.get(here, trust_env=False).status_code == 403
        for entrance in (f"{here}/?token={token}", behind):
            with browser.new_context() as context:
                page = context.new_page()
                page.set_default_timeout(60_000)
                page.goto(entrance)
                expect(page.locator("#count")).to_have_text("45 images")
                assert "token" not in page.url
                page.reload()
                expect(page.locator("#count")).to_have_text("45 images")
                assert page.evaluate("document.cookie") == ""
                cookie = context.cookies()[0]
                assert (cookie["value"], cookie["httpOnly"], cookie["sameSite"]) == (token, True, "Strict")


def test_without_a_token_a_warning_says_who_sees_what(template: Path, tmp_path: Path) -> None:
    copytree(template / "photos.index", tmp_path / "i")
    with serving(tmp_path / "i", "--host", "0.0.0.0", "--no-token") as (process, address):
        assert process.stderr is not None
        assert "there is no password" in process.stderr.readline()
        assert "token" not in address
        here = address.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{here}/api/learning", trust_env=False).json()["state"] == "none"
