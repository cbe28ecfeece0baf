"""GECO for a range of tolerances, all of which one training serves."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.objectives.arguments import check_range
from tf_geco.objectives.curve import Curve
from tf_geco.objectives.geco import GECO
from tf_geco.objectives.levels import (
    NUMBER,
    drawn,
    line,
    members,
    of_levels,
    weights,
)
from tf_geco.objectives.means import violations
from tf_geco.objectives.sums import Sums

LEAST_COST = 0.5  # nats; below it the loosest tolerance asks for nothing, so lambda falls no more


@keras.saving.register_keras_serializable(package="tf_geco")
class EveryTolerance(Curve):
    """GECO with a `tf_geco.Range` in place of a tolerance; `tf_geco.GECO` makes it where it is due.

    Each example of a batch is drawn a level u, from -1, the strictest tolerance, to 1. Two
    multipliers are found, those of the ends, by the rule that finds any; what one unit of violation
    adds to the loss, lambda nats / scale, is a geometric mean of theirs in between:

        log pull(u) = (1 - u) / 2 log pull(-1) + (1 + u) / 2 log pull(1)
        loss = E[w(u) (cost + pull(u) C(u))]

    Lambda of each tolerance in between would be one more that answers through the same networks:
    neighbours then trade places. Here a level has the error that its pull gives it, the training
    keeps that curve, and a tolerance is served at the level where the curve has it. The weights
    w(u) balance the levels (`tf_geco.objectives.levels`).

    In the logs of a training, `kl` is the mean over the range, and the two ends are constraints of
    their own, named by their tolerances.

    Args:
        constraints: A list of one constraint, whose tolerance is a `tf_geco.Range`.
        **options: Those of `GECO`, but for `cost`, `hold_on` and `scaled`.

    Call arguments:
        outputs: As for `GECO`, and in training `"level"`: the level of each example, `[B]`.

    Raises:
        ValueError: If there is another constraint, or an option that a range does not have.

    Reference:
        Bae et al., "Multi-rate VAE: train once, get the full rate-distortion curve", 2023,
        arXiv:2212.03905, for one network at all betas.
    """

    def __init__(self, constraints: list[Constraint], **options: Any) -> None:
        check_range(constraints, options)
        super().__init__(constraints, **options)
        self._has_levels = False

    @property
    def asked(self) -> list[Constraint]:
        """The constraint at the strictest and at the loosest tolerance."""
        return [self.constraints[0].at(tolerance) for tolerance in self.tolerances(2)]

    @property
    def names(self) -> list[str]:
        """Names of the ends."""
        return [f"{self.constraints[0].name}_{part.tolerance:g}" for part in self.asked]

    @property
    def entries(self) -> int:
        """Two ends, K levels of constraint and of cost, the constraint in use, the cost of all."""
        return 2 + 2 * NUMBER + 2

    def draw(self, size: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns a level for each example of a batch of a size, `[B]`."""
        return drawn(size, seed)

    def call(
        self,
        x: Any,
        y: Any = None,
        outputs: Any = None,
        cost: Any = None,
        sample_weight: tf.Tensor | None = None,
    ) -> Sums:
        """Returns the sums of a batch: of the ends, of each level, and the cost of all."""
        self._has_levels = "level" in outputs
        measured, counts = self.constraints[0](x, y=y, outputs=outputs)
        spent, spent_counts = self._cost(x, y, outputs, cost)
        nowhere = [tf.zeros_like(measured)] * NUMBER
        where = tf.unstack(members(outputs["level"]), axis=1) if self._has_levels else nowhere
        at_level, of_cost = ([_product(m, n) for m in where] for n in (counts, spent_counts))
        in_use = nowhere[0] if self._has_levels else counts
        values = [measured] * (2 + NUMBER) + [spent] * NUMBER + [measured, spent]
        every = [at_level[0], at_level[-1], *at_level, *of_cost, in_use, spent_counts]
        return Sums.of(values, every, sample_weight)

    def loss(self, sums: Sums) -> tf.Tensor:
        """Returns the loss of a batch of training, a scalar.

        Raises:
            ValueError: If the outputs of the batch had no levels.
        """
        if not self._has_levels:
            raise ValueError(
                "To train for a range the model needs a level for each example: "
                "`model(x, training=True, level=objective.draw(batch_size, seed))`. "
                "Received: outputs without a `level`."
            )
        return super().loss(sums)

    def value(self, sums: Sums) -> tf.Tensor:
        """Returns the loss of a training, or of an evaluation at the chosen tolerance."""
        return tf.where(self._is_used(sums), self._lagrangian(sums), self._balanced(sums))

    def _lagrangian(self, sums: Sums) -> tf.Tensor:
        """Returns cost and constraint of a model in use, by the pull of its level."""
        chosen = tf.convert_to_tensor(self.chosen)
        strict, loose = tf.unstack(tf.math.log(self.pull))
        share = (self.level(chosen) + 1.0) / 2.0
        violation = self.constraints[0].at(chosen).violation(sums.safe_means[-2], self.step)
        return sums.safe_means[-1] + tf.exp(strict + share * (loose - strict)) * violation

    def _balanced(self, sums: Sums) -> tf.Tensor:
        """Returns the loss of each level, balanced, in the shares in which they came."""
        mean, cost = of_levels(sums.safe_means)
        shares = tf.math.divide_no_nan(of_levels(sums.counts)[1], sums.counts[-1])
        averaged = self.averaged
        known = averaged.known[-1]
        seen = tf.where(known, averaged.safe_means, tf.stop_gradient(sums.safe_means))
        usual, usual_cost = of_levels(seen)
        scale = tf.stack([part.scale(self.step) for part in self.rungs])
        pulled = self.pulls * (scale + tf.abs(violations(self.rungs, usual, self.step)))
        lagrangians = cost + self.pulls * violations(self.rungs, mean, self.step)
        return tf.reduce_sum(shares * weights(usual_cost, pulled) * lagrangians)

    def readings(self, sums: Sums, training: bool = True) -> dict[str, tf.Tensor]:
        """Returns what was measured: in training at the ends, else at the chosen tolerance."""
        if training:
            return super().readings(sums)
        return {self.constraints[0].name: self.constraints[0].reading(sums.means[-2])}

    def verdict(self, sums: Sums) -> dict[str, tf.Tensor]:
        """Returns `{"feasible": 1}` if both ends hold, or in use the chosen tolerance."""
        chosen = self.constraints[0].at(tf.convert_to_tensor(self.chosen))
        excess = chosen.violation(sums.means[-2], self.step) / chosen.margin(self.step)
        holds = tf.cast(excess <= self.band, tf.float32)
        ends = super().verdict(sums)["feasible"]
        return {"feasible": tf.where(self._is_used(sums), holds, ends)}

    def knows(self, sums: Sums) -> tf.Tensor:
        """Returns whether the constraint in use and the cost are known."""
        return tf.reduce_all(sums.known[-2:])

    def _is_used(self, sums: Sums) -> tf.Tensor:
        """Returns whether the sums are of a model in use, at the chosen tolerance."""
        return sums.counts[-2] > 0.0

    @property
    def pulls(self) -> tf.Tensor:
        """What one unit of violation adds to the loss at each level, `[K]`."""
        return tf.exp(line(tf.math.log(self.pull)))

    def next_state(self, averages: Sums, first: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the next multipliers; what was calibrated is of other weights from now on."""
        return {**super().next_state(averages, first), "is_calibrated": tf.constant(0.0)}

    def limits(self, averages: Sums) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns log lambda's bounds; it does not fall where there is no cost left to save."""
        low, high = super().limits(averages)
        ends = tf.gather(of_levels(averages.safe_means)[1], [0, NUMBER - 1])
        return tf.where(ends < LEAST_COST, tf.maximum(low, self.log_multiplier), low), high


def _product(member: tf.Tensor, counts: tf.Tensor | None) -> tf.Tensor:
    return member if counts is None else member * counts


GECO.of_range = EveryTolerance
