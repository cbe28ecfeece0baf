"""Checks of what a user gave: errors name the argument and what was received."""

import inspect
import math
import os
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import tensorflow as tf

# Between these float32 still holds the square of a number.
LEAST, GREATEST = 1e-15, 1e15


def is_word(value: Any, word: str) -> bool:
    """Returns whether a value is a word; `==` alone fails where it is an array."""
    return isinstance(value, str) and value == word


def is_number(value: Any) -> bool:
    """Returns whether a value is a real number, of any numeric type but a boolean."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def positive_number(value: Any, name: str) -> float:
    """Returns `value` as a float.

    Args:
        value: What the user gave.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If `value` is not a finite number above zero, or has no square in float32.
    """
    if not is_number(value) or not 0 < value < math.inf:
        raise ValueError(f"`{name}` must be a positive number. Received: {name}={value!r}.")
    return _in_range(float(value), name)


def non_negative_number(value: Any, name: str) -> float:
    """Returns `value` as a float, as `positive_number` does, but zero is allowed too."""
    if is_number(value) and value == 0:
        return 0.0
    if is_number(value) and not value > 0:
        raise ValueError(f"`{name}` must not be negative. Received: {name}={value!r}.")
    return positive_number(value, name)


def finite_number(value: Any, name: str) -> float:
    """Returns `value` as a float.

    Args:
        value: What the user gave.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If `value` is not a finite number, or has no square in float32.
    """
    if not is_number(value) or not math.isfinite(value):
        raise ValueError(f"`{name}` must be a number. Received: {name}={value!r}.")
    return float(value) if value == 0 else _in_range(float(value), name)


def _in_range(value: float, name: str) -> float:
    """Returns a number that is not zero, or says that float32 has no square of it."""
    if not LEAST <= abs(value) <= GREATEST:
        raise ValueError(
            f"`{name}` must be of a size between {LEAST} and {GREATEST}, because training is in "
            f"float32. Received: {name}={value!r}."
        )
    return value


def flag(value: Any, name: str) -> bool:
    """Returns `value` as a boolean.

    Raises:
        ValueError: If it is anything but true or false.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}.")
    return bool(value)


def is_positive_integer(value: Any) -> bool:
    """Returns whether `value` is a whole number above zero, of any numeric type."""
    return is_number(value) and math.isfinite(value) and int(value) == value and value >= 1


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


def positive_integers(values: Any, name: str) -> tuple[int, ...]:
    """Returns `values` as a tuple of integers, at least one.

    Raises:
        ValueError: If one is not a whole number above zero, or there is none.
    """
    if isinstance(values, tf.TensorShape):
        values = values.as_list() if values.rank else ()
    listed = tuple(values) if isinstance(values, Sequence | np.ndarray) else ()
    if not listed or not all(map(is_positive_integer, listed)):
        raise ValueError(f"`{name}` must be positive integers. Received: {name}={values}.")
    return tuple(int(value) for value in listed)


def seed_number(value: Any, name: str = "seed") -> int:
    """Returns a seed as an integer.

    Raises:
        ValueError: If it is not a whole number, or negative.
    """
    whole = is_number(value) and math.isfinite(value) and int(value) == value
    if not whole or value < 0:
        raise ValueError(
            f"`{name}` must be a whole number, zero or more. Received: {name}={value!r}."
        )
    return int(value)


def path_name(value: Any, name: str, *endings: str) -> str:
    """Returns the path of a file or folder as text.

    Raises:
        ValueError: If it is no path, or an empty one, or has none of the endings.
    """
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise ValueError(f"`{name}` must be a path. Received: {name}={value!r}.")
    if endings and not str(value).endswith(endings):
        listed = " or ".join(map(repr, endings))
        raise ValueError(f"`{name}` must end in {listed}. Received: {name}={str(value)!r}.")
    return str(value)


def takes(function: Callable, *arguments: str) -> bool:
    """Returns whether a function can be called with arguments by position, as far as it says."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:  # some built-in functions do not say
        return True
    return True


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
        listed = list(map(repr, choices))
        named = " or ".join(listed) if len(listed) == 2 else f"one of {', '.join(listed)}"
        raise ValueError(f"`{name}` must be {named}. Received: {name}={value!r}.")
    return value
