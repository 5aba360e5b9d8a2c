"""Classifiers compared with scikit-learn's, and the choice of their settings."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from infomax.errors import InfoMaxError
from infomax.evaluation import classifiers
from infomax.evaluation.classifiers import _HELD_OUT_EVERY, Standardization, _held_out, fit_linear, fit_mlp


def clusters(n: int, d: int = 10, classes: int = 4, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Overlapping clusters whose features differ in scale and are far from 0."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes, n)
    centers = np.random.default_rng(99).normal(size=(classes, d))
    vectors = (centers[labels] + 1.5 * random.normal(size=(n, d))) * np.geomspace(0.01, 100, d) + 7
    return vectors.astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 4])
def test_linear_matches_scikit_learns_logistic_regression(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    (train, labels), (test, truth) = clusters(400, classes=classes), clusters(1000, classes=classes, seed=1)
    ours = fit_linear(train, labels, classes)
    scaler = StandardScaler().fit(train)
    single = classes == 2  # scikit-learn then has one vector, the difference of our two, so the same penalty is half
    theirs = LogisticRegression(C=(1 + single) / (len(train) * ours.penalty), tol=1e-8, max_iter=5000)
    theirs.fit(scaler.transform(train), labels)
    predicted = ours.predict(test)
    expected = theirs.predict(scaler.transform(test))
    accuracy = (expected == truth).mean()
    assert abs((predicted == truth).mean() - accuracy) <= 0.002
    assert (predicted == expected).mean() >= 0.998
    assert accuracy > 1.5 / classes
    weights = ours.weights.diff(dim=0) if single else ours.weights
    np.testing.assert_allclose(weights.numpy(), theirs.coef_, atol=2e-3)


def test_the_penalty_is_the_best_of_all_on_the_held_out_images() -> None:
    """Trying every penalty from zero weights, without warm starts or early stopping, chooses the same one."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler

    vectors, labels = clusters(200, d=30)
    learned, held = _held_out(labels, seed=0)
    x = StandardScaler().fit_transform(vectors)
    losses = []
    for penalty in classifiers._PENALTIES[:5]:
        model = LogisticRegression(C=1 / (len(learned) * penalty), tol=1e-6, max_iter=5000).fit(
            x[learned], labels[learned]
        )
        losses.append(log_loss(labels[held], model.predict_proba(x[held])))
    assert fit_linear(vectors, labels, 4).penalty == classifiers._PENALTIES[int(np.argmin(losses))]


def test_linear_accepts_nearly_identical_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty copies of each feature give the covariance eigenvalues below 0 by more than the weakest penalty."""
    monkeypatch.setattr(classifiers, "_PENALTIES", classifiers._PENALTIES[-1:])
    vectors, labels = clusters(120)
    copies = np.tile(vectors, 30) * (1 + 1e-6 * np.random.default_rng(0).normal(size=300)).astype(np.float32)
    ours = fit_linear(copies, labels, 4)
    assert np.isfinite(ours.weights.numpy()).all()
    assert (ours.predict(copies) == labels).mean() > 0.6


def test_linear_ignores_constant_features() -> None:
    vectors, labels = clusters(100)
    constant = np.full((100, 3), 1e4, np.float32)
    ours = fit_linear(np.hstack([vectors, constant]), labels, 4)
    assert not ours.weights[:, -3:].any()
    moved = np.hstack([vectors, constant * 2])
    assert np.array_equal(ours.predict(moved), fit_linear(vectors, labels, 4).predict(vectors))


@pytest.mark.parametrize("rows", [7, 4096])
def test_standardization(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifiers, "_BLOCK_ROWS", rows)
    vectors, _ = clusters(50)
    found = Standardization.of(vectors)(vectors, np.arange(50)[::-1]).numpy()
    wide = vectors.astype(np.float64)
    np.testing.assert_allclose(found[::-1], (wide - wide.mean(0)) / wide.std(0), atol=1e-5)
    pixels = np.random.default_rng(0).integers(0, 256, (50, 6), np.uint8)
    assert abs(Standardization.of(pixels)(pixels, np.arange(50)).mean()) < 1e-6


def test_mlp_solves_a_task_that_no_linear_classifier_can() -> None:
    """Whether a point is inside a circle: half are, and no half-plane holds more of them than of the others."""
    vectors = np.random.default_rng(0).normal(size=(1500, 2)).astype(np.float32)
    labels = (np.square(vectors).sum(1) > 2 * np.log(2)).astype(np.int64)
    train, test = slice(None, 1000), slice(1000, None)
    linear, deeper = fit_linear(vectors[train], labels[train], 2), fit_mlp(vectors[train], labels[train], 2)
    assert (linear.predict(vectors[test]) == labels[test]).mean() < 0.6
    assert (deeper.predict(vectors[test]) == labels[test]).mean() > 0.9
    assert 1 <= deeper.epochs <= classifiers._MAX_EPOCHS


def test_mlp_repeats_with_its_seed_and_leaves_the_global_random_state_alone() -> None:
    vectors, labels = clusters(120)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = fit_mlp(vectors, labels, 4, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    again, other = (fit_mlp(vectors, labels, 4, seed=seed) for seed in (1, 2))
    weights = [torch.cat([each.ravel() for each in one.network.parameters()]) for one in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_mlp_stops_before_it_memorizes_noise() -> None:
    """With random labels the first epoch is about as good as any; with real ones more epochs are better."""
    vectors, labels = clusters(600)
    noise = np.random.default_rng(1).permutation(labels)
    assert fit_mlp(vectors, noise, 4).epochs < fit_mlp(vectors, labels, 4).epochs


def test_a_fifth_of_every_class_is_held_out_but_never_a_whole_class() -> None:
    labels = np.array([0] * 50 + [1] * 20 + [2] * 2 + [3])
    learned, held = _held_out(labels, seed=0)
    assert sorted([*learned, *held]) == [*range(73)]
    assert {*labels[learned].tolist()} == {0, 1, 2, 3}
    assert [(labels[held] == label).sum() for label in (0, 1)] == [50 // _HELD_OUT_EVERY, 20 // _HELD_OUT_EVERY]
    assert not np.array_equal(held, _held_out(labels, seed=1)[1])
    with pytest.raises(InfoMaxError, match="30 training images of 30 labels are too few"):
        _held_out(np.arange(30), seed=0)
