"""The gate: what a level of a range changes in a network."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_integer


@keras.saving.register_keras_serializable(package="tf_geco")
class Gate(keras.layers.Layer):
    """Scales and shifts each channel of an array, by a level.

        a(h, u) = (1 + sum_n s_n T_n(u)) h + sum_n b_n T_n(u)

    T_n are Chebyshev polynomials, n from 1 to `degree`. All s and b start at zero, where the gate
    changes nothing. In a linear VAE a scale for each latent is all that beta changes.

    Args:
        degree: Greatest degree N of the polynomials. 3 bends twice, which is enough for a level
            from -1 to 1.
        name: Name of the layer.

    Call arguments:
        inputs: `[B, ..., C]`.
        level: u, `[B]` or a scalar, from -1 to 1.

    Example:
    ```python
    gate = tf_geco.models.Gate()
    gate(tf.ones([2, 3]), tf.constant([-1.0, 1.0]))  # all ones, until it is trained
    ```

    Reference:
        Bae et al., "Multi-rate VAE: train once, get the full rate-distortion curve", 2023,
        arXiv:2212.03905, Section 3, for gates that depend on beta.
    """

    def __init__(self, degree: int = 3, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.degree = positive_integer(degree, "degree")

    def build(self, inputs_shape: Any, level_shape: Any = None) -> None:
        """Creates s and b, `[N, C]` each."""
        shape = (self.degree, inputs_shape[-1])
        self.scale = self.add_weight(shape=shape, initializer="zeros", name="scale")
        self.shift = self.add_weight(shape=shape, initializer="zeros", name="shift")
        self.built = True

    def call(self, inputs: tf.Tensor, level: tf.Tensor) -> tf.Tensor:
        """Returns what a level makes of an array, of the same shape."""
        terms = chebyshev(tf.cast(level, inputs.dtype), self.degree)
        between = [1] * (inputs.shape.rank - 2)
        scale, shift = (
            tf.reshape(
                tf.linalg.matmul(terms, tf.cast(part, inputs.dtype)), [-1, *between, part.shape[1]]
            )
            for part in (self.scale, self.shift)
        )
        return (1.0 + scale) * inputs + shift

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "degree": self.degree}


def chebyshev(level: tf.Tensor, degree: int) -> tf.Tensor:
    """Returns the polynomials T_1 to T_N at each level, `[B, N]`; of a scalar `[1, N]`."""
    level = tf.reshape(level, [-1])
    terms = [tf.ones_like(level), level]
    for _ in range(degree - 1):
        terms.append(2.0 * level * terms[-1] - terms[-2])
    return tf.stack(terms[1:], axis=1)
