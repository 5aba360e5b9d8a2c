"""Who may ask: the owner's browser showing the owner's page, and nobody through it.

A server on one's own machine is within reach of every web page that is open there. Three doors are closed to those: a
name of theirs that is made to point here (DNS rebinding), requests across sites, and their frames.
"""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Iterable
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""Of every answer. Scripts and styles are the page's own files alone, and no string ever becomes HTML."""

STILL_READ = 1 << 16  # bytes of a refused request that are read before it is answered
STILL_WAITED = 1.0  # seconds that this may take


class CrossOriginProtection:
    """ASGI middleware around everything else; `bound` is the host that the server listens at."""

    def __init__(self, app: ASGIApp, bound: str) -> None:
        self.app = app
        self.local = is_loopback(bound)
        self.names = {"localhost"} if self.local else {"localhost", bound.lower(), *own_names()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with one line."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

        async def receive_to_the_end() -> Message:
            nonlocal unread
            message = await receive()
            unread = bool(message.get("more_body"))
            return message

        async def read_a_little_more() -> None:
            read = 0
            while unread and read < STILL_READ:
                read += len((await receive_to_the_end()).get("body", b""))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if unread:  # closing on what has been sent already would reset the connection, and lose the answer
                    with suppress(TimeoutError):
                        await asyncio.wait_for(read_a_little_more(), STILL_WAITED)
                answered = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    answered.setdefault(name, value)
                answered.setdefault("cache-control", "no-store")
                if unread:  # what was refused may have no end, and would be read until it has
                    answered["connection"] = "close"
            await send(message)

        if not self.is_own(hosts := headers.getlist("host")):
            await refuse(send_with_headers, 400, f"this server is not called {' '.join(hosts)[:80]!r}: {self.remedy}")
        elif is_foreign(scope, headers):
            await refuse(send_with_headers, 403, "a page of another site may not ask: open this server's own page")
        else:
            await self.app(scope, receive_to_the_end, send_with_headers)

    @property
    def remedy(self) -> str:
        """What to do about a wrong name."""
        if self.local:
            return "open it at localhost or 127.0.0.1"
        return "open it by its address, or start it with --host and that name"

    def is_own(self, hosts: Iterable[str]) -> bool:
        """Whether the one Host header names this server. An address always does beyond loopback: names alone rebind."""
        match list(hosts):
            case [host]:
                name = host_name(host)
            case _:
                return False
        if name in self.names:
            return True
        return is_loopback(name) if self.local else is_address(name)


def is_foreign(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another site has made the browser ask; following a link to the page itself is no such thing."""
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != headers["host"].lower():
        return True
    if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    by_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return not (by_link and scope["method"] == "GET" and scope["path"] == "/")


def host_name(host: str) -> str:
    """The name or address in a Host header, without port, brackets and final dot, in lower case."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def is_address(name: str) -> bool:
    """Whether this is an address of IP rather than a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether only this machine itself is reached by this name or address."""
    return name == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)


def own_names() -> set[str]:
    """What other machines of the house may call this one."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {name, short, f"{short}.local"}


async def refuse(send: Send, status: int, error: str) -> None:
    """Answer with one line of JSON."""
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
