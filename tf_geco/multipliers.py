"""Multiplier rules: how log lambda answers a violation.

A rule is a pure function of (log lambda, error, memory); `tf_geco.GECO` keeps the numbers as
weights. In the scaled form the error is the log ratio of what is measured to what was asked for.
"""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_number

LONG = 10_000  # steps from which on no training is paced more slowly
USUAL = 2_000  # steps that a training of unknown length is paced for


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
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda and the next memory.

        Args:
            log_multiplier: log lambda, `[L]`.
            error: What is to be brought to zero, `[L]`: C_ma, or in the scaled form `log_ratio`.
            memory: What this function returned last, `[memory_size, L]`; zeros at first.
            first: Boolean scalar, whether this is the first step.
            steps: Number of steps of the whole training, a scalar; 0 if it is not known.
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
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda and an empty memory."""
        return tf.clip_by_value(log_multiplier + self.rate * error, low, high), memory

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {"rate": self.rate}


@keras.saving.register_keras_serializable(package="tf_geco")
class ProportionalIntegral(Rule):
    """Integral action finds lambda, proportional action sets the pace of the search.

        log lambda <- log lambda + K_I b s(e_t) + K_P (f_t - f_{t-1})
        s(e) = e / sqrt(1 + |e| / knee)
        f_t = min(e_t, max(f_{t-1}, hold) + b s(e_t) K_I / K_P)

    Lambda stands still while the error decays as -de/dt = s(e) b K_I / K_P: near the tolerance with
    the time constant K_P / (K_I b). An error that falls faster than that, because the networks are
    still learning, lets lambda fall; a slower one makes it rise. So lambda rises only as far as it
    must, and little KL is spent that has to be given back, which is slow.

    Below the tolerance b is 1 and the time constant 200 steps by default. Above it b <= 1 is the
    product of the first two of these guards:

    - `periods`: b = min(1, periods K_P / (K_I T)) spreads the approach over the T steps of the
      training, which `fit` tells the objective. A time constant of T / 10 reaches a distant
      tolerance after about half of them.
    - `reach`: lambda_0 being where lambda started, b = min(1, (reach lambda_0 / (lambda e^e))^3)
      stops the rise where an error no longer answers. In a linear Gaussian model the share of the
      error that lambda can still remove is lambda_0 / (lambda e^e), so the default stops pressing
      at the last 2 %.
    - `knee`: far from the tolerance only the root of the error counts, so that a distant tolerance
      is not rushed at.
    - `hold`: while an error is above it, lambda does not fall below where it started, because the
      early fall of every error would otherwise drive it to zero. And proportional action follows
      a rising error there (f) no faster than the pace: a lambda that shoots up makes a sudden error
      worse, because gradients then outgrow Adam's average of their squares, and its steps grow.

    Args:
        integral: K_I, per step.
        proportional: K_P. A reconstruction error falls by about one unit of its logarithm for one
            of log lambda; ten times that gain damps slow networks.
        periods: How many time constants of the approach fit into a training. One of more than
            10,000 steps is paced like one of 10,000, one of unknown length like one of 2,000. `inf`
            turns the guard off.
        knee: Error above which only its root counts. `inf` turns the guard off.
        hold: Error above which lambda stays at least where it started, and answers a rise of the
            error slowly. `inf` turns the guard off.
        reach: How many times lambda_0 to press for. `inf` turns the guard off.

    Raises:
        ValueError: If an argument is not positive.

    Reference:
        Stooke et al., "Responsive safety in reinforcement learning by PID Lagrangian methods",
        2020, arXiv:2007.03964, for proportional action on a multiplier. The pace and the guards are
        this library's own; `benchmarks/no_sweep.py` is what chose their values.
    """

    memory_size = 2

    def __init__(
        self,
        integral: float = 0.05,
        proportional: float = 10.0,
        *,
        periods: float = 10.0,
        knee: float = 0.3,
        hold: float = 0.1,
        reach: float = 60.0,
    ) -> None:
        self.integral = positive_number(integral, "integral")
        self.proportional = positive_number(proportional, "proportional")
        guards = {"periods": periods, "knee": knee, "hold": hold, "reach": reach}
        for name, guard in guards.items():
            if guard != math.inf:
                positive_number(guard, name)
        self.periods, self.knee = float(periods), float(knee)
        self.hold, self.reach = float(hold), float(reach)

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
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the next log lambda; the memory is f and the first log lambda."""
        followed = tf.where(first, error, memory[0])
        start = tf.where(first, log_multiplier, memory[1])
        brake = tf.where(error > 0.0, self._brake(log_multiplier - start, error, steps), 1.0)
        pull = self.integral * brake * error * tf.math.rsqrt(1.0 + tf.abs(error) / self.knee)
        highest = tf.maximum(followed, self.hold) + pull / self.proportional
        follows = tf.minimum(error, highest)
        proposal = log_multiplier + pull + self.proportional * (follows - followed)
        held = tf.maximum(proposal, tf.minimum(log_multiplier, start))
        proposal = tf.where(error > self.hold, held, proposal)
        return tf.clip_by_value(proposal, low, high), tf.stack([follows, start])

    def _brake(self, risen: tf.Tensor, error: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Returns b where the error is above its tolerance."""
        steps = tf.cast(tf.where(steps > 0, tf.minimum(steps, LONG), USUAL), error.dtype)
        pace = self.proportional / self.integral
        patience = tf.minimum(self.periods * pace / steps, 1.0)
        beyond = risen + error - math.log(self.reach)
        return patience * tf.exp(-3.0 * tf.maximum(beyond, 0.0))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        names = ("integral", "proportional", "periods", "knee", "hold", "reach")
        return {name: getattr(self, name) for name in names}
