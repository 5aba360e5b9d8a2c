"""explore: one command from a folder of images to a page in the browser."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infomax.cli.loading import open_sources
from infomax.cli.options import (
    AllowChanges,
    Device,
    Exclude,
    Host,
    ImageColumn,
    LabelColumn,
    MaxPixels,
    NoOriginals,
    NoToken,
    PublicUrl,
    Seed,
    SourceArgument,
    TrashFolder,
)
from infomax.cli.output import counted
from infomax.cli.recipe_choice import PretrainedNet, Settings, recipe_choice
from infomax.cli.serve import leave, page_access, print_address

if TYPE_CHECKING:
    from infomax.explore.learning import LearningProcess
    from infomax.explore.plan import Plan
    from infomax.search.reader import IndexReader
    from infomax.web.permissions import Permissions
    from infomax.web.server import Access

_PORT = 8000

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", metavar="DIR", help="Where to keep model and index; by default a folder beside the cache, printed."
    ),
]
FastRecipe = Annotated[
    str | None, typer.Option("--recipe", metavar="NAME", help="What to learn, and how; by default a fast one.")
]
LearningMinutes = Annotated[
    float | None,
    typer.Option(
        "--minutes",
        help="Take the finest recipe that learns in this time on a CPU; by default 0.5.",
    ),
]
Refit = Annotated[
    bool, typer.Option("--refit", help="Learn again from all images; the former features serve meanwhile.")
]
NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Only print the address.")]
ChosenPort = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65535,
        help="Port to listen on; by default 8000 or the next free one.",
        show_default="8000",
    ),
]


def explore(
    sources: SourceArgument,
    folder: Folder = None,
    recipe: FastRecipe = None,
    minutes: LearningMinutes = None,
    settings: Settings = None,
    backbone: PretrainedNet = None,
    refit: Refit = False,
    no_browser: NoBrowser = False,
    host: Host = "127.0.0.1",
    port: ChosenPort = None,
    public_url: PublicUrl = None,
    allow_changes: AllowChanges = False,
    trash: TrashFolder = None,
    no_originals: NoOriginals = False,
    no_token: NoToken = False,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    device: Device = "auto",
    seed: Seed = 0,
) -> None:
    """Look at a collection in the browser at once, while features are learned behind the page.

    The same command again updates: only new and changed images are embedded.

    Example: infomax explore photos/
    """
    from infomax.explore.folder import folder_of
    from infomax.explore.plan import Plan
    from infomax.web.permissions import Permissions

    plan = Plan(
        sources,
        str((folder_of(sources) if folder is None else folder).absolute()),
        **recipe_choice(recipe, settings, backbone)._asdict(),
        minutes=minutes,
        exclude=exclude or (),
        max_pixels=max_pixels,
        image_column=image_column,
        label_column=label_column,
        device=device,
        seed=seed,
        refit=refit,
    )
    next_port, port = port is None, _PORT if port is None else port
    access = page_access(host, port, public_url, no_token=no_token, next_port=next_port)
    permissions = Permissions(allow_changes, not no_originals, trash or _trash_of(sources[0]))
    _serve(plan, access, permissions, open_browser=not no_browser)


def _trash_of(source: str) -> Path:
    """The trash folder of a collection: beside it, on the same disk, and not in a cache that people may clear."""
    from infomax.paths import expand_home

    folder = expand_home(source).resolve()
    return folder.with_name(f"{folder.name}.trash")


def _serve(plan: "Plan", access: "Access", permissions: "Permissions", *, open_browser: bool) -> None:
    """Serve the collection, and learn behind it, until Ctrl-C."""
    from infomax.decoding.image import no_pillow_warnings
    from infomax.explore.folder import collection_name
    from infomax.explore.learning import LearningProcess
    from infomax.web.app import create_app
    from infomax.web.server import serve

    shown, is_complete = _open(plan)
    learning = LearningProcess(plan, ready=is_complete)
    app = create_app(
        *(shown, access.host, access.public, permissions),
        token=access.token,
        name=collection_name(plan.sources),
        learning=learning,
    )

    def ready(address: str) -> None:
        print(f"model and index are kept in {plan.folder}", flush=True)
        print_address(counted(len(shown), "image"), address, access, "" if is_complete else "?view=wall")
        if open_browser:
            _open_browser(address, access, "" if is_complete else "?view=wall")
        learning.start(app.state.server.show)

    try:
        with no_pillow_warnings():  # of the images that the preview reads; threads could not do that themselves
            serve(app, access, ready)
    finally:
        _stop(learning)
    leave()


def _open(plan: "Plan") -> "tuple[IndexReader, bool]":
    """Open the index if it has the whole collection, else a preview of the files; and say which of them."""
    from infomax.explore.folder import ExploreFolder
    from infomax.explore.preview import Preview
    from infomax.search.index import Index

    folder = ExploreFolder(plan.folder)
    if folder.completion() is not None and folder.index.exists():
        return Index.open(folder.index, device=plan.device), True
    source = open_sources(plan.sources, plan.reading())
    folder.make()
    return Preview(source, folder.index, plan.reading()), False


def _stop(learning: "LearningProcess") -> None:
    if learning.status.stage is not None:
        print("infomax: stopping; the same command goes on from here", file=sys.stderr, flush=True)
    learning.stop()


def _open_browser(address: str, access: "Access", view: str) -> None:
    """Open the page in a browser of this desktop. A browser of the terminal would take that over."""
    import os
    import threading
    import webbrowser

    from infomax.web.server import with_token

    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return
    here = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    page = with_token(f"{here if access.public is None else access.public}{view}", access.token)
    threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()
