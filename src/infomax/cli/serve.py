"""serve: the page in the browser."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.options import Device, Host, IndexOption, Port

if TYPE_CHECKING:
    from infomax.search.index import Index


def serve(index: IndexOption, host: Host = "127.0.0.1", port: Port = 8000, device: Device = "auto") -> None:
    """Search an index in the browser: images, their neighbors, and all of them on a map."""
    serve_index(index, host, port, device)


def serve_index(index: Path, host: str, port: int, device: str) -> None:
    """Serve until Ctrl-C, and say where."""
    from infomax.web.security import is_loopback
    from infomax.web.server import serve

    def ready(address: str, opened: "Index") -> None:
        print(f"{len(opened)} images at {address} (Ctrl-C stops)", flush=True)
        if not is_loopback(host):
            print(
                "infomax: whoever reaches this machine can see the thumbnails and names of all images: "
                "there is no password",
                file=sys.stderr,
            )

    serve(index, host, port, ready, device=device)
    sys.stdout.flush()
    os._exit(0)  # a map that is being computed is abandoned: a thread of PyTorch would hold up, or abort, a usual end
