"""serve: the page in the browser."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.options import Device, Host, IndexOption, Port
from infomax.cli.output import print_warnings

if TYPE_CHECKING:
    from infomax.search.index import Index


def serve(index: IndexOption, host: Host = "127.0.0.1", port: Port = 8000, device: Device = "auto") -> None:
    """Search an index in the browser: images, their neighbors, and a map of all images.

    Example: infomax serve --index photos.index --port 8000
    """
    serve_index(index, host, port, device)


def serve_index(index: Path, host: str, port: int, device: str) -> None:
    """Serve an index until Ctrl-C, and print the address."""
    from infomax.web.security import is_loopback
    from infomax.web.server import serve

    def ready(address: str, opened: "Index") -> None:
        print(f"{len(opened)} images at {address} (Ctrl-C stops)", flush=True)
        if not is_loopback(host):
            warning = "everyone who can reach this machine sees the thumbnails and names of all images"
            print_warnings([f"{warning}: there is no password"])

    serve(index, host, port, ready, device=device)
    sys.stdout.flush()
    os._exit(0)  # abandons a map that is still being computed: its PyTorch thread would delay or abort a normal exit
