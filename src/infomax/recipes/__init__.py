"""Recipes: one file each, settings with the command that runs them and the result they were measured to give."""

from infomax.errors import InfoMaxError
from infomax.recipes.deep_infomax import DeepInfoMax
from infomax.recipes.seed_cifar10 import SEED_CIFAR10
from infomax.recipes.seed_digits import SEED_DIGITS
from infomax.recipes.seed_tiny_imagenet import SEED_TINY_IMAGENET

RECIPES = {recipe.name: recipe for recipe in (SEED_CIFAR10, SEED_TINY_IMAGENET, SEED_DIGITS)}


def find_recipe(name: str) -> DeepInfoMax:
    """The recipe of that name. Raises InfoMaxError, naming the known ones."""
    try:
        return RECIPES[name]
    except KeyError:
        raise InfoMaxError(f"unknown recipe '{name}': choose one of {', '.join(RECIPES)}") from None


__all__ = ["RECIPES", "DeepInfoMax", "find_recipe"]
