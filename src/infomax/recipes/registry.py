"""All recipes by name: the presets, and the classes by what config.json calls them."""

from collections.abc import Mapping
from typing import Any

from infomax.errors import InfoMaxError
from infomax.recipes.backbone import BACKBONE, Backbone
from infomax.recipes.deep_infomax import DIM_CIFAR10, DIM_DIGITS, DIM_TINY_IMAGENET, DeepInfoMax
from infomax.recipes.multiview import MULTIVIEW, MULTIVIEW_BEST, MULTIVIEW_FAST, MultiViewInfoMax
from infomax.recipes.recipe import Recipe
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_64, SPECTRAL_96, SPECTRAL_FAST, Spectral

AUTO = "auto"
"""The name that leaves the choice to `choose_recipe`."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(SPECTRAL, SPECTRAL_FAST, SPECTRAL_64, SPECTRAL_96),
        *(MULTIVIEW_FAST, MULTIVIEW, MULTIVIEW_BEST),
        *(DIM_CIFAR10, DIM_TINY_IMAGENET, DIM_DIGITS),
        BACKBONE,
    )
}
"""The presets by name."""

KINDS: dict[str, type[Recipe]] = {kind.kind: kind for kind in (Spectral, MultiViewInfoMax, DeepInfoMax, Backbone)}
"""The classes by what config.json calls them."""


def find_recipe(name: str) -> Recipe:
    """Look up a preset.

    Args:
        name: Its name.

    Returns:
        The preset.

    Raises:
        InfoMaxError: There is none of that name; the message lists the known ones.

    """
    try:
        return RECIPES[name]
    except KeyError:
        raise InfoMaxError(f"unknown recipe '{name}': choose one of {AUTO}, {', '.join(RECIPES)}") from None


def recipe_from_config(settings: Mapping[str, Any]) -> Recipe:
    """Read the recipe of a config.json.

    Args:
        settings: Its settings, with the `kind` of the recipe.

    Returns:
        The recipe.

    Raises:
        InfoMaxError: The kind or a setting is unknown.

    """
    name = settings.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InfoMaxError(f"settings of an unknown kind of recipe: known kinds are {', '.join(KINDS)}")
    return kind.from_dict(settings)
