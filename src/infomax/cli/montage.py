"""montage: look at what the features find alike."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.loading import load_both
from infomax.cli.options import Device, MetricName, Model, Seed, Source


def montage(
    source: Source,
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.png", help="The figure to write.")],
    metric: MetricName = "cosine",
    queries: Annotated[int, typer.Option("--queries", min=1, help="Rows: pictures picked at random.")] = 10,
    neighbours: Annotated[int, typer.Option("--neighbours", min=1, help="Columns: the nearest of each.")] = 9,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Draw random pictures, each with its nearest neighbours in the collection."""
    from infomax.figures.montage import montage_of, save_png

    loaded, pictures = load_both(model, source, device)
    codes = loaded.embed(pictures)
    image = montage_of(source, pictures, codes, metric=metric, queries=queries, neighbours=neighbours, seed=seed)
    save_png(image, out)
    print(f"the figure is {out}")
