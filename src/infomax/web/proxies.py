"""The page behind a reverse proxy: under another name, with https, or below a path.

A proxy may say in X-Forwarded headers where it shows the page, but so may anybody else. Those headers are ignored. The
owner of the server says it once, with --public-url. All addresses on the page are relative. So a proxy that takes the
path away needs nothing more, and for a proxy that keeps it, `BelowPath` takes it away here.
"""

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from infomax.errors import InfoMaxError
from infomax.paths import quoted_path

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class PublicAddress:
    """The address at which browsers see the page.

    Attributes:
        origin: Scheme, name and port as a browser sends them in the Origin header: https://photos.example.org.
        name: Name or IP address of the host, in lower case, without port and brackets.
        path: Path below which the page is, without a final slash: /images. Empty where there is none.
    """

    origin: str
    name: str
    path: str

    @classmethod
    def parse(cls, url: str) -> "PublicAddress":
        """Read an address.

        Args:
            url: Address of the page, with its scheme and without a query: https://photos.example.org/images/.

        Returns:
            The address.

        Raises:
            InfoMaxError: This is no such address.

        Examples:
            >>> PublicAddress.parse("https://Photos.example.org:443/images/")
            PublicAddress(origin='https://photos.example.org', name='photos.example.org', path='/images')

        """
        try:
            parts = urlsplit(url)
            scheme, name, port = parts.scheme, parts.hostname or "", parts.port
            if not name.isascii():
                name = name.encode("idna").decode()  # as browsers send it
        except ValueError:
            scheme, name, port = "", "", None
        if scheme not in _DEFAULT_PORTS or not name or "@" in parts.netloc:
            raise _not_an_address(url)
        if parts.query or parts.fragment or any(each.isspace() for each in url):
            raise _not_an_address(url)
        host = f"[{name}]" if ":" in name else name
        port_text = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
        return cls(f"{scheme}://{host}{port_text}", name.removesuffix("."), unquote(parts.path).rstrip("/"))

    def __str__(self) -> str:
        return f"{self.origin}{self.path}/"


class BelowPath:
    """ASGI middleware that takes the path of a proxy away from the addresses of requests, where the proxy keeps it.

    Args:
        app: The application, whose addresses begin at /.
        path: Path below which the proxy shows the page, without a final slash.
    """

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on under its shorter address."""
        if scope["type"] == "http" and self._path:
            address: str = scope["path"]
            if address == self._path:  # without the slash, relative addresses would begin one level above
                query = scope["query_string"].decode("latin-1")  # it may hold the token
                await RedirectResponse(f"{self._path}/{query and '?'}{query}", 308)(scope, receive, send)
                return
            if address.startswith(f"{self._path}/"):
                shorter = address.removeprefix(self._path)
                scope = {**scope, "path": shorter, "raw_path": shorter.encode()}
        await self._app(scope, receive, send)


def _not_an_address(url: str) -> InfoMaxError:
    return InfoMaxError(
        f"--public-url {quoted_path(url)} is no address of a page: give all of it, as in https://photos.example.org/ "
        "or https://example.org/images/"
    )
