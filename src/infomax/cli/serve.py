"""serve: the page in the browser."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from infomax.cli.options import (
    AllowChanges,
    Device,
    Host,
    IndexOption,
    NoOriginals,
    NoToken,
    Port,
    PublicUrl,
    TrashFolder,
)
from infomax.cli.output import counted, print_warnings
from infomax.object_store import is_url

if TYPE_CHECKING:
    from infomax.web.permissions import Permissions
    from infomax.web.server import Access


def serve(
    index: IndexOption,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    public_url: PublicUrl = None,
    allow_changes: AllowChanges = False,
    trash: TrashFolder = None,
    no_originals: NoOriginals = False,
    no_token: NoToken = False,
    device: Device = "auto",
) -> None:
    """Search an index in the browser: images, their neighbors, and a map of all images.

    Example: infomax serve --index photos.index --port 8000
    """
    from infomax.web.permissions import Permissions

    if allow_changes and trash is None and is_url(index):
        raise typer.BadParameter("an index on an object store has no folder beside it: name one", param_hint="--trash")
    access = page_access(host, port, public_url, no_token=no_token)
    serve_index(index, access, device, Permissions(allow_changes, not no_originals, trash))


def serve_index(index: Path, access: "Access", device: str, permissions: "Permissions | None" = None) -> NoReturn:
    """Serve an index until Ctrl-C, and print the address."""
    from infomax.search.index import Index
    from infomax.web.app import create_app
    from infomax.web.permissions import LOOK_ONLY
    from infomax.web.server import serve

    opened = Index.open(index, device=device)
    opened.model  # noqa: B018 - load it before the first upload: it may not be the model of this index
    app = create_app(opened, access.host, access.public, permissions or LOOK_ONLY, token=access.token)
    serve(app, access, lambda address: print_address(counted(len(opened), "image"), address, access))
    leave()


def page_access(host: str, port: int, public_url: str | None, *, no_token: bool, next_port: bool = False) -> "Access":
    """Put together where the page is. It has a token if other machines may reach it."""
    from dataclasses import replace

    from infomax.web.proxies import PublicAddress
    from infomax.web.server import Access
    from infomax.web.tokens import new_token

    access = Access(host, port, next_port, None if public_url is None else PublicAddress.parse(public_url))
    return replace(access, token=new_token()) if access.is_shared and not no_token else access


def print_address(what: str, address: str, access: "Access", view: str = "") -> None:
    """Say what is shown at which address, and who can see it. The view is the query of an address."""
    from infomax.web.security import is_loopback
    from infomax.web.server import with_token

    print(f"{what} at {with_token(f'{address}{view}', access.token)} (Ctrl-C stops)", flush=True)
    public = None if access.public is None else with_token(f"{access.public}{view}", access.token)
    if public is not None:
        print(f"behind a proxy: {public}", flush=True)
    if access.token is None:
        sees = "sees the thumbnails and names of all images: there is no password"
        if public is not None:
            print_warnings([f"everyone who can open {public} {sees}, unless the proxy asks for one"])
        if not is_loopback(access.host):
            print_warnings([f"everyone who can reach this machine {sees}"])


def leave() -> NoReturn:
    """End the process at once. A map that is still being computed would delay or abort a normal exit."""
    sys.stdout.flush()
    os._exit(0)
