"""The choice of a recipe: the one that is named, that of a run to resume, or the one that suits the collection.

The closed form needs no epochs and no GPU. On CIFAR-10 it retrieves better after minutes than the training of Su (2018)
after an hour (docs/closed-form.md). Three things decide which of its recipes suits a collection:

- The size of the images. What is recognized in a photo is not seen at 32 x 32 pixels, and tiny images show nothing at
  96 x 96. docs/closed-form.md compares the resolutions.
- Their number. Below about 6,000 tiny images the fine recipe gains nothing measurable: 1,500 images of CIFAR-10 are
  classified right by neighbors in 60.4 against 59.8 % (both plus or minus 4.3), clip art and digits the same. On 20,000
  images of Fashion-MNIST it gains 2 points, on 50,000 of CIFAR-10 it gains 5.5.
- The time. The finest recipe is taken that learns from the images and embeds them within the minutes that are given. It
  compares the views of as many images as these minutes allow: four times as many are worth up to a point on CIFAR-10.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch

from infomax.errors import InfoMaxError
from infomax.images.probe import probe_source
from infomax.images.source import Source
from infomax.kinds.registry import IMAGES
from infomax.progress import duration
from infomax.recipes.recipe import Recipe
from infomax.recipes.registry import AUTO, RECIPES, find_recipe, recipe_from_config
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_64, SPECTRAL_96, SPECTRAL_FAST, Spectral
from infomax.recipes.spectral_text import SPECTRAL_TEXT

MINUTES = 5.0  # on a CPU, to learn from a collection and to embed it
SMALL = 6_000  # tiny images, below which the fine recipe gains nothing measurable
RESOLUTIONS: Sequence[tuple[int, Sequence[Spectral]]] = (
    (80, (SPECTRAL_96, SPECTRAL_FAST)),
    (48, (SPECTRAL_64, SPECTRAL_FAST)),
    (0, (SPECTRAL, SPECTRAL_FAST)),
)
"""Least side of the images in pixels, and the recipes that suit them, the finest first."""


class Choice(NamedTuple):
    """A recipe and why it was taken.

    Attributes:
        recipe: The recipe in full.
        reason: One line for the user; "" where the user named the recipe and nothing is known of its time.

    """

    recipe: Recipe
    reason: str


def resolve_recipe(
    recipe: str | Recipe | None,
    settings: Mapping[str, Any] | None,
    epochs: int | None,
    *,
    source: Source,
    device: torch.device,
    before: Mapping[str, Any] | None = None,
    minutes: float | None = None,
    kind: str = IMAGES,
) -> Choice:
    """Find the recipe that a training uses.

    Args:
        recipe: The recipe or its name; None or "auto" for that of `before`, else for the one that suits the collection.
        settings: Settings to replace, by name.
        epochs: Passes over the images in place of the recipe's.
        source: The collection, for "auto".
        device: Where the training computes, for "auto".
        before: The recipe in the config.json of a run to resume.
        minutes: Time in which "auto" is to learn from the collection and to embed it; None for MINUTES.
        kind: The kind of data in the collection, for "auto".

    Returns:
        The recipe in full, and why.

    Raises:
        InfoMaxError: There is no such recipe or setting, or no images, or a time is given for a recipe that is named.

    """
    if minutes is not None and recipe not in (None, AUTO):
        raise InfoMaxError("minutes are for the choice of a recipe: leave them out, or use the recipe auto")
    if isinstance(recipe, Recipe):
        choice = Choice(recipe, "")
    elif recipe in (None, AUTO) and before is not None:
        choice = Choice(recipe_from_config(before), "")
    elif recipe is None or recipe == AUTO:
        choice = CHOICES[kind](source, device, MINUTES if minutes is None else minutes)
    else:
        choice = Choice(find_recipe(recipe), "")
    _refuse_settings_of_others(choice.recipe, settings or {})
    found = choice.recipe.with_settings(**settings) if settings else choice.recipe
    return Choice((found if epochs is None else found.with_epochs(epochs)).completed(), choice.reason)


def choose_recipe(source: Source, device: torch.device, minutes: float = MINUTES) -> Choice:
    """Choose a recipe by the size and the number of the images, and by the time that it may take.

    Args:
        source: The collection.
        device: Where the training computes.
        minutes: Time to learn from the collection and to embed it. On a GPU the finest recipe is always taken.

    Returns:
        The recipe, with a reason that says how long it takes.

    Raises:
        InfoMaxError: There are no images, or the time is not positive.

    """
    if not minutes > 0:
        raise InfoMaxError(f"{minutes:g} minutes: give a time above 0, 5 say")
    seen = probe_source(source)
    finest = next(recipes for least, recipes in RESOLUTIONS if seen.side >= least)
    fitting = [each.within(60 * minutes, seen.count, device) for each in finest]
    if device.type == "cpu" and finest[0] is SPECTRAL and seen.count < SMALL:
        other, recipe = fitting
    else:
        seconds = [each.usual_seconds(seen.count, device) for each in fitting]
        enough = [time is None or time <= 60 * minutes for time in seconds]
        recipe = fitting[enough.index(True)] if any(enough) else fitting[-1]
        other = next(each for each in fitting if each is not recipe)
    where = "a GPU" if device.type == "cuda" else "a CPU"
    reason = f"recipe {recipe.name}, for {seen.count} images of about {seen.side} px on {where}"
    reason += f", seen at {recipe.size} x {recipe.size} px"
    own, others = (each.expected_seconds(seen.count, device) for each in (recipe, other))
    if own is not None and others is not None:
        comparison = "finer" if others > own else "faster"
        reason += f", takes about {duration(own)} ({comparison}: --recipe {other.name}, about {duration(others)})"
    if recipe not in finest:
        reason += f"; more time compares more images: --minutes {2 * minutes:g}"
    if seen.side >= RESOLUTIONS[0][0]:
        reason += "; for photos of things a pretrained net knows more: --recipe backbone"
    return Choice(recipe, reason)


def choose_text_recipe(source: Source, device: torch.device, minutes: float = MINUTES) -> Choice:  # noqa: ARG001
    """Choose the recipe of texts: there is one, and it is bounded in time by its own settings.

    Args:
        source: The collection.
        device: Where the training computes.
        minutes: Ignored.

    Returns:
        The recipe, with a reason.

    """
    return Choice(SPECTRAL_TEXT, f"recipe {SPECTRAL_TEXT.name}, for {len(source.entries)} texts")


CHOICES: Mapping[str, Callable[[Source, torch.device, float], Choice]] = {
    SPECTRAL.data: choose_recipe,
    SPECTRAL_TEXT.data: choose_text_recipe,
}
"""What chooses a recipe, by the kind of data."""


def _refuse_settings_of_others(recipe: Recipe, settings: Mapping[str, Any]) -> None:
    """Name the recipes that have a setting which this one lacks: --divergence is none of the closed form's."""
    for name in settings:
        others = [other.name for other in RECIPES.values() if name in other.to_dict()]
        if others and name not in recipe.to_dict():
            raise InfoMaxError(f"recipe {recipe.name} has no {name}: choose one that has it, --recipe {others[0]} say")
