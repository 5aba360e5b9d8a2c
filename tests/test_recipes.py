"""Settings of the article's method: what can be set, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from infomax import InfoMax
from infomax.errors import InfoMaxError
from infomax.information import BOUNDS, DIVERGENCES, NOISE_CHANNELS, PRIORS, Separable, UniformChannel, all_pairs
from infomax.recipes import DIM_CIFAR10, DIM_TINY_IMAGENET, DeepInfoMax, find_recipe
from infomax.representation.objectives import GlobalInfo, ThroughNoise
from tests.conftest import SMALL, colored

CIFAR, TINY = DIM_CIFAR10, DIM_TINY_IMAGENET


def test_the_articles_two_scripts() -> None:
    assert (CIFAR.size, CIFAR.blocks, CIFAR.dim, CIFAR.batch, CIFAR.epochs) == (32, (64, 128, 256), 256, 64, 50)
    assert (TINY.size, TINY.blocks, TINY.dim, TINY.batch, TINY.epochs) == (64, (32, 64, 128, 256), 256, 100, 100)
    for recipe in (CIFAR, TINY):
        assert (recipe.learning_rate, recipe.divergence, recipe.global_target) == (1e-3, "gan", "code")


def test_an_unknown_recipe_is_told_the_known_ones() -> None:
    with pytest.raises(InfoMaxError, match=r"unknown recipe 'cifar': choose one of auto, .*dim-cifar10, dim-"):
        find_recipe("cifar")


def test_settings_from_the_command_line() -> None:
    texts = ["beta=0", "blocks=32,64", "size=16", "divergence=jensen-shannon", "learning_rate=1e-4", "epochs=3"]
    changed = CIFAR.with_texts(texts)
    assert (changed.beta, changed.blocks, changed.size, changed.epochs) == (0.0, (32, 64), 16, 3)
    assert (changed.divergence, changed.learning_rate) == ("jensen-shannon", 1e-4)
    assert changed.name == CIFAR.name
    assert CIFAR.with_texts([]) == CIFAR


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("gama=1", "no setting 'gama' in dim-cifar10: choose one of size, dim, blocks, epochs, batch, "),
        ("name=mine", "no setting 'name'"),
        ("", "no setting ''"),
        ("beta", "setting beta=: give a value like beta=1.5"),
        ("beta=much", "setting beta=much: give a value like beta=1.5"),
        ("dim=2.5", "setting dim=2.5: give a value like dim=256"),
        ("blocks=", "setting blocks=: give a value like"),
        ("blocks=8,x", "setting blocks=8,x: give a value like"),
        ("divergence=mine", "unknown divergence 'mine': choose one of .*gan"),
        ("size=33", "size 33 cannot be halved 3 times, once a block: use a multiple of 8"),
        ("size=0", "size 0 cannot be halved"),
        ("size=-8", "size -8 cannot be halved"),
        ("blocks=8,0,8", "each 1 or more"),
        ("dim=0", "dim is 0"),
        ("batch=1", "batch is 1: use 2 or more"),
        ("epochs=0", "epochs is 0: use 1 or more"),
        ("learning_rate=0", "learning_rate is 0.0"),
        ("epsilon=-1", "epsilon is -1.0"),
        ("beta=nan", "beta is nan: use a finite number"),
        ("scale=inf", "scale is inf: use a finite number"),
    ],
)
def test_settings_that_will_not_do(text: str, reason: str) -> None:
    with pytest.raises(InfoMaxError, match=reason) as raised:
        CIFAR.with_texts([text])
    assert "\n" not in str(raised.value)


def test_something_must_be_left_to_learn_from() -> None:
    with pytest.raises(InfoMaxError, match="0: nothing is left to learn from"):
        CIFAR.with_texts(["alpha=0", "beta=0", "gamma=0"])
    assert CIFAR.with_texts(["alpha=0"]).alpha == 0


@pytest.mark.parametrize("settings", [{}, {"blocks": 4}, {**SMALL.to_dict(), "attention": True}])
def test_a_config_of_another_kind(settings: dict[str, Any]) -> None:
    with pytest.raises(InfoMaxError, match=r"settings of another kind of recipe .*: the known ones are name, size, "):
        DeepInfoMax.from_dict(settings)


@pytest.mark.parametrize("divergence", ["gan", "jensen-shannon"])
def test_the_divergence_is_that_of_both_bounds(divergence: str) -> None:
    """Critics of zeros tell nothing: GAN says -2 ln 2 then, Jensen-Shannon, which is GAN moved by 2 ln 2, says 0."""
    import torch

    recipe = SMALL.with_settings(divergence=divergence)
    encoder, objective = recipe.encoder(), recipe.objective()
    for weight in objective.parameters():
        torch.nn.init.zeros_(weight)
    seen = encoder(torch.zeros(4, 8, 8, 3))
    terms = objective(seen, seen.mean, None).terms
    expected = -2 * math.log(2) if divergence == "gan" else 0.0
    assert [terms[name].item() for name in ("global", "local")] == pytest.approx([expected] * 2, abs=1e-6)


CHOICES = {
    "divergence": [*DIVERGENCES],
    "bound": [*BOUNDS],
    "pairs": ["derangement", "all-pairs"],
    "critic": ["concatenated", "separable", "bilinear"],
    "prior": [*PRIORS, *NOISE_CHANNELS, "none"],
    "global_target": ["code", "mean", "feature-map"],
}


@pytest.mark.parametrize(("name", "choice"), [(name, choice) for name, known in CHOICES.items() for choice in known])
def test_every_choice_trains(name: str, choice: str) -> None:
    recipe = SMALL.with_texts([f"{name}={choice}", "delta=0.5"])
    model = InfoMax(recipe, epochs=1, device="cpu").fit(colored(40))
    untrained = InfoMax(recipe, epochs=1, device="cpu", seed=1).fit(colored(40))
    assert np.isfinite(model.transform(colored(40))).all()
    assert not np.allclose(model.transform(colored(40)), untrained.transform(colored(40)))


def test_a_term_of_no_weight_is_left_out() -> None:
    def terms(*texts: str) -> list[str]:
        objective = SMALL.with_texts(texts).objective()
        seen = SMALL.encoder()(torch.from_numpy(colored(16)))
        return list(objective(seen, seen.mean).terms)

    assert terms() == ["global", "local", "prior"]
    assert terms("alpha=0", "gamma=0") == ["local"]
    assert terms("beta=0", "prior=none", "delta=1") == ["global", "positions"]


def test_noise_in_place_of_a_prior_makes_the_encoder_deterministic_and_its_target_clean() -> None:
    """No term of its own, and a code that is paired with itself is paired with itself before the noise."""
    recipe = SMALL.with_texts(["prior=noise-uniform", "noise=0.25"])
    objective = recipe.objective()
    assert isinstance(objective, ThroughNoise)
    assert isinstance(objective.channel, UniformChannel)
    assert objective.channel.noise == 0.25
    whole = next(part for part in objective.modules() if isinstance(part, GlobalInfo))
    assert whole.target == "mean"
    seen = recipe.encoder()(torch.from_numpy(colored(16)))
    assert seen.log_var is None
    assert list(objective(seen, seen.mean).terms) == ["global", "local"]


def test_bounds_that_live_on_many_negatives_get_them() -> None:
    """Auto: the article's pairs for an f-divergence; a ceiling of ln 2 would make nothing of InfoNCE."""
    images = torch.from_numpy(colored(16))
    recipe = SMALL.with_texts(["bound=infonce", "beta=0", "gamma=0"])
    whole = next(part for part in recipe.objective().modules() if isinstance(part, GlobalInfo))
    assert whole.pairs is all_pairs
    assert isinstance(whole.critic, Separable)
    seen = recipe.encoder()(images)
    assert recipe.objective()(seen, seen.mean).total.item() <= math.log(16)


def test_a_setting_of_another_recipe_names_one_that_has_it() -> None:
    with pytest.raises(InfoMaxError, match="recipe spectral has no divergence: choose one that has it, --recipe mul"):
        InfoMax("spectral", settings={"divergence": "gan"}).fit(colored(40))
