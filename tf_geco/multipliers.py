"""Multiplier rules: how log lambda answers a violation.

A rule is a pure function of (log lambda, error, memory); `tf_geco.GECO` keeps the numbers as
weights. In the scaled form the error is the log ratio of what is measured to what was asked for.
"""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.schedules import positive_number


def moving_average(
    average: tf.Tensor, value: tf.Tensor, decay: float, first: tf.Tensor
) -> tf.Tensor:
    """Returns the exponential moving average after one more value.

        C_ma^0 = C_hat^0,    C_ma^t = decay C_ma^{t-1} + (1 - decay) C_hat^t

    Args:
        average: C_ma^{t-1}, `[L]`.
        value: C_hat^t, `[L]`.
        decay: Between 0 and 1.
        first: Boolean scalar, whether t = 0: the first value seeds the average.

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1.
    """
    return tf.where(first, value, decay * average + (1.0 - decay) * value)


def log_ratio(violation: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Returns the log of what is measured over what is allowed.

        e = log(1 + violation / scale)

    For a reconstruction error that is log(RE / kappa^2). It falls by about one unit for a unit of
    log lambda, whatever the data set, so one setting of a rule can serve every data set.

    Args:
        violation: `[L]`, at least `-scale`; lower values count as an error 1e-6 times the scale.
        scale: `[L]`, the violation that counts as 100 %.
    """
    return tf.math.log(tf.maximum(1.0 + violation / scale, 1e-6))


def signed_log(violation: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    """Returns the log of a violation that may have any size and either sign.

        e = sign(violation) log(1 + |violation| / scale)

    It is `log_ratio` where the violation is positive, and its mirror image where it is negative:
    for what can fall below its tolerance by more than 100 %, such as a mean that may be negative.

    Args:
        violation: `[L]`.
        scale: `[L]`, the violation that counts as 100 %.
    """
    return tf.sign(violation) * tf.math.log1p(tf.abs(violation) / scale)


@keras.saving.register_keras_serializable(package="tf_geco")
class Rule:
    """How log lambda answers the error of its constraint.

    Subclass it and write `__call__`; if it must remember something, set `memory_size`, the number
    of values it keeps for each constraint.
    """

    memory_size = 0

    def __call__(
        self, log_multiplier: tf.Tensor, error: tf.Tensor, memory: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda and the next memory.

        Args:
            log_multiplier: log lambda, `[L]`.
            error: What is to be brought to zero, `[L]`: C_ma, or in the scaled form `log_ratio`.
            memory: What this function returned last, `[memory_size, L]`; zeros at first.
            first: Boolean scalar, whether this is the first step.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Rule":
        """Makes the rule that `get_config` described."""
        return cls(**config)


@keras.saving.register_keras_serializable(package="tf_geco")
class Exponential(Rule):
    """The rule of the paper: lambda <- lambda exp(rate error).

    Args:
        rate: Step of log lambda for an error of one. The paper names no value; 0.01 is common.

    Example:
    ```python
    as_printed = tf_geco.GECO(
        [tf_geco.constraints.ReconstructionError(0.1)],
        rule=tf_geco.multipliers.Exponential(rate=0.01),
        scaled=False,
    )
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1. The paper uses one letter for this rate
        and for the decay of the moving average; here they are two arguments.
    """

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = positive_number(rate, "rate")

    def __call__(
        self, log_multiplier: tf.Tensor, error: tf.Tensor, memory: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda and an empty memory."""
        return log_multiplier + self.rate * error, memory

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {"rate": self.rate}


@keras.saving.register_keras_serializable(package="tf_geco")
class ProportionalIntegral(Rule):
    """Integral action finds lambda, proportional action damps the search.

        log lambda <- log lambda + integral e_t + proportional (e_t - e_{t-1})

    Lambda stands still while the error decays with the time constant proportional / integral
    steps: faster learning than that lets it fall, slower learning makes it rise.

    Args:
        integral: K_I, per step.
        proportional: K_P. About 1 is the inverse gain of a reconstruction error in the scaled form.

    Reference:
        Stooke et al., "Responsive safety in reinforcement learning by PID Lagrangian methods",
        2020, arXiv:2007.03964.
    """

    memory_size = 1

    def __init__(self, integral: float = 0.01, proportional: float = 2.0) -> None:
        self.integral = positive_number(integral, "integral")
        self.proportional = positive_number(proportional, "proportional")

    def __call__(
        self, log_multiplier: tf.Tensor, error: tf.Tensor, memory: tf.Tensor, first: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda, and the error as memory."""
        change = tf.where(first, 0.0, error - memory[0])
        step = self.integral * error + self.proportional * change
        return log_multiplier + step, error[tf.newaxis]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {"integral": self.integral, "proportional": self.proportional}
