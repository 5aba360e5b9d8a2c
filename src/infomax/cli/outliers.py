"""outliers: the images that are least like the rest."""

from typing import Annotated

import typer

from infomax.cli.options import IndexOption, JsonFile, MetricName
from infomax.cli.output import one_line, write_json
from infomax.paths import path_from_here


def outliers(
    index: IndexOption,
    n: Annotated[int, typer.Option("-n", min=1, help="Number of images to list.")] = 20,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of nearest images to average the distance over.")] = 10,
    metric: MetricName = "cosine",
    json_file: JsonFile = None,
) -> None:
    """List the images with the largest mean distance to their nearest images.

    Example: infomax outliers --index photos.index -n 20
    """
    from infomax.search.index import Index

    found = Index.open(index).outliers(n, k=k, metric=metric)
    if json_file is not None:
        documents = [
            {"rank": rank, "path": each.image.path, "label": each.image.label, "distance": each.distance}
            for rank, each in enumerate(found, 1)
        ]
        write_json(json_file, {"metric": metric, "k": k, "outliers": documents})
    if json_file != "-":
        for rank, each in enumerate(found, 1):
            print(f"{rank:>5}  {each.distance:<7.3f}  {one_line(path_from_here(each.image.path))}")
