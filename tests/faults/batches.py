"""Bad batches: what is wrong with one, and all that it must leave as it was."""

import keras
import numpy as np
import tensorflow as tf

from tf_geco.datasets import without_autotuner
from tf_geco.training.noise import seed_states

SIZE = 8


def ending(value):
    """Returns what spoils the last example of a batch."""

    def spoil(part):
        part = np.array(part)
        part[-1] = value
        return part

    return spoil


# Left out, and counted. What is huge overflows where it is squared.
LEFT_OUT = {"nan": ending(np.nan), "inf": ending(-np.inf), "huge": ending(3e38)}
# Odd, and yet batches like any other.
TAKEN = {
    "constant": np.zeros_like,
    "one_example": lambda part: part[:1],
    "oversized": lambda part: np.concatenate([part] * 9),
    "float64": lambda part: part.astype("float64"),
    "float16": lambda part: part.astype("float16"),
    "uint8": lambda part: (part > 0.5).astype("uint8"),
    "bool": lambda part: part > 0.5,
}
# Refused, with what was seen.
REFUSED = {
    "strings": (lambda part: part.astype("str"), "string"),
    "complex": (lambda part: part.astype("complex64"), "complex64"),
    "wider": (lambda part: np.concatenate([part] * 2, axis=1), "shape"),
    "flat": (lambda part: part.reshape(len(part), -1, 1, 1, 1), "shape"),
}


def spoilt(spoil, data, size=SIZE):
    """Returns a batch of data, each part of it spoilt."""
    return keras.tree.map_structure(lambda part: spoil(part[:size]), data)


def in_order(*each):
    """Returns a dataset of batches, of any shapes and of the type of the first."""

    def spec(part):
        return tf.TensorSpec([None] * part.ndim, part.dtype)

    signature = keras.tree.map_structure(spec, each[0])
    made = tf.data.Dataset.from_generator(lambda: iter(each), output_signature=signature)
    return without_autotuner(made)


def state(model):
    """Returns all that a training moves, but noise, metrics and the loss scale of float16."""
    optimizer = model.optimizer
    scale = [getattr(optimizer, name, None) for name in ("dynamic_scale", "step_counter")]
    metrics = [variable for metric in model.metrics for variable in metric.variables]
    apart = {id(variable) for variable in [*seed_states(model), *metrics, *scale]}
    moved = [*model.variables, *optimizer.variables]
    return {v.path: np.array(v.numpy()) for v in moved if id(v) not in apart}


def assert_unmoved(model, before):
    for path, value in state(model).items():
        np.testing.assert_array_equal(value, before[path], err_msg=path)
