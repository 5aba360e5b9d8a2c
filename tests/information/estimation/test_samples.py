"""Samples as they are given: missing values, constant columns, copies and kinds."""

import numpy as np
import pytest

from infomax.information.estimation.samples import pair_samples

FINE = np.arange(100.0)


def test_constant_columns_are_dropped_with_a_note() -> None:
    pairs = pair_samples(np.stack([np.ones(60), np.arange(60.0)], 1), np.arange(60) ** 2)
    assert pairs.x.shape == pairs.y.shape == (60, 1)
    assert pairs.columns == ((1,), (0,))
    assert pairs.notes == ("x has 1 constant column, dropped: a constant carries no information",)


@pytest.mark.parametrize("masked", [False, True])
def test_missing_rows_are_dropped_as_asked_and_counted(masked: bool) -> None:
    """Whether NaN or under a mask, in x or in y; every other row keeps its number."""
    missing = FINE < 30
    x = np.ma.masked_array(FINE, missing) if masked else np.where(missing, np.nan, FINE)
    pairs = pair_samples(x, np.where(FINE == 99, np.inf, -FINE), missing="drop")
    assert pairs.x[:, 0].tolist() == list(range(30, 99))
    assert pairs.rows.tolist() == list(range(30, 99))
    assert pairs.place.tolist() == [*[-1] * 30, *range(69), -1]
    assert pairs.notes == ("31 of 100 rows have missing values, dropped",)


def test_missing_rows_are_refused_by_default_and_when_too_many() -> None:
    holes = np.where(FINE < 60, np.nan, FINE)
    with pytest.raises(ValueError, match="x has 60 NaN or infinite values: remove their rows"):
        pair_samples(holes, FINE)
    with pytest.raises(ValueError, match="40 of 100 rows have no missing values: give 50 or more"):
        pair_samples(holes, FINE, missing="drop")
    with pytest.raises(ValueError, match="missing is 'keep': choose one of refuse, drop"):
        pair_samples(FINE, FINE, missing="keep")


NOISE = np.random.default_rng(0).normal(size=400)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (NOISE, "continuous"),
        (NOISE > 0, "discrete"),
        (np.arange(400) % 7, "discrete"),
        ((NOISE > 0).astype(float), "discrete"),
        (np.minimum(NOISE, 1.0), "censored"),
        (np.where(NOISE > 1.0, 0.0, NOISE), "mixed"),
    ],
)
def test_kinds_are_found_by_dtype_and_by_the_most_frequent_value(column: np.ndarray, kind: str) -> None:
    assert pair_samples(column, NOISE).kinds == ((kind,), ("continuous",))


def test_kinds_that_the_user_names_decide_what_is_a_copy() -> None:
    """The same repeated rows: copies of continuous rows, or values of discrete ones."""
    rows = np.repeat(NOISE, 2)
    assert len(pair_samples(rows, rows).rows) == 400
    named = pair_samples(rows, rows, x_kind="mixed", y_kind=("censored",))
    assert len(named.rows) == 800
    assert named.kinds == (("mixed",), ("censored",))


def test_texts_are_categories_when_they_are_named_so() -> None:
    words = np.array(["red", "green", "blue", "red"] * 25)
    assert pair_samples(words, FINE, x_kind="categorical").x[:4, 0].tolist() == [2, 1, 0, 2]
    with pytest.raises(ValueError, match="x has dtype <U5: give real numbers"):
        pair_samples(words, FINE)
    with pytest.raises(ValueError, match="the kind of x is 'odd': give one or 1 of continuous, discrete"):
        pair_samples(FINE, FINE, x_kind="odd")
