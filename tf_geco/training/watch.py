"""Telling people of batches that are left out, and why."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.strategies import replica_count

FAULTS = ("input", "output", "loss", "gradient")


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
        self.left_out = self.add_variable((2,), "zeros", name="left_out")
        # How many values of input, outputs, loss, gradients are not finite: in training, elsewhere.
        self.faults = self.add_variable((2, len(FAULTS)), "zeros", name="faults")
        # How many values of the first images are outside of [0, 1].
        self.outside = self.add_variable((), "zeros", name="outside")
        self.told = self.told_range = False

    def see_first(self, images: tf.Tensor, first: tf.Tensor) -> None:
        """Counts the values outside of [0, 1] of the first batch of images."""
        before = tf.convert_to_tensor(self.outside)
        self.outside.assign(tf.cond(first, lambda: outside_unit_range(images), lambda: before))

    def update_state(self, accept: tf.Tensor, **parts: Any) -> None:
        """Counts a batch of training; looks at its parts only if it is left out.

        Args:
            accept: Whether it is accepted, on all replicas.
            **parts: Structures of tensors, by the names in `FAULTS`.
        """
        left_out = self.left_out + 1.0 / replica_count()
        self.left_out.assign(tf.where(accept, self.left_out * [0.0, 1.0], left_out))
        self.note(accept, training=True, **parts)

    def note(self, accept: tf.Tensor, training: bool = False, **parts: Any) -> None:
        """Looks at the parts of a batch if it is left out."""
        faults = tf.convert_to_tensor(self.faults)

        def found() -> tf.Tensor:
            new = tf.stack([_bad(parts.get(name)) for name in FAULTS])
            return tf.stack([new, faults[1]] if training else [faults[0], new])

        self.faults.assign(tf.cond(accept, lambda: faults, found))

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
        """Warns once if images were not in [0, 1]."""
        outside = float(tf.convert_to_tensor(self.outside))
        if outside and not self.told_range:
            self.told_range = True
            warn_outside_unit_range(outside)

    def reason(self, training: bool = True) -> str:
        """Returns in words what is not finite."""
        values, *others = tf.convert_to_tensor(self.faults).numpy()[0 if training else 1]
        if values:
            return f"{int(values):,} values of its input are not finite"
        faults = dict(zip(FAULTS[1:], others, strict=True))
        if faults["output"]:
            return "an output is not finite, although its input is"
        if faults["gradient"] and not faults["loss"]:
            return "a gradient is not finite (float16: its loss scale falls until they all are)"
        return "the loss is not finite, although its input is"


def outside_unit_range(images: tf.Tensor) -> tf.Tensor:
    """Returns how many finite values are not in [0, 1], a float32 scalar."""
    images = tf.cast(images, tf.float32)
    outside = tf.logical_and(
        tf.math.is_finite(images), tf.not_equal(images, tf.clip_by_value(images, 0.0, 1.0))
    )
    return tf.reduce_sum(tf.cast(outside, tf.float32))


def warn_outside_unit_range(number: float) -> None:
    """Warns of values that are not in [0, 1]."""
    warnings.warn(
        "The images are not in [0, 1], the range of the preset decoders, and a tolerance is in "
        "their unit. If they are bytes, divide them by 255. "
        f"Received: {int(number):,} values outside of [0, 1].",
        stacklevel=4,
    )


def _bad(structure: Any) -> tf.Tensor:
    """Returns how many values of a structure are not finite, a float32 scalar."""
    floats = [
        tf.reduce_sum(tf.cast(tf.logical_not(tf.math.is_finite(part)), tf.float32))
        for part in tf.nest.flatten(structure)
        if part is not None and tf.convert_to_tensor(part).dtype.is_floating
    ]
    return tf.add_n(floats) if floats else tf.zeros([])
