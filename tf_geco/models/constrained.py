"""Any Keras network, trained under constraints."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import takes
from tf_geco.objectives import Objective
from tf_geco.training import ObjectiveModel


@keras.saving.register_keras_serializable(package="tf_geco")
class Constrained(ObjectiveModel):
    """A network of any kind whose loss is minimised under constraints.

        minimise E[cost(y, network(x))]   subject to   E[C_l(x, y, network(x))] <= 0

    Args:
        network: A Keras model or layer. What it returns is what constraints see as `outputs`.
        cost: What to minimise: a Keras loss, its name, or a function `(y, outputs) -> [B, ...]`,
            averaged over all axes but the first. As in Keras's `compile`, a column of outputs
            `[B, 1]` meets labels `[B]` as a column too.
        objective: `tf_geco.GECO(...)`.

    Call arguments:
        x: What the network takes.
        training: Whether the network trains.

    Raises:
        ValueError: If an argument is of the wrong kind.

    Example:
    ```python
    model = tf_geco.models.Constrained(
        network, "sparse_categorical_crossentropy", tf_geco.GECO([recall])
    )
    model.compile("adam", metrics=["accuracy"])
    model.fit(images, labels)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Algorithm 1, which asks nothing of the model.
    """

    def __init__(
        self, network: keras.Layer, cost: Any, objective: Objective, **kwargs: Any
    ) -> None:
        super().__init__(objective, **kwargs)
        if not isinstance(network, keras.Layer):
            raise ValueError(
                f"`network` must be a Keras model or layer. Received: network={network!r}."
            )
        self.network = network
        self.given_cost = cost
        self.cost_function = _per_example(cost)
        if network.built and isinstance(getattr(network, "input_shape", None), tuple):
            self.build(network.input_shape)

    def build(self, input_shape: Any) -> None:
        """Builds the network and the objective for data of a shape."""
        if self.built:
            return
        x = keras.tree.map_shape_structure(keras.KerasTensor, input_shape)
        outputs = keras.tree.map_structure(lambda tensor: tensor.shape, self.network(x))
        if not self.objective.built and isinstance(input_shape, tuple | list):
            self.objective.build(input_shape, None, outputs)

    def call(self, x: Any, training: bool = False) -> Any:
        """Returns what the network returns."""
        return self.network(x, training=training)

    def cost(self, x: Any, y: Any, outputs: Any) -> Any:
        """Returns the cost of each example and how much it counts, `[B]` each.

        An example of several values, such as the tokens of a sentence, counts by the share of those
        that are not masked.
        """
        return self.cost_function(y, outputs)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        serialize = keras.saving.serialize_keras_object
        own = {"network": serialize(self.network), "cost": serialize(self.given_cost)}
        return {**super().get_config(), **own}


class Unreduced(keras.losses.Loss):
    """A loss of each value, with Keras's own treatment of masks.

    Args:
        function: (y, outputs) -> `[B, ...]`.
    """

    def __init__(self, function: Callable) -> None:
        super().__init__(reduction="none", dtype="float32")
        self.function = function

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Returns the values of the function."""
        return self.function(y_true, y_pred)


class Counted(Unreduced):
    """One for each value that counts: what is masked in the outputs or by the loss does not."""

    def call(self, y_true: Any, y_pred: Any) -> tf.Tensor:
        """Returns ones, with the mask that a loss such as one with `ignore_class` gives them."""
        values = super().call(y_true, y_pred)
        ones = tf.ones_like(values)
        if (mask := getattr(values, "_keras_mask", None)) is not None:
            ones._keras_mask = mask
        return ones


def _of_same_rank(y: Any, outputs: Any) -> tuple[Any, Any]:
    """Returns labels `[B]` as a column where outputs are one, as the `compile` of Keras does."""
    if not (tf.is_tensor(y) and tf.is_tensor(outputs)):
        return y, outputs
    if y.shape.rank == outputs.shape.rank - 1 and outputs.shape[-1] == 1:
        return y[..., tf.newaxis], outputs
    return y, outputs


def _values(function: Callable, y: Any, outputs: Any) -> tf.Tensor:
    """Returns the values of a function, `[B, ...]` in float32.

    Raises:
        ValueError: If values have more axes than labels and outputs, as where each example is
            compared with all others; eagerly also if the function cannot take them.
    """
    parts = [part for part in tf.nest.flatten((y, outputs)) if tf.is_tensor(part)]
    try:
        values = tf.cast(Unreduced(function)(y, outputs), tf.float32)
    except tf.errors.InvalidArgumentError as error:
        raise ValueError(
            "`cost` cannot take these labels and what `network` returns. Received: shapes "
            f"{[tuple(part.shape) for part in parts]}; TensorFlow says: {error.message}"
        ) from error
    if (values.shape.rank or 0) > max((part.shape.rank or 0 for part in parts), default=9):
        raise ValueError(
            "`cost` must return a value for each example, of labels and what `network` returns. "
            "Labels `[B]` come to it as outputs are: beside a column, `[B, 1]`, as a column. "
            f"Received: labels and outputs of shapes {[tuple(part.shape) for part in parts]}."
        )
    return values


def _named_loss(name: str) -> Any:
    """Returns the loss of Keras that has a name, or `None`."""
    try:
        return keras.losses.get(name)
    except ValueError:
        return None


def _per_example(cost: Any) -> Callable:
    """Returns a function (y, outputs) -> values and counts, `[B]` each."""
    function = _named_loss(cost) if isinstance(cost, str) else cost
    function = function.call if isinstance(function, keras.losses.Loss) else function
    if not callable(function) or not takes(function, "y", "outputs"):
        raise ValueError(
            f"`cost` must be a Keras loss, its name, or a function. Received: cost={cost!r}."
        )

    def values_and_counts(y: Any, outputs: Any) -> Any:
        if y is None:
            values = tf.cast(function(y, outputs), tf.float32)
            return tf.reduce_mean(values, range(1, values.shape.rank or 1))
        y, outputs = _of_same_rank(y, outputs)
        values = _values(function, y, outputs)
        axes = range(1, values.shape.rank or 1)
        counts = tf.reduce_mean(Counted(function)(y, outputs), axes)
        return tf.math.divide_no_nan(tf.reduce_mean(values, axes), counts), counts

    return values_and_counts
