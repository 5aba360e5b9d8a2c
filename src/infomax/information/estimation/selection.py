"""Selection on held-out samples: the scale of each side, and the closed form from which training starts."""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from infomax.information.critics import Critic
from infomax.information.estimation.closed_forms import GaussianCritic, StudentCritic, expanded_columns
from infomax.information.estimation.folds import Fold, guarded_bound
from infomax.information.estimation.preprocessing import candidate_transforms, normal_scores
from infomax.information.transformations import Columns

FitClosedForm = Callable[[Columns, Columns], Critic]  # fits a critic to the samples of x and y

_DEGREES = (1.0, 2.0, 3.0, 5.0, 10.0)  # of freedom of the Student-t distributions that are tried
_RADII = (3, 5, 8, 12)  # numbers of hat functions of the radius that are tried
_MOST_EXPANDED = 130  # columns of a side after expansion
_RANKS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)  # numbers of canonical pairs that are tried
_FALLS = 3  # numbers of canonical pairs in a row that do not serve the bound, before the search ends
_CLEAR_GAIN = 0.003  # nats: less does not pay for a form of another kind


@dataclass(frozen=True)
class Choice:
    """A scale of each side and a closed form.

    Attributes:
        bound: The held-out Donsker-Varadhan bound of the closed form, in nats.
        x: Samples of x, transformed one to one.
        y: Samples of y.
        fit: Fits the closed form to samples.

    """

    bound: float
    x: Columns
    y: Columns
    fit: FitClosedForm

    def critics(self, folds: list[Fold]) -> list[Critic]:
        """Fit the closed form to the training rows of each fold.

        Args:
            folds: The folds.

        Returns:
            A critic for each fold.

        """
        return [self.fit(self.x[fold.training], self.y[fold.training]) for fold in folds]


def choose_forms(x: Columns, y: Columns, folds: list[Fold]) -> Choice:
    """Choose the scale of each side and the closed form, by the highest held-out bound.

    A Gaussian chooses between normal scores and whitened columns, and Student-t distributions are tried on both scales.
    A single column on each side is not a mixture, so its normal scores are kept: any monotone transformation of the
    column gives the same answer.

    Args:
        x: Samples of x, without constant columns.
        y: Samples of y.
        folds: The folds.

    Returns:
        The choice.

    """
    if x.shape[1] == y.shape[1] == 1:
        return choose_closed_form(normal_scores(x), normal_scores(y), folds, copula=True)
    sides = candidate_transforms(x), candidate_transforms(y)
    scales = list(itertools.product(*sides))
    best_x, best_y = max(scales, key=lambda each: _measure(*each, GaussianCritic, folds).bound)
    chosen = choose_closed_form(best_x, best_y, folds, copula=None)
    students = [*_students(*scales[0], folds, copula=True)]
    if min(map(len, sides)) > 1:
        students += _students(*scales[-1], folds, copula=False)
    return _clearly_better(chosen, students)


def choose_closed_form(x: Columns, y: Columns, folds: list[Fold], *, copula: bool | None) -> Choice:
    """Choose the closed form on a given scale.

    It is the Gaussian, with as many canonical pairs as serve it, unless canonical variables that change with the radius
    or a Student-t distribution are clearly better.

    Args:
        x: Samples of x, transformed to a common scale.
        y: Samples of y.
        folds: The folds.
        copula: Whether all columns are normal scores, or all whitened. None tries no Student-t distribution.

    Returns:
        The choice.

    """
    gaussian = _with_best_rank(Choice(0.0, x, y, GaussianCritic), folds)
    others = [_with_best_rank(replace(gaussian, fit=fit), folds) for fit in _expansions(gaussian)]
    if copula is not None:
        others += _students(x, y, folds, copula=copula)
    return _clearly_better(gaussian, others)


def _clearly_better(first: Choice, others: Iterable[Choice]) -> Choice:
    """The best of the others, if it is better than the first by more than a trifle."""
    best = max(others, key=lambda each: each.bound, default=first)
    return best if best.bound > first.bound + _CLEAR_GAIN else first


def _students(x: Columns, y: Columns, folds: list[Fold], *, copula: bool) -> Iterator[Choice]:
    for degrees in _DEGREES:
        yield _measure(x, y, partial(StudentCritic, degrees=degrees, copula=copula), folds)


def _expansions(choice: Choice) -> Iterator[FitClosedForm]:
    """Gaussians whose canonical variables change with the radius, where there are several columns."""
    widths = [side.shape[1] for side in (choice.x, choice.y)]
    for radii in _RADII:
        if min(widths) > 1 and max(expanded_columns(width, radii) for width in widths) <= _MOST_EXPANDED:
            yield partial(GaussianCritic, radii=radii)


def _measure(x: Columns, y: Columns, fit: FitClosedForm, folds: list[Fold]) -> Choice:
    choice = Choice(0.0, x, y, fit)
    return replace(choice, bound=held_out_bound(choice.critics(folds), x, y, folds))


def _with_best_rank(choice: Choice, folds: list[Fold]) -> Choice:
    """The choice of a Gaussian with as many canonical pairs as serve the held-out bound best."""
    critics = [each for each in choice.critics(folds) if isinstance(each, GaussianCritic)]
    full = min(len(each.cross) for each in critics)
    best, falls = replace(choice, bound=-math.inf), 0
    for rank in (*(rank for rank in _RANKS if rank < full), full):
        bound = held_out_bound([each.of_rank(rank) for each in critics], choice.x, choice.y, folds)
        falls = 0 if bound > best.bound else falls + 1
        if bound > best.bound:
            best = replace(choice, bound=bound, fit=partial(choice.fit, rank=rank))
        if falls == _FALLS:
            break
    return best


def held_out_bound(critics: Sequence[Critic], x: Columns, y: Columns, folds: list[Fold]) -> float:
    """Compute the guarded bound of a critic for each fold on its held-out rows.

    Args:
        critics: A critic for each fold.
        x: All samples of x.
        y: All samples of y.
        folds: The folds.

    Returns:
        The mean over folds, in nats.

    """
    bounds = [guarded_bound(critic, x, y, fold.held_out) for critic, fold in zip(critics, folds, strict=True)]
    return sum(bounds) / len(bounds)
