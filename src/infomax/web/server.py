"""Listening, from the first request to Ctrl-C."""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from infomax.errors import InfoMaxError
from infomax.search.index import Index
from infomax.web.app import create_app

PATIENCE = 2
"""Seconds that requests under way have to end once the server is told to stop."""


def serve(path: Path, host: str, port: int, ready: Callable[[str, Index], None], *, device: str = "auto") -> None:
    """Serve an index until Ctrl-C; `ready` gets the address, then, and the index. Port 0 is one that is free.

    Raises InfoMaxError where the index or its model will not do, or nothing can listen there.
    """
    index = Index.open(path, device=device)
    index.model  # noqa: B018 - now rather than with the first upload: it may not be the one of the index
    with listening(host, port) as listener:
        config = uvicorn.Config(
            create_app(index, host),
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=PATIENCE,
        )
        name = f"[{host}]" if ":" in host else host
        ready(f"http://{name}:{listener.getsockname()[1]}/", index)
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:  # how uvicorn ends, when told to by that
            return


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises InfoMaxError where that cannot be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise InfoMaxError(
            f"cannot listen at {host} port {port} ({error.strerror or error}): choose another --port or --host"
        ) from None
