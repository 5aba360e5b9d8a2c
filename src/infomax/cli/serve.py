"""serve: the page in the browser."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infomax.cli.options import Device, Host, IndexOption, Port
from infomax.cli.output import print_warnings

if TYPE_CHECKING:
    from infomax.search.index import Index
    from infomax.web.permissions import Permissions


PublicUrl = Annotated[
    str | None,
    typer.Option(
        "--public-url",
        metavar="URL",
        help="Address of the page behind a proxy, such as https://photos.example.org/images/.",
    ),
]


AllowChanges = Annotated[
    bool,
    typer.Option("--allow-changes", help="Let the page tag images and move them to a trash folder, never delete."),
]
NoOriginals = Annotated[bool, typer.Option("--no-originals", help="Show thumbnails only, never the files themselves.")]
TrashFolder = Annotated[
    Path | None, typer.Option("--trash", metavar="DIR", help="Folder for --allow-changes [default: INDEX.trash].")
]


def serve(
    index: IndexOption,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    public_url: PublicUrl = None,
    allow_changes: AllowChanges = False,
    trash: TrashFolder = None,
    no_originals: NoOriginals = False,
    device: Device = "auto",
) -> None:
    """Search an index in the browser: images, their neighbors, and a map of all images.

    Example: infomax serve --index photos.index --port 8000
    """
    from infomax.web.permissions import Permissions

    permissions = Permissions(changes=allow_changes, originals=not no_originals, trash=trash)
    serve_index(index, host, port, device, public_url, permissions)


def serve_index(
    index: Path,
    host: str,
    port: int,
    device: str,
    public_url: str | None = None,
    permissions: "Permissions | None" = None,
) -> None:
    """Serve an index until Ctrl-C, and print the address."""
    from infomax.web.permissions import LOOK_ONLY
    from infomax.web.proxies import PublicAddress
    from infomax.web.security import is_loopback
    from infomax.web.server import serve

    public = None if public_url is None else PublicAddress.parse(public_url)

    def ready(address: str, opened: "Index") -> None:
        print(f"{len(opened)} images at {address} (Ctrl-C stops)", flush=True)
        sees = "sees the thumbnails and names of all images: there is no password"
        if public is not None:
            print(f"behind a proxy: {public}", flush=True)
            print_warnings([f"everyone who can open {public} {sees}, unless the proxy asks for one"])
        if not is_loopback(host):
            print_warnings([f"everyone who can reach this machine {sees}"])

    serve(index, host, port, ready, device=device, public=public, permissions=permissions or LOOK_ONLY)
    sys.stdout.flush()
    os._exit(0)  # abandons a map that is still being computed: its PyTorch thread would delay or abort a normal exit
