"""What a model of a range makes of data at each of its levels."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.compiled import compiled
from tf_geco.objectives.levels import positions
from tf_geco.objectives.sums import Sums
from tf_geco.training.noise import seeded
from tf_geco.training.scores import as_trained, batches_of


def sums_at_levels(model: Any, data: Any, *, seed: int, batch_size: int) -> Sums:
    """Returns the sums of all examples at all levels, in inference mode.

    Args:
        model: A model of a range.
        data: Arrays `x`, tuples of arrays, or a `tf.data.Dataset` of batches, as for `fit`.
        seed: Seed of the model's noise.
        batch_size: Number of examples at once.

    Raises:
        ValueError: If the data are empty.
    """
    step = compiled(model, type(model).batch_at_levels, reduce_retracing=True)
    total = None
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data) if _is_tuple(data) else (data, None, None)
    with seeded(model, seed):
        for batch in batches_of(x, y, batch_size)[0]:
            parts = keras.utils.unpack_x_y_sample_weight(batch)
            sums = step(tuple(as_trained(part) for part in parts)).numpy().astype("float64")
            total = sums if total is None else total + sums
    if total is None:
        raise ValueError("The data are empty: there is nothing to measure.")
    return Sums(*tf.constant(total.astype("float32")))


def level_batches(size: tf.Tensor) -> list[tf.Tensor]:
    """Returns for each level a batch of it, `[B]` each."""
    return [tf.fill([size], np.float32(place)) for place in positions()]


def _is_tuple(data: Any) -> bool:
    return isinstance(data, tuple)
