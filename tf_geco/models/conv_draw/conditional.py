"""Latent variable models that may take a context, and then predict targets from contexts."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.models.latent_variable import LatentVariableModel
from tf_geco.models.served import naming, with_fresh_noise


class ConditionalModel(LatentVariableModel):
    """A latent variable model of p(target | context), or of p(target) without a context.

    A subclass sets `data_shape`, `context_shape` (each with the batch as `None`; `None` for no
    context) and `representation`, a Keras layer of contexts, before it is built. With a context the
    model takes `{"context": ..., "target": ...}`, and its `decode` and `sample` take a `context`.
    """

    data_shape: tuple
    context_shape: tuple | None
    representation: keras.Layer | None

    def input_shapes(self) -> Any:
        """Returns the shape of the data, or those of context and target."""
        if self.context_shape is None:
            return self.data_shape
        return {"context": self.context_shape, "target": self.data_shape}

    def represented_shape(self) -> tuple:
        """Returns the shape of a representation, one with no channels without a context."""
        if self.representation is None:
            return (0,)
        return tuple(self.representation(keras.KerasTensor(self.context_shape)).shape)

    def target(self, x: Any) -> Any:
        """Returns what is reconstructed: all of the data, or the target of a context."""
        return x if self.context_shape is None else self._entry(x, "target")

    def with_target(self, x: Any, target: Any) -> Any:
        """Returns the data with another target."""
        return target if self.context_shape is None else {**x, "target": target}

    def context(self, x: Any) -> Any:
        """Returns the context of the data, `None` without one."""
        return None if self.context_shape is None else self._entry(x, "context")

    def represent(self, context: Any, training: bool = False) -> Any:
        """Returns the representation of a context, `None` without one.

        Raises:
            ValueError: If the model takes a context and gets none, or the reverse.
        """
        if context is not None and self.representation is not None:
            return self.representation(context, training=training)
        if context is not None or self.representation is not None:
            takes = "a context" if context is None else "no context"
            raise ValueError(
                f"This model takes {takes} (its context_shape is {self.context_shape}). "
                f"Received: context={context!r}."
            )
        return None

    def sample(
        self, n: int | None = None, seed: int | None = None, *, context: Any = None
    ) -> tf.Tensor:
        """Returns `n` new examples from the prior, or one for each context."""
        raise NotImplementedError(f"{type(self).__name__} must define `sample(n, seed, context)`.")

    def endpoints(self) -> dict[str, tuple]:
        """Returns the functions that `export` saves, with a context if the model takes one."""
        endpoints = super().endpoints()
        if self.context_shape is None:
            return endpoints
        context = tf.TensorSpec(self.context_shape, tf.float32, name="context")
        target = tf.TensorSpec(self.data_shape, tf.float32, name="target")
        latents = tf.TensorSpec(self.latents_shape, tf.float32, name="latents")

        def together(function: Callable) -> Callable:
            return lambda context, target: function({"context": context, "target": target})

        def of_context(context: Any, seed: Any) -> Any:
            return self.sample(context=context, seed=seed)

        both = {
            name: (together(endpoints[name][0]), [context, target])
            for name in ("serving_default", "encode", "encode_mean", "score")
        }
        sample = naming(with_fresh_noise(of_context), "samples")
        return {
            **both,
            "decode": (naming(self.decode, "reconstruction"), [latents, context]),
            "sample": (sample, [context]),
        }

    def _entry(self, x: Any, name: str) -> Any:
        if not isinstance(x, dict) or name not in x:
            keys = sorted(x) if isinstance(x, dict) else type(x).__name__
            raise ValueError(
                f'This model takes {{"context": ..., "target": ...}}. Received: {keys}.'
            )
        return x[name]
