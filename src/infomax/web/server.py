"""HTTP server: listens from the start until Ctrl-C."""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from infomax.cleaning.trash import mark_trashed
from infomax.errors import InfoMaxError
from infomax.search.index import Index
from infomax.web.app import create_app
from infomax.web.permissions import LOOK_ONLY, Permissions
from infomax.web.proxies import PublicAddress

_SHUTDOWN_TIMEOUT = 2  # seconds that running requests have to finish after Ctrl-C


def serve(
    path: Path,
    host: str,
    port: int,
    ready: Callable[[str, Index], None],
    *,
    device: str = "auto",
    public: PublicAddress | None = None,
    permissions: Permissions = LOOK_ONLY,
) -> None:
    """Serve an index until Ctrl-C.

    Args:
        path: Folder of the index.
        host: Name or address to listen at.
        port: Port to listen at. 0 chooses a free port.
        ready: Function called with the address of the page and the index once the server accepts connections.
        device: Where the model embeds uploads: "auto", "cpu" or "cuda".
        public: Where a proxy shows the page, if one does.
        permissions: What the page may do beside looking.

    Raises:
        InfoMaxError: If the index or its model cannot be used, or the server cannot listen at this host and port.
    """
    index = Index.open(path, device=device)
    index.model  # noqa: B018 - load it before the first upload: it may not be the model of this index
    if permissions.changes:
        mark_trashed(index, permissions.trash_of(index.path))
    with _listen(host, port) as listener:
        config = uvicorn.Config(
            create_app(index, host, public, permissions),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,  # anybody can send X-Forwarded headers
            ws="none",
            timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
        )
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}/", index)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:  # uvicorn raises the signal again after its shutdown
            return


def _listen(host: str, port: int) -> socket.socket:
    """Open a listening socket."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise InfoMaxError(
            f"cannot listen at {host} port {port} ({error.strerror or error}): choose another --port or --host"
        ) from None
