"""select: images that stand for a collection, to label or to look at first."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from infomax.cli.options import IndexOption, JsonFile
from infomax.cli.output import one_line, write_json
from infomax.paths import path_from_here

By = Annotated[
    Literal["diverse", "typical", "odd"],
    typer.Option("--by", help="diverse: unlike each other; typical: one for each of N clusters; odd: outliers."),
]
PathsFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.txt", help="Write the paths into this file, which is a SOURCE.")
]


def select(
    index: IndexOption,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of images to select.")] = 100,
    by: By = "diverse",
    out: PathsFile = None,
    json_file: JsonFile = None,
) -> None:
    """Select images that stand for the collection: to label, or to look at first.

    Example: infomax select -n 500 --index photos.index --by diverse --out chosen.txt
    """
    from infomax.files import written_atomically
    from infomax.search.index import Index

    found = Index.open(index).select(n, by)
    if out is not None:
        with written_atomically(out, "w") as file:
            file.writelines(f"{each.path}\n" for each in found)
    if json_file is not None:
        images = [{"rank": rank, "path": each.path, "label": each.label} for rank, each in enumerate(found, 1)]
        write_json(json_file, {"by": by, "images": images})
    if json_file != "-":
        for each in found:
            print(one_line(path_from_here(each.path)))
