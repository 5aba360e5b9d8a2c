"""The choice of a recipe: the one that is named, that of a run to resume, or the one that suits the collection.

The closed form needs no epochs and no GPU. On CIFAR-10 it retrieves better after minutes than the training of Su (2018)
after an hour (docs/closed-form.md). The fine recipe takes five times as long as the fast one. Below about 6,000 images
that gains nothing measurable: 1,500 images of CIFAR-10 are classified right by neighbors in 60.4 against 59.8 % (both
plus or minus 4.3), clip art and digits the same. On 20,000 images of Fashion-MNIST it gains 2 points, on 50,000 of
CIFAR-10 it gains 5.5. Above 200,000 images the fast one is the better choice on a CPU again.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from infomax.errors import InfoMaxError
from infomax.images.probe import probe_source
from infomax.images.source import Source
from infomax.progress import duration
from infomax.recipes.recipe import Recipe
from infomax.recipes.registry import AUTO, RECIPES, find_recipe, recipe_from_config
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_FAST

SMALL = 6_000  # images, below which the fine recipe gains nothing measurable
LARGE = 200_000  # images, which the fine recipe encodes in about 20 minutes of CPU time, at 6 ms each


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
) -> Choice:
    """Find the recipe that a training uses.

    Args:
        recipe: The recipe or its name; None or "auto" for that of `before`, else for the one that suits the collection.
        settings: Settings to replace, by name.
        epochs: Passes over the images in place of the recipe's.
        source: The collection, for "auto".
        device: Where the training computes, for "auto".
        before: The recipe in the config.json of a run to resume.

    Returns:
        The recipe in full, and why.

    Raises:
        InfoMaxError: There is no such recipe or setting, or no images.

    """
    if isinstance(recipe, Recipe):
        choice = Choice(recipe, "")
    elif recipe in (None, AUTO) and before is not None:
        choice = Choice(recipe_from_config(before), "")
    elif recipe is None or recipe == AUTO:
        choice = choose_recipe(source, device)
    else:
        choice = Choice(find_recipe(recipe), "")
    _refuse_settings_of_others(choice.recipe, settings or {})
    found = choice.recipe.with_settings(**settings) if settings else choice.recipe
    return Choice(found if epochs is None else found.with_epochs(epochs), choice.reason)


def choose_recipe(source: Source, device: torch.device) -> Choice:
    """Choose a recipe by device and number of images.

    Args:
        source: The collection.
        device: Where the training computes.

    Returns:
        The recipe, with a reason that says how long it takes.

    Raises:
        InfoMaxError: There are no images.

    """
    seen = probe_source(source)
    fast = device.type == "cpu" and (seen.count < SMALL or seen.count > LARGE)
    recipe, other = (SPECTRAL_FAST, SPECTRAL) if fast else (SPECTRAL, SPECTRAL_FAST)
    where = "a GPU" if device.type == "cuda" else "a CPU"
    reason = f"recipe {recipe.name}, for {seen.count} images of about {seen.side} px on {where}"
    seconds = [each.expected_seconds(seen.count, device) for each in (recipe, other)]
    if seconds[0] is not None and seconds[1] is not None:
        comparison = "finer" if fast else "faster"
        reason += f", takes about {duration(seconds[0])} ({comparison}: --recipe {other.name}, about "
        reason += f"{duration(seconds[1])})"
    return Choice(recipe, reason)


def _refuse_settings_of_others(recipe: Recipe, settings: Mapping[str, Any]) -> None:
    """Name the recipes that have a setting which this one lacks: --divergence is none of the closed form's."""
    for name in settings:
        others = [other.name for other in RECIPES.values() if name in other.to_dict()]
        if others and name not in recipe.to_dict():
            raise InfoMaxError(f"recipe {recipe.name} has no {name}: choose one that has it, --recipe {others[0]} say")
