"""Opening of a SOURCE, and loading of a model together with images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.output import print_left_out

if TYPE_CHECKING:
    from infomax.images import LoadedImages, ReadingOptions, Skipped
    from infomax.images.census import Census
    from infomax.images.source import Source
    from infomax.kinds.kind import DataKind, Loaded
    from infomax.model import InfoMax


def open_sources(sources: Sequence[str], reading: "ReadingOptions", kind: "DataKind | None" = None) -> "Source":
    """Open one SOURCE or several as one; images, unless a kind of data is given."""
    from infomax.kinds.registry import IMAGES, find_kind

    return (kind or find_kind(IMAGES)).open(list(sources), reading, named=True)


def load_model(run: Path, device: str, reading: "ReadingOptions | None" = None) -> "InfoMax":
    """Load a model that draws progress bars."""
    from infomax.model import InfoMax

    return InfoMax.load(run, device=device, progress=True, reading=reading)


def load_both(
    run: Path, source: "str | Source", device: str, reading: "ReadingOptions | None" = None
) -> "tuple[InfoMax, LoadedImages]":
    """Load a model, and the images of a SOURCE at the size that it takes; say how many images were skipped."""
    model = load_model(run, device, reading)
    images = model.load_images(source)
    print_skipped(images.skipped, images.census, model)
    return model, images


def load_told(model: "InfoMax", sources: Sequence[str], reading: "ReadingOptions") -> "Loaded":
    """Load one SOURCE or several as a model takes them; say what was left out."""
    items = model.load_examples(open_sources(sources, reading, model.recipe_.data_kind))
    print_skipped(items.skipped, items.census, model)
    return items


def print_skipped(skipped: "Sequence[Skipped]", census: "Census", model: "InfoMax") -> None:
    """Say on stderr what was left out of a SOURCE."""
    from infomax.images.census import count_left_out

    first = f"the first: {skipped[0].where!r}, {skipped[0].reason}" if skipped else ""
    print_left_out(count_left_out(skipped, census), first, model.recipe_.data_kind.noun)


def reading_options(
    exclude: Sequence[str] | None,
    max_pixels: int | None = None,
    bands: str | None = None,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    text_column: str | None = None,
) -> "ReadingOptions":
    """Put together what a command says about how a SOURCE is read."""
    from infomax.decoding.options import ReadingOptions, parse_bands

    return ReadingOptions(
        tuple(exclude or ()),
        max_pixels,
        parse_bands(bands),
        image_column=image_column,
        label_column=label_column,
        text_column=text_column,
    )
