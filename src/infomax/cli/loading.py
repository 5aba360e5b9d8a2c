"""Opening of a SOURCE, and loading of a model together with images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.output import print_left_out

if TYPE_CHECKING:
    from infomax.images import LoadedImages, ReadingOptions
    from infomax.images.source import Source
    from infomax.model import InfoMax


def open_sources(sources: Sequence[str], reading: "ReadingOptions") -> "Source":
    """Open one SOURCE or several as one."""
    from infomax.images import open_source

    return open_source(list(sources), reading)


def load_both(
    run: Path, source: "str | Source", device: str, reading: "ReadingOptions | None" = None
) -> "tuple[InfoMax, LoadedImages]":
    """Load a model, and the images of a SOURCE at the size that it takes; say how many images were skipped."""
    from infomax.model import InfoMax

    model = InfoMax.load(run, device=device, progress=True, reading=reading)
    return model, load_told(model, source)


def load_told(model: "InfoMax", source: "str | Source") -> "LoadedImages":
    """Load the images of a SOURCE at the size that a model takes; say what was left out."""
    from infomax.images.census import count_left_out

    images = model.load_images(source)
    first = f"the first: {images.skipped[0].where!r}, {images.skipped[0].reason}" if images.skipped else ""
    print_left_out(count_left_out(images.skipped, images.census), first)
    return images


def reading_options(
    exclude: Sequence[str] | None,
    max_pixels: int | None = None,
    bands: str | None = None,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
) -> "ReadingOptions":
    """Put together what a command says about how a SOURCE is read."""
    from infomax.decoding.options import ReadingOptions, parse_bands

    return ReadingOptions(
        tuple(exclude or ()), max_pixels, parse_bands(bands), image_column=image_column, label_column=label_column
    )
