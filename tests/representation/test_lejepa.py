"""The loss of LeJEPA, against its formula in NumPy with random slices."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from infomax.representation.objectives import LeJepa
from tests.information.test_sliced_prior import sliced
from tests.representation.test_cross_view import views


@pytest.mark.parametrize("n_targets", [None, 1])
def test_it_is_agreement_with_the_mean_and_the_test_of_each_view(n_targets: int | None) -> None:
    torch.manual_seed(0)
    projector, seen = nn.Linear(3, 6).double(), views(3, n=40)
    value = LeJepa(projector, weight=0.1, n_targets=n_targets).of_views(seen)
    projected = [projector(code).detach().numpy() for _, code in seen]
    mean = np.mean(projected[:n_targets], 0)
    agreement = np.mean([((each - mean) ** 2).mean() for each in projected])
    assert value.terms["agreement"].item() == pytest.approx(-agreement)
    tests, errors = zip(*(sliced(each) for each in projected), strict=True)
    error = math.sqrt(np.square(errors).sum()) / 3
    assert abs(value.terms["prior"].item() + np.mean(tests)) < 4 * error
    wanted = 0.9 * value.terms["agreement"] + 0.1 * value.terms["prior"]
    torch.testing.assert_close(value.total, wanted)


def test_codes_that_are_all_alike_agree_and_are_worse_than_normal_ones() -> None:
    torch.manual_seed(0)
    representation, _ = views(1)[0]
    alike, normal = torch.zeros(64, 8), torch.randn(64, 8)
    values = [LeJepa(nn.Identity(), 0.02).of_views([(representation, each)] * 2) for each in (alike, normal)]
    assert [value.terms["agreement"].item() for value in values] == [0, 0]
    assert values[0].total < values[1].total - 0.1


def test_one_view_has_nothing_to_agree_with() -> None:
    with pytest.raises(ValueError, match="needs two or more views"):
        LeJepa(nn.Identity())(*views(1)[0])
