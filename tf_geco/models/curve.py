"""What a model of a range makes of data at each of its levels."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.compiled import compiled
from tf_geco.objectives.levels import positions
from tf_geco.objectives.sums import Sums
from tf_geco.training.batch import check_arrays, with_weights
from tf_geco.training.noise import seeded
from tf_geco.training.scores import as_trained, batches_of

ENOUGH = 1024  # examples, for errors within 1 %


def sums_at_levels(model: Any, data: Any, *, seed: int, batch_size: int) -> Sums:
    """Returns the sums of all examples at all levels, in inference mode.

    Args:
        model: A model of a range.
        data: Arrays `x`, `(x, y)`, `(x, y, sample_weight)`, or a `tf.data.Dataset` of batches of
            such.
        seed: Seed of the model's noise.
        batch_size: Number of examples at once.

    Raises:
        ValueError: If the data are empty or do not fit the model.
    """
    parts = keras.utils.unpack_x_y_sample_weight(data) if isinstance(data, tuple) else (data,)
    sums = [sums for sums, _ in _sums_of(model, _batches(*parts, batch_size=batch_size), seed)]
    if not sums:
        raise ValueError("The data are empty: there is nothing to measure.")
    return _added(sums)


def sums_after(model: Any, given: dict[str, Any], *, batch_size: int = 256) -> Sums | None:
    """Returns the sums at all levels of up to 1,024 examples that a training had.

    Batches that are not finite are left out, as training has done.

    Args:
        model: A model of a range.
        given: Arguments of `fit`, by name.
        batch_size: Number of examples at once.

    Returns:
        The sums, or `None` if no batch is left, or the data can be read only once.
    """
    parts = [given.get(name) for name in ("x", "y", "sample_weight")]
    if not isinstance(parts[0], tf.data.Dataset):
        if not all(hasattr(leaf, "shape") for leaf in tf.nest.flatten(parts[0])):
            return None
        rows = _rows(parts[0], given.get("validation_split") or 0.0)
        parts = [_at(rows, part) for part in parts]
    found, seen = [], 0
    for sums, number in _sums_of(model, _batches(*parts, batch_size=batch_size), seed=0):
        found += [sums] if np.isfinite(sums).all() else []
        seen += number
        if seen >= ENOUGH:
            break
    return _added(found) if found else None


def level_batches(size: tf.Tensor) -> list[tf.Tensor]:
    """Returns for each level a batch of it, `[B]` each."""
    return [tf.fill([size], np.float32(place)) for place in positions()]


def _batches(x: Any, y: Any = None, weight: Any = None, *, batch_size: int) -> tf.data.Dataset:
    """Returns a data set of batches."""
    if isinstance(x, tf.data.Dataset):
        return x
    check_arrays(x, y, weight)
    y, weight = with_weights(y, weight)
    return batches_of(x, y, batch_size, weight)[0]


def _sums_of(model: Any, batches: Any, seed: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yields the stacked sums of each batch at all levels, and its number of examples."""
    step = compiled(model, type(model).batch_at_levels, reduce_retracing=True)
    with seeded(model, seed):
        for batch in batches:
            parts = keras.utils.unpack_x_y_sample_weight(batch)
            model.checked(parts[0])
            sums = step(tuple(as_trained(part) for part in parts))
            yield sums.numpy().astype("float64"), len(tf.nest.flatten(batch)[0])


def _added(stacked: list[np.ndarray]) -> Sums:
    return Sums(*tf.constant(np.sum(stacked, axis=0).astype("float32")))


def _rows(x: Any, validation_split: float) -> np.ndarray:
    """Returns which rows to take, from all over those that were trained on."""
    rows = max(1, int(len(tf.nest.flatten(x)[0]) * (1.0 - validation_split)))
    return np.linspace(0, rows - 1, min(rows, ENOUGH)).astype(int)


def _at(rows: np.ndarray, part: Any) -> Any:
    return tf.nest.map_structure(
        lambda array: None if array is None else np.asarray(array)[rows], part
    )
