"""The diagonal normal posterior."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.posteriors.posterior import Posterior, bounded_normal


@keras.saving.register_keras_serializable(package="tf_geco")
class DiagonalNormal(Posterior):
    """A normal distribution with independent dimensions, the posterior of the first VAEs.

        q(z | x) = N(z; m(h), diag(s(h)^2)),   log s = 10 tanh(raw / 10)

    The bound on log s keeps the scale between e^-10 and e^10 without cutting its gradient.

    Args:
        latent_dim: Number of latent dimensions d.
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

    def build(self, features_shape: Any) -> None:
        """Creates the projection from features to means and log scales."""
        self.check_features(features_shape)
        self.parameters = keras.layers.Dense(2 * self.latent_dim, dtype=self.dtype_policy)
        self.parameters.build(features_shape)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Returns q(z | x), in float32 under any precision policy."""
        return tfd.Independent(bounded_normal(self.parameters(features)), 1)
