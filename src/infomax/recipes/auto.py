"""The recipe that is taken where none is named: by device, number and size of the images.

The closed form needs no epochs and no GPU, and on CIFAR-10 retrieves better after minutes than the article's training
after an hour (docs/closed-form.md). Its time grows with the number of images; in a large collection the coarse one,
which looks at every second patch, is the better choice on a CPU.
"""

from typing import NamedTuple

import torch

from infomax.images import SourceLike
from infomax.images.survey import probe_source
from infomax.recipes.recipe import Recipe
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_FAST

LARGE = 200_000  # images, which the fine recipe embeds in about 20 minutes of CPU time, at 6 ms each


class Choice(NamedTuple):
    """A recipe, and why it was taken."""

    recipe: Recipe
    reason: str


def choose_recipe(source: SourceLike, device: torch.device) -> Choice:
    """The recipe for a SOURCE on a device. Raises InfoMaxError where there are no images."""
    seen = probe_source(source)
    where = "a GPU" if device.type == "cuda" else "a CPU"
    facts = f"{seen.count} images of about {seen.side} px, on {where}"
    if device.type == "cpu" and seen.count > LARGE:
        return Choice(SPECTRAL_FAST, f"{facts}: the closed form, with every second patch for so many")
    return Choice(SPECTRAL, f"{facts}: the closed form, which needs no epochs")
