"""embed: write feature vectors."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.loading import load_model, load_told, open_sources, print_skipped, reading_options
from infomax.cli.options import (
    Device,
    Exclude,
    ImageColumn,
    LabelColumn,
    MaxPixels,
    Model,
    RayAddress,
    SourceArgument,
    TextColumn,
)


def embed(
    sources: SourceArgument,
    model: Model,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE.parquet", help="File to write: path, row, label if known, vector."),
    ],
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    text_column: TextColumn = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
    ray: RayAddress = None,
) -> None:
    """Write the feature vector of every image, or text, to a parquet file.

    Example: infomax embed photos --model run --out photos.parquet
    """
    from infomax.embeddings import write_embeddings

    columns = {"image_column": image_column, "label_column": label_column, "text_column": text_column}
    reading = reading_options(exclude, max_pixels, **columns)
    loaded = load_model(model, device, reading)
    if ray is None:
        items = load_told(loaded, sources, reading)
        write_embeddings(out, items, loaded.encode(items.examples))
        count = len(items.keys)
    else:
        from infomax.cluster.embedding import embed_on
        from infomax.cluster.session import connected

        source = open_sources(sources, reading, loaded.recipe_.data_kind)
        with connected(ray) as session:
            found = embed_on(session, loaded, source, reading)
        print_skipped(found.skipped, source.census(), loaded)
        write_embeddings(out, found, found.vectors)
        count = len(found.keys)
    print(f"{count} vectors of {loaded.recipe_.dim} numbers are in {out}")
