"""Opening of a SOURCE, and loading of a model together with images."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.output import print_skipped

if TYPE_CHECKING:
    from infomax.images import LoadedImages
    from infomax.images.source import Source
    from infomax.model import InfoMax


def open_sources(sources: Sequence[str], image_column: str | None = None, label_column: str | None = None) -> "Source":
    """Open one SOURCE or several as one."""
    from infomax.images import open_source

    return open_source(list(sources), image_column=image_column, label_column=label_column)


def load_both(run: Path, source: "str | Source", device: str) -> "tuple[InfoMax, LoadedImages]":
    """Load a model, and the images of a SOURCE at the size that it takes; say how many images were skipped."""
    from infomax.model import InfoMax

    model = InfoMax.load(run, device=device, progress=True)
    images = model.load_images(source)
    if images.skipped:
        first = images.skipped[0]
        print_skipped(len(images.skipped), f"the first: {first.where!r}, {first.reason}")
    return model, images
