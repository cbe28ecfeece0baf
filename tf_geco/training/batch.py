"""The batch as the data set yields it, made safe: what does not count may hold anything."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from tf_geco.constraints.inputs import mask_of
from tf_geco.constraints.values import per_example
from tf_geco.strategies import replica_count

WEIGHT = "_sample_weight"
READABLE = 1e18  # size of values whose squares are finite in float32


def with_weights(y: Any, sample_weight: Any) -> tuple[Any, Any]:
    """Returns labels and weights that Keras passes on; `Batch.of` finds them again.

    Keras drops weights where there are no labels, and copies them for each entry of a dictionary of
    labels. So they travel as an entry of their own.
    """
    if sample_weight is None or not (y is None or isinstance(y, dict)):
        return y, sample_weight
    return {**(y or {}), WEIGHT: sample_weight}, None


def check_arrays(x: Any, y: Any, sample_weight: Any) -> None:
    """Raises an error if one is no array or of another length; Keras's own does not say which.

    Pipelines, such as a `tf.data.Dataset`, are left to Keras.
    """
    for name, data in {"x": x, "y": y, "sample_weight": sample_weight}.items():
        if data is None or (name == "x" and not _are_arrays(x)):
            continue
        parts = dict(keras.tree.flatten_with_path(data))
        odd = [path for path, part in parts.items() if not _has_rows(part)]
        if odd or not parts:
            where = "".join(f"[{key!r}]" for key in odd[0]) if odd else ""
            raise ValueError(
                f"`{name}` must be an array, or a structure of arrays, with a row for each "
                f"example. Received: {name}{where} = {parts[odd[0]] if odd else data!r}."
            )
        counted = [*tf.nest.flatten(x), *parts.values()] if _are_arrays(x) else []
        rows = {part.shape[0] for part in counted if _has_rows(part)} - {None}
        if len(rows) > 1:
            raise ValueError(
                f"All arrays of `x` and `{name}` must have as many rows as there are examples. "
                f"Received: arrays of {' and '.join(map(str, sorted(rows)))} rows."
            )
    for part in keras.tree.flatten(sample_weight):
        refuse_odd_weights(part)


def refuse_odd_weights(weight: Any) -> None:
    """Raises an error if sample weights are no numbers of examples."""
    weight = np.zeros(0) if weight is None else np.asarray(weight, "float64")
    odd = weight[~(np.isfinite(weight) & (weight >= 0))]
    if odd.size:
        raise ValueError(
            "Sample weights must be finite, and zero or more. "
            f"Received: {odd.size} that are not, such as {odd.flat[0]}."
        )


def _has_rows(part: Any) -> bool:
    """Returns whether something is an array with an axis of examples."""
    shape = getattr(part, "shape", None)
    return bool(getattr(shape, "rank", len(shape or ())))


def _are_arrays(x: Any) -> bool:
    return hasattr(x, "shape") or isinstance(x, dict | list | tuple)


class Batch(NamedTuple):
    """Data, labels and weights of a step.

    Args:
        x: Data, `[B, ...]` or a structure of such.
        y: Labels or whatever else the data set yields, or `None`.
        sample_weight: `[B]`, or `None` for equal weights.
    """

    x: Any
    y: Any
    sample_weight: tf.Tensor | None

    @classmethod
    def of(cls, data: Any) -> "Batch":
        """Returns the batch of what the data set yields; weights may be `[B]` or `[B, 1]`.

        Raises:
            ValueError: If weights have another shape.
        """
        # A step that runs eagerly gets the arrays of `train_on_batch` as they are.
        data = tf.nest.map_structure(_as_tensor, data)
        _refuse_unknown_rank(data)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(y, dict) and WEIGHT in y:
            weight = y[WEIGHT]
            y = {key: part for key, part in y.items() if key != WEIGHT} or None
        if isinstance(weight, dict | list | tuple):
            raise ValueError(
                "`sample_weight` must be one array, a weight for each example. "
                f"Received: a structure, {type(weight).__name__}."
            )
        if weight is not None:
            weight = tf.convert_to_tensor(weight)
            if weight.shape.rank == 2 and weight.shape[1] == 1:
                weight = tf.squeeze(weight, axis=1)
            weight = per_example(weight, "`sample_weight` must hold")
        return cls(x, y, weight)

    def without_missing(self, target: Callable[[Any], Any], replaced: Callable) -> "Batch":
        """Returns the batch with zeros in place of missing values.

        Networks cannot read a NaN. What the zero stands for is up to the scale of the data: black
        in an image, the mean of standardised data.

        Args:
            target: x -> the part that a mask, `y["mask"]`, belongs to.
            replaced: (x, target) -> x with another target.
        """
        if not isinstance(self.y, dict) or "mask" not in self.y:
            return self
        part = target(self.x)
        seen = tf.where(mask_of(self.y, part), part, tf.zeros([], part.dtype))
        return self._replace(x=replaced(self.x, seen))

    def at_least_one(self) -> "Batch":
        """Returns the batch; of a replica that has no examples, one of zeros and weight zero.

        The last batch of a data set may leave a replica none, and some kernels of TensorFlow, such
        as fused convolutions on CPUs, fail on an empty tensor.
        """
        known = tf.nest.flatten(self.x)[0].shape[:1].is_fully_defined()
        if replica_count() == 1 or known:
            return self
        number = size_of(self.x)
        missing = tf.cast(tf.equal(number, 0), tf.int32)

        def padded(part: Any) -> Any:
            if not tf.is_tensor(part) or not part.shape.rank:
                return part
            return tf.pad(part, [[0, missing], *[[0, 0]] * (part.shape.rank - 1)])

        weight = tf.ones([number]) if self.sample_weight is None else self.sample_weight
        x, y = tf.nest.map_structure(padded, (self.x, self.y))
        return Batch(x, y, padded(weight))

    def without_uncounted(self) -> "Batch":
        """Returns the batch with zeros for what no network can read in examples of weight zero.

        They add nothing to any sum, but the gradient of a NaN times zero is NaN; so is that of
        a fill value whose square overflows. A weight below zero becomes NaN, so that its batch is
        left out.
        """
        if self.sample_weight is None:
            return self
        weight = tf.where(self.sample_weight < 0.0, float("nan"), self.sample_weight)
        counts = tf.not_equal(self.sample_weight, 0.0)

        def kept(part: Any) -> Any:
            if not tf.is_tensor(part) or not part.dtype.is_floating or part.shape.rank == 0:
                return part
            shape = [-1] + [1] * (part.shape.rank - 1)
            readable = tf.abs(part) < tf.cast(READABLE, part.dtype)
            usable = tf.logical_or(tf.reshape(counts, shape), readable)
            return tf.where(usable, part, tf.zeros([], part.dtype))

        x, y = tf.nest.map_structure(kept, (self.x, self.y))
        return Batch(x, y, weight)


def size_of(x: Any) -> tf.Tensor:
    """Returns how many examples a batch has, a scalar; of a structure, by its first part."""
    return tf.shape(tf.nest.flatten(x)[0])[0]


def check_data(data: Any, shape: tuple | None) -> None:
    """Raises an error if data are no numbers, or declared to be of another shape than a model's."""
    if not hasattr(data, "shape"):
        raise ValueError(
            f"`x` must be an array, data of shape {shape}. "
            f"Received: data of type {type(data).__name__}."
        )
    dtype = tf.as_dtype(data.dtype)
    if not (dtype.is_floating or dtype.is_integer or dtype.is_bool):
        raise ValueError(f"`x` must be real numbers. Received: data of {dtype.name}.")
    if shape is not None and not data.shape.is_compatible_with(shape):
        raise ValueError(
            f"`x` must fit the model, which is built for data of shape {shape}. "
            f"Received: data of shape {tuple(data.shape)}."
        )


def with_shapes(x: Any, shapes: Any) -> Any:
    """Returns data whose shapes are known; those that a data set left open are checked in the step.

    Layers such as Keras's `Flatten` need to know them when they are traced.

    Args:
        x: An array, or a dictionary of such.
        shapes: The shape of each, the batch as `None`.
    """
    if isinstance(shapes, dict):  # an entry that is missing is named where it is read
        return {
            key: with_shapes(part, shapes[key]) if key in shapes else part
            for key, part in x.items()
        }
    known = not tf.is_tensor(x) or x.shape[1:].is_fully_defined()
    return x if known else tf.ensure_shape(x, shapes)


def _refuse_unknown_rank(data: Any) -> None:
    """Raises an error if a data set does not say how many axes its tensors have."""
    parts = keras.tree.flatten_with_path(data)
    unknown = [path for path, part in parts if tf.is_tensor(part) and part.shape.rank is None]
    if unknown:
        raise ValueError(
            "A data set may leave the sizes of its tensors open, but not the number of their axes: "
            "call `tf.ensure_shape(tensor, [None, ...])` where it is mapped. Received: a tensor of "
            f"unknown rank at {' '.join(map(repr, unknown[0])) or 'x'}."
        )


def _as_tensor(part: Any) -> Any:
    """Returns an array as a tensor, and anything else as it is."""
    return tf.convert_to_tensor(part) if isinstance(part, np.ndarray) else part
