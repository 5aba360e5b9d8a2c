"""Recipes: a file for each way to learn, its presets under their class with the command and the measured result."""

from collections.abc import Mapping
from typing import Any

from infomax.errors import InfoMaxError
from infomax.recipes.auto import choose
from infomax.recipes.deep_infomax import SEED_CIFAR10, SEED_DIGITS, SEED_TINY_IMAGENET, DeepInfoMax
from infomax.recipes.multiview import VIEWS, VIEWS_BEST, VIEWS_FAST, ViewInfoMax
from infomax.recipes.recipe import Fitting, Recipe
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_FAST, Spectral

AUTO = "auto"
"""The name that leaves the choice to `choose`."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(SPECTRAL, SPECTRAL_FAST),
        *(VIEWS_FAST, VIEWS, VIEWS_BEST),
        *(SEED_CIFAR10, SEED_TINY_IMAGENET, SEED_DIGITS),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises InfoMaxError, naming the known ones."""
    try:
        return RECIPES[name]
    except KeyError:
        raise InfoMaxError(f"unknown recipe '{name}': choose one of {AUTO}, {', '.join(RECIPES)}") from None


def recipe_of(settings: Mapping[str, Any]) -> Recipe:
    """The recipe whose settings a config.json holds. Raises InfoMaxError for settings that are not ours."""
    kinds: dict[str, type[Recipe]] = {"atoms": Spectral, "view_size": ViewInfoMax, "blocks": DeepInfoMax}
    kind = next((kind for name, kind in kinds.items() if name in settings), DeepInfoMax)
    return kind.from_dict(settings)


__all__ = [
    "AUTO",
    "RECIPES",
    "SEED_CIFAR10",
    "SEED_DIGITS",
    "SEED_TINY_IMAGENET",
    "SPECTRAL",
    "SPECTRAL_FAST",
    "VIEWS",
    "VIEWS_BEST",
    "VIEWS_FAST",
    "DeepInfoMax",
    "Fitting",
    "Recipe",
    "Spectral",
    "ViewInfoMax",
    "choose",
    "find_recipe",
    "recipe_of",
]
