"""A few small, seeded estimates. benchmarks/estimation.py compares many with the truth."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from infomax.information import distributions as known
from infomax.information import estimate_mi, pointwise_mi
from infomax.information.estimation.closed_forms import GaussianCritic
from infomax.information.estimation.cross_fit import CrossFit
from infomax.information.estimation.estimate import ESTIMATORS
from infomax.information.estimation.folds import random_folds
from infomax.information.estimation.preprocessing import normal_scores
from infomax.information.estimation.reading import NEAREST_NEIGHBORS, by_bound
from infomax.information.estimation.selection import choose_forms


def pairs(n: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    x, y = known.bivariate_normal(0.8).sample(n, seed)
    return x.numpy(), y.numpy()


@pytest.mark.parametrize(
    ("task", "tolerance"),
    [
        (known.bivariate_normal(0.9), 0.08),
        (known.uniform_noise(0.25), 0.08),
        (known.dense_normal(4, 1.0), 0.1),
        (known.normal(torch.eye(6), 3, "independent"), 0.02),
    ],
    ids=lambda value: value.name if isinstance(value, known.Known) else "",
)
def test_near_the_truth(few_steps: None, task: known.Known, tolerance: float) -> None:
    """2000 samples of one fixed seed. Over seeds the errors have a spread of a third of the tolerance."""
    found = estimate_mi(*task.sample(2000))
    assert abs(found.value - task.mutual_information) < tolerance


@pytest.mark.parametrize("bound", ESTIMATORS)
def test_every_bound_can_be_chosen(few_steps: None, bound: str) -> None:
    found = estimate_mi(*pairs(600), bound=bound)
    assert found.bound == bound
    assert abs(found.value - 0.51) < 0.25
    assert found.value <= found.ceiling
    assert found.ceiling == pytest.approx(math.log(200 if bound == "infonce" else 600))


def test_pointwise_values_average_to_the_estimate(few_steps: None) -> None:
    x, y = pairs(600)
    values = pointwise_mi(x, y)
    assert values.shape == (600,)
    assert abs(values.mean() - estimate_mi(x, y, bound="donsker-varadhan").value) < 0.1
    rho = 0.8
    exact = -0.5 * math.log(1 - rho**2) - (rho**2 * (x**2 + y**2) - 2 * rho * x * y) / (2 * (1 - rho**2))
    assert np.corrcoef(values, exact.ravel())[0, 1] > 0.9


def test_the_seed_decides_and_the_global_state_does_not_change(few_steps: None) -> None:
    x, y = pairs()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first, again, other = (estimate_mi(x, y, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert first == again
    assert first != other


def test_arrays_and_tensors_of_any_real_type_and_either_shape_give_the_same(few_steps: None) -> None:
    x, y = pairs()
    wanted = estimate_mi(x, y)
    assert estimate_mi(x.ravel(), torch.from_numpy(y)) == wanted
    frozen = x.copy()
    frozen.flags.writeable = False
    assert estimate_mi(frozen, torch.from_numpy(y).requires_grad_()) == wanted
    assert estimate_mi(x.astype(">f8"), y) == wanted


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.bool_])
def test_integers_are_ordered_numbers_whose_ties_are_broken_at_random(few_steps: None, dtype: type) -> None:
    """A fair coin shares log 2 with itself and nothing with another coin; 5 sigma."""
    coin, other = np.random.default_rng(0).integers(0, 2, (2, 1000)).astype(dtype)
    assert abs(estimate_mi(coin, coin).value - math.log(2)) < 0.15
    assert estimate_mi(coin, other).value < 0.05


def test_mixed_columns_are_not_replaced_by_ranks(few_steps: None) -> None:
    """Ranks blur the information in directions of little variance, as the last line shows."""
    x, y = known.mixed_normal(6, 6, 2.5, seed=5).sample(2000)
    assert abs(estimate_mi(x, y).value - 2.5) < 0.12
    a, b = normal_scores(x), normal_scores(y)
    folds = random_folds(len(a), 3)
    gaussians = [GaussianCritic(a[fold.training], b[fold.training]) for fold in folds]
    assert by_bound(CrossFit(a, b, folds, gaussians), "donsker-varadhan").value < 2.4


def test_ties_in_several_columns_are_broken(few_steps: None) -> None:
    """Nearest neighbors at distance 0 would show far too much: y is the sum of two dice, H(y) - H(one die) = 0.48."""
    dice = np.random.default_rng(0).integers(1, 7, (2000, 2))
    found = estimate_mi(np.stack([dice[:, 0], dice[:, 0] * 100], 1), dice.sum(1))
    assert abs(found.value - 0.48) < 0.1


def test_heavy_tails_are_replaced_by_ranks() -> None:
    x, y = (part.exp().exp() for part in known.sparse_normal(2, 1.0).sample(500))
    choice = choose_forms(x, y, random_folds(500, 3))
    for form, side in ((choice.x, x), (choice.y, y)):
        assert torch.equal(form.argsort(0), side.argsort(0))
        assert form.abs().max() < 4


def test_monotone_transformations_change_nothing(few_steps: None) -> None:
    x, y = pairs()
    assert estimate_mi(np.exp(3 * x), y**3) == estimate_mi(x, y)


def test_constant_columns_are_dropped_with_a_warning(few_steps: None) -> None:
    x, y = pairs()
    found = estimate_mi(np.hstack([x, np.ones_like(x)]), y)
    assert found.warnings == ("x has 1 constant column, dropped: a constant carries no information",)
    assert found.value == estimate_mi(x, y).value
    assert estimate_mi(np.ones(100), y[:100]).value == 0
    assert (pointwise_mi(np.ones(100), y[:100]) == 0).all()


def test_warnings_give_reasons_for_doubt(few_steps: None) -> None:
    x, y = pairs(60)
    assert any(warning.startswith("few samples: 60 for 2 columns") for warning in estimate_mi(x, y).warnings)
    found = estimate_mi(x, x, bound="donsker-varadhan")
    assert any(warning.startswith("near the ceiling") for warning in found.warnings)
    assert any(warning.startswith("unstable partition function") for warning in found.warnings)
    assert any("critic is not tight" in warning for warning in estimate_mi(*ring(), bound=NEAREST_NEIGHBORS).warnings)


def ring() -> tuple[np.ndarray, np.ndarray]:
    angle = np.random.default_rng(0).uniform(0, 2 * math.pi, 1000)
    return np.cos(angle), np.sin(angle)


FINE = np.linspace(0, 1, 100)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (FINE, FINE[:-1], "x has 100 rows and y 99"),
        (FINE[:49], FINE[:49], "x has 49 samples: give 50 or more$"),
        (
            FINE[None],
            FINE,
            r"x has 1 sample: give 50 or more; rows are samples, and it has 100 columns: transpose it\?",
        ),
        ([[1.0, 2.0], [3.0]] * 50, FINE, "x has rows of several lengths: give"),
        (FINE, np.where(FINE == 1, np.nan, FINE), "y has 1 NaN or infinite value"),
        (np.where(FINE == 1, np.inf, FINE), FINE, "x has 1 NaN or infinite value"),
        (np.zeros((100, 2, 2)), FINE, r"x has shape \(100, 2, 2\): give \(n,\) or \(n, columns\)"),
        (np.array(1.0), FINE, r"x has shape \(\)"),
        (FINE, FINE.astype(object), "y has dtype object: give real numbers, or name the kind categorical"),
        (FINE, FINE.astype("datetime64[s]"), r"y has dtype datetime64\[s\]: give real numbers$"),
        (FINE, FINE.astype(complex), "y has dtype complex128"),
        (FINE, np.zeros((100, 0)), "y has no columns: give"),
        (torch.zeros(100, dtype=torch.complex64), FINE, "x has dtype torch.complex64"),
        (FINE, np.array(["a"] * 100), "y has dtype <U1"),
    ],
)
def test_bad_input_is_one_line(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        estimate_mi(x, y)
    assert "\n" not in str(error.value)


def test_bad_choices_are_one_line() -> None:
    with pytest.raises(ValueError, match="unknown bound 'mine': choose one of donsker-varadhan, nwj"):
        estimate_mi(FINE, FINE, bound="mine")
    with pytest.raises(ValueError, match="folds is 1: choose 2 to 10"):
        estimate_mi(FINE, FINE, folds=1)
    with pytest.raises(ValueError, match="permutations is -1: give 1 or more"):
        estimate_mi(FINE, FINE, permutations=-1)
    with pytest.raises(ValueError, match="blocks have 0 rows: choose 1 to 33"):
        pointwise_mi(FINE, FINE, blocks=0)


def test_a_plain_case_has_no_warnings(few_steps: None) -> None:
    assert estimate_mi(*pairs(2000)).warnings == ()


def one_wrong(n: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Equal columns, but for one row."""
    x = np.random.default_rng(0).normal(size=n)
    y = x.copy()
    y[x.argmin()] = x.max()
    return x, y, int(x.argmin())


@pytest.mark.parametrize("n", [100, 2000])
def test_one_wrong_row_takes_little_from_a_perfect_relation(few_steps: None, n: int) -> None:
    """Its score of minus thousands of nats counts as ln 1 / n^2, and it is named first."""
    x, y, wrong = one_wrong(n)
    found = estimate_mi(x, y)
    assert math.log(n) - 1 < found.value <= found.ceiling == pytest.approx(math.log(n))
    assert found.standard_error < 1
    assert all(0 <= value <= found.ceiling for value in (*found.folds, found.lower_bound))
    (named,) = (warning for warning in found.warnings if "the relation of the others" in warning)
    assert f"(counted from 0, the worst first: {wrong}" in named
    assert (pointwise_mi(x, y) >= -2 * math.log(n) - 1e-5).all()


def gross(kind: str) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    x = generator.normal(size=300)
    y = x + 0.1 * generator.normal(size=300)
    if kind == "outlier in y":
        y[:3] = 1e30
    elif kind == "outlier in x of two columns":
        x = np.stack([x, generator.normal(size=300)], 1)
        x[7] = -1e300
    elif kind == "four columns, two rows exchanged":
        x = generator.normal(size=(300, 4))
        y = x + 1e-6 * generator.normal(size=(300, 4))
        y[[3, 4]] = y[[4, 3]]
    elif kind == "quantized copy":
        y = x.round(1)
    return x, y


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        ("outlier in x of two columns", None),
        ("four columns, two rows exchanged", None),
        ("quantized copy", None),
        *(("outlier in y", bound) for bound in (None, "nwj", "smile", "infonce")),
    ],
)
def test_gross_errors_leave_value_and_error_within_the_ceiling(few_steps: None, kind: str, bound: str | None) -> None:
    found = estimate_mi(*gross(kind), bound=bound)
    assert 1 < found.value <= found.ceiling
    assert found.standard_error <= found.ceiling
    assert all(0 <= value <= math.log(300) for value in found.folds)


@pytest.mark.parametrize("wrong", ["x", "y", "both"])
@pytest.mark.parametrize("columns", [1, 3])
def test_a_few_gross_outliers_take_little(few_steps: None, wrong: str, columns: int) -> None:
    """Five of 1,000 rows with numbers as large as float64 has, on either side: 1/2 ln 5 nats for each column."""
    x, noise = np.random.default_rng(2).normal(size=(2, 1000, columns))
    y = x + 0.5 * noise
    for name, side in (("x", x), ("y", y)):
        if wrong in (name, "both"):
            side[[3, 200, 500, 501, 999], 0] = [1e12, -1e12, 1e300, -1e300, 1e12]
    found = estimate_mi(x, y)
    assert abs(found.value - columns * math.log(5) / 2) < 0.15 * columns
    assert found.standard_error < 0.25


@pytest.mark.parametrize("digits", [0, 1])
def test_a_quantized_copy_shares_its_entropy(few_steps: None, digits: int) -> None:
    """A normal variable and its rounded value: 1.41 nats for steps of 1, 3.71 for steps of 0.1."""
    x = np.random.default_rng(3).normal(size=2000)
    steps = np.unique(x.round(digits), return_counts=True)[1] / len(x)
    found = estimate_mi(x, x.round(digits))
    assert abs(found.value - -(steps * np.log(steps)).sum()) < max(0.2, 2 * found.standard_error)
    assert found.standard_error < 0.3


def test_one_dominating_class(few_steps: None) -> None:
    """3 % of the rows have another label. It moves x by 4: nearly all of its entropy, by quadrature 0.121 of 0.135."""
    generator = np.random.default_rng(0)
    rare = generator.random(3000) < 0.03
    noise = generator.normal(size=3000)
    grid = np.linspace(-8, 12, 4001)
    densities = 0.97 * norm.pdf(grid), 0.03 * norm.pdf(grid, 4)
    mixture = sum(densities)
    given_x = sum(each * np.log(mixture / each) for each in densities).sum() * 0.005
    truth = -0.97 * math.log(0.97) - 0.03 * math.log(0.03) - given_x
    found = estimate_mi(noise + 4 * rare, rare)
    assert abs(found.value - truth) < 0.04
    assert estimate_mi(noise, rare).value < 0.02
    assert abs(estimate_mi(rare, rare.astype(int)).value - 0.135) < 0.05
    assert estimate_mi(rare, generator.random(3000) < 0.03).value < 0.02


def test_equal_columns_are_said_to_share_infinitely_much(no_steps: None) -> None:
    """Nothing of the kind for equal classes, whose entropy is finite, nor where one row differs."""
    x, y = pairs()
    said = [each for each in estimate_mi(np.hstack([y, x]), np.hstack([x, y]) * 1.0).warnings if "infinitely" in each]
    assert said == [
        "column 0 of x is column 1 of y (counted from 0): equal numbers share infinitely much, "
        "the value only says how many rows there are"
    ]
    coin = np.arange(200) % 2
    other = x.copy()
    other[5] += 1
    for a, b in ((coin, coin), (x, other), (x.round(1), x.round(1))):
        assert not [each for each in estimate_mi(a, b).warnings if "infinitely" in each]


def test_a_column_that_is_constant_but_for_one_row_carries_nothing(few_steps: None) -> None:
    x = np.zeros(300)
    x[5] = 1
    found = estimate_mi(x, np.random.default_rng(0).normal(size=300))
    assert found.value < 0.1
    assert found.standard_error < 0.2


@pytest.mark.parametrize("dtype", [float, np.float32, int])
def test_masked_values_are_refused_as_nan_is(dtype: type) -> None:
    """The numbers under a mask are no data, whatever they are."""
    values: np.ndarray = np.ma.masked_array(np.arange(100, dtype=dtype), np.arange(100) < 30)
    with pytest.raises(ValueError, match="x has 30 masked values: remove their rows"):
        estimate_mi(values, FINE)
    with pytest.raises(ValueError, match="y has 30 masked values: remove their rows"):
        pointwise_mi(FINE, values)
    columns = np.ma.masked_array(np.ones((100, 2)), np.eye(100, 2) > 0)
    with pytest.raises(ValueError, match="x has 2 masked values"):
        estimate_mi(columns, FINE)


def test_an_array_with_an_empty_mask_is_an_array(few_steps: None) -> None:
    x, y = pairs()
    assert estimate_mi(np.ma.masked_array(x, False), y) == estimate_mi(x, y)


def repeated(kind: str) -> np.ndarray:
    """Rows of a sample, some of them several times."""
    generator = np.random.default_rng(3)
    if kind == "bootstrap":
        return generator.integers(0, 400, 400)
    if kind == "some twice":
        return np.concatenate([np.arange(200), np.arange(40)])
    return generator.permutation(np.repeat(np.arange(100), int(kind)))


@pytest.mark.parametrize(
    ("kind", "rounded"),
    [("bootstrap", False), ("bootstrap", True), ("some twice", False), ("2", True), ("5", False), ("10", False)],
)
def test_copies_of_rows_are_no_information(few_steps: None, kind: str, rounded: bool) -> None:
    """Independent columns: they gave 1.1 to 7.6 nats. One side may be rounded: the other tells rows apart."""
    x, y = np.random.default_rng(0).normal(size=(2, 400))
    rows = repeated(kind)
    found = estimate_mi(x[rows].round(0 if rounded else 9), y[rows])
    assert found.value < 0.3
    copies = len(rows) - len(np.unique(rows))
    assert f"{copies} of {len(rows)} rows repeat others: each counts once" in found.warnings
    assert found.ceiling == pytest.approx(math.log(len(np.unique(rows))))
    values = pointwise_mi(x[rows], y[rows])
    assert len(values) == len(rows)
    assert len(np.unique(values)) <= len(np.unique(rows))


def test_values_that_repeat_by_nature_are_no_copies(no_steps: None) -> None:
    """Coins, counts, and a law with an atom: a third of all days have no rain and no flood."""
    generator = np.random.default_rng(0)
    counts = generator.poisson(3, 500)
    wet = generator.normal(size=600)
    wet[:200] = -9
    for x, y in ((counts, counts), (counts, counts + generator.poisson(1, 500)), (wet, np.exp(wet))):
        assert not [each for each in estimate_mi(x, y).warnings if "rows repeat" in each and "once" in each]
