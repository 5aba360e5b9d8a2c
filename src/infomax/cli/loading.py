"""A model and the pictures it is asked about."""

from pathlib import Path
from typing import TYPE_CHECKING

from infomax.cli.output import tell_skipped

if TYPE_CHECKING:
    from infomax.images import Pictures
    from infomax.model import InfoMax


def load_both(run: Path, source: str, device: str) -> "tuple[InfoMax, Pictures]":
    """A model and a SOURCE's pictures as it takes them; says how many were skipped."""
    from infomax.model import InfoMax

    model = InfoMax.load(run, device=device, progress=True)
    pictures = model.load_pictures(source)
    tell_skipped(
        len(pictures.skipped),
        f"the first: {pictures.skipped[0].where!r}, {pictures.skipped[0].reason}" if pictures.skipped else "",
    )
    return model, pictures
