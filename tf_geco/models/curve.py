"""What a model of a range makes of data at each of its levels."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.compiled import compiled
from tf_geco.objectives.levels import positions
from tf_geco.objectives.sums import Sums
from tf_geco.strategies import strategy_of
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
    sums = _sums_of(model, _batches(*parts, batch_size=batch_size), seed)
    if not sums:
        raise ValueError("The data are empty: there is nothing to measure.")
    return _added(sums)


def sums_after(model: Any, given: dict[str, Any]) -> Sums | None:
    """Returns the sums at all levels of up to 1,024 examples that a training had.

    Of arrays they are from all over them, of a data set the first. Batches that are not finite are
    left out, as training has done.

    Args:
        model: A model of a range.
        given: Arguments of `fit`, by name.

    Returns:
        The sums; `None` if no batch is left, with class weights, of data that are no arrays and no
        `tf.data.Dataset`, or of one on several workers, each of which may read others.
    """
    parts = [given.get(name) for name in ("x", "y", "sample_weight")]
    is_stream = isinstance(parts[0], tf.data.Dataset)
    one_worker = not isinstance(strategy_of(model), tf.distribute.MultiWorkerMirroredStrategy)
    are_arrays = all(hasattr(leaf, "shape") for leaf in tf.nest.flatten(parts[0]))
    readable = one_worker if is_stream else are_arrays
    if given.get("class_weight") is not None or not readable:
        return None
    if not is_stream:
        rows = _rows(parts[0], given.get("validation_split") or 0.0)
        parts = [_at(rows, part) for part in parts]
    batches = _batches(*parts, batch_size=given.get("batch_size") or 32)
    found = [sums for sums in _sums_of(model, batches, 0, ENOUGH) if np.isfinite(sums).all()]
    return _added(found) if found else None


def _batches(x: Any, y: Any = None, weight: Any = None, *, batch_size: int) -> tf.data.Dataset:
    """Returns a data set of batches."""
    check_arrays(x, y, weight)
    y, weight = with_weights(y, weight)
    return batches_of(x, y, batch_size, weight)[0]


def _sums_of(model: Any, batches: Any, seed: int, enough: float = np.inf) -> list[np.ndarray]:
    """Returns the stacked sums of each batch over all levels, until there are enough examples."""
    step = compiled(model, type(model).batch_at_level, reduce_retracing=True)
    found: list[np.ndarray] = []
    seen = 0
    with seeded(model, seed):
        for batch in batches:
            parts = keras.utils.unpack_x_y_sample_weight(batch)
            model.checked(parts[0])
            data = tuple(as_trained(part) for part in parts)
            at_levels = [step(data, tf.constant(place)).numpy() for place in positions()]
            found.append(np.sum(at_levels, axis=0, dtype="float64"))
            seen += len(tf.nest.flatten(batch)[0])
            if seen >= enough:
                break
    return found


def _added(stacked: list[np.ndarray]) -> Sums:
    return Sums(*tf.constant(np.sum(stacked, axis=0).astype("float32")))


def _rows(x: Any, validation_split: float) -> np.ndarray:
    """Returns which rows to take, from all over those that were trained on."""
    rows = max(1, int(len(tf.nest.flatten(x)[0]) * (1.0 - validation_split)))
    return np.linspace(0, rows - 1, min(rows, ENOUGH)).astype(int)


def _at(rows: np.ndarray, part: Any) -> Any:
    """Returns rows of arrays; lists of arrays as tuples, as a data set wants them."""
    if isinstance(part, list):
        part = tuple(part)
    take = lambda array: None if array is None else np.asarray(array)[rows]  # noqa: E731
    return tf.nest.map_structure(take, part)
