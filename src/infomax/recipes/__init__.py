"""Recipes: a file for each way to learn, its presets under their class with the command and where its results are."""

from infomax.recipes.auto import Choice, choose_recipe, resolve_recipe
from infomax.recipes.backbone import BACKBONE, Backbone
from infomax.recipes.deep_infomax import DIM_CIFAR10, DIM_DIGITS, DIM_TINY_IMAGENET, DeepInfoMax
from infomax.recipes.multiview import MULTIVIEW, MULTIVIEW_BEST, MULTIVIEW_FAST, MultiViewInfoMax
from infomax.recipes.recipe import Recipe
from infomax.recipes.registry import AUTO, RECIPES, find_recipe, kind_of, recipe_from_config
from infomax.recipes.spectral import SPECTRAL, SPECTRAL_FAST, Spectral
from infomax.recipes.spectral_text import SPECTRAL_TEXT, SpectralText

__all__ = [
    "AUTO",
    "BACKBONE",
    "DIM_CIFAR10",
    "DIM_DIGITS",
    "DIM_TINY_IMAGENET",
    "MULTIVIEW",
    "MULTIVIEW_BEST",
    "MULTIVIEW_FAST",
    "RECIPES",
    "SPECTRAL",
    "SPECTRAL_FAST",
    "SPECTRAL_TEXT",
    "Backbone",
    "Choice",
    "DeepInfoMax",
    "MultiViewInfoMax",
    "Recipe",
    "Spectral",
    "SpectralText",
    "choose_recipe",
    "find_recipe",
    "kind_of",
    "recipe_from_config",
    "resolve_recipe",
]
