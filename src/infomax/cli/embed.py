"""embed: write feature vectors."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.loading import load_both
from infomax.cli.options import Device, Model, Source


def embed(
    source: Source,
    model: Model,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.parquet", help="Columns: path, row, label if known, vector.")
    ],
    device: Device = "auto",
) -> None:
    """Write the feature vector of every image to a parquet file."""
    from infomax.embeddings import write_embeddings

    loaded, images = load_both(model, source, device)
    write_embeddings(out, images, loaded.embed(images))
    print(f"{len(images.keys)} vectors of {loaded.recipe_.dim} numbers are in {out}")
