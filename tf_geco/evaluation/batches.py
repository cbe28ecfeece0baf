"""Data, batch by batch, for functions that must see all of it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_integer
from tf_geco.constraints.inputs import mask_of
from tf_geco.strategies import replica_count
from tf_geco.training.batch import Batch


class Examples(NamedTuple):
    """A batch of examples.

    Args:
        x: Data, `[B, ...]` or a structure of such, with zeros in place of missing values.
        y: What a reader keeps beside x, here `{"mask": mask}`, a boolean array of what is observed,
            or `{}` where nothing is missing.
        number: Number of true examples; the others fill up the batch.
    """

    x: Any
    y: dict[str, np.ndarray]
    number: int


class Batches:
    """The examples of a data set, in batches of one size, as often as they are asked for.

    All batches have one shape, so that a function is compiled once: the last one is filled up with
    copies of an example, and comes with the number of its true examples.

    Args:
        data: An array `[N, ...]`, a structure of arrays, `(x, y)` or `(x, y, sample_weight)`, or a
            `tf.data.Dataset` (or another iterable, such as a list) of batches of such. Of y only
            `y["mask"]` is used, which says what is observed; weights are not.
        batch_size: Number of examples that are computed at once.
        model: Every batch is filled up to a multiple of the number of its replicas, and its target
            is what a mask belongs to. Without a model that is x, or of a dictionary the "target".

    Raises:
        ValueError: If the data are empty, infinite, readable only once, their parts differ in
            length, or a mask is not as constraints want it.
    """

    def __init__(self, data: Any, batch_size: int, model: Any = None) -> None:
        self.data = data
        self.multiple = 1 if model is None else replica_count(model)
        self.target = getattr(model, "target", target_of)
        self.with_target = getattr(model, "with_target", with_target)
        self.batch_size = _round_up(positive_integer(batch_size, "batch_size"), self.multiple)
        self.is_iterable = hasattr(data, "__iter__") and not _is_arrays(data)
        if isinstance(data, tf.data.Dataset) and data.cardinality() == tf.data.INFINITE_CARDINALITY:
            raise ValueError("The data never end. Remove `repeat()`, or add `take(n)`.")
        if self.is_iterable and iter(data) is data:
            raise ValueError(
                "The data can be read only once. Give arrays or a `tf.data.Dataset`. "
                f"Received: {type(data).__name__}."
            )

    def __iter__(self) -> Iterator[Examples]:
        """Yields all examples, batch by batch."""
        seen = 0
        for part in self._full_batches():
            count = batch_length(part)
            size = self.batch_size if seen else _round_up(count, self.multiple)
            x, y = _fill(part, size)
            yield Examples(self._without_missing(x, y), y, count)
            seen += count
        if seen == 0:
            raise ValueError("The data are empty: there is nothing to evaluate.")

    def _full_batches(self) -> Iterator[Any]:
        """Yields pairs x, y in batches of `batch_size`, the last one smaller."""
        pending: list = []
        for part in self._parts():
            pending.append(part)
            while sum(map(batch_length, pending)) >= self.batch_size:
                joined = _join(pending)
                yield _slice(joined, 0, self.batch_size)
                rest = _slice(joined, self.batch_size, None)
                pending = [rest] if batch_length(rest) else []
        if pending and batch_length(joined := _join(pending)):
            yield joined

    def _parts(self) -> Iterator[Any]:
        """Yields pairs x, y as the data have them."""
        if self.is_iterable:
            masked: set[bool] = set()
            for batch in self.data:
                part = self._read(batch)
                masked.add(bool(part[1]))
                if len(masked) > 1:
                    raise ValueError("Either all batches have a mask, `y['mask']`, or none has.")
                yield part
            return
        whole = self._read(self.data)
        for start in range(0, batch_length(whole), self.batch_size):
            yield _slice(whole, start, start + self.batch_size)

    def _read(self, data: Any) -> tuple[Any, dict[str, np.ndarray]]:
        """Returns x and, of what comes beside it, the mask."""
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = _arrays(x)
        if isinstance(y, np.ndarray) and y.dtype == bool:
            y = tf.convert_to_tensor(y)
        mask = mask_of(y, tf.TensorSpec(getattr(self.target(x), "shape", ())))
        return x, {} if mask is None else {"mask": mask.numpy()}

    def _without_missing(self, x: Any, y: dict) -> Any:
        """Returns x with zeros in place of missing values, as training does it."""
        if not y:
            return x
        batch = Batch(tensors(x), y, sample_weight=None)
        return _arrays(batch.without_missing(self.target, self.with_target).x)


def target_of(x: Any) -> Any:
    """Returns what is to be reconstructed: of `{"context", "target"}` the target, else all."""
    return x["target"] if isinstance(x, dict) and "target" in x else x


def with_target(x: Any, target: Any) -> Any:
    """Returns the data with another target."""
    return {**x, "target": target} if isinstance(x, dict) else target


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
    return all(leaf is None or hasattr(leaf, "__array__") for leaf in leaves)


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
