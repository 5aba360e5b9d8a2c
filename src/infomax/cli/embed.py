"""embed: write feature vectors."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.loading import load_both, open_sources, reading_options
from infomax.cli.options import Device, Exclude, ImageColumn, LabelColumn, MaxPixels, Model, SourceArgument


def embed(
    sources: SourceArgument,
    model: Model,
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE.parquet", help="File to write: path, row, label if known, vector."),
    ],
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
) -> None:
    """Write the feature vector of every image to a parquet file.

    Example: infomax embed photos --model run --out photos.parquet
    """
    from infomax.embeddings import write_embeddings

    reading = reading_options(exclude, max_pixels, image_column=image_column, label_column=label_column)
    loaded, images = load_both(model, open_sources(sources, reading), device, reading)
    write_embeddings(out, images, loaded.encode(images.pixels))
    print(f"{len(images.keys)} vectors of {loaded.recipe_.dim} numbers are in {out}")
