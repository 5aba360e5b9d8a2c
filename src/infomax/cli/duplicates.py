"""duplicates: groups of near-identical images."""

from typing import Annotated

import typer

from infomax.cli.options import IncludeGone, IndexOption, JsonFile
from infomax.cli.output import one_line, write_json


def duplicates(
    index: IndexOption,
    threshold: Annotated[
        float,
        typer.Option("--threshold", metavar="T", help="Least cosine similarity, -1 to 1, of the images compared."),
    ] = 0.8,
    include_gone: IncludeGone = False,
    json_file: JsonFile = None,
) -> None:
    """List groups of near-identical images: similar to the model, and alike pixel by pixel.

    Example: infomax duplicates --index photos.index --threshold 0.9
    """
    from infomax.search.index import Index

    groups = Index.open(index).duplicates(threshold, include_gone=include_gone)
    if json_file is not None:
        documents = [
            {
                "similarity": group.similarity,
                "paths": [each.path for each in group.images],
                "gone": [each.path for each in group.images if each.gone],
            }
            for group in groups
        ]
        write_json(json_file, {"threshold": threshold, "groups": documents})
    if json_file != "-":
        for group in groups:
            print(f"{len(group.images)} images, similarity at least {group.similarity:.6f}")
            for each in group.images:
                print(f"       {one_line(each.path)}{'  (gone)' if each.gone else ''}")
        print(f"{len(groups)} {'group' if len(groups) == 1 else 'groups'} at a threshold of {threshold}")
