"""The diagonal normal posterior."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.checks import positive_number
from tf_geco.posteriors.posterior import Posterior, bounded_normal


def scales_near_one(shape: tuple[int, ...], dtype: Any = None, **kwargs: Any) -> tf.Tensor:
    """Returns initial weights `[H, 2 d]`: Keras's default for means, a tenth of it for log s."""
    usual = keras.initializers.GlorotUniform()(shape, dtype)
    return usual * tf.cast(tf.repeat([1.0, 0.1], shape[-1] // 2), usual.dtype)


@keras.saving.register_keras_serializable(package="tf_geco")
class DiagonalNormal(Posterior):
    """A normal distribution with independent dimensions, the posterior of the first VAEs.

        q(z | x) = N(z; m(h), diag(s(h)^2)),   log s = b tanh(raw / b)

    with b = 10 where raw < 0 and `max_log_scale` above, so that s lies between e^-10 and e. It
    starts near 1: the weights of log s are a tenth of Keras's default. Scales that start far from
    the prior's, or may become much wider, cost hundreds of nats that training has to win back.

    Args:
        latent_dim: Number of latent dimensions d.
        max_log_scale: Greatest log s. Only a prior of your own that is wider than N(0, I) needs
            more.
        name: Name of the layer.

    Call arguments:
        features: The encoder's output, `[B, H]`.

    Raises:
        ValueError: If `latent_dim` is not a positive integer, or the features are not `[B, H]`.

    Example:
    ```python
    q = tf_geco.posteriors.DiagonalNormal(latent_dim=8)(tf.ones([3, 64]))
    q.sample().shape  # [3, 8]
    ```

    Reference:
        Kingma and Welling, "Auto-encoding variational Bayes", 2014, arXiv:1312.6114.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        max_log_scale: float = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, name=name, **kwargs)
        self.max_log_scale = positive_number(max_log_scale, "max_log_scale")

    def build(self, features_shape: Any) -> None:
        """Creates the projection from features to means and log scales."""
        self.check_features(features_shape)
        self.parameters = keras.layers.Dense(
            2 * self.latent_dim, kernel_initializer=scales_near_one, dtype=self.dtype_policy
        )
        self.parameters.build(features_shape)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Returns q(z | x), in float32 under any precision policy."""
        parameters = self.parameters(features)
        return tfd.Independent(bounded_normal(parameters, greatest=self.max_log_scale), 1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "max_log_scale": self.max_log_scale}
