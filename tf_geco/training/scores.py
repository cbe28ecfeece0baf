"""Cost and errors of each example of a data set."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.compiled import compiled
from tf_geco.datasets import without_autotuner
from tf_geco.training.bar import late_bar
from tf_geco.training.noise import seeded


def scored(
    model: Any, x: Any, y: Any, *, seed: int, batch_size: int, verbose: bool | str
) -> dict[str, np.ndarray]:
    """Returns what `model.score_batch` makes of all examples, see `ObjectiveModel.score`."""
    batches, total = batches_of(x, y, batch_size)
    step = compiled(model, type(model).score_batch, reduce_retracing=True)
    kept: list[dict] = []
    with seeded(model, seed), late_bar(total, verbose) as advance:
        for batch in batches:
            data, labels, _ = keras.utils.unpack_x_y_sample_weight(batch)
            scores = step(as_trained(data), as_trained(labels))
            kept.append({name: values.numpy() for name, values in scores.items()})
            advance(len(next(iter(kept[-1].values()))))
    if not kept:
        raise ValueError("The data are empty: there is nothing to score.")
    return {name: np.concatenate([part[name] for part in kept]) for name in kept[0]}


def batches_of(
    x: Any, y: Any, batch_size: int, sample_weight: Any = None
) -> tuple[tf.data.Dataset, int | None]:
    """Returns a data set of batches, and the number of examples where that is known."""
    if isinstance(x, tf.data.Dataset):
        if y is not None:
            raise ValueError(
                "A data set yields labels and masks itself: `(x, y)`. Received: a data set, and y."
            )
        return x, None
    parts = tuple(part for part in (x, y, sample_weight) if part is not None)
    batches = tf.data.Dataset.from_tensor_slices(parts).batch(batch_size)
    return without_autotuner(batches), len(tf.nest.flatten(x)[0])


def as_trained(data: Any) -> Any:
    """Returns data in the type of floats that Keras trains with."""

    def cast(part: tf.Tensor) -> tf.Tensor:
        return tf.cast(part, keras.config.floatx()) if part.dtype.is_floating else part

    return None if data is None else tf.nest.map_structure(cast, data)
