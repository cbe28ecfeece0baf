"""Schedules: numbers that change with the training step."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer, positive_number


@keras.saving.register_keras_serializable(package="tf_geco")
class Schedule:
    """A number that depends on the training step.

    Subclass it and write `__call__(step)` and `get_config()`. The step is counted by the objective
    that owns the schedule, so it is saved with the model and training resumes where it stopped.

    Call arguments:
        step: Scalar int64 tensor, the number of training steps already taken.
    """

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value at `step`, a float32 scalar."""
        raise NotImplementedError

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`, as plain values."""
        return {}

    @classmethod
    def from_config(cls, config: dict) -> "Schedule":
        """Makes the schedule that `get_config` described."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tf_geco")
class Constant(Schedule):
    """The same value at every step.

    Args:
        value: The value.
    """

    def __init__(self, value: float) -> None:
        self.value = float(value)

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns `value`."""
        return tf.constant(self.value, tf.float32)

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        return {"value": self.value}


@keras.saving.register_keras_serializable(package="tf_geco")
class LinearAnneal(Schedule):
    """A straight line from `start` to `end`, then constant.

        value(t) = start + (end - start) min(t / steps, 1)

    Args:
        start: Value at step 0.
        end: Value from step `steps` on.
        steps: Length of the line in training steps, at least 1.

    Raises:
        ValueError: If `steps` is not a positive integer.

    Example:
    ```python
    hand_annealed = tf_geco.ELBO(sigma=0.1, beta=tf_geco.schedules.LinearAnneal(2.0, 0.7, 10_000))
    ```

    Reference:
        The hand annealing of Eslami et al., "Neural scene representation and rendering", 2018,
        that Rezende and Viola compare with in Figure 4.
    """

    def __init__(self, start: float, end: float, steps: int) -> None:
        self.start = float(start)
        self.end = float(end)
        self.steps = positive_integer(steps, "steps")

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """Returns the value at `step`."""
        progress = tf.minimum(tf.cast(step, tf.float32) / self.steps, 1.0)
        return self.start + (self.end - self.start) * progress

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        return {"start": self.start, "end": self.end, "steps": self.steps}


def as_schedule(value: Any, name: str) -> Schedule:
    """Returns `value` itself if it is a schedule, else a `Constant`.

    Args:
        value: A positive number, or a schedule.
        name: The name of the argument, for the error.

    Raises:
        ValueError: If `value` is neither a schedule nor a positive number.
    """
    return value if isinstance(value, Schedule) else Constant(positive_number(value, name))
