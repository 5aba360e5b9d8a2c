"""The estimate in the form of scikit-learn: a constructor that stores, fit that learns, clones that know nothing."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from infomax.information import InformationEstimator, estimate_mi

pytestmark = pytest.mark.usefixtures("no_steps")


def pairs() -> tuple[np.ndarray, np.ndarray]:
    x, noise = np.random.default_rng(0).normal(size=(2, 200))
    return np.stack([x, noise], 1), x + noise


def test_fit_learns_what_estimate_mi_returns() -> None:
    x, y = pairs()
    estimator = InformationEstimator(folds=2, seed=3, permutations=19, x_kind="continuous")
    wanted = estimate_mi(x, y, folds=2, seed=3, permutations=19, x_kind="continuous")
    assert estimator.fit(x, y) is estimator
    assert estimator.estimate_ == wanted
    assert (estimator.mi_, estimator.standard_error_) == (wanted.value, wanted.standard_error)
    assert estimator.warnings_ == wanted.warnings
    assert wanted.p_value == pytest.approx(1 / 20)


def test_every_setting_reaches_the_estimate() -> None:
    """Each is refused by estimate_mi if it is nonsense, and not before fit."""
    x, y = pairs()
    nonsense = {"bound": "mine", "folds": 1, "blocks": -5, "permutations": -1, "missing": "keep"}
    for name, value in {**nonsense, "x_kind": "odd", "y_kind": "odd"}.items():
        estimator = InformationEstimator().set_params(**{name: value})
        with pytest.raises(ValueError, match=repr(value)):
            estimator.fit(x, y)


def test_a_clone_has_the_settings_and_nothing_learned() -> None:
    x, y = pairs()
    fitted = InformationEstimator(folds=2, missing="drop").fit(x, y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not [name for name in vars(copy) if name.endswith("_")]
    assert repr(copy) == "InformationEstimator(folds=2, missing='drop')"
    assert clone(copy.set_params(seed=5)).seed == 5
    with pytest.raises(ValueError, match="InformationEstimator has no 'depth': choose one of bound, folds, seed"):
        copy.set_params(depth=3)


def test_the_number_of_columns_is_counted_in_every_form() -> None:
    x, y = (side[:60] for side in pairs())
    for given, columns in ((x, 2), (x.tolist(), 2), (torch.from_numpy(x), 2), (x[:, 0], 1), (x[:, 0].tolist(), 1)):
        assert InformationEstimator(folds=2).fit(given, y).n_features_in_ == columns
