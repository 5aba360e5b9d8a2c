"""Readings on blocks that are given: what neighbors, the fit and the network add to a value and to its error."""

import math

import pytest
import torch

from infomax.information.estimation.closed_forms import GaussianCritic, StudentCritic
from infomax.information.estimation.cross_fit import CrossFit
from infomax.information.estimation.folds import random_folds
from infomax.information.estimation.reading import (
    NEAREST_NEIGHBORS,
    Reading,
    add_fitting_loss,
    add_slack,
    by_bound,
    doubt_by_neighbors,
    doubt_gain,
    error_of_mean,
)


def reading_of(name: str, *blocks: float, systematic: float = 0.0) -> Reading:
    return Reading(name, torch.tensor(blocks, dtype=torch.float64), (), systematic)


def test_slack_that_chance_explains_is_not_added() -> None:
    """Neither a difference within its standard error nor a negative one: the bound stays, with a larger error."""
    bound = reading_of("donsker-varadhan", 1.0, 1.0, 1.0, 1.0, systematic=0.3)
    for blocks in ((0.9, 1.15, 0.9, 1.15), (0.5, 0.4, 0.6, 0.5)):
        neighbors = reading_of("neighbors", *blocks)
        found = add_slack(bound, neighbors)
        assert (found.name, found.value) == ("donsker-varadhan", 1.0)
        difference = neighbors.blocks - bound.blocks
        seen, chance = max(0.0, float(difference.mean())), error_of_mean(difference)
        assert found.standard_error == pytest.approx(math.hypot(0.3, seen, chance))


def test_a_clear_slack_is_added() -> None:
    """s - sigma^2 / s of the slack s is added on the blocks of both; the error is then that of the neighbors."""
    bound = reading_of("donsker-varadhan", 1.0, 1.0, 1.0, 1.0, 5.0, systematic=0.3)
    neighbors = reading_of(NEAREST_NEIGHBORS, 1.4, 1.6, 1.4, 1.6, systematic=0.1)
    found = add_slack(bound, neighbors)
    chance = error_of_mean(neighbors.blocks - 1)
    assert found.name == NEAREST_NEIGHBORS
    assert found.value == pytest.approx(1.5 - chance**2 / 0.5)
    assert found.systematic == pytest.approx(math.hypot(0.1, chance), rel=0.05)


def test_in_many_dimensions_the_gain_of_the_network_is_a_systematic_error() -> None:
    bound = reading_of("donsker-varadhan", 1.0, 1.2, systematic=0.4)
    assert doubt_gain(bound, 0.3).systematic == pytest.approx(0.5)
    assert doubt_gain(bound, -0.3).systematic == pytest.approx(0.4)
    assert doubt_gain(bound, 0.3).value == bound.value
    assert doubt_gain(bound, 0.0, bent=True).systematic > 0.4


def test_half_of_what_the_closed_form_lost_is_added() -> None:
    """Akaike: the training bound is as much too high as the held-out bound is too low."""
    bound = reading_of("donsker-varadhan", 1.0, 1.2, systematic=0.1)
    fitted = add_fitting_loss(bound, held_out=0.9, training=1.1)
    assert fitted.value == pytest.approx(bound.value + 0.1)
    assert fitted.systematic == pytest.approx(0.025)
    assert add_fitting_loss(bound, held_out=1.0, training=0.9).value == bound.value


@pytest.mark.usefixtures("no_steps")
def test_neighbors_in_canonical_variables_doubt_a_bound_that_misses_much() -> None:
    """y = a + |noise|: a Gaussian of 5 x 5 columns misses what the edge shows; for normal columns it misses nothing."""
    generator = torch.Generator().manual_seed(0)
    x, noise = torch.randn(2, 3000, 5, generator=generator)
    for y, least, most in ((x + 0.05 * noise.abs(), 0.05, 3.0), (x + noise, 0.0, 0.03)):
        folds = random_folds(3000, 3)
        forms = [GaussianCritic(x[fold.training], y[fold.training], rank=1) for fold in folds]
        fit = CrossFit(x, y, folds, forms)
        bound = Reading("donsker-varadhan", by_bound(fit, "donsker-varadhan").blocks, (), 0.0)
        doubted = doubt_by_neighbors(bound, fit)
        assert least <= doubted.systematic <= most
        assert doubted.value == bound.value


@pytest.mark.usefixtures("no_steps")
def test_without_canonical_variables_nothing_is_doubted() -> None:
    x = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
    folds = random_folds(300, 3)
    for form in (lambda a, b: StudentCritic(a, b, 3.0), lambda a, b: GaussianCritic(a, b, rank=0)):
        fit = CrossFit(x, x, folds, [form(x[fold.training], x[fold.training]) for fold in folds])
        bound = by_bound(fit, "donsker-varadhan")
        assert doubt_by_neighbors(bound, fit) is bound
