"""Options of `fit` and `explore` that choose a recipe and its settings."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import typer

from infomax.errors import InfoMaxError

_BACKBONE = "backbone"  # the recipe, and its setting that names the net

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Replace a setting of the recipe: --set beta=0."),
]
PretrainedNet = Annotated[
    str | None,
    typer.Option(
        "--backbone",
        metavar="NET",
        help="Build on a pretrained net: efficientnet-lite0, timm:NAME, torchvision:NAME, transformers:ID, onnx:FILE.",
    ),
]


class RecipeChoice(NamedTuple):
    """What the user chose.

    Attributes:
        recipe: Name of a recipe; None for the one that suits the collection.
        settings: Settings of the recipe to replace, by name; None for none.

    """

    recipe: str | None
    settings: dict[str, str] | None


def recipe_choice(
    recipe: str | None, texts: Sequence[str] | None, backbone: str | None = None, **named: str | None
) -> RecipeChoice:
    """Put together what several options say.

    Args:
        recipe: Value of --recipe.
        texts: Values of --set, NAME=VALUE each. They win over the other options.
        backbone: Value of --backbone, which implies the recipe of that name.
        **named: Values of options that are settings, by name; None where one was not given.

    Returns:
        The choice.

    Raises:
        InfoMaxError: --backbone and another recipe are given.

    """
    if backbone is not None:
        if recipe not in (None, _BACKBONE):
            raise InfoMaxError(
                f"--backbone {backbone} needs the recipe {_BACKBONE}, not {recipe}: leave one of them out"
            )
        recipe, named = _BACKBONE, {_BACKBONE: backbone, **named}
    replaced = {name: value for name, value in named.items() if value is not None}
    replaced |= {name: value for name, _, value in (text.partition("=") for text in texts or [])}
    return RecipeChoice(recipe, replaced or None)
