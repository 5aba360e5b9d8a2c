"""Recipes of views: what can be set, what is refused and when, and that every choice trains."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.information import Cosine, Separable
from infomax.recipes import MULTIVIEW_FAST, RECIPES, MultiViewInfoMax, recipe_from_config
from infomax.representation.objectives import CrossViewInfo
from tests.conftest import SMALL_VIEWS, Infomax, colored

VIEW_RECIPES = [recipe for recipe in RECIPES.values() if isinstance(recipe, MultiViewInfoMax)]


def small(*texts: str) -> MultiViewInfoMax:
    return SMALL_VIEWS.with_texts(["epochs=1", *texts])


@pytest.mark.parametrize("recipe", VIEW_RECIPES, ids=lambda recipe: recipe.name)
def test_recipes_go_through_json_and_back(recipe: MultiViewInfoMax) -> None:
    assert recipe_from_config(json.loads(json.dumps(recipe.to_dict()))) == recipe
    recipe.validate(50_000, 1)
    recipe.validate(50_000, 2)


REFUSED = [
    ("views=1", "views is 1: use 2 or more, for a view is compared with another one"),
    ("view_size=20", "a view of 20 px is larger than the images of 16 px"),
    ("local_crop_size=17", "a view of 17 px is larger than the images of 16 px"),
    ("view_size=0", "a view of size 0"),
    ("network=alexnet", "unknown network 'alexnet': choose one of whitened, resnet18, .*timm:NAME"),
    ("optimizer=sgd", "unknown optimizer 'sgd': choose one of adam, adamw, lars, muon"),
    ("critic=mine", "unknown critic 'mine': choose one of auto, cosine"),
    ("bound=mine", "unknown bound 'mine'"),
    ("prior=mine", "unknown prior 'mine': choose one of none, gaussian"),
    ("temperature=0", "temperature is 0.0: use a positive number"),
    ("min_crop_area=2", r"scale of a view is \(2.0, 1.0\)"),
    ("final_fraction=2", "final_fraction is 2.0: give a fraction, 0 to 1"),
    ("blur=2", "blur of a view is 2.0: give a probability"),
    ("color=-1", "brightness of a view is -0.4"),
    ("local_crops=-1", "local_crops is -1: use 0 or more"),
    ("widths=4,0", r"widths is \(4, 0\): give one number or more, each 1 or more"),
    ("hidden=0", "hidden is 0: use 1 or more"),
    ("beta=nan", "beta is nan: use a finite number"),
    ("compiled=maybe", "setting compiled=maybe: give a value like compiled=False"),
    ("micro_batches=3", "a batch of 16 in 3 micro_batches"),
    ("warmup=-1", "warmup is -1.0"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_settings_that_will_not_do(text: str, reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason) as raised:
        small(text)
    assert "\n" not in str(raised.value)


def test_something_must_be_left_to_learn_from() -> None:
    with pytest.raises(InfoMaxError, match="alpha and beta are both 0: nothing is left to learn from"):
        small("alpha=0", "beta=0")


def test_late_views_have_another_size() -> None:
    recipe = small("size=20", "final_fraction=0.25", "final_view_size=20", "color=2")
    sizes = [[view.size for view in recipe.view_plan(done)] for done in (0.0, 0.74, 0.76, 0.99)]
    assert sizes == [[16, 16], [16, 16], [20, 16], [20, 16]]
    large, other = recipe.view_plan(0.0)
    assert (large.count, large.scale, other.count, other.scale) == (2, (0.25, 1.0), 1, (0.08, 0.25))
    assert (large.brightness, large.hue) == (0.8, 0.2)


@pytest.mark.parametrize("compiled", [True, False])
def test_words_for_yes_and_no(compiled: bool) -> None:
    assert small(f"compiled={str(compiled).lower()}").compiled is compiled


CHOICES = {
    "network": ["whitened", "resnet18", "multiscale", "vit", "convolutional"],
    "bound": ["infonce", "f-divergence", "smile"],
    "divergence": ["pearson-chi2"],
    "pairs": ["all-pairs", "derangement"],
    "critic": ["cosine", "separable", "concatenated", "bilinear"],
    "prior": ["none", "gaussian", "sliced-gaussian", "adversarial-uniform", "noise-gaussian"],
    "optimizer": ["adam", "adamw", "lars", "muon"],
    "alpha": ["0"],
    "beta": ["0"],
    "blur": ["0.5"],
}


@pytest.mark.parametrize(("name", "choice"), [(name, choice) for name, known in CHOICES.items() for choice in known])
def test_every_choice_trains(name: str, choice: str) -> None:
    more = {"divergence": ["bound=f-divergence"], "optimizer": ["weight_decay=0"] if choice == "adam" else []}
    recipe, images = small(f"{name}={choice}", *more.get(name, [])), colored(33, side=16)
    model = InfoMax(recipe, device="cpu").fit(images)
    torch.manual_seed(0)
    untrained = recipe.encoder().eval()
    codes = model.transform(images)
    assert np.isfinite(codes).all()
    with torch.no_grad():
        assert not np.allclose(codes, untrained(torch.from_numpy(images)).mean.numpy(), atol=1e-3)


def test_a_term_of_no_weight_is_left_out_and_critics_suit_the_bound() -> None:
    def between(*texts: str) -> list[tuple[str, type]]:
        objective = small(*texts).objective()
        return [(each.target, type(each.critic)) for each in objective.modules() if isinstance(each, CrossViewInfo)]

    assert between() == [("code", Cosine), ("positions", Cosine)]
    assert between("alpha=0") == [("positions", Cosine)]
    assert between("beta=0", "bound=f-divergence") == [("code", Separable)]
    with torch.no_grad():
        recipe = small("beta=0", "local_crops=0")
        batch = torch.from_numpy(colored(32, side=16))
        seen = recipe.encoder()(batch).split(16)
        value = recipe.objective().of_views([(each, each.mean) for each in seen])
    assert 0 < abs(value.total.item()) <= math.log(2 * 15 + 1)


def test_the_whitened_patches_come_from_the_images() -> None:
    """Two collections give two sets of patches, and a seed that draws other images from few the same."""

    def patches(images: np.ndarray[Any, np.dtype[np.uint8]]) -> torch.Tensor:
        model = InfoMax(small(), device="cpu").fit(images)
        weight: torch.Tensor = model.encoder_.state_dict()["patches.weight"]
        return weight

    first, same, other = patches(colored(33, 16)), patches(colored(33, 16)), patches(colored(33, 16, seed=1))
    assert torch.equal(first, same)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["batch=64"], "batch is 64, and there are 40 images: use --set batch=40 or less"),
        (["view_size=4"], "views of 4 px are too small for whitened: make them larger"),
        (["network=vit", "view_size=15"], "15"),
        (["views=1"], "views is 1: use 2 or more"),
        (["view_size=17"], "a view of 17 px is larger than the images of 16 px"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_anything_is_written(
    infomax: Infomax, tmp_path: Path, words: list[str], reason: str
) -> None:
    np.save(tmp_path / "images.npy", colored(40, side=16))
    settings = ["size=16", "widths=4,8", "dim=8", "batch=16", "view_size=16", "final_fraction=0", *words]
    options = [word for setting in settings for word in ("--set", setting)]
    out = infomax("fit", tmp_path / "images.npy", "--out", tmp_path / "run", "--recipe", "multiview-fast", *options)
    assert reason in out.failure
    assert not (tmp_path / "run").exists()


def test_without_timm_the_extra_is_named(infomax: Infomax, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    np.save(tmp_path / "images.npy", colored(300, side=32))
    words = ["--recipe", "multiview-fast", "--set", "network=timm:resnet18", "--set", "batch=64"]
    out = infomax("fit", tmp_path / "images.npy", "--out", tmp_path / "run", *words)
    assert "pip install 'infomax[timm]'" in out.failure
    assert not (tmp_path / "run").exists()


def test_a_fit_by_the_command_line_is_loaded_and_used(shell: Infomax, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", colored(40, side=16))
    settings = ["size=16", "widths=4,8", "dim=8", "batch=16", "view_size=16", "final_fraction=0", "hidden=8", "rank=4"]
    options = [word for setting in settings for word in ("--set", setting)]
    out = shell("fit", "images.npy", "--out", "run", "--recipe", "multiview-fast", "--epochs", "2", *options)
    assert out.code == 0, out.stderr
    assert "learned 8 features from 40 images" in out.stdout
    codes = InfoMax.load(tmp_path / "run", device="cpu").transform(tmp_path / "images.npy")
    assert codes.shape == (40, 8)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert recipe_from_config(config["recipe"]) == MULTIVIEW_FAST.with_texts([*settings, "epochs=2"])
