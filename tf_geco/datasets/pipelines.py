"""Pipelines: examples in memory, or a stream of them -> batches that a Keras model trains on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tf_geco.checks import flag, positive_integer, seed_number


@dataclass(frozen=True)
class Rows:
    """Examples in memory, taken a batch at a time by their row numbers.

    Only row numbers are shuffled, so that a shuffle of the whole data set costs next to nothing.
    Images are kept as they were read, in uint8.

    Attributes:
        size: Number of examples.
        take: Row numbers `[B]`, int64 -> what a batch is: `x` or `(x, y)`.
    """

    size: int
    take: Callable[[tf.Tensor], Any]

    def batches(self, batch_size: int, training: bool, seed: int) -> tf.data.Dataset:
        """Returns the batches of an epoch; see `from_arrays`."""
        rows = tf.data.Dataset.range(self.size)
        if training:
            rows = rows.shuffle(self.size, seed=seed, reshuffle_each_iteration=True)
        rows = rows.batch(batch_size, drop_remainder=training)
        return _finish(rows.map(self.take, num_parallel_calls=tf.data.AUTOTUNE))


@dataclass(frozen=True)
class Stream:
    """Examples that are read from disk once, then kept in memory as uint8.

    Attributes:
        size: Number of examples.
        examples: Data set of `(image, label)`, unbatched, with images in uint8.
        buffer: Number of examples that the shuffle holds.
    """

    size: int
    examples: tf.data.Dataset
    buffer: int = 10_000

    def batches(self, batch_size: int, training: bool, seed: int) -> tf.data.Dataset:
        """Returns the batches of an epoch; see `from_arrays`."""
        examples = self.examples.cache()
        if training:
            buffer = min(self.size, self.buffer)
            examples = examples.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
        batches = examples.batch(batch_size, drop_remainder=training)
        scale = lambda image, label: (as_unit_range(image), label)  # noqa: E731
        return _finish(batches.map(scale, num_parallel_calls=tf.data.AUTOTUNE))


def from_arrays(
    x: Any, y: Any = None, *, batch_size: int = 128, training: bool = True, seed: int = 0
) -> tf.data.Dataset:
    """Returns a pipeline over anyone's arrays.

    For training, examples are shuffled anew each epoch and every batch is full, so that shapes are
    static; otherwise they come in order and the last batch may be smaller. Either way images are
    kept in memory as given and batches are prefetched.

    Args:
        x: Array `[N, ...]`, or a dictionary of such arrays. uint8 arrays are taken for images and
            become float32 in [0, 1]. Floats become float32. All else stays as it is: give a mask of
            missing values as booleans.
        y: Labels, an array `[N, ...]` or a structure of such; they stay as they are.
        batch_size: Examples in a batch. The default suits images on any machine.
        training: Whether to shuffle and to drop the last batch if it is not full.
        seed: Seed of the shuffle. The same seed gives the same epochs, on every worker.

    Returns:
        Data set of `x`, or of `(x, y)`.

    Raises:
        ValueError: If the arrays differ in length, or there are too few examples for a batch.

    Example:
        >>> import numpy as np
        >>> import tf_geco
        >>> images, labels = np.zeros([1000, 28, 28, 1], np.uint8), np.arange(1000) % 10
        >>> train = tf_geco.datasets.from_arrays(images, labels, batch_size=128)
        >>> len(train)
        7
    """
    training, seed = flag(training, "training"), seed_number(seed)
    rows = rows_of(x, y)
    batch_size = checked_batch_size(batch_size, rows.size if training else None)
    return rows.batches(batch_size, training, seed)


def rows_of(x: Any, y: Any = None) -> Rows:
    """Returns arrays as `Rows`, images scaled to [0, 1] when a batch is taken."""
    arrays = _as_tensors(x, "x") if y is None else (_as_tensors(x, "x"), _as_tensors(y, "y"))
    lengths = {int(array.shape[0]) for array in tf.nest.flatten(arrays)}
    if len(lengths) != 1 or lengths == {0}:
        raise ValueError(
            "All arrays of `x` and `y` must have the same number of examples, their first axis, "
            f"and at least one. Received: lengths {sorted(lengths)}."
        )

    def take(rows: tf.Tensor) -> Any:
        batch = tf.nest.map_structure(lambda array: tf.gather(array, rows), arrays)
        if y is None:
            return tf.nest.map_structure(as_unit_range, batch)
        return tf.nest.map_structure(as_unit_range, batch[0]), batch[1]

    return Rows(lengths.pop(), take)


def as_unit_range(values: tf.Tensor) -> tf.Tensor:
    """Returns uint8 values as float32 in [0, 1], and any others as they are."""
    if values.dtype != tf.uint8:
        return values
    return tf.cast(values, tf.float32) / 255.0


def checked_batch_size(batch_size: Any, size: int | None = None) -> int:
    """Returns `batch_size` as an integer.

    Args:
        batch_size: What the user gave.
        size: The number of training examples, if it must not be larger.

    Raises:
        ValueError: If it is no positive integer, or larger.
    """
    batch_size = positive_integer(batch_size, "batch_size")
    if size is not None and batch_size > size:
        raise ValueError(
            f"`batch_size` must be at most the number of training examples, {size}. "
            f"Received: batch_size={batch_size}."
        )
    return batch_size


def _as_tensors(arrays: Any, name: str) -> Any:
    """Returns a structure of arrays as tensors, each with an axis of examples."""
    if not tf.nest.flatten(arrays):
        raise ValueError(f"`{name}` must hold at least one array. Received: {name}={arrays!r}.")
    return tf.nest.map_structure(lambda array: _as_tensor(array, name), arrays)


def _as_tensor(array: Any, name: str) -> tf.Tensor:
    """Returns an array with an axis of examples, floats as float32."""
    try:
        tensor = tf.convert_to_tensor(array)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be an array, or a structure of such. Received: {array!r}."
        ) from error
    if tensor.shape.rank == 0:
        raise ValueError(f"Arrays of `{name}` must have an axis of examples. Received: {array!r}.")
    return tf.cast(tensor, tf.float32) if tensor.dtype.is_floating else tensor


def without_autotuner(data: tf.data.Dataset) -> tf.data.Dataset:
    """Returns a data set whose iterators end at once, so that `fit` returns with its last step.

    An iterator of tf.data waits at its end for the thread of its autotuner, which sleeps longer
    each time: up to as long as the training took, a minute at most. Data sets of this library are
    without it; for your own it may cost speed where several slow steps of a pipeline share the
    processor.

    Args:
        data: A `tf.data.Dataset` of anything.

    Returns:
        The same elements, in the same order.

    Raises:
        ValueError: If it is none.

    Example:
        >>> import tensorflow as tf
        >>> import tf_geco
        >>> data = tf.data.Dataset.range(1000).shuffle(1000).batch(64)
        >>> len(tf_geco.datasets.without_autotuner(data))
        16
    """
    if not isinstance(data, tf.data.Dataset):
        raise ValueError(f"`data` must be a `tf.data.Dataset`. Received: data={data!r}.")
    options = tf.data.Options()
    options.autotune.enabled = False
    return data.with_options(options)


def _finish(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches that are prefetched, and divided by examples among a strategy's workers.

    Every worker shuffles with the same seed, so that together they see each example once.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return without_autotuner(batches.with_options(options)).prefetch(tf.data.AUTOTUNE)
