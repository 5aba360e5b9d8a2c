"""Pointwise information by the local critic: compared with its scores and a known ratio, and models without it."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax import InfoMax, InfoMaxError
from infomax.evaluation.explanation import explain, local_scores
from infomax.information.divergences import DIVERGENCES
from infomax.recipes import Spectral
from infomax.representation.objectives import LocalInfo
from tests.conftest import SMALL, colored

Model = Callable[..., InfoMax]


@pytest.fixture(scope="module")
def model() -> Model:
    """A function that fits small models, each once for its settings."""
    known: dict[str, InfoMax] = {}

    def fitted(**settings: str | float) -> InfoMax:
        name = repr(settings)
        if name not in known:
            known[name] = InfoMax(SMALL.with_settings(epochs=1, **settings), device="cpu").fit(colored(32))
        return known[name]

    return fitted


def critic_scores(model: InfoMax, image: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Score of each position of one image with the code of the other, computed one pair at a time."""
    assert model.objective_ is not None
    local = next(part for part in model.objective_.modules() if isinstance(part, LocalInfo))
    with torch.no_grad():
        features = model.encoder_(torch.from_numpy(image[None])).local[0]
        code = model.encoder_(torch.from_numpy(other[None])).mean[0]
        scores = torch.stack([local.critic(code, feature) for feature in features])
    return scores.double().numpy().reshape(2, 2)


@pytest.mark.parametrize("divergence", ["gan", "kl", "squared-hellinger", "pearson-chi2"])
def test_a_score_of_an_f_divergence_is_its_log_ratio(model: Model, divergence: str) -> None:
    fitted, images = model(divergence=divergence), colored(2, seed=5)
    (found,) = local_scores(fitted, images[:1], images[1:])
    scores = torch.from_numpy(critic_scores(fitted, *images))
    np.testing.assert_allclose(found, DIVERGENCES[divergence].log_ratio(scores), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound", ["infonce", "donsker-varadhan", "smile"])
def test_other_scores_are_normalized_to_average_one_over_the_reference(model: Model, bound: str) -> None:
    fitted, reference = model(bound=bound), colored(12, seed=7)
    codes = np.repeat(reference, len(reference), axis=0)
    every = local_scores(fitted, np.concatenate([reference] * len(reference)), codes, reference)
    ratios = np.exp(every).reshape(len(reference), len(reference), -1)  # codes, images, positions
    others = ~np.eye(len(reference), dtype=bool)
    averages = ratios.mean((1, 2)) if bound == "infonce" else ratios[others].mean()
    np.testing.assert_allclose(averages, 1, rtol=1e-3)
    own = critic_scores(fitted, reference[0], reference[0])
    shift = every[0] - own
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-4)  # the score except for a constant


@pytest.mark.parametrize("bound", ["infonce", "donsker-varadhan", "smile"])
def test_these_bounds_need_a_reference(model: Model, bound: str) -> None:
    with pytest.raises(InfoMaxError, match="give a reference"):
        explain(model(bound=bound), *colored(2))


def test_models_without_a_map(model: Model) -> None:
    with pytest.raises(InfoMaxError, match="no local critic"):
        explain(model(beta=0.0), *colored(2))
    with pytest.raises(InfoMaxError, match="fit a model with another divergence"):
        explain(model(divergence="total-variation"), *colored(2))


def test_the_four_maps_are_positions_of_one_with_the_code_of_the_other(model: Model) -> None:
    fitted, (query, match) = model(), colored(2, seed=5)
    maps = explain(fitted, query, match)
    for found, positions, code in (
        (maps.query_by_match, query, match),
        (maps.match_by_query, match, query),
        (maps.query_by_itself, query, query),
        (maps.match_by_itself, match, match),
    ):
        np.testing.assert_allclose(found, critic_scores(fitted, positions, code), rtol=1e-4, atol=1e-5)


def test_a_model_in_closed_form_has_maps_too() -> None:
    recipe = Spectral(name="s", size=16, patches=("4/2",), components=20, atoms=32, channels=8, grid=3, dim=8)
    images = colored(60, 16)
    images[:, :8, :8] = images[::-1, :8, :8]  # a corner of another image
    model = InfoMax(recipe).fit(images)
    maps = local_scores(model, images[:2], images[1::-1].copy())
    assert maps.shape == (2, 3, 3)
    assert np.isfinite(maps).all()
    assert maps.min() >= np.log(0.01) - 1e-6
    own = local_scores(model, images, images)
    other = local_scores(model, images, np.roll(images, 1, 0))
    assert own.mean() > other.mean()
