"""The running means of an epoch, in one variable: a step has no time for many small ones."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_geco.constraints import Constraint
from tf_geco.replicas import replica_count


class Progress(keras.metrics.Metric):
    """Loss, cost, what each constraint measures, and the number of batches left out.

    The result is a dictionary, which Keras spreads over the logs: `"loss"`, the cost by its name,
    each constraint by its name, in the unit of its tolerance, and `"skipped"`.

    Args:
        cost_name: Name of the cost, such as `"kl"`.
        constraints: The constraints, L of them.
    """

    def __init__(self, cost_name: str, constraints: Sequence[Constraint]) -> None:
        super().__init__(name="progress")
        self.cost_name = cost_name
        self.constraints = constraints
        self.totals = self.add_variable((len(constraints) + 4,), "zeros", name="totals")

    def update_state(self, loss: tf.Tensor, sums: tf.Tensor, accept: tf.Tensor) -> None:
        """Adds a batch.

        Args:
            loss: The loss of the batch.
            sums: Weighted sums over the batch: of the violations, of the cost, of the weights,
                `[L + 2]`.
            accept: Whether the batch counts; if not, it only counts as skipped.
        """
        row = tf.concat([[loss * sums[-1]], sums, [0.0]], axis=0)
        skipped = tf.constant([0.0] * (len(self.constraints) + 3) + [1.0 / replica_count()])
        self.totals.assign_add(tf.where(accept, row, skipped))

    def result(self) -> dict[str, Any]:
        """Returns the means so far, by name."""
        *sums, weight, skipped = tf.unstack(tf.convert_to_tensor(self.totals))
        loss, *violations, cost = [tf.math.divide_no_nan(total, weight) for total in sums]
        measured = {
            constraint.name: constraint.measure(violation)
            for constraint, violation in zip(self.constraints, violations, strict=True)
        }
        return {self.cost_name: cost, "loss": loss, **measured, "skipped": skipped}
