"""Samples as the user gives them: validated, without missing rows, constant columns and copies, in float64."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from infomax.information.transformations import Columns

FEWEST_SAMPLES = 50
_LEAST_OWN = 0.99  # fraction of distinct rows with a value of their own, from which on repeated rows are copies
_MOST_COPIES = 20  # of each row on average, and of one row if the samples are few: more are values of a discrete law
_LEAST_ATOM = 0.05  # fraction of rows with one value, from which on a column of floats is mixed or censored

Samples = Shaped[np.ndarray, "..."] | Shaped[Tensor, "..."] | Sequence[object]  # (n,) or (n, d)
Kinds = str | Sequence[str] | None  # of all columns, of each column, or unknown

COLUMN_KINDS = ("continuous", "discrete", "categorical", "mixed", "censored")
MISSING_CHOICES = ("refuse", "drop")


@dataclass(frozen=True)
class PairedSamples:
    """Rows of x and y that are left, and where they come from.

    Attributes:
        x: Samples of x in float64, without constant columns.
        y: Samples of y.
        rows: For each row left, its number among the rows that were given.
        place: For each row that was given, its place among the rows left; -1 if it was dropped as missing.
        columns: Numbers of the columns of x that are left, and of those of y.
        kinds: Their kinds.
        notes: What was dropped, in words.

    """

    x: Columns
    y: Columns
    rows: Int[Tensor, " n"]
    place: Int[Tensor, " given"]
    columns: tuple[tuple[int, ...], tuple[int, ...]]
    kinds: tuple[tuple[str, ...], tuple[str, ...]]
    notes: tuple[str, ...]

    @property
    def empty(self) -> bool:
        """Whether a side has no columns left: then it carries no information."""
        return not (self.x.shape[1] and self.y.shape[1])


def pair_samples(
    x: Samples,
    y: Samples,
    *,
    missing: str = "refuse",
    x_kind: Kinds = None,
    y_kind: Kinds = None,
    keep_copies: bool = False,
    y_name: str = "y",
) -> PairedSamples:
    """Validate samples and drop what carries no information.

    Args:
        x: Samples of x, shape (n,) or (n, dx): numbers, or texts, which are categories.
        y: Samples of y, shape (n,) or (n, dy).
        missing: What happens to rows with NaN, infinite or masked values.
        x_kind: Kind of all columns of x, or of each. None decides by dtype and values.
        y_kind: Kind of the columns of y.
        keep_copies: Whether copies of rows stay, as a series needs.
        y_name: What messages call y.

    Returns:
        The rows that are left.

    Raises:
        ValueError: Shapes, types or values that are not samples, or fewer than 50 rows. The message is one line.

    """
    (x_columns, x_kinds), (y_columns, y_kinds) = (
        _columns(side, name, kind, missing) for side, name, kind in ((x, "x", x_kind), (y, y_name, y_kind))
    )
    if len(x_columns) != len(y_columns):
        raise ValueError(f"x has {len(x_columns)} rows and {y_name} {len(y_columns)}: give as many of both")
    complete = x_columns.isfinite().all(1) & y_columns.isfinite().all(1)
    notes = [*_missing_rows({"x": x_columns, y_name: y_columns}, complete, missing)]
    given = torch.arange(len(complete))
    x_varies, y_varies = (_varying(side[complete]) for side in (x_columns, y_columns))
    notes += _constant_columns({"x": x_varies, y_name: y_varies})
    a, b = x_columns[complete][:, x_varies], y_columns[complete][:, y_varies]
    columns = tuple(x_varies.nonzero().flatten().tolist()), tuple(y_varies.nonzero().flatten().tolist())
    kinds = tuple(x_kinds[k] for k in columns[0]), tuple(y_kinds[k] for k in columns[1])
    notes += _equal_columns(a, b, columns, y_name)
    repeats = x_kind is not None and y_kind is not None and "continuous" not in {*kinds[0], *kinds[1]}
    kept, place = given[: len(a)], given[: len(a)]
    copies: tuple[str, ...] = ()
    if not (keep_copies or repeats or a.numel() == 0 or b.numel() == 0):
        kept, place, copies = distinct_rows(a, b)
    places = torch.full_like(given, -1)
    places[complete] = place
    return PairedSamples(a[kept], b[kept], given[complete][kept], places, columns, kinds, (*notes, *copies))


def _constant_columns(varies: dict[str, Bool[Tensor, " _"]]) -> Iterator[str]:
    """How many columns of each side are dropped as constant."""
    for name, kept in varies.items():
        if not kept.all():
            columns = _count(int((~kept).sum()), "constant column")
            yield f"{name} has {columns}, dropped: a constant carries no information"


def _equal_columns(x: Columns, y: Columns, columns: tuple[tuple[int, ...], ...], y_name: str) -> Iterator[str]:
    """The first column that stands on both sides, if its values hardly repeat."""
    for (i, of_x), (k, of_y) in itertools.product(enumerate(x.T), enumerate(y.T)):
        if torch.equal(of_x, of_y) and len(of_x.unique()) >= _LEAST_OWN * len(of_x):
            yield (
                f"column {columns[0][i]} of x is column {columns[1][k]} of {y_name} (counted from 0): "
                "equal numbers share infinitely much, the value only says how many rows there are"
            )
            return


def _count(number: int, name: str) -> str:
    """A number with its noun."""
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _varying(columns: Float[Tensor, "n d"]) -> Bool[Tensor, " d"]:
    """Which columns are not constant."""
    return (columns != columns[0]).any(0)


def distinct_rows(
    x: Float[Tensor, "n dx"], y: Float[Tensor, "n dy"]
) -> tuple[Int[Tensor, " u"], Int[Tensor, " n"], tuple[str, ...]]:
    """Find the copies among samples, such as those of a bootstrap sample.

    A copy in another fold, or as the nearest neighbor, would pass for information. Rows of discrete variables repeat by
    nature, so a repeated row counts as a copy only if its x or its y occurs nowhere else. This must hold for nearly all
    rows, there must be many of them, and no copies of one row may be a large part of the samples.

    Args:
        x: Samples of x.
        y: Samples of y.

    Returns:
        The rows that are left without copies, in order; for each row, its place among them; and a note in words.

    """
    n = len(x)
    both, row_of = _unique(torch.cat([x, y], 1))
    everything = torch.arange(n)
    if len(both) == n:
        return everything, everything, ()
    sides = max(len(_unique(side)[0]) for side in (x, y))
    discrete = sides < _LEAST_OWN * len(both) or len(both) < n / _MOST_COPIES
    if discrete:
        return everything, everything, ()
    counts = row_of.bincount()
    if len(both) < FEWEST_SAMPLES:
        return everything, everything, (f"{n - len(both)} of {n} rows repeat others: if they are copies, remove them",)
    first = torch.full((len(both),), n).scatter_reduce(0, row_of, everything, "amin")
    atoms = counts > max(_MOST_COPIES, n / _MOST_COPIES)
    kept = ((first[row_of] == everything) | atoms[row_of]).nonzero().flatten()
    place = torch.searchsorted(kept, torch.where(atoms[row_of], everything, first[row_of]))
    if len(kept) == n:
        return everything, everything, ()
    return kept, place, (f"{n - len(kept)} of {n} rows repeat others: each counts once",)


def _unique(rows: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "u d"], Int[Tensor, " n"]]:
    """The distinct rows, sorted, and the place of each row among them."""
    distinct, place = torch.unique(rows, dim=0, return_inverse=True)
    return distinct, place


def _missing_rows(sides: dict[str, Tensor], complete: Bool[Tensor, " n"], missing: str) -> Iterator[str]:
    """Refuse missing values, or say how many rows they take along."""
    if missing not in MISSING_CHOICES:
        raise ValueError(f"missing is {missing!r}: choose one of {', '.join(MISSING_CHOICES)}")
    for name, side in sides.items():
        count = int((~side.isfinite()).sum())
        if count and missing == "refuse":
            values = _count(count, "NaN or infinite value")
            raise ValueError(f"{name} has {values}: remove their rows, or set missing to drop")
    left = int(complete.sum())
    if left < FEWEST_SAMPLES:
        raise ValueError(f"{left} of {len(complete)} rows have no missing values: give {FEWEST_SAMPLES} or more")
    if left < len(complete):
        yield f"{len(complete) - left} of {len(complete)} rows have missing values, dropped"


def _columns(samples: Samples, name: str, kind: Kinds, missing: str) -> tuple[Float[Tensor, "n d"], tuple[str, ...]]:
    """The samples in float64, (n, d), masked values as NaN, and the kind of each column."""
    numbers, by_dtype = _numbers(samples, name, kind == "categorical", missing)
    if numbers.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {tuple(numbers.shape)}: give (n,) or (n, columns)")
    if len(numbers) < FEWEST_SAMPLES:
        turned = numbers.ndim == 2 and numbers.shape[1] >= FEWEST_SAMPLES
        hint = f"; rows are samples, and it has {numbers.shape[1]} columns: transpose it?" if turned else ""
        raise ValueError(f"{name} has {_count(len(numbers), 'sample')}: give {FEWEST_SAMPLES} or more{hint}")
    if numbers.numel() == 0:
        raise ValueError(f"{name} has no columns: give (n,) or (n, columns)")
    columns = numbers.reshape(len(numbers), -1)
    if kind is None:
        return columns, tuple(by_dtype or _kind_of(column) for column in columns.T)
    kinds = (kind,) * columns.shape[1] if isinstance(kind, str) else tuple(kind)
    if len(kinds) != columns.shape[1] or not {*kinds} <= {*COLUMN_KINDS}:
        wanted = f"one or {columns.shape[1]} of {', '.join(COLUMN_KINDS)}"
        raise ValueError(f"the kind of {name} is {kind!r}: give {wanted}")
    return columns, kinds


def _numbers(samples: Samples, name: str, texts: bool, missing: str) -> tuple[Tensor, str | None]:
    """The samples in float64, any shape, and their kind where the dtype says it. Masked values become NaN."""
    if isinstance(samples, Tensor):
        if samples.is_complex():
            raise ValueError(f"{name} has dtype {samples.dtype}: give real numbers")
        return samples.detach().cpu().double(), None if samples.is_floating_point() else "discrete"
    mask = _mask(samples, name, missing)
    try:
        array = np.asarray(samples)
    except ValueError:  # a list of lists, say
        raise ValueError(f"{name} has rows of several lengths: give (n,) or (n, columns)") from None
    if texts and array.dtype.kind in "USO":
        codes = np.unique(array.astype(str), return_inverse=True)[1].reshape(array.shape)
        return torch.from_numpy(codes.astype(np.float64)), "categorical"
    if array.dtype.kind not in "biuf":
        or_name = ", or name the kind categorical" if array.dtype.kind in "USO" else ""
        raise ValueError(f"{name} has dtype {array.dtype}: give real numbers{or_name}")
    numbers = array.astype(np.float64)
    if mask is not None:
        numbers = np.where(mask.reshape(numbers.shape), np.nan, numbers)
    return torch.from_numpy(numbers), None if array.dtype.kind == "f" else "discrete"


def _mask(samples: object, name: str, missing: str) -> Shaped[np.ndarray, "..."] | None:
    """The mask of a masked array, or of a list of them; None if nothing is masked. The numbers under it are no data."""
    parts = samples if isinstance(samples, list | tuple) else [samples]
    masked = sum(int(np.ma.getmaskarray(part).sum()) for part in parts if isinstance(part, np.ma.MaskedArray))
    if not masked:
        return None
    if missing == "refuse":
        raise ValueError(f"{name} has {_count(masked, 'masked value')}: remove their rows, or set missing to drop")
    masks = [np.ma.getmaskarray(np.ma.asarray(part)) for part in parts]
    if len({mask.shape for mask in masks}) > 1:
        raise ValueError(f"{name} has parts of several shapes: give (n,) or (n, columns)")
    return np.stack(masks) if isinstance(samples, list | tuple) else masks[0]


def _kind_of(column: Float[Tensor, " n"]) -> str:
    """Kind of a column of floats, by its most frequent value: censored if that is the smallest or largest."""
    finite = column[column.isfinite()]
    if not len(finite):
        return "continuous"
    values, counts = torch.unique(finite, return_counts=True)
    if len(values) <= FEWEST_SAMPLES and len(values) < _LEAST_ATOM * len(finite):
        return "discrete"
    top = int(counts.argmax())
    if int(counts[top]) < max(2, _LEAST_ATOM * len(finite)):
        return "continuous"
    return "censored" if top in (0, len(values) - 1) else "mixed"
