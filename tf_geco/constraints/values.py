"""Values by example: what a constraint measures, and the gradient that they have."""

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf


class Measured(NamedTuple):
    """What a constraint measures of a batch.

    Args:
        values: `[B]`.
        counts: How much each example counts, `[B]`, zero for one that does not; `None` if all
            count alike.
    """

    values: tf.Tensor
    counts: tf.Tensor | None = None


def per_example(values: Any, who: str) -> tf.Tensor:
    """Returns values as float32 `[B]`.

    Args:
        values: `[B]`.
        who: The beginning of the error.

    Raises:
        ValueError: If the values have another rank.
    """
    values = tf.cast(values, tf.float32)
    if values.shape.rank != 1:
        raise ValueError(
            f"{who} one number per example, of shape [B]. "
            f"Received: a tensor of shape {tuple(values.shape)}."
        )
    return values


def straight_through(strict: tf.Tensor, proxy: tf.Tensor) -> tf.Tensor:
    """Returns the value of `strict` with the gradient of `proxy`.

    Lambda sees the strict value, which may have no gradient (an accuracy, a count); the weights of
    the model follow the proxy, which should fall where the strict value falls.

        strict + (proxy - stop_gradient(proxy))

    Args:
        strict: `[B]`.
        proxy: `[B]`, finite.

    Reference:
        Cotter et al., "Optimization with non-differentiable constraints with applications to
        fairness, recall, churn, and other goals", 2019, arXiv:1809.04198, Section 4.
    """
    return tf.stop_gradient(tf.cast(strict, proxy.dtype)) + (proxy - tf.stop_gradient(proxy))


def known_values(values: tf.Tensor, counts: tf.Tensor | None = None) -> tf.Tensor:
    """Returns the values of examples that count, and NaN for the others, `[B]`."""
    return values if counts is None else tf.where(counts > 0.0, values, float("nan"))


def has_gradient(function: Callable, outputs: Any) -> bool:
    """Returns whether a function of outputs depends smoothly on them, or on weights that it reads.

    What cannot be told counts as yes: outputs that are no tensors, and operations that TensorFlow
    has no gradient of.
    """
    parts = tf.nest.flatten(outputs)
    if not all(tf.is_tensor(part) for part in parts):
        return True
    with tf.GradientTape() as tape:
        tape.watch(floats := [part for part in parts if part.dtype.is_floating])
        value = function(outputs)
    sources = [*floats, *tape.watched_variables()]
    try:
        found = tape.gradient(value, sources)
    except LookupError:
        return True
    return not sources or any(part is not None for part in found)
