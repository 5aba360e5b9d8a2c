"""The recipe that `auto` chooses: by the size of the images, by their number and by the time that is given."""

import re

import numpy as np
import pytest
import torch

from infomax.errors import InfoMaxError
from infomax.images.opening import open_source
from infomax.images.probe import SourceProbe
from infomax.recipes import RECIPES, auto, choose_recipe, resolve_recipe
from infomax.recipes.spectral import LEAST_COMPARED, SPECTRAL, Spectral

CPU = torch.device("cpu")
ANY = open_source(np.zeros((2, 8, 8, 3), np.uint8))


def chosen(monkeypatch: pytest.MonkeyPatch, count: int, side: int, minutes: float = auto.MINUTES) -> auto.Choice:
    monkeypatch.setattr(auto, "probe_source", lambda _: SourceProbe(count, side))
    monkeypatch.setattr("infomax.recipes.spectral._measured_speed", lambda *_: (1e-3, 1e11))
    return choose_recipe(ANY, CPU, minutes)


@pytest.mark.parametrize(
    ("count", "side", "name"),
    [
        (2_000, 32, "spectral-fast"),
        (50_000, 32, "spectral"),
        (2_000, 8, "spectral-fast"),
        (2_000, 64, "spectral-64"),
        (20_000, 64, "spectral-64"),
        (50, 500, "spectral-96"),
        (5_000, 3_000, "spectral-96"),
        (5_000, 0, "spectral-fast"),  # none of the images that were looked at can be opened
    ],
)
def test_the_size_and_the_number_of_images_choose(
    monkeypatch: pytest.MonkeyPatch, count: int, side: int, name: str
) -> None:
    monkeypatch.setattr("infomax.recipes.spectral.cores", lambda: 2)
    choice = chosen(monkeypatch, count, side)
    assert isinstance(choice.recipe, Spectral)
    assert choice.recipe == RECIPES[name].with_settings(view_images=choice.recipe.view_images)
    size = choice.recipe.size
    assert f"recipe {name}, for {count} images of about {side} px on a CPU, seen at {size} x {size} px" in choice.reason
    assert "--recipe" in choice.reason


def test_the_time_that_is_given_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.recipes.spectral.cores", lambda: 2)
    assert chosen(monkeypatch, 5_000, 500, minutes=0.5).recipe.name == "spectral-fast"
    assert chosen(monkeypatch, 1_000_000, 500).recipe.name == "spectral-fast"
    assert chosen(monkeypatch, 1_000_000, 500, minutes=120.0).recipe.name == "spectral-96"
    assert "finer: --recipe spectral-96" in chosen(monkeypatch, 5_000, 500, minutes=0.5).reason


def test_more_time_compares_more_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomax.recipes.spectral.cores", lambda: 2)
    little, more, most = (chosen(monkeypatch, 50_000, 32, minutes) for minutes in (4.0, 6.0, 30.0))
    compared = [each.recipe.to_dict()["view_images"] for each in (little, more, most)]
    assert LEAST_COMPARED <= compared[0] < compared[1] < compared[2]
    assert most.recipe is SPECTRAL
    assert "more time compares more images: --minutes 8" in little.reason
    assert "more time" not in most.reason
    for choice, minutes in ((little, 4), (more, 6)):
        time = choice.recipe.usual_seconds(50_000, CPU)
        assert time is not None
        assert 0.8 * 60 * minutes < time <= 60 * minutes
    assert chosen(monkeypatch, 2_000, 500).recipe.name == "spectral-96"
    assert "more time" not in chosen(monkeypatch, 2_000, 500).reason  # few images are compared all, and repeatedly


def test_few_images_are_repeated_up_to_some_number() -> None:
    views = SPECTRAL._views
    assert [views.images_of(n) for n in (2, 500, 2_000, 6_000, 40_000)] == [8, 2_000, 5_000, 6_000, 16_000]
    assert SPECTRAL.with_settings(view_images=1_000)._views.images_of(500) == 1_000
    assert SPECTRAL.with_settings(view_rounds=1)._views.images_of(500) == 500


def test_the_load_of_the_machine_does_not_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that is said is measured, but the choice must be the same in every run."""
    monkeypatch.setattr("infomax.recipes.spectral.cores", lambda: 2)
    monkeypatch.setattr(auto, "probe_source", lambda _: SourceProbe(5_000, 500))
    monkeypatch.setattr("infomax.recipes.spectral._measured_speed", lambda *_: (1.0, 1e8))
    choice = choose_recipe(ANY, CPU)
    assert choice.recipe.name == "spectral-96"
    assert re.search(r"takes about \d{3,} minutes", choice.reason)


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan")])
def test_a_time_that_cannot_be_is_refused(minutes: float) -> None:
    with pytest.raises(InfoMaxError, match=r"minutes: give a time above 0"):
        choose_recipe(ANY, CPU, minutes)


def test_a_time_for_a_recipe_that_is_named_is_refused() -> None:
    with pytest.raises(InfoMaxError, match="minutes are for the choice of a recipe: leave them out, or use the recipe"):
        resolve_recipe("spectral", None, None, source=ANY, device=CPU, minutes=3.0)
    assert resolve_recipe("spectral", None, None, source=ANY, device=CPU).recipe is RECIPES["spectral"]
