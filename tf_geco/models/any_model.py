"""Any Keras network, trained under constraints."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.models.constrained import ConstrainedModel
from tf_geco.objectives import Objective


@keras.saving.register_keras_serializable(package="tf_geco")
class Constrained(ConstrainedModel):
    """A network of any kind whose loss is minimised under constraints.

        minimise E[cost(y, network(x))]   subject to   E[C_l(x, y, network(x))] <= 0

    Args:
        network: A Keras model or layer. What it returns is what constraints see as `outputs`.
        cost: What to minimise: a Keras loss, its name, or a function `(y, outputs) -> [B, ...]`,
            averaged over all axes but the first.
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

    def cost(self, x: Any, y: Any, outputs: Any) -> tf.Tensor:
        """Returns the cost of each example, `[B]`."""
        cost = tf.cast(self.cost_function(y, outputs), tf.float32)
        return tf.reduce_mean(cost, range(1, cost.shape.rank))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        serialize = keras.saving.serialize_keras_object
        parts = {
            "network": self.network,
            "cost": self.given_cost,
            "objective": self.objective,
        }
        return {**super().get_config(), **{name: serialize(part) for name, part in parts.items()}}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Constrained":
        """Makes the model that `get_config` described, without its weights."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {
            name: deserialize(config[name], custom_objects=custom_objects)
            for name in ("network", "cost", "objective")
        }
        return cls(**{**config, **parts})


def _per_example(cost: Any) -> Callable:
    """Returns a function of (y, outputs) that is not averaged over examples."""
    function = keras.losses.get(cost) if isinstance(cost, str) else cost
    if isinstance(function, keras.losses.Loss):
        return function.call
    if not callable(function):
        raise ValueError(
            f"`cost` must be a Keras loss, its name, or a function. Received: cost={cost!r}."
        )
    return function
