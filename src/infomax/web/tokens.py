"""A token in the address, for a page that other machines can reach: who has the address is let in, as in Jupyter.

The first request brings `?token=...` along and gets a cookie, which the browser sends from then on. A cookie belongs to
a host, not to a port, so its name is made from the token.
"""

import json
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_urlsafe
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from infomax.web.proxies import PublicAddress

REFUSAL = "this page asks for a token: open the whole address that infomax printed when it started, ?token= included"
"""Error of a request without the token."""

_TOKEN_BYTES = 24


def new_token() -> str:
    """Draw a token that nobody can guess.

    Returns:
        32 characters that need no quotes in an address.
    """
    return token_urlsafe(_TOKEN_BYTES)


class TokenProtection:
    """ASGI middleware that lets in who brings the token, and whom it was brought by before.

    Args:
        app: The application to protect.
        token: The token.
        public: Where a proxy shows the page, if one does. A cookie that is set there is for https alone if the page is.
    """

    def __init__(self, app: ASGIApp, token: str, public: PublicAddress | None = None) -> None:
        self._app = app
        self._token = token.encode()
        self._cookie = f"infomax-{blake2b(self._token, digest_size=6).hexdigest()}"
        # without a path it is for the folder of the page, wherever a proxy shows that
        self._set_cookie = f"{self._cookie}={token}; HttpOnly; SameSite=Strict"
        self._secured = public.name if public is not None and public.origin.startswith("https:") else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with one line."""
        if scope["type"] != "http" or self._is_known(scope):
            await self._app(scope, receive, send)
        elif self._brings_token(scope):

            async def send_with_cookie(message: Message) -> None:
                if message["type"] == "http.response.start":
                    name = Headers(scope=scope).get("host", "").partition(":")[0].lower()
                    secure = "; Secure" if name == self._secured else ""
                    MutableHeaders(scope=message).append("set-cookie", f"{self._set_cookie}{secure}")
                await send(message)

            await self._app(scope, receive, send_with_cookie)
        else:
            body = json.dumps({"error": REFUSAL}).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def _is_known(self, scope: Scope) -> bool:
        """Whether a cookie holds the token."""
        sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
        return any(self._is_token(cookie_parser(each).get(self._cookie, "")) for each in sent)

    def _brings_token(self, scope: Scope) -> bool:
        """Whether the address holds the token."""
        query = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=None)
        return any(self._is_token(each) for each in query.get("token", []))

    def _is_token(self, given: str) -> bool:
        """Compare in constant time: the time that a comparison takes must not help to guess the token."""
        return compare_digest(given.encode("utf-8", "surrogateescape"), self._token)
