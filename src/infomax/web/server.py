"""HTTP server: listens from the start until Ctrl-C."""

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import uvicorn
from fastapi import FastAPI

from infomax.errors import InfoMaxError
from infomax.web.proxies import PublicAddress
from infomax.web.security import is_loopback

_SHUTDOWN_TIMEOUT = 2  # seconds that running requests have to finish after Ctrl-C
_TRIES = 100  # ports that are tried after one that is taken


@dataclass(frozen=True)
class Access:
    """Where the page is, and who may open it.

    Attributes:
        host: Name or address to listen at.
        port: Port to listen at; 0 for a free one.
        next_port: Whether the next free port is taken where this one is in use.
        public: Where a proxy shows the page, if one does.
        token: What a browser must bring along; None to let everybody in.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    next_port: bool = False
    public: PublicAddress | None = None
    token: str | None = None

    @property
    def is_shared(self) -> bool:
        """Whether others than the users of this machine may reach the page."""
        return self.public is not None or not is_loopback(self.host)


def serve(app: FastAPI, access: Access, ready: Callable[[str], None]) -> None:
    """Serve an application until Ctrl-C.

    Args:
        app: The application, as `create_app` makes it.
        access: Where to listen.
        ready: Function called with the address of the page once connections are accepted.

    Raises:
        InfoMaxError: The server cannot listen at this host and port.
    """
    with _listen(access) as listener:
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody can send X-Forwarded headers
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
        )
        name = f"[{access.host}]" if ":" in access.host else access.host
        address = f"http://{name}:{listener.getsockname()[1]}/"
        ready(address)
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal again after its shutdown
            uvicorn.Server(config).run(sockets=[listener])


def with_token(address: str, token: str | None) -> str:
    """Complete an address by the token.

    Args:
        address: Address of the page.
        token: The token; None where there is none.

    Returns:
        The address that lets its reader in.
    """
    return address if token is None else f"{address}{'&' if '?' in address else '?'}token={token}"


def _listen(access: Access) -> socket.socket:
    """Open a listening socket."""
    host, port = access.host, access.port
    last = min(port + _TRIES, 65535) if access.next_port and port else port
    while True:
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
            return socket.create_server((host, port), family=family, backlog=1024)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port < last:
                port += 1
                continue
            raise InfoMaxError(
                f"cannot listen at {host} port {port} ({error.strerror or error}): choose another --port or --host"
            ) from None
