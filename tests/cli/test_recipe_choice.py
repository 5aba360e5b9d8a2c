"""Options that choose a recipe and its settings."""

import pytest

from infomax.cli.recipe_choice import RecipeChoice, choose_recipe
from infomax.errors import InfoMaxError
from tests.conftest import Infomax


def test_nothing_is_chosen_by_nothing() -> None:
    assert choose_recipe(None, None, bound=None) == RecipeChoice(None, None)


def test_a_backbone_chooses_its_recipe_and_set_wins() -> None:
    assert choose_recipe(None, ["dim=64"], "timm:x") == RecipeChoice("backbone", {"backbone": "timm:x", "dim": "64"})
    assert choose_recipe("backbone", ["backbone=b"], "a") == RecipeChoice("backbone", {"backbone": "b"})


def test_a_backbone_and_another_recipe_are_refused() -> None:
    with pytest.raises(InfoMaxError, match="--backbone timm:x needs the recipe backbone, not spectral: leave one"):
        choose_recipe("spectral", None, "timm:x")


def test_options_become_settings_and_set_wins() -> None:
    assert choose_recipe("dim-digits", ["prior=none"], bound="nwj", prior="gaussian") == RecipeChoice(
        "dim-digits", {"bound": "nwj", "prior": "none"}
    )


@pytest.mark.parametrize("command", [["fit", "--out", "run"], ["explore", "--no-browser"]])
def test_a_backbone_of_no_library_is_one_line(infomax: Infomax, command: list[str]) -> None:
    failure = infomax(*command, "digits:test", "--backbone", "spectral:x", "--recipe", "spectral").failure
    assert "--backbone spectral:x needs the recipe backbone" in failure
