"""Pointwise information by the local critic: against its scores, against a known ratio, and what it refuses."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax import InfoMax, InfoMaxError
from infomax.evaluation.explanation import Explanation, explain, local_scores
from infomax.figures.heatmap import BELOW, SIDE, Drawn, color, draw_explanation
from infomax.information.divergences import DIVERGENCES
from infomax.recipes import Spectral
from infomax.representation.objectives import Local
from tests.conftest import SMALL, colored

Model = Callable[..., InfoMax]


@pytest.fixture(scope="module")
def model() -> Model:
    """Small models by their settings, each fitted once."""
    known: dict[str, InfoMax] = {}

    def fitted(**settings: str | float) -> InfoMax:
        name = repr(settings)
        if name not in known:
            known[name] = InfoMax(SMALL.with_settings(epochs=1, **settings), device="cpu").fit(colored(32))
        return known[name]

    return fitted


def critic_scores(model: InfoMax, image: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The local critic's score of each position of one image with the code of the other, one pair at a time."""
    assert model.objective_ is not None
    local = next(part for part in model.objective_.modules() if isinstance(part, Local))
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
def test_other_scores_become_ratios_that_average_to_one_over_the_reference(model: Model, bound: str) -> None:
    fitted, reference = model(bound=bound), colored(12, seed=7)
    codes = np.repeat(reference, len(reference), axis=0)
    every = local_scores(fitted, np.concatenate([reference] * len(reference)), codes, reference)
    ratios = np.exp(every).reshape(len(reference), len(reference), -1)  # codes, images, positions
    others = ~np.eye(len(reference), dtype=bool)
    averages = ratios.mean((1, 2)) if bound == "infonce" else ratios[others].mean()
    np.testing.assert_allclose(averages, 1, rtol=1e-3)
    own = critic_scores(fitted, reference[0], reference[0])
    shift = every[0] - own
    np.testing.assert_allclose(shift, shift[0, 0], atol=1e-4)  # the score but for a constant


@pytest.mark.parametrize("bound", ["infonce", "donsker-varadhan", "smile"])
def test_without_reference_they_are_refused(model: Model, bound: str) -> None:
    with pytest.raises(InfoMaxError, match="give a reference"):
        explain(model(bound=bound), *colored(2))


def test_what_has_no_map(model: Model) -> None:
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


def test_colors_turn_at_zero_and_stop_at_the_ends() -> None:
    assert color(0.0, 4.0) == (255, 255, 255)
    assert color(-4.0, 4.0) == color(-np.inf, 4.0) == BELOW
    warm, cold = color(1.0, 4.0), color(-1.0, 4.0)
    assert warm[0] > warm[2]
    assert cold[0] < cold[2]


@pytest.mark.parametrize("grid", [(4, 4), (16, 16), (2, 3)])
def test_the_figure_shows_where_the_map_is_high(grid: tuple[int, int]) -> None:
    values = np.full(grid, -2.0)
    values[0, 0] = 2.0
    flat = np.zeros(grid)
    gray = Drawn(np.full((8, 8, 3), 200, np.uint8), "a name " * 30)
    image = np.asarray(draw_explanation(gray, gray, Explanation(values, flat, flat, flat))).astype(int)
    corner = (24 + SIDE + 16, 72)  # of the first map
    red, _, blue = image[corner[1] + 3, corner[0] + 3]
    assert red > blue
    red, _, blue = image[corner[1] + SIDE - 4, corner[0] + SIDE - 4]
    assert red < blue


def test_a_model_in_closed_form_tells_positions_too() -> None:
    recipe = Spectral(name="s", size=16, patches=(4,), components=20, atoms=32, channels=8, grid=3, dim=8)
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
