"""GECO: a cost, minimised under constraints whose weights are found while training."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_number
from tf_geco.constraints import Constraint
from tf_geco.constraints.constraint import Sized
from tf_geco.multipliers import ProportionalIntegral, Rule, log_ratio, moving_average, signed_log
from tf_geco.objectives.objective import Objective

OVERCOMPLETE = 0.05


@keras.saving.register_keras_serializable(package="tf_geco")
class GECO(Objective):
    """Generalized ELBO with Constrained Optimization: minimise a cost under constraints.

        minimise E[cost]   subject to   E[C_l] <= 0  for each constraint l

    The loss is the Lagrangian, with each constraint in nats (`scaled`, the default) or as it is:

        cost + sum_l lambda_l nats_l C_l / scale_l           scaled
        cost + sum_l lambda_l C_l                            as Algorithm 1 prints it

    Every step moves C_ma, the moving average of the violations, and then log lambda by `rule`. The
    value of the loss is that of C_ma, its gradient that of the batch (the straight-through form of
    Algorithm 1).

    Args:
        constraints: List of `tf_geco.constraints.Constraint`, with different names.
        rule: How log lambda answers, by default `ProportionalIntegral()`.
        scaled: Whether constraints enter in nats, so that lambda is 1 where the loss is an ELBO,
            and the rule sees the log ratio of measured to allowed. `False` is Algorithm 1 as
            printed, whose outcome depends on the rate and on the scale of the data.
        decay: alpha, the decay of C_ma per step. The paper uses 0.99.
        initial_multiplier: A positive number, or `"auto"`: the lambda that weighs a violation of
            100 % as half a nat for each latent dimension. For a reconstruction error that is d / D,
            the least any solution needs: a linear Gaussian model has lambda = d / (D - rest).
            Coming from below never overspends KL, which is slow to give back. With more latents
            than values (ConvDRAW), most of which stay idle, it is 0.05. It is at most 1, and it is
            1 where the outputs have no `"latents"`, or where the objective is not scaled.
        bounds: Least and greatest lambda, or a list of such pairs, one for each constraint. The
            default only keeps float32 from overflow.
        cost: What to minimise instead of the model's own cost: a constraint, that counts with its
            worth, `nats violation / scale`. `KLDivergence` as constraint and
            `ReconstructionError(sigma)` as cost asks for the best reconstruction that so many nats
            buy.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Labels, if any.
        outputs: What the model returned for `x`.

    Raises:
        ValueError: If there are no constraints, two have one name, or a number is out of range.

    Example:
    ```python
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    violations = objective(x, outputs={"reconstruction": reconstruction})  # [B, 1]
    loss = objective.loss(kl, violations)
    objective.update(violations)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, arXiv:1810.00597, Equation 2 and Algorithm 1.
    """

    def __init__(
        self,
        constraints: Sequence[Constraint],
        *,
        rule: Rule | None = None,
        scaled: bool = True,
        decay: float = 0.99,
        initial_multiplier: float | str = "auto",
        bounds: Sequence = (1e-6, 1e6),
        cost: Constraint | None = None,
        name: str | None = "geco",
        **kwargs: Any,
    ) -> None:
        super().__init__(constraints, decay=decay, name=name, **kwargs)
        self.rule = ProportionalIntegral() if rule is None else rule
        if not isinstance(self.rule, Rule):
            raise ValueError(
                f"`rule` must be a `tf_geco.multipliers.Rule`. Received: rule={rule!r}."
            )
        self.scaled = bool(scaled)
        if initial_multiplier != "auto":
            initial_multiplier = positive_number(initial_multiplier, "initial_multiplier")
        self.initial_multiplier: Any = initial_multiplier
        self.bounds = _checked_bounds(bounds, len(self.constraints))
        if cost is not None and not isinstance(cost, Constraint):
            raise ValueError(
                f"`cost` must be a `tf_geco.constraints.Constraint`. Received: cost={cost!r}."
            )
        self.cost = cost
        self._planned_at_first = 0

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Builds the constraints and creates the state."""
        super().build(x_shape, y_shape, outputs_shape)
        initial = [self._initial(constraint, outputs_shape) for constraint in self.constraints]
        size = len(self.constraints)
        self.log_multiplier = self.add_state(
            "log_multiplier", (size,), [math.log(i) for i in initial]
        )
        self.memory = self.add_state("memory", (self.rule.memory_size, size))
        self.planned_steps = self.add_state("planned_steps", (), self._planned_at_first, "int64")

    def plan(self, steps: int) -> None:
        """Says how many steps of training there will be from now on. `fit` says it by itself.

        A rule may take it as a time scale: the default reaches a distant tolerance after about half
        of a training.

        Args:
            steps: Number of steps to come.
        """
        if self.built:
            self.planned_steps.assign(self.step + steps)
        else:
            self._planned_at_first = steps

    def _initial(self, constraint: Constraint, outputs_shape: Any) -> float:
        if self.initial_multiplier != "auto":
            return self.initial_multiplier
        latents = outputs_shape.get("latents") if isinstance(outputs_shape, dict) else None
        if not self.scaled or latents is None:
            return 1.0
        with tf.init_scope():
            ratio = math.prod(latents[1:]) / (2 * float(constraint.nats))
        if ratio < 1.0:
            return ratio
        return OVERCOMPLETE if isinstance(constraint, Sized) else 1.0

    def loss_of_means(self, violation: tf.Tensor, cost: tf.Tensor) -> tf.Tensor:
        """Returns the Lagrangian, a scalar: the value of C_ma, the gradient of the batch."""
        average = moving_average(self.moving_average, violation, self.decay, tf.equal(self.step, 0))
        violation += tf.stop_gradient(average - violation)
        return cost + tf.reduce_sum(self.weights_of_violations() * violation)

    def weights_of_violations(self) -> tf.Tensor:
        """Returns what each violation is multiplied with in the loss, `[L]`."""
        return self.multiplier * self._worth() if self.scaled else self.multiplier

    def next_state(self, average: tf.Tensor, first: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the next log lambda and memory, from the new C_ma."""
        error = self._error(average) if self.scaled else average
        log_multiplier, memory = self.rule(
            tf.convert_to_tensor(self.log_multiplier),
            error,
            tf.convert_to_tensor(self.memory),
            first,
            tf.convert_to_tensor(self.planned_steps),
        )
        low, high = tf.unstack(tf.math.log(tf.constant(self.limits)), axis=-1)
        return {
            "log_multiplier": tf.clip_by_value(log_multiplier, low, high),
            "memory": memory,
        }

    def _error(self, average: tf.Tensor) -> tf.Tensor:
        """Returns what the rule of the scaled form brings to zero, `[L]`."""
        scale = self._scale()
        is_ratio = [constraint.is_ratio for constraint in self.constraints]
        if all(is_ratio):
            return log_ratio(average, scale)
        return tf.where(is_ratio, log_ratio(average, scale), signed_log(average, scale))

    @property
    def limits(self) -> list[list[float]]:
        """Least and greatest lambda of each constraint."""
        return (
            self.bounds
            if isinstance(self.bounds[0], list)
            else [self.bounds] * len(self.constraints)
        )

    def _scale(self) -> tf.Tensor:
        return tf.stack([tf.cast(constraint.scale, tf.float32) for constraint in self.constraints])

    def _worth(self) -> tf.Tensor:
        worth = [constraint.nats / constraint.scale for constraint in self.constraints]
        return tf.stack([tf.cast(value, tf.float32) for value in worth])

    @property
    def multiplier(self) -> tf.Tensor:
        """lambda, `[L]`."""
        return tf.exp(self.log_multiplier)

    def excess(self) -> tf.Tensor:
        """Returns C_ma in units of the scale, `[L]`: zero or less is feasible, 0.05 is 5 % over."""
        return self.moving_average / self._scale()

    def logs(self) -> dict[str, tf.Tensor]:
        """Returns lambda and C_ma by constraint, and beta = 1 / lambda if there is just one."""
        if len(self.constraints) == 1:
            multiplier = self.multiplier[0]
            average = self.moving_average[0]
            return {"lambda": multiplier, "beta": 1.0 / multiplier, "C_ma": average}
        logs = {}
        for index, constraint in enumerate(self.constraints):
            logs[f"lambda_{constraint.name}"] = self.multiplier[index]
            logs[f"C_ma_{constraint.name}"] = self.moving_average[index]
        return logs

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "constraints": [serialize(constraint) for constraint in self.constraints],
            "rule": serialize(self.rule),
            "scaled": self.scaled,
            "initial_multiplier": self.initial_multiplier,
            "bounds": self.bounds,
            "cost": serialize(self.cost),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "GECO":
        """Makes the objective that `get_config` described."""
        deserialize = keras.saving.deserialize_keras_object
        constraints = [deserialize(constraint) for constraint in config["constraints"]]
        parts = {"rule": deserialize(config["rule"]), "cost": deserialize(config["cost"])}
        return cls(**{**config, "constraints": constraints, **parts})


def _checked_bounds(bounds: Sequence, number: int) -> Any:
    """Returns bounds as a pair of floats, or a list of pairs."""
    several = len(bounds) > 0 and not isinstance(bounds[0], Real)
    for pair in bounds if several else [bounds]:
        if len(pair) != 2 or not 0 < pair[0] < pair[1] < math.inf:
            raise ValueError(
                f"`bounds` must be two positive numbers, least first. Received: bounds={bounds}."
            )
    if several and len(bounds) != number:
        raise ValueError(
            f"`bounds` must be one pair, or one for each of the {number} constraints. "
            f"Received: bounds={bounds}."
        )
    return [list(map(float, pair)) for pair in bounds] if several else list(map(float, bounds))
