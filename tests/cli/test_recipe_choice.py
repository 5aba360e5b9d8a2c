"""Options that choose a recipe and its settings."""

import pytest

from infomax.cli.recipe_choice import RecipeChoice, recipe_choice
from infomax.errors import InfoMaxError
from tests.conftest import Infomax


def test_nothing_is_chosen_by_nothing() -> None:
    assert recipe_choice(None, None, bound=None) == RecipeChoice(None, None)


def test_a_backbone_chooses_its_recipe_and_set_wins() -> None:
    assert recipe_choice(None, ["dim=64"], "timm:x") == RecipeChoice("backbone", {"backbone": "timm:x", "dim": "64"})
    assert recipe_choice("backbone", ["backbone=b"], "a") == RecipeChoice("backbone", {"backbone": "b"})


def test_a_backbone_and_another_recipe_are_refused() -> None:
    with pytest.raises(InfoMaxError, match="--backbone timm:x needs the recipe backbone, not spectral: leave one"):
        recipe_choice("spectral", None, "timm:x")


def test_options_become_settings_and_set_wins() -> None:
    assert recipe_choice("dim-digits", ["prior=none"], bound="nwj", prior="gaussian") == RecipeChoice(
        "dim-digits", {"bound": "nwj", "prior": "none"}
    )


@pytest.mark.parametrize("command", [["fit", "--out", "run"], ["explore", "--no-browser"]])
def test_a_backbone_of_no_library_is_one_line(infomax: Infomax, command: list[str]) -> None:
    failure = infomax(*command, "digits:test", "--backbone", "spectral:x", "--recipe", "spectral").failure
    assert "--backbone spectral:x needs the recipe backbone" in failure
