"""All recipes by name: the presets, and the classes by what config.json calls them."""

from collections.abc import Mapping
from typing import Any

from infomax.errors import InfoMaxError
from infomax.kinds.kind import DataKind
from infomax.kinds.registry import IMAGES, find_kind
from infomax.recipes.backbone import BACKBONE, Backbone
from infomax.recipes.deep_infomax import DIM_CIFAR10, DIM_DIGITS, DIM_TINY_IMAGENET, DeepInfoMax
from infomax.recipes.multiview import MULTIVIEW, MULTIVIEW_BEST, MULTIVIEW_FAST, MultiViewInfoMax
from infomax.recipes.recipe import Recipe
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_64, SPECTRAL_96, SPECTRAL_FAST, Spectral
from infomax.recipes.spectral_text import SPECTRAL_TEXT, SpectralText

AUTO = "auto"
"""The name that leaves the choice to `choose_recipe`."""

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        *(SPECTRAL, SPECTRAL_FAST, SPECTRAL_64, SPECTRAL_96),
        *(MULTIVIEW_FAST, MULTIVIEW, MULTIVIEW_BEST),
        *(DIM_CIFAR10, DIM_TINY_IMAGENET, DIM_DIGITS),
        *(BACKBONE, SPECTRAL_TEXT),
    )
}
"""The presets by name."""

KINDS: dict[str, type[Recipe]] = {
    kind.kind: kind for kind in (Spectral, MultiViewInfoMax, DeepInfoMax, Backbone, SpectralText)
}
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


def kind_of(recipe: str | Recipe | None, kind: str | None = None, before: Mapping[str, Any] | None = None) -> DataKind:
    """Find the kind of data that a training learns from.

    Args:
        recipe: The recipe or its name; None or "auto" where that is left open.
        kind: Name of the kind; None for that of the recipe.
        before: The recipe in the config.json of a run to resume.

    Returns:
        The kind; images where nothing says otherwise.

    Raises:
        InfoMaxError: There is no such recipe or kind, or the recipe takes another kind.

    Examples:
        >>> kind_of(None).name, kind_of("spectral-text").name
        ('images', 'text')

    """
    known: Recipe | None = None
    if isinstance(recipe, Recipe):
        known = recipe
    elif recipe not in (None, AUTO):
        known = find_recipe(recipe)
    elif before is not None:
        known = recipe_from_config(before)
    wanted = find_kind(kind or (IMAGES if known is None else known.data))
    if known is not None and known.data != wanted.name:
        raise InfoMaxError(f"recipe {known.name} learns from {known.data}, not from {wanted.name}: choose one of them")
    return wanted
