"""Recipes: a file for each way to learn, its presets under their class with the command and the measured result."""

from collections.abc import Mapping
from typing import Any

from infomax.errors import InfoMaxError
from infomax.recipes.auto import choose_recipe
from infomax.recipes.deep_infomax import DIM_CIFAR10, DIM_DIGITS, DIM_TINY_IMAGENET, DeepInfoMax
from infomax.recipes.multiview import MULTIVIEW, MULTIVIEW_BEST, MULTIVIEW_FAST, MultiViewInfoMax
from infomax.recipes.recipe import Recipe, TrainingContext
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_FAST, Spectral

AUTO = "auto"
"""The name that leaves the choice to `choose`."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(SPECTRAL, SPECTRAL_FAST),
        *(MULTIVIEW_FAST, MULTIVIEW, MULTIVIEW_BEST),
        *(DIM_CIFAR10, DIM_TINY_IMAGENET, DIM_DIGITS),
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe of that name. Raises InfoMaxError, naming the known ones."""
    try:
        return RECIPES[name]
    except KeyError:
        raise InfoMaxError(f"unknown recipe '{name}': choose one of {AUTO}, {', '.join(RECIPES)}") from None


def recipe_from_config(settings: Mapping[str, Any]) -> Recipe:
    """The recipe whose settings a config.json holds. Raises InfoMaxError for settings that are not ours."""
    kinds: dict[str, type[Recipe]] = {"atoms": Spectral, "view_size": MultiViewInfoMax, "blocks": DeepInfoMax}
    kind = next((kind for name, kind in kinds.items() if name in settings), DeepInfoMax)
    return kind.from_dict(settings)


__all__ = [
    "AUTO",
    "DIM_CIFAR10",
    "DIM_DIGITS",
    "DIM_TINY_IMAGENET",
    "MULTIVIEW",
    "MULTIVIEW_BEST",
    "MULTIVIEW_FAST",
    "RECIPES",
    "SPECTRAL",
    "SPECTRAL_FAST",
    "DeepInfoMax",
    "MultiViewInfoMax",
    "Recipe",
    "Spectral",
    "TrainingContext",
    "choose_recipe",
    "find_recipe",
    "recipe_from_config",
]
