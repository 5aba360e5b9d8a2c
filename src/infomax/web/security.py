"""Cross-origin and DNS-rebinding protection.

Every web page that is open on this machine can send requests to a local server. The middleware refuses three attacks:
another site's name that resolves to this server (DNS rebinding), cross-site requests, and frames in other sites.
"""

import asyncio
import ipaddress
import json
import socket
from collections.abc import Sequence
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infomax.web.proxies import PublicAddress

SECURITY_HEADERS = {
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
"""Headers of every answer. Scripts and styles come from the page's own files, and no string ever becomes HTML."""

_DRAIN_BYTES = 1 << 16  # maximum number of bytes of a refused request that are read before the answer
_DRAIN_SECONDS = 1.0  # maximum time for reading them


class CrossOriginProtection:
    """ASGI middleware that refuses requests from other sites and for other host names.

    Args:
        app: The application to protect.
        host: Name or address that the server listens at.
        public: Where a proxy shows the page, if one does. Its name and its origin are the server's own, too.
    """

    def __init__(self, app: ASGIApp, host: str, public: PublicAddress | None = None) -> None:
        self._app = app
        self._public = public
        self._local = is_loopback(host)
        self._names = {"localhost"} if self._local else {"localhost", host.lower(), *_machine_names()}
        if public is not None:
            self._names.add(public.name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with one line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        body = _RequestBody(receive, headers)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                if body.unread:
                    await body.drain()
                response = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    response.setdefault(name, value)
                response.setdefault("cache-control", "no-store")
                if body.unread:  # a refused body may be endless, and the server would read it to its end
                    response["connection"] = "close"
            await send(message)

        hosts = headers.getlist("host")
        if not self.accepts(hosts):
            await _refuse(send_with_headers, 400, f"this server is not called {' '.join(hosts)[:80]!r}: {self._advice}")
        elif self._is_cross_site(scope, headers):
            await _refuse(
                send_with_headers,
                403,
                f"a page of another site may not use this server: open this server's own page, {self._proxy_advice}",
            )
        else:
            await self._app(scope, body.receive, send_with_headers)

    def accepts(self, hosts: Sequence[str]) -> bool:
        """Check that the Host header names this server.

        A server that other machines can reach accepts every IP address: DNS rebinding needs a name.

        Args:
            hosts: All Host headers of a request. There must be exactly one.

        Returns:
            Whether to answer the request.
        """
        if len(hosts) != 1:
            return False
        name = _host_name(hosts[0])
        if name in self._names:
            return True
        return is_loopback(name) if self._local else _is_address(name)

    @property
    def _advice(self) -> str:
        own = "open it at localhost or 127.0.0.1" if self._local else "open it by its address"
        return f"{own}, {self._proxy_advice}"

    @property
    def _proxy_advice(self) -> str:
        if self._public is not None:
            return f"or at {self._public}"
        return "or start it with --public-url and the address of the page behind a proxy"

    def _is_cross_site(self, scope: Scope, headers: Headers) -> bool:
        """Whether a page of another site caused the request. A link to the page itself is allowed."""
        origin = headers.get("origin")
        own = {headers["host"].lower()} if self._public is None else {headers["host"].lower(), self._public.origin}
        if origin is not None and not own & {origin.lower(), origin.partition("://")[2].lower()}:
            return True
        if headers.get("sec-fetch-site", "none") in ("none", "same-origin"):
            return False
        by_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
        return not (by_link and scope["method"] == "GET" and scope["path"] == "/")


class _RequestBody:
    """Body of a request that knows whether a part of it is still unread."""

    def __init__(self, receive: Receive, headers: Headers) -> None:
        self._receive = receive
        self.unread = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"

    async def receive(self) -> Message:
        message = await self._receive()
        self.unread = bool(message.get("more_body"))
        return message

    async def drain(self) -> None:
        """Read a little of what is unread.

        Closing a connection with unread data resets it, and the client would lose the answer.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._read_some(), _DRAIN_SECONDS)

    async def _read_some(self) -> None:
        n_read = 0
        while self.unread and n_read < _DRAIN_BYTES:
            n_read += len((await self.receive()).get("body", b""))


def is_loopback(name: str) -> bool:
    """Check whether a host is reachable from this machine only.

    Args:
        name: Name or IP address of a host.

    Returns:
        Whether it is a loopback address, or "localhost".
    """
    return name == "localhost" or (_is_address(name) and ipaddress.ip_address(name).is_loopback)


def _host_name(host: str) -> str:
    """Return the name or address in a Host header in lower case, without port, brackets and final dot."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower().removesuffix(".")


def _is_address(name: str) -> bool:
    """Whether this is an IP address rather than a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _machine_names() -> set[str]:
    """Return the names that other machines of the local network may use for this one."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {name, short, f"{short}.local"}


async def _refuse(send: Send, status: int, error: str) -> None:
    """Answer with one line of JSON."""
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
