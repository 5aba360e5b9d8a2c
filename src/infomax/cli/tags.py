"""tags: words that people have given to images on the page."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.options import IndexOption, JsonFile
from infomax.cli.output import counted, write_json

OutFile = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE.parquet", help="Write paths and tags as labels; evaluate and fit take it as SOURCE."
    ),
]


def tags(index: IndexOption, out: OutFile = None, json_file: JsonFile = None) -> None:
    """List the tags of an index, and write them as labels of their images.

    An image of several tags has them all in its label, with " + " between.

    Example: infomax tags --index photos.index --out tagged.parquet
    """
    import pyarrow as pa
    from pyarrow import parquet

    from infomax.files import written_atomically
    from infomax.search.index import Index

    opened = Index.open(index)
    tagged = opened.tagged()
    counts = tagged.counts()
    images = sorted(opened.images(sorted(tagged.ids(*counts))), key=lambda image: image.path)
    if out is not None:
        labels = [" + ".join(tagged.of(image.id)) for image in images]
        with written_atomically(out) as file:
            parquet.write_table(pa.table({"path": [image.path for image in images], "label": labels}), file)
    if json_file is not None:
        named = [{"path": image.path, "tags": tagged.of(image.id)} for image in images]
        write_json(json_file, {"tags": counts, "images": named})
    if json_file != "-":
        for tag, count in counts.items():
            print(f"{count:>7}  {tag}")
        if out is not None:
            print(f"{counted(len(images), 'image')} with tags as labels: {out}")
