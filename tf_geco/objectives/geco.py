"""GECO: a cost, minimised under constraints whose weights are found while training."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.checks import flag, non_negative_number, one_of
from tf_geco.constraints import Constraint
from tf_geco.constraints.inputs import number_of_latents
from tf_geco.multipliers import Exponential, Rule
from tf_geco.objectives.arguments import (
    checked_bounds,
    checked_cost,
    checked_multiplier,
    checked_rule,
    first_multiplier,
    has_range,
    refuse_without_tolerance,
)
from tf_geco.objectives.gap import Gap
from tf_geco.objectives.means import errors, violations
from tf_geco.objectives.objective import Objective
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import add_state

# A constraint of no likelihood may need a lambda that far from its start before it is slowed down.
UNSCALED = 60.0


@keras.saving.register_keras_serializable(package="tf_geco")
class GECO(Objective):
    """Generalized ELBO with Constrained Optimization: minimise a cost under constraints.

        minimise E[cost]   subject to   E[C_l] <= 0  for each constraint l

    The loss is the Lagrangian of a batch, with each constraint in nats:

        cost + sum_l lambda_l nats_l C_l / scale_l

    Every step moves C_ma, the moving average of the violations, and then log lambda by `rule`,
    which brings the error of each constraint to zero. `GECO.algorithm_1` is the printed form.

    Args:
        constraints: List of `tf_geco.constraints.Constraint`, with different names; or one with a
            `tf_geco.Range`, which a `tf_geco.VAE` serves.
        rule: How log lambda answers, by default `PlannedPace()`.
        scaled: Whether each constraint enters loss and rule relative to its tolerance and in nats.
            `False` is the form that the paper prints; `algorithm_1` sets it with its rule.
        decay: alpha, the decay of C_ma per step (the paper's is 0.99), or `"auto"`: C_ma remembers
            a twentieth of the training, at least 10 steps and at most 100.
        initial_multiplier: A positive number, or `"auto"`: the lambda that weighs a violation of
            100 % as half a nat for each latent dimension, at most 1. For a reconstruction error
            that is d / D, the least any solution needs (a linear Gaussian model has lambda =
            d / (D - rest)), but at least 0.03, and 0.05 with more latents than values, or with no
            `"latents"` among the outputs. Coming from below never overspends KL.
        band: Relative violation, C / margin, that still counts as feasible. At 0.05 an RMS error
            may be 2.5 % above its tolerance: about the noise of a moving average.
        bounds: Least and greatest lambda, or a list of such pairs, one for each constraint. The
            default only keeps float32 from overflow.
        cost: What to minimise instead of the model's own cost: a constraint, that counts with its
            worth, `nats violation / scale`. `KLDivergence` as constraint, `ReconstructionError` as
            cost: the best reconstruction that so many nats buy.
        hold_on: On which data tolerances hold: `"training"`, or `"validation"`, measured as the
            model is used. Training then aims lower by the `gap`: how much worse it did in the
            validations that `fit` runs. It is no default, because who validates expects that it
            changes nothing. Data that steer training are not held out: keep others for a test.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Labels, if any.
        outputs: What the model returned for `x`.
        cost: What to minimise for each example, `[B]`.
        sample_weight: Weights of the examples, `[B]`.

    Raises:
        ValueError: If there are no constraints, two have one name, or a number is out of range.

    Example:
    ```python
    objective = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    sums = objective(x, outputs={"reconstruction": reconstruction, "latents": z}, cost=kl)
    loss = objective.loss(sums)
    objective.update(sums)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, arXiv:1810.00597, Equation 2 and Algorithm 1.
    """

    of_range: type | None = None  # what serves a `Range`

    def __new__(cls, constraints: Any = (), **options: Any) -> Any:
        """Returns an objective for one tolerance each, or for a whole range."""
        kind = cls.of_range if cls is GECO and has_range(constraints) else cls
        return super().__new__(kind, constraints, **options)

    def __init__(
        self,
        constraints: Sequence[Constraint],
        *,
        rule: Rule | None = None,
        scaled: bool = True,
        decay: float | str = "auto",
        initial_multiplier: float | str = "auto",
        band: float = 0.05,
        bounds: Sequence = (1e-6, 1e6),
        cost: Constraint | None = None,
        hold_on: str = "training",
        name: str | None = "geco",
        **kwargs: Any,
    ) -> None:
        super().__init__(constraints, decay=decay, name=name, **kwargs)
        refuse_without_tolerance(self.constraints)
        self.rule = checked_rule(rule)
        self.scaled = flag(scaled, "scaled")
        self.initial_multiplier: Any = checked_multiplier(initial_multiplier)
        self.band = non_negative_number(band, "band")
        self.bounds = checked_bounds(bounds, len(self.asked))
        self.cost = checked_cost(cost)
        self.hold_on = one_of(("training", "validation"), hold_on, "hold_on")
        self.gap = Gap() if hold_on == "validation" else None

    @classmethod
    def algorithm_1(
        cls, constraints: Sequence[Constraint], rate: float = 0.01, **options: Any
    ) -> "GECO":
        """Returns the algorithm as the paper prints it, whose outcome depends on the data's scale.

        With batches of one size it is Algorithm 1; of others, C_ma weighs each by its examples.

            loss = cost + sum_l lambda_l C_l,    lambda_l <- lambda_l exp(rate C_ma_l)

        Args:
            constraints: List of `tf_geco.constraints.Constraint`.
            rate: Step of log lambda for a violation of one. The paper names no value; 0.01 is
                common.
            **options: Those of `GECO`; lambda starts at 1 and `decay` is 0.99 by default.

        Reference:
            Rezende and Viola, "Taming VAEs", 2018, Algorithm 1.
        """
        printed = {"scaled": False, "decay": 0.99, "initial_multiplier": 1.0}
        return cls(constraints, **{"rule": Exponential(rate), **printed, **options})

    def build_state(self, outputs_shape: Any) -> None:
        """Creates the multipliers, the memory of their rule, and the gap."""
        given = number_of_latents(outputs_shape), self.initial_multiplier
        starts = [first_multiplier(part, *given) for part in self.asked]
        initial = np.clip(starts, *np.transpose(self.bounds))
        likely = [constraint.is_likelihood for constraint in self.asked]
        self.units = np.where(likely, 0.0, np.log(UNSCALED * initial)).astype("float32")
        size = len(self.asked)
        self.log_multiplier = add_state(self, "log_multiplier", (size,), np.log(initial))
        self.memory = add_state(self, "memory", (self.rule.memory_size, size))
        if self.gap is not None:
            self.gap.build(size)

    def value(self, sums: Sums) -> tf.Tensor:
        """Returns the Lagrangian, a scalar; constraints that no example counts for add nothing."""
        pull = self.pull * self._violations(sums.safe_means)
        return self.cost_of(sums.safe_means) + tf.reduce_sum(tf.where(sums.known[:-1], pull, 0.0))

    def next_state(self, averages: Sums, first: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the next log lambda and memory, from the new moving averages."""
        number = len(self.asked)
        error = self._error(averages.safe_means[:number])
        state = tf.convert_to_tensor(self.log_multiplier), tf.convert_to_tensor(self.memory)
        low, high = self.limits(averages)
        after = self.rule(
            state[0],
            error,
            state[1],
            first=first,
            step=tf.convert_to_tensor(self.step),
            steps=tf.convert_to_tensor(self.planned_steps),
            low=low,
            high=high,
            unit=self.units,
        )
        known, names = averages.known[:number], ("log_multiplier", "memory")
        every = zip(names, after, state, strict=True)
        return {name: tf.where(known, new, old) for name, new, old in every}

    def limits(self, averages: Sums) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the least and the greatest log lambda, `[L]` each."""
        low, high = tf.unstack(tf.math.log(tf.constant(self.bounds)), axis=-1)
        return low, high if self.gap is None else tf.minimum(high, self.gap.ceiling)

    def measure_gap(self, sums: Sums) -> None:
        """Learns the gap from the sums of a validation; `fit` calls it after each."""
        if self.gap is not None:
            held = self.excess(sums).numpy() <= self.band
            now = {"effort": self.log_multiplier.numpy(), "held": held, "step": self.steps_taken}
            decay = float(self.present_decay)
            self.gap.measure(self.constraints, sums, self.averaged, **now, decay=decay)

    def _error(self, means: tf.Tensor) -> tf.Tensor:
        """Returns what the rule brings to zero, `[L]`: errors, or as printed violations."""
        if self.gap is not None:
            means = self.gap.seen(self.constraints, means, self.step)
        return (errors if self.scaled else violations)(self.asked, means, self.step)

    def _violations(self, means: tf.Tensor) -> tf.Tensor:
        """Returns C of each constraint, `[L]`, of the means `[L + 1]` of what is measured."""
        return violations(self.asked, means[: len(self.asked)], self.step)

    @property
    def multiplier(self) -> tf.Tensor:
        """lambda, `[L]`."""
        return tf.exp(self.state_of("log_multiplier"))

    @property
    def pull(self) -> tf.Tensor:
        """What one unit of each violation adds to the loss, `[L]`."""
        weights = [c.weight(self.step) if self.scaled else 1.0 for c in self.asked]
        return self.multiplier * tf.stack(weights)

    def violations(self, sums: Sums | None = None) -> tf.Tensor:
        """Returns the violations of sums over anything, `[L]`; by default C_ma."""
        return self._violations((self.averaged if sums is None else sums).means)

    def excess(self, sums: Sums | None = None) -> tf.Tensor:
        """Returns violations in units of their margin, `[L]`: 0 or less holds, 0.05 is 5 % over."""
        margins = [constraint.margin(self.step) for constraint in self.asked]
        return self.violations(sums) / tf.stack(margins)

    def verdict(self, sums: Sums) -> dict[str, tf.Tensor]:
        """Returns `{"feasible": 1}` if every constraint is known to hold within the band."""
        return {"feasible": tf.cast(tf.reduce_all(self.excess(sums) <= self.band), tf.float32)}

    def logs(self) -> dict[str, tf.Tensor]:
        """Returns lambda and C_ma by constraint, and beta = 1 / lambda if there is just one."""
        by_name = {"lambda": self.multiplier, "C_ma": self.violations()}
        by_name |= {} if self.gap is None else {"gap": self.gap.known}
        if len(self.asked) == 1:
            logs = {name: values[0] for name, values in by_name.items()}
            return {**logs, "beta": 1.0 / logs["lambda"]}
        return {
            f"{name}_{constraint}": values[index]
            for index, constraint in enumerate(self.names)
            for name, values in by_name.items()
        }

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "constraints": [serialize(constraint) for constraint in self.constraints],
            "rule": serialize(self.rule),
            "scaled": self.scaled,
            "initial_multiplier": self.initial_multiplier,
            "band": self.band,
            "bounds": self.bounds,
            "cost": serialize(self.cost),
            "hold_on": self.hold_on,
        }
