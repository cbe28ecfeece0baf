"""Checks of what a user gave: errors name the argument and what was received."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any


def positive_number(value: Any, name: str) -> float:
    """Returns `value` as a float.

    Args:
        value: What the user gave.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If `value` is not a finite number above zero.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={value!r}.")
    return float(value)


def finite_number(value: Any, name: str) -> float:
    """Returns `value` as a float.

    Args:
        value: What the user gave.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If `value` is not a finite number.
    """
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a number. Received: {name}={value!r}.")
    return float(value)


def is_positive_integer(value: Any) -> bool:
    """Returns whether `value` is a whole number above zero, of any numeric type."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and math.isfinite(value) and int(value) == value and value >= 1


def positive_integer(value: Any, name: str) -> int:
    """Returns `value` as an integer.

    Args:
        value: What the user gave.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If `value` is not a whole number above zero.
    """
    if not is_positive_integer(value):
        raise ValueError(f"`{name}` must be a positive integer. Received: {name}={value!r}.")
    return int(value)


def one_of(choices: Sequence[str], value: Any, name: str) -> str:
    """Returns `value`, one of the choices.

    Args:
        choices: What it may be.
        value: What the user gave.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(map(repr, choices))
        raise ValueError(f"`{name}` must be one of {listed}. Received: {name}={value!r}.")
    return value
