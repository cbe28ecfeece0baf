"""Data, batch by batch, for functions that must see all of it."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_integer


class Batches:
    """The examples x of a data set, in batches of one size, as often as they are asked for.

    All batches have one shape, so that a function is compiled once: the last one is filled up with
    copies of an example, and comes with the number of its true examples.

    Args:
        data: An array `[N, ...]`, a structure of arrays, `(x, y)` or `(x, y, sample_weight)`, or a
            `tf.data.Dataset` (or another iterable, such as a list) of batches of such; labels and
            weights are not used.
        batch_size: Number of examples that are computed at once.
        multiple: Every batch is filled up to a multiple of this, the number of replicas.

    Raises:
        ValueError: If the data are empty, infinite, readable only once, or their parts differ in
            length.
    """

    def __init__(self, data: Any, batch_size: int, multiple: int = 1) -> None:
        self.data = data
        self.multiple = multiple
        self.batch_size = _round_up(positive_integer(batch_size, "batch_size"), multiple)
        self.is_iterable = hasattr(data, "__iter__") and not _is_arrays(data)
        if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("The data never end. Remove `repeat()`, or add `take(n)`.")
        if self.is_iterable and iter(data) is data:
            raise ValueError(
                "The data can be read only once. Give arrays or a `tf.data.Dataset`. "
                f"Received: {type(data).__name__}."
            )

    def __iter__(self) -> Iterator[tuple[Any, int]]:
        """Yields pairs of a batch and the number of its true examples."""
        seen = 0
        for x in self._full_batches():
            count = batch_length(x)
            size = self.batch_size if seen else _round_up(count, self.multiple)
            yield _fill(x, size), count
            seen += count
        if seen == 0:
            raise ValueError("The data are empty: there is nothing to evaluate.")

    def _full_batches(self) -> Iterator[Any]:
        """Yields examples in batches of `batch_size`, the last one smaller."""
        pending: list = []
        for x in self._parts():
            pending.append(x)
            while sum(map(batch_length, pending)) >= self.batch_size:
                joined = _join(pending)
                yield _slice(joined, 0, self.batch_size)
                rest = _slice(joined, self.batch_size, None)
                pending = [rest] if batch_length(rest) else []
        if pending and batch_length(joined := _join(pending)):
            yield joined

    def _parts(self) -> Iterator[Any]:
        """Yields x as the data have it."""
        if self.is_iterable:
            for batch in self.data:
                yield _arrays(keras.utils.unpack_x_y_sample_weight(batch)[0])
            return
        x = _arrays(keras.utils.unpack_x_y_sample_weight(self.data)[0])
        for start in range(0, batch_length(x), self.batch_size):
            yield _slice(x, start, start + self.batch_size)


def batch_length(x: Any) -> int:
    """Returns the number of examples in a batch, or raises an error if its parts disagree."""
    lengths = {len(part) for part in tf.nest.flatten(x)}
    if len(lengths) != 1:
        raise ValueError(
            f"All parts of the data must have one length. Received: lengths {sorted(lengths)}."
        )
    return lengths.pop()


def tensors(x: Any) -> Any:
    """Returns a structure of arrays as one of tensors."""
    return tf.nest.map_structure(tf.convert_to_tensor, x)


def _is_arrays(data: Any) -> bool:
    leaves = tf.nest.flatten(data) if isinstance(data, (tuple, dict)) else [data]
    return all(isinstance(leaf, (np.ndarray, tf.Tensor, type(None))) for leaf in leaves)


def _arrays(x: Any) -> Any:
    return tf.nest.map_structure(np.asarray, x)


def _slice(x: Any, start: int, stop: int | None) -> Any:
    return tf.nest.map_structure(lambda part: part[start:stop], x)


def _join(parts: list) -> Any:
    if len(parts) == 1:
        return parts[0]
    return tf.nest.map_structure(lambda *leaves: np.concatenate(leaves), *parts)


def _fill(x: Any, size: int) -> Any:
    missing = size - batch_length(x)
    if missing == 0:
        return x
    return tf.nest.map_structure(
        lambda part: np.concatenate([part, np.repeat(part[-1:], missing, axis=0)]), x
    )


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
