"""A model and the images it is asked about."""

from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.output import tell_skipped

if TYPE_CHECKING:
    from infomax.images import LoadedImages
    from infomax.model import InfoMax


def load_both(run: Path, source: str, device: str) -> "tuple[InfoMax, LoadedImages]":
    """A model and a SOURCE's images as it takes them; says how many were skipped."""
    from infomax.model import InfoMax

    model = InfoMax.load(run, device=device, progress=True)
    images = model.load_images(source)
    tell_skipped(
        len(images.skipped),
        f"the first: {images.skipped[0].where!r}, {images.skipped[0].reason}" if images.skipped else "",
    )
    return model, images
