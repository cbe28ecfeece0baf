"""Rules: pure functions from (log lambda, error, memory) to the next log lambda and memory."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_number
from tf_geco.multipliers.pace import led_back, pace, rate_limited, saturated, scheduled


@keras.saving.register_keras_serializable(package="tf_geco")
class Rule:
    """How log lambda answers the error of its constraint.

    Subclass it and write `__call__`; if it must remember something, set `memory_size`, the number
    of values it keeps for each constraint.
    """

    memory_size = 0

    def __call__(
        self,
        log_multiplier: tf.Tensor,
        error: tf.Tensor,
        memory: tf.Tensor,
        *,
        first: tf.Tensor,
        step: tf.Tensor,
        steps: tf.Tensor,
        low: tf.Tensor,
        high: tf.Tensor,
        unit: Any = 0.0,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda, within its bounds, and the next memory.

        Args:
            log_multiplier: log lambda, `[L]`.
            error: What is to be brought to zero, `[L]`: `Constraint.error` of the moving average.
            memory: What this function returned last, `[memory_size, L]`; zeros at first.
            first: Boolean, `[L]`, whether this constraint is seen for the first time.
            step: Number of steps taken before this one, a scalar.
            steps: Step at which training is planned to end, a scalar; 0 if that is not known.
            low: Log of the least lambda, `[L]`.
            high: Log of the greatest lambda, `[L]`.
            unit: Log of the lambda that would be 1 on the scale of a likelihood, `[L]`.
        """
        raise NotImplementedError

    def holds_back(self, log_multiplier: tf.Tensor, error: tf.Tensor) -> tf.Tensor:
        """Returns where lambda hardly rises, because it is far beyond the likeliest; boolean.

        Args:
            log_multiplier: log lambda, less the log of its unit, of any shape.
            error: Of the same shape.
        """
        return tf.zeros_like(error, tf.bool)

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
    error = tf_geco.constraints.ReconstructionError(0.1)
    as_printed = tf_geco.GECO.algorithm_1([error], rate=0.01)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1. The paper uses one letter for this rate
        and for the decay of the moving average; here they are two arguments.
    """

    def __init__(self, rate: float = 0.01) -> None:
        self.rate = positive_number(rate, "rate")

    def __call__(
        self,
        log_multiplier: tf.Tensor,
        error: tf.Tensor,
        memory: tf.Tensor,
        *,
        first: tf.Tensor,
        step: tf.Tensor,
        steps: tf.Tensor,
        low: tf.Tensor,
        high: tf.Tensor,
        unit: Any = 0.0,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda and an empty memory."""
        return tf.clip_by_value(log_multiplier + self.rate * error, low, high), memory

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {"rate": self.rate}


@keras.saving.register_keras_serializable(package="tf_geco")
class PlannedPace(Rule):
    """Lambda moves by what the error is behind the plan; the plan reaches the tolerance in time.

        log lambda <- log lambda + gain (change of f + p)

        p = e / (share R)    above the tolerance; twice that below it

    Lambda stands still while the error falls at the pace p, with the time constant of a `share` of
    the R steps that remain. An error that falls faster, because the networks learn, lets lambda
    fall; a slower one makes it rise. So lambda rises only as far as it must, and little KL is spent
    that has to be given back, which is slow.

    The rest keeps to what the loop can do (`tf_geco.multipliers.pace` has each part alone): p is
    slower where hardly any error is left that answers lambda (`scheduled`); f is the error, whose
    rise far above the tolerance is followed no faster than p (`rate_limited`); lambda does not fall
    below its start there (`led_back`); and at a bound it does not wind up (`saturated`).

    Args:
        gain: Units of log lambda for a unit of log error. A reconstruction error falls by about one
            unit of its logarithm for one of log lambda; ten times that damps slow networks.
        share: Time constant of the error, in units of the steps that remain. A smaller one meets
            the tolerance earlier and leaves more time to give back what was spent too much; a
            larger one spends less too much, and lands harder.

    Raises:
        ValueError: If an argument is not positive.

    Example:
    ```python
    patient = tf_geco.GECO(
        [tf_geco.constraints.ReconstructionError(0.1)],
        rule=tf_geco.multipliers.PlannedPace(share=0.5),
    )
    ```

    Reference:
        Stooke et al., "Responsive safety in reinforcement learning by PID Lagrangian methods",
        2020, arXiv:2007.03964, for proportional action on a multiplier; Astrom and Rundqwist,
        "Integrator windup and how to avoid it", 1989, for back-calculation. The plan is this
        library's own; `benchmarks/no_sweep.py` is what chose its values.
    """

    memory_size = 2

    def __init__(self, gain: float = 10.0, share: float = 0.3) -> None:
        self.gain = positive_number(gain, "gain")
        self.share = positive_number(share, "share")

    def __call__(
        self,
        log_multiplier: tf.Tensor,
        error: tf.Tensor,
        memory: tf.Tensor,
        *,
        first: tf.Tensor,
        step: tf.Tensor,
        steps: tf.Tensor,
        low: tf.Tensor,
        high: tf.Tensor,
        unit: Any = 0.0,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda; the memory is f and the first log lambda."""
        followed, start = tf.unstack(tf.where(first, tf.stack([error, log_multiplier]), memory))
        speed = scheduled(pace(error, step, steps, self.share), log_multiplier - unit, error)
        follows = rate_limited(error, followed, speed)
        proposal = log_multiplier + self.gain * (follows - followed + speed)
        proposal = led_back(proposal, log_multiplier, error, start)
        bounded, taken = saturated(proposal, self.gain * speed, low, high)
        return bounded, tf.stack([follows + taken / self.gain, start])

    def holds_back(self, log_multiplier: tf.Tensor, error: tf.Tensor) -> tf.Tensor:
        """Returns where the pace is less than half of what the plan asks for, boolean."""
        return scheduled(tf.ones_like(error), log_multiplier, error) < 0.5

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {"gain": self.gain, "share": self.share}
