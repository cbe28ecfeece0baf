"""What every posterior q(z | x) is: a layer that returns a distribution; and the plain prior."""

import inspect
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.checks import positive_integer
from tf_geco.dtypes import as_float32


class Posterior(keras.layers.Layer):
    """A conditional distribution: a layer from the encoder's output to a distribution over z.

        features [B, H]  ->  distribution with batch shape [B] and event shape [latent_dim]

    Subclass it, create the layers it needs in `build`, and return a
    `tfp.distributions.Distribution` from `call`. The networks belong to the layer, so that Keras
    saves and trains them; the distribution is made anew in each call.

    Args:
        latent_dim: Number of latent dimensions d.
        name: Name of the layer.

    Call arguments:
        features: The encoder's output, `[B, H]`.

    Raises:
        ValueError: If `latent_dim` is not a positive integer, or the features are not `[B, H]`.
    """

    def __init__(self, latent_dim: int, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.latent_dim = positive_integer(latent_dim, "latent_dim")

    def check_features(self, features_shape: Any) -> None:
        """Raises an error if the encoder's output is not one vector per example."""
        if len(features_shape) != 2 or features_shape[-1] is None:
            raise ValueError(
                "The encoder must return one vector per example, [B, H]; end it with "
                f"`keras.layers.Flatten()`. Received: an output of shape {tuple(features_shape)}."
            )

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Returns q(z | x), batch shape `[B]`, event shape `[d]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `call(features)`.")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "latent_dim": self.latent_dim}


@keras.saving.register_keras_serializable(package="tf_geco")
class StandardNormal(keras.layers.Layer):
    """The prior N(0, I): a layer whose features are always `None`.

    A prior of your own is any Keras layer like this one; a learned one owns variables or networks.

    Args:
        latent_dim: Number of latent dimensions d.
        name: Name of the layer.

    Example:
    ```python
    prior = tf_geco.posteriors.StandardNormal(latent_dim=8)
    prior(features=None).sample(3).shape  # [3, 8]
    ```
    """

    def __init__(self, latent_dim: int, *, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.latent_dim = positive_integer(latent_dim, "latent_dim")
        self.built = True

    def call(self, features: None = None) -> tfd.Distribution:
        """Returns N(0, I), batch shape `[]`, event shape `[d]`."""
        dtype = tf.float64 if self.compute_dtype == "float64" else tf.float32
        zeros = tf.zeros([self.latent_dim], dtype)
        return tfd.Independent(tfd.Normal(zeros, tf.ones_like(zeros)), reinterpreted_batch_ndims=1)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "latent_dim": self.latent_dim}


def takes_features(layer: keras.Layer) -> bool:
    """Returns whether a layer can be called as a prior is, with `features=None`."""
    return "features" in inspect.signature(layer.call).parameters


def bounded_normal(
    parameters: tf.Tensor, least: float = -10.0, greatest: float = 1.0
) -> tfd.Normal:
    """Returns N(m, s^2), in float32 under any policy, with log s between two bounds.

        log s = b tanh(raw / b),    b = greatest where raw > 0, else -least

    Bounds keep the scale finite without cutting its gradient; the slope at 0, s = 1, is one on both
    sides. A posterior much wider than N(0, I) serves nobody, but a large step of a weight makes one
    whose KL, s^2 / 2, then rules the training: with log s = 10 it is 2e8 nats.

    Args:
        parameters: Means m and raw log scales, joined along the last axis, `[..., 2 d]`.
        least: Lower bound of log s, below 0.
        greatest: Upper bound of log s, above 0.
    """
    mean, raw = tf.split(as_float32(parameters), 2, axis=-1)
    bound = tf.where(raw > 0.0, tf.cast(greatest, raw.dtype), tf.cast(-least, raw.dtype))
    return tfd.Normal(mean, tf.exp(bound * tf.tanh(raw / bound)))


def sample_with_kl(
    posterior: tfd.Distribution, prior: tfd.Distribution, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns one sample of each posterior, and its KL divergence from the prior.

        KL = E_q[log q(z) - log pi(z)]

    In closed form where TensorFlow Probability knows one, else estimated at the sample itself, by
    one forward pass of a flow.

    Args:
        posterior: q(z | x), batch shape `[B]`, event shape `[d]`.
        prior: pi(z), batch shape `[]`, event shape `[d]`.
        seed: int32[2].

    Returns:
        z, `[B, d]`, and the KL in nats, `[B]`.
    """
    try:
        kl = tfd.kl_divergence(posterior, prior)
    except NotImplementedError:
        z, log_density = posterior.experimental_sample_and_log_prob(seed=seed)
        return z, log_density - prior.log_prob(z)
    return posterior.sample(seed=seed), kl


def centre(posterior: tfd.Distribution) -> tf.Tensor:
    """Returns the mean of each posterior, `[B, d]`; of a flow, where it carries its base's mean."""
    try:
        return posterior.mean()
    except NotImplementedError:
        return posterior.bijector.forward(posterior.distribution.mean())
