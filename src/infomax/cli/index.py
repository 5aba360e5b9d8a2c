"""index: make an index, or bring it up to date."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.loading import open_sources, reading_options
from infomax.cli.options import (
    Device,
    Exclude,
    ImageColumn,
    IndexOption,
    JsonFile,
    LabelColumn,
    MaxPixels,
    SourceArgument,
)
from infomax.cli.output import print_left_out, write_json


def index(
    sources: SourceArgument,
    index: IndexOption,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="RUN", help="Folder of the model, as infomax fit wrote it; only for a new index."
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove images that are gone from SOURCE or broken now.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; decode and write nothing.")
    ] = False,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    json_file: JsonFile = None,
    device: Device = "auto",
) -> None:
    """Make an index of images, or update it: only new and changed images are embedded.

    Example: infomax index photos --model run --index photos.index
    """
    from infomax.images.census import count_left_out
    from infomax.search.index import Index
    from infomax.search.planning import plan

    reading = reading_options(exclude, max_pixels, image_column=image_column, label_column=label_column)
    if dry_run and not index.exists():
        changes = plan(open_sources(sources, reading), model)
    else:
        opened = (
            Index.open(index, device=device, progress=True)
            if model is None
            else Index.create(index, model, device=device, progress=True)
        )
        source = open_sources(sources, reading)
        changes = opened.synchronize(source, prune=prune, dry_run=dry_run, reading=reading)
    first = f"{changes.skipped[0].where!r}, {changes.skipped[0].reason}" if changes.skipped else ""
    where = first if dry_run else str(index / "skipped.csv")
    print_left_out(count_left_out(changes.skipped, changes.census), where)
    counts = {name: getattr(changes, name) for name in ("added", "updated", "unchanged", "removed")}
    counts["skipped"] = len(changes.skipped)
    if json_file is not None:
        write_json(json_file, {"index": str(index), "dry_run": dry_run, **counts})
    if json_file != "-":
        print(f"{'would be ' if dry_run else ''}{', '.join(f'{name} {count}' for name, count in counts.items())}")
