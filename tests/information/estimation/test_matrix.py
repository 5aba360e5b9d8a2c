"""The information of all pairs of columns: each is the estimate of these two columns."""

import math

import numpy as np
import pytest
import torch

from infomax.information import estimate_mi, mutual_info_matrix

pytestmark = pytest.mark.usefixtures("no_steps")


def table(n: int) -> np.ndarray:
    """Signal, signal in noise, the noise, and a coin: the noise and the signal share nothing, nor does the coin."""
    signal, noise = np.random.default_rng(0).normal(size=(2, n))
    return np.stack([signal, signal + 0.5 * noise, noise, np.random.default_rng(1).integers(0, 2, n)], 1)


def test_every_pair_of_columns_has_its_information() -> None:
    """1/2 ln(1 + 4) and 1/2 ln(1 + 1/4) nats; 600 rows of a fixed seed."""
    x = table(600)
    found = mutual_info_matrix(x)
    truth = np.zeros((4, 4))
    truth[0, 1], truth[1, 2] = math.log(5) / 2, math.log(1.25) / 2
    truth += truth.T + np.diag(np.full(4, np.nan))
    np.testing.assert_allclose(found.values, truth, atol=0.12, equal_nan=True)
    assert np.array_equal(found.values, found.values.T, equal_nan=True)
    assert np.array_equal(found.standard_errors, found.standard_errors.T, equal_nan=True)
    assert np.isnan(found.standard_errors.diagonal()).all()
    assert found.estimates.keys() == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}
    assert found.estimates[0, 3] == estimate_mi(x[:, 0], x[:, 3])
    assert found.values[0, 3] == found.estimates[0, 3].value
    assert found.standard_errors[1, 0] == found.estimates[0, 1].standard_error


def test_warnings_name_their_columns() -> None:
    x = np.stack([table(120)[:, 0], np.ones(120), np.arange(120) % 2], 1)
    warnings = mutual_info_matrix(x).warnings
    assert "columns 0 and 1: y has 1 constant column, dropped: a constant carries no information" in warnings
    assert not [each for each in warnings if each.startswith("columns 0 and 2: y has")]


def test_rows_are_dropped_for_each_pair_by_itself() -> None:
    x: np.ndarray = np.ma.masked_array(table(120)[:, [0, 2, 3]], np.zeros((120, 3), bool))
    x[:40, 0] = np.ma.masked
    with pytest.raises(ValueError, match="x has 40 masked values"):
        mutual_info_matrix(x)
    found = mutual_info_matrix(x, missing="drop")
    assert any("40 of 120 rows have missing values" in each for each in found.estimates[0, 1].warnings)
    assert not any("missing" in each for each in found.estimates[1, 2].warnings)


def test_lists_and_tensors_are_tables_and_other_shapes_are_not() -> None:
    x = table(60)[:, :2]
    wanted = mutual_info_matrix(x).values
    assert np.array_equal(mutual_info_matrix(x.tolist()).values, wanted, equal_nan=True)
    assert np.array_equal(mutual_info_matrix(torch.from_numpy(x)).values, wanted, equal_nan=True)
    assert np.isnan(mutual_info_matrix(x[:, :1]).values).all()
    with pytest.raises(ValueError, match=r"x has shape \(60,\): give \(n, columns\)"):
        mutual_info_matrix(x[:, 0])
