"""Constraints on settings, declared beside the fields that they hold for.

@dataclass(frozen=True)
class Schedule:
batch: Annotated[int, AtLeast(2)] = 64

def __post_init__(self) -> None:
validate_fields(self)
"""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from operator import index
from typing import Annotated, Any, Literal, Protocol, get_args, get_origin, get_type_hints, runtime_checkable

from infomax.errors import InfoMaxError


@runtime_checkable
class Constraint(Protocol):
    """A condition on the value of a setting."""

    def fault(self, name: str, value: Any) -> str | None:
        """Say what is wrong and what to do.

        Args:
            name: The setting.
            value: Its value.

        Returns:
            One line; None where the value satisfies the constraint.

        """


@dataclass(frozen=True)
class AtLeast:
    """A number, or each of several numbers, is not below a minimum.

    Attributes:
        minimum: The least value.
        reason: Why, appended to the message.

    """

    minimum: int
    reason: str = ""

    def fault(self, name: str, value: Any) -> str | None:
        """Refuse a value below the minimum, and a lack of values."""
        why = f", for {self.reason}" if self.reason else ""
        if isinstance(value, tuple):
            if value and min(value) >= self.minimum:
                return None
            return f"{name} is {value}: give one number or more, each {self.minimum} or more{why}"
        return None if value >= self.minimum else f"{name} is {value}: use {self.minimum} or more{why}"


@dataclass(frozen=True)
class InRange:
    """A finite number lies between two bounds.

    Attributes:
        remedy: What to use instead, as the message says it.
        low: The lower bound.
        high: The upper bound.
        open_low: Whether the lower bound itself is refused.

    """

    remedy: str
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False

    def fault(self, name: str, value: Any) -> str | None:
        """Refuse NaN, infinity, and what lies outside of the bounds."""
        inside = math.isfinite(value) and (self.low < value if self.open_low else self.low <= value)
        return None if inside and value <= self.high else f"{name} is {value}: {self.remedy}"


FINITE = InRange("use a finite number")
FRACTION = InRange("give a fraction, 0 to 1", 0.0, 1.0)


def positive(example: float) -> InRange:
    """Ask for a number above 0.

    Args:
        example: A usual value, for the message.

    Returns:
        The constraint.

    """
    return InRange(f"use a positive number, {example:g} say", 0.0, open_low=True)


def not_negative(example: float) -> InRange:
    """Ask for 0 or a number above it.

    Args:
        example: A usual value, for the message.

    Returns:
        The constraint.

    """
    return InRange(f"use 0 or a small positive number, {example:g} say", 0.0)


@dataclass(frozen=True)
class OneOf:
    """A name is among those known.

    Attributes:
        names: The known names, or a function that lists them.
        prefixes: Beginnings of further names that are allowed: "timm:".

    """

    names: Collection[str] | Callable[[], Collection[str]]
    prefixes: tuple[str, ...] = ()

    def fault(self, name: str, value: Any) -> str | None:
        """Refuse an unknown name and list the known ones."""
        names = self.names() if callable(self.names) else self.names
        if value in names or value.startswith(self.prefixes or ("\0",)):
            return None
        known = ", ".join((*names, *(f"{prefix}NAME" for prefix in self.prefixes)))
        return f"unknown {name} '{value}': choose one of {known}"


def validate_fields(record: object) -> None:
    """Check every annotated field of a dataclass.

    Args:
        record: An instance whose fields are annotated as Annotated[kind, constraint].

    Raises:
        InfoMaxError: The first value that violates its constraint.

    """
    kind: Any = type(record)
    for name in _hints(kind):
        validate_type(kind, name, getattr(record, name))
    for name, constraints in _constraints(kind).items():
        for constraint in constraints:
            if (fault := constraint.fault(name, getattr(record, name))) is not None:
                raise InfoMaxError(fault)


def validate_type(kind: Any, name: str, value: Any) -> None:
    """Check the type of a value for a field; a whole number may stand for a float.

    Args:
        kind: The dataclass.
        name: One of its fields.
        value: The value for it.

    Raises:
        InfoMaxError: The value has another type than the field.

    """
    hint = _hints(kind)[name]
    wanted = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(wanted) is tuple:
        of = get_args(wanted)[0]
        fits = isinstance(value, tuple) and all(type(each) is of for each in value)
        what = "whole numbers, (6, 8) say" if of is int else "texts, ('6', 'gray9') say"
    elif wanted is float:
        fits, what = type(value) in (int, float), "a number"
    elif wanted is int:
        fits, what = type(value) is int, "a whole number"
    elif wanted is bool:
        fits, what = type(value) is bool, "True or False"
    elif wanted is str or get_origin(wanted) is Literal:
        fits, what = isinstance(value, str), "text"
    else:
        return
    if not fits:
        raise InfoMaxError(f"{name} is {value!r}: give {what}")


def whole_number(name: str, value: object) -> int:
    """Convert to Python's own int what counts as one: NumPy's numbers do.

    Args:
        name: The setting, for the message.
        value: Its value.

    Returns:
        The number.

    Raises:
        InfoMaxError: It is no whole number.

    """
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InfoMaxError(f"{name} is {value!r}: give a whole number") from None


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


@cache
def _constraints(kind: Any) -> dict[str, list[Constraint]]:
    return {
        name: [each for each in get_args(hint)[1:] if isinstance(each, Constraint)]
        for name, hint in _hints(kind).items()
        if get_origin(hint) is Annotated
    }
