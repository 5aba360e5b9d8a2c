"""The habits of scikit-learn: clone, Pipeline, search, pickle; and its own estimator checks where they apply."""

import inspect
import io
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks
from sklearn.utils.validation import check_is_fitted

from infomax import InfoMax, InfoMaxError
from infomax.training import trainer
from tests.conftest import SMALL, colored

IMAGES = colored(60)
WARM = np.where(IMAGES[..., 0].mean((1, 2)) > IMAGES[..., 2].mean((1, 2)), "warm", "cold")


def small() -> InfoMax:
    return InfoMax(SMALL, epochs=1, device="cpu")


@pytest.fixture(scope="module")
def fitted() -> InfoMax:
    return small().fit(IMAGES)


def test_fit_takes_labels_and_ignores_them(fitted: InfoMax) -> None:
    assert np.array_equal(small().fit(IMAGES, WARM).transform(IMAGES), fitted.transform(IMAGES))
    assert np.array_equal(small().fit_transform(IMAGES, WARM), fitted.transform(IMAGES))


def test_parameters_are_those_of_the_constructor() -> None:
    model = InfoMax("spectral-fast", settings={"dim": 64}, seed=3)
    assert model.get_params() == {
        "recipe": "spectral-fast", "kind": None, "settings": {"dim": 64}, "epochs": None, "minutes": None,
        "device": "auto", "seed": 3, "cache": None, "progress": False, "reading": None,
    }  # fmt: skip
    assert model.set_params(seed=4, epochs=2) is model
    assert (model.seed, model.epochs) == (4, 2)
    with pytest.raises(InfoMaxError, match="invalid parameter 'sed' for estimator InfoMax: choose one of recipe, ki"):
        model.set_params(sed=1)


def test_a_clone_has_the_parameters_and_nothing_learned(fitted: InfoMax) -> None:
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    with pytest.raises(NotFittedError, match="this InfoMax is not fitted yet: call fit, or load a run"):
        copy.encode(IMAGES)
    check_is_fitted(fitted)
    assert not is_classifier(fitted)


def test_a_repr_says_the_settings() -> None:
    assert repr(InfoMax()) == "InfoMax()"
    assert repr(InfoMax("spectral", seed=2)) == "InfoMax(recipe='spectral', seed=2)"


def test_pipeline_cross_validation_and_search() -> None:
    pipeline = make_pipeline(small().set_params(epochs=4), StandardScaler(), LogisticRegression())
    assert pipeline.fit(IMAGES, WARM).score(IMAGES, WARM) > 0.8
    assert pipeline[:1].get_feature_names_out()[:2].tolist() == ["infomax0", "infomax1"]
    assert cross_val_score(pipeline, IMAGES, WARM, cv=3).mean() > 0.7
    search = GridSearchCV(pipeline, {"infomax__settings": [{"dim": 2}, {"dim": 6}]}, cv=2).fit(IMAGES, WARM)
    assert search.best_params_["infomax__settings"]["dim"] in (2, 6)
    assert search.best_estimator_[0].recipe_.dim == search.best_params_["infomax__settings"]["dim"]


def test_a_grid_sets_any_setting_of_a_recipe() -> None:
    model = InfoMax("dim-cifar10", settings={"size": 8, "blocks": (4, 8), "dim": "8", "batch": 16}, epochs=1)
    assert model.fit(IMAGES).recipe_.dim == 8  # text is read as on the command line
    with pytest.raises(InfoMaxError, match="no setting 'gama' in dim-cifar10: choose one of size, dim"):
        InfoMax("dim-cifar10", settings={"gama": 1}).fit(IMAGES)


def test_pickle_and_joblib_keep_what_was_learned(fitted: InfoMax, tmp_path: Path) -> None:
    joblib.dump(fitted, tmp_path / "model.joblib")
    for again in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "model.joblib")):
        assert np.array_equal(again.transform(IMAGES), fitted.transform(IMAGES))
        assert again.fingerprint == fitted.fingerprint
        assert repr(again) == repr(fitted)
    buffer = io.BytesIO()
    joblib.dump(small(), buffer)


@pytest.mark.parametrize("rows", [slice(1), slice(10, 20), [5, 3, 4]])
def test_a_code_depends_on_its_image_alone(fitted: InfoMax, rows: slice | list[int]) -> None:
    """What check_methods_subset_invariance and check_methods_sample_order_invariance ask of tables."""
    some = np.ascontiguousarray(IMAGES[rows])
    np.testing.assert_allclose(fitted.transform(some), fitted.transform(IMAGES)[rows], rtol=1e-4, atol=1e-5)


def test_fitting_changes_no_argument_and_no_image() -> None:
    """What check_dict_unchanged, check_estimators_overwrite_params and check_readonly_memmap_input ask of tables."""
    model, images = small(), IMAGES.copy()
    images.flags.writeable = False
    before = model.get_params()
    assert model.fit(images) is model
    assert model.get_params() == before
    once = model.transform(images)
    assert np.array_equal(model.fit(images).transform(images), once)  # idempotent
    assert np.array_equal(images, IMAGES)


@pytest.mark.parametrize(
    "images", [np.zeros((2, 8, 8, 3)), np.zeros((2, 9, 9, 3), np.uint8), np.zeros((2, 8, 8, 1), np.uint8)], ids=str
)
def test_encode_takes_images_of_its_size_alone(fitted: InfoMax, images: NDArray[np.uint8]) -> None:
    if images.dtype == np.uint8 and images.shape[-1] == 3:
        with pytest.raises(InfoMaxError, match=r"encode takes uint8 \(n, 8, 8, 3\), transform any size"):
            fitted.encode(images)
    else:  # the shapes of annotations are enforced while testing
        with pytest.raises(Exception, match=r"encode|type"):
            fitted.encode(images)


def test_ctrl_c_is_a_keyboard_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop over settings with `except Exception` can be stopped."""
    train_step = trainer.Trainer.train_step

    def interrupted(self: trainer.Trainer, images: object) -> None:
        signal.raise_signal(signal.SIGINT)
        train_step(self, images)  # type: ignore[arg-type]

    monkeypatch.setattr(trainer.Trainer, "train_step", interrupted)
    with pytest.raises(KeyboardInterrupt, match="stopped at step 1, in epoch 1 of 1; nothing was saved"):
        small().fit(IMAGES)


CHECKS = [
    "check_classifiers_regression_target",
    "check_decision_proba_consistency",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_feature_names_out_error",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_set_params",
    "check_transformers_unfitted",
    "check_valid_tag_types",
]

UNTYPED = """
from sklearn.utils.estimator_checks import check_do_not_raise_errors_in_init_or_set_params
from sklearn.utils.estimator_checks import check_parameters_default_constructible
from infomax import InfoMax
check_do_not_raise_errors_in_init_or_set_params("InfoMax", InfoMax())
check_parameters_default_constructible("InfoMax", InfoMax())
"""
"""Checks that give arguments of the wrong type: in a process of its own, where no annotation is enforced."""

ELSEWHERE = "it runs in a process of its own"
TABLES = "it fits a table (n, features) of floats; the same is asked of images in this file where it has a meaning"
OTHER_KIND = "it is for classifiers, regressors, clusterers or outlier detectors"
WEIGHTS = "fit takes no sample weights"
ARRAYS = "the images are NumPy arrays: no array API, no sparse matrices, no data frames"
LEFT_OUT = {
    **dict.fromkeys(("do_not_raise_errors", "default_constructible"), ELSEWHERE),
    **dict.fromkeys(("sample_weight", "class_weight"), WEIGHTS),
    **dict.fromkeys(
        ("array_api", "sparse", "dataframe", "pandas", "polars", "set_output", "data_not_an_array"), ARRAYS
    ),
    **dict.fromkeys(("classifier", "regressor", "cluster", "outlier", "nonsquare", "sparsify"), OTHER_KIND),
    **dict.fromkeys(
        (
            *("fit", "estimators_", "methods_", "dtype", "complex", "contiguous", "readonly", "pipeline_consistency"),
            *(
                "dict_unchanged",
                "dont_overwrite",
                "n_features_in",
                "transformer_",
                "supervised_y",
                "requires_y",
                "positive",
            ),
            *("positive", "inplace_ensure", "param_validation", "estimator$", "parameters_", "tags", "transformers_"),
        ),
        TABLES,
    ),
}
"""Parts of the names of checks that are left out, and why."""


def all_checks() -> list[str]:
    return [
        name
        for name, check in vars(estimator_checks).items()
        if name.startswith("check_") and inspect.isfunction(check) and check.__module__ == estimator_checks.__name__
    ]


@pytest.mark.parametrize("name", CHECKS)
@pytest.mark.filterwarnings("ignore")
def test_an_estimator_check_of_scikit_learn(name: str) -> None:
    known = {each.rstrip("s"): each for each in all_checks()}
    check = getattr(estimator_checks, known[name.rstrip("s")])
    check("InfoMax", small())


def test_arguments_of_any_type_are_stored(cache: Path) -> None:
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", UNTYPED], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


def test_every_other_check_is_left_out_for_a_reason() -> None:
    import re

    others = {name for name in all_checks() if name.rstrip("s") not in {each.rstrip("s") for each in CHECKS}}
    unexplained = [name for name in others if not any(re.search(part, name) for part in LEFT_OUT)]
    assert unexplained == []
