"""Telling people of batches that are left out, and why."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.strategies import replica_count

PARTS = ("input", "output", "loss")


class Watch(keras.metrics.Metric):
    """What is not finite in the batches that a model leaves out.

    It is a metric that Keras neither resets nor logs, because metrics are what a model keeps
    without saving it.

    Args:
        patience: Consecutive batches left out after which training raises an error.
    """

    def __init__(self, patience: int) -> None:
        super().__init__(name="watch")
        self.patience = patience
        # Batches left out: those since the last accepted one, and all of this training.
        self.left_out = self.add_variable((2,), "zeros", dtype="float32", name="left_out")
        # How many values of the parts of the last batch left out are not finite; and last, how many
        # values of the first data of training are outside of [0, 1].
        self.seen = self.add_variable((len(PARTS) + 1,), "zeros", dtype="float32", name="seen")
        self.seen_elsewhere = self.add_variable(
            (len(PARTS),), "zeros", dtype="float32", name="seen_elsewhere"
        )
        self.told = self.told_range = self.told_unknown = False

    def update_state(
        self, accept: tf.Tensor, parts: list, bounded: tf.Tensor | None, first: tf.Tensor
    ) -> None:
        """Counts a batch of training; looks at it only if it is left out, or the first.

        Args:
            accept: Whether it is accepted, on all replicas.
            parts: Structures of tensors, in the order of `PARTS`.
            bounded: What should be in [0, 1], or `None`.
            first: Whether no step was taken yet.
        """
        left_out = tf.convert_to_tensor(self.left_out)
        more, reset = left_out + 1.0 / replica_count(), left_out * [0.0, 1.0]
        self.left_out.assign(tf.where(accept, reset, more))
        seen = tf.convert_to_tensor(self.seen)

        def looked() -> tf.Tensor:
            faults = tf.where(accept, seen[:-1], _faults(parts))
            outside = seen[-1] if bounded is None else outside_unit_range(bounded)
            return tf.concat([faults, [tf.where(first, outside, seen[-1])]], axis=0)

        usual = tf.logical_and(accept, tf.logical_not(first))
        self.seen.assign(tf.cond(usual, lambda: seen, looked))

    def update_elsewhere(self, accept: tf.Tensor, parts: list) -> None:
        """Looks at the parts of a batch that is not of training, if it is left out."""
        seen = tf.convert_to_tensor(self.seen_elsewhere)
        self.seen_elsewhere.assign(tf.cond(accept, lambda: seen, lambda: _faults(parts)))

    def reset_state(self) -> None:
        """Keeps all: an epoch's end is no reason to forget."""

    def result(self) -> dict:
        """Returns no figures."""
        return {}

    def begin(self) -> None:
        """Forgets what was, at the beginning of a training."""
        self.left_out.assign([0.0, 0.0])
        self.told = False

    def check(self) -> None:
        """Warns of the first batch left out.

        Raises:
            FloatingPointError: After `patience` consecutive ones.
        """
        streak, total = np.rint(tf.convert_to_tensor(self.left_out)).astype(int)
        if total and not self.told:
            self.told = True
            warnings.warn(f"A batch was left out: {self.reason()}.", stacklevel=3)
        if streak >= self.patience:
            raise FloatingPointError(
                f"Training stopped after {streak} consecutive batches that were left out: "
                f"{self.reason()}. No weight has changed since."
            )

    def check_range(self) -> None:
        """Warns once if data were not in [0, 1] that should be."""
        outside = float(tf.convert_to_tensor(self.seen)[-1])
        if outside and not self.told_range:
            self.told_range = True
            warn_outside_unit_range(outside)

    def check_validation(self, objective: Any) -> None:
        """Warns once if a validation says nothing of a constraint that is to hold there."""
        if objective.gap is None or self.told_unknown:
            return
        known = objective.gap.validated.known.numpy()[:-1]
        parts = zip(objective.constraints, known, strict=True)
        if names := [constraint.name for constraint, seen in parts if not seen]:
            self.told_unknown = True
            warnings.warn(
                f"The validation data say nothing of {', '.join(names)}: no example counts there. "
                "Until one does, that holds on the training data alone.",
                stacklevel=4,
            )

    def reason(self, training: bool = True) -> str:
        """Returns in words what is not finite."""
        seen = self.seen if training else self.seen_elsewhere
        values, output, loss = tf.convert_to_tensor(seen).numpy()[: len(PARTS)]
        if values:
            return (
                f"{int(values):,} values of its data, labels or weights are not finite, or are "
                "weights below zero"
            )
        if output:
            return "an output is not finite, although its data are"
        if training and not loss:
            return "a gradient is not finite (float16: its loss scale falls until they all are)"
        return "the loss is not finite, although its data are"


def outside_unit_range(data: tf.Tensor) -> tf.Tensor:
    """Returns how many finite values are not in [0, 1], a float32 scalar."""
    data = tf.cast(data, tf.float32)
    outside = tf.logical_and(
        tf.math.is_finite(data), tf.not_equal(data, tf.clip_by_value(data, 0.0, 1.0))
    )
    return tf.reduce_sum(tf.cast(outside, tf.float32))


def warn_outside_unit_range(number: float) -> None:
    """Warns of values that are not in [0, 1]."""
    warnings.warn(
        "The data are not in [0, 1], the range of the preset decoders and of a sigmoid, and a "
        "tolerance is in their unit. Scale them (bytes by 1/255), or give a decoder of your own "
        "that ends without a sigmoid. "
        f"Received: {int(number):,} values outside of [0, 1].",
        stacklevel=4,
    )


def _faults(parts: list) -> tf.Tensor:
    """Returns how many values of each part are not finite, a float32 vector."""
    return tf.stack([_bad(part) for part in parts])


def _bad(structure: Any) -> tf.Tensor:
    """Returns how many values of a structure are not finite, a float32 scalar."""
    floats = [
        tf.reduce_sum(tf.cast(tf.logical_not(tf.math.is_finite(part)), tf.float32))
        for part in tf.nest.flatten(structure)
        if part is not None and tf.convert_to_tensor(part).dtype.is_floating
    ]
    return tf.add_n(floats) if floats else tf.zeros([])
