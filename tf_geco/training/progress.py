"""The figures of an epoch or of an evaluation, from the sums of its accepted batches."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.objectives.objective import Objective
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import replica_count


class Progress(keras.metrics.Metric):
    """Loss, cost, what each constraint measures, whether all hold, and the batches left out.

    The result is a dictionary, which Keras spreads over the logs: `"loss"`, the cost by its name,
    each constraint by its name, in the unit of its tolerance, `"feasible"` where the objective asks
    for something, and `"skipped"`. What no accepted batch says anything of is NaN.

    In training the loss is the mean over batches, each under the multipliers of its step. In an
    evaluation it is the objective of the means over all examples.

    Args:
        cost_name: Name of the cost, such as `"kl"`.
        objective: The objective, with L constraints.
    """

    def __init__(self, cost_name: str, objective: Objective) -> None:
        super().__init__(name="progress")
        self.cost_name = cost_name
        self.objective = objective
        self.sums = self.add_variable((2, objective.entries), "zeros", dtype="float32", name="sums")
        # Weighted sums of loss and penalty over the batches of training; weights; batches left out.
        self.batches = self.add_variable((4,), "zeros", dtype="float32", name="batches")
        self.training = False  # whether the step that is running, or being traced, trains

    def update_state(
        self, sums: Sums, penalty: Any, accept: tf.Tensor, loss: tf.Tensor | None = None
    ) -> None:
        """Adds a batch.

        Args:
            sums: Of this replica's examples.
            penalty: What the networks' regularizers add to the loss.
            accept: Whether the batch counts; if not, it only counts as skipped.
            loss: The objective at this step of training; `None` in an evaluation.
        """
        weight = sums.counts[-1]
        trained = [0.0, 0.0] if loss is None else [loss * weight, weight]
        row = tf.stack([*trained, penalty * weight, 0.0])
        skipped = tf.constant([0.0, 0.0, 0.0, 1.0 / replica_count()])
        self.sums.assign_add(tf.where(accept, sums.stacked(), 0.0))
        self.batches.assign_add(tf.where(accept, row, skipped))

    @property
    def seen(self) -> Sums:
        """The sums of all accepted batches."""
        return Sums.unstacked(tf.convert_to_tensor(self.sums))

    def result(self) -> dict[str, Any]:
        """Returns the figures so far, by name."""
        sums = self.seen
        loss, trained, penalty, skipped = tf.unstack(tf.convert_to_tensor(self.batches))
        training = self._is_of_training(sums, trained)
        if training:
            loss = loss / trained
        else:
            loss = tf.where(self.objective.knows(sums), self.objective.value(sums), float("nan"))
        return {
            self.cost_name: self.objective.cost_of(sums.means),
            "loss": loss + penalty / sums.counts[-1],
            **self.objective.readings(sums, training),
            **self.objective.verdict(sums),
            "skipped": skipped,
        }

    def _is_of_training(self, sums: Sums, trained: tf.Tensor) -> bool:
        """Returns whether the figures are of a training, by the batches that were accepted.

        A step that is being traced has seen none, and says itself what it does.
        """
        if tf.executing_eagerly() and (trained > 0.0 or sums.counts[-1] > 0.0):
            return bool(trained > 0.0)
        return self.training

    def refuse_names_of(self, metrics: list[keras.Metric]) -> None:
        """Raises an error if a metric that was compiled has the name of one of these figures.

        Keras's own metric of the loss is none of them.
        """
        names = set()
        for metric in metrics:
            found = metric.result()
            names |= {*found} if isinstance(found, dict) else {metric.name}
        if taken := names.intersection(self.result()) - {"loss"}:
            raise ValueError(
                "A metric must not have the name of the cost or of a constraint; give it another: "
                f"the logs would hold one of them only. Received: {', '.join(sorted(taken))}."
            )
