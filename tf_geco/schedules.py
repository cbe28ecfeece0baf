"""Numbers that may change with the training step: a number, or a schedule of Keras."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_number

Schedule = keras.optimizers.schedules.LearningRateSchedule


LATE = 100_000  # a step at which a schedule should still have a value that is allowed


def as_schedule(value: Any, name: str, check: Callable[[Any, str], float] = positive_number) -> Any:
    """Returns a number that passed its check, or a schedule whose first and late values did.

    Args:
        value: A number, or a `keras.optimizers.schedules.LearningRateSchedule`, such as
            `PolynomialDecay(2.0, 10_000, 0.7)`, a straight line from 2.0 to 0.7.
        name: The name of the argument, for the error.
        check: (number, name) -> float; raises an error if the number is not allowed.

    Raises:
        ValueError: If the check does.
    """
    if not isinstance(value, Schedule):
        return check(value, name)
    with tf.init_scope():
        for step in (0, LATE):
            number = float(value_at(value, step))
            try:
                check(number, name)
            except ValueError as error:
                raise ValueError(f"{error} That is the schedule at step {step:,}.") from None
    return value


def value_at(schedule: Any, step: Any) -> Any:
    """Returns the value of `as_schedule(...)` at a step: a float, or a float32 scalar tensor."""
    if not isinstance(schedule, Schedule):
        return schedule
    return tf.cast(schedule(tf.convert_to_tensor(step)), tf.float32)
