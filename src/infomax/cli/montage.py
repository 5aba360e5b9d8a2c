"""montage: random images with their nearest neighbors."""

from pathlib import Path
from typing import Annotated

import typer

from infomax.cli.loading import load_both, open_sources, reading_options
from infomax.cli.options import (
    Device,
    Exclude,
    ImageColumn,
    LabelColumn,
    MaxPixels,
    MetricName,
    Model,
    Seed,
    SourceArgument,
)


def montage(
    sources: SourceArgument,
    model: Model,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.png", help="The figure to write.")],
    metric: MetricName = "cosine",
    queries: Annotated[int, typer.Option("--queries", min=1, help="Number of rows: random images.")] = 10,
    neighbors: Annotated[int, typer.Option("--neighbors", min=1, help="Number of nearest images in a row.")] = 9,
    seed: Seed = 0,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    exclude: Exclude = None,
    max_pixels: MaxPixels = None,
    device: Device = "auto",
) -> None:
    """Draw random images, each with its nearest neighbors in the collection.

    Example: infomax montage photos --model run --out montage.png
    """
    from infomax.figures.canvas import save_png
    from infomax.figures.montage import montage_of

    reading = reading_options(exclude, max_pixels, image_column=image_column, label_column=label_column)
    source = open_sources(sources, reading)
    loaded, images = load_both(model, source, device, reading)
    codes = loaded.encode(images.pixels)
    figure = montage_of(source, images, codes, metric=metric, queries=queries, neighbors=neighbors, seed=seed)
    save_png(figure, out)
    print(f"the figure is {out}")
