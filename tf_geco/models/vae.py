"""The variational auto-encoder, with any networks and any posterior."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.dtypes import as_float32
from tf_geco.models.latent_variable import LatentVariableModel
from tf_geco.objectives import Objective
from tf_geco.posteriors import Posterior, StandardNormal, sample_with_kl
from tf_geco.posteriors.posterior import takes_features


@keras.saving.register_keras_serializable(package="tf_geco")
class VAE(LatentVariableModel):
    """A variational auto-encoder: encoder -> posterior -> decoder.

        h = encoder(x),   z ~ q(z | x) = posterior(h),   g(z) = decoder(z)

    Any Keras networks go in, for data of any rank.

    Args:
        encoder: A Keras model or layer, data `[B, ...]` -> features `[B, H]`.
        decoder: A Keras model or layer, latents `[B, d]` -> reconstruction, shaped like the data.
        posterior: A `tf_geco.posteriors.Posterior`, features -> distribution over latents.
        objective: `tf_geco.GECO(...)`, or `tf_geco.ELBO(...)` for the baselines.
        prior: A layer that returns a distribution over latents when called with `features=None`, by
            default N(0, I).
        seed: Seed of the model's noise, or `None` for one that `keras.utils.set_random_seed`
            determines.

    Call arguments:
        x: Data, `[B, ...]`.
        training: Whether the networks train (dropout, batch normalisation).

    Call returns:
        `{"reconstruction": [B, ...], "kl": [B], "latents": [B, d]}`, in float32.

    Raises:
        ValueError: If an argument is of the wrong kind, or shapes do not fit.

    Example:
    ```python
    model = tf_geco.VAE(
        *tf_geco.models.conv_networks((28, 28, 1), latent_dim=16),
        posterior=tf_geco.posteriors.DiagonalNormal(latent_dim=16),
        objective=tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)]),
    )
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(images, epochs=20)
    ```

    Reference:
        Kingma and Welling, "Auto-encoding variational Bayes", 2014; Rezende and Viola,
        "Taming VAEs", 2018, Equations 1 and 2.
    """

    def __init__(
        self,
        encoder: keras.Layer,
        decoder: keras.Layer,
        posterior: Posterior,
        objective: Objective,
        prior: keras.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(objective, **kwargs)
        given = {"encoder": encoder, "decoder": decoder, "prior": prior}
        for name, layer in given.items():
            if layer is not None and not isinstance(layer, keras.Layer):
                raise ValueError(
                    f"`{name}` must be a Keras model or layer. Received: {name}={layer!r}."
                )
        if prior is not None and not takes_features(prior):
            raise ValueError(
                "`prior` must be a layer that returns a distribution when called with "
                f"`features=None`, such as `StandardNormal`. Received: prior={prior!r}."
            )
        if not isinstance(posterior, Posterior):
            raise ValueError(
                "`posterior` must be a `tf_geco.posteriors.Posterior`. "
                f"Received: posterior={posterior!r}."
            )
        self.encoder = encoder
        self.decoder = decoder
        self.posterior_layer = posterior
        self.prior_layer = StandardNormal(posterior.latent_dim) if prior is None else prior
        if encoder.built and isinstance(getattr(encoder, "input_shape", None), tuple):
            self.build(encoder.input_shape)

    def build(self, input_shape: Any) -> None:
        """Builds networks and objective for data of a shape, and checks that all shapes fit."""
        if self.built:
            return
        latents_shape = (None, self.posterior_layer.latent_dim)
        features = self.encoder(keras.KerasTensor(input_shape))
        if not self.posterior_layer.built:
            self.posterior_layer.build(features.shape)
        reconstruction = self._decoded_shape(latents_shape)
        if tuple(reconstruction[1:]) != tuple(input_shape[1:]):
            raise ValueError(
                "`decoder` must return data of the shape that `encoder` takes. Received: a decoder "
                f"that returns {tuple(reconstruction)}, data of shape {tuple(input_shape)}."
            )
        if not self.objective.built:
            outputs = {"reconstruction": reconstruction, "kl": (None,), "latents": latents_shape}
            self.objective.build(input_shape, None, outputs)
        self.data_shape = (None, *input_shape[1:])
        self.latents_shape = latents_shape

    def _decoded_shape(self, latents_shape: tuple) -> tuple:
        expected = getattr(self.decoder, "input_shape", None) if self.decoder.built else None
        if isinstance(expected, tuple) and expected[-1] not in (None, latents_shape[-1]):
            raise ValueError(
                "`decoder` and `posterior` must have the same number of latents. Received: a "
                f"decoder for {expected[-1]}, a posterior of latent_dim={latents_shape[-1]}."
            )
        return self.decoder(keras.KerasTensor(latents_shape)).shape

    def call(self, x: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns reconstruction, KL and latents of a batch."""
        posterior = self.posterior_layer(self.encoder(x, training=training))
        latents, kl = sample_with_kl(posterior, self.prior(), self.make_seed(None, training))
        reconstruction = as_float32(self.decoder(latents, training=training))
        return {"reconstruction": reconstruction, "kl": kl, "latents": latents}

    def posterior(self, x: Any) -> tfd.Distribution:
        """Returns q(z | x), batch shape `[B]`, event shape `[d]`."""
        return self.posterior_layer(self.encoder(x, training=False))

    def prior(self) -> tfd.Distribution:
        """Returns pi(z), event shape `[d]`."""
        return self.prior_layer(features=None)

    def encode(self, x: Any, seed: int | None = None) -> tf.Tensor:
        """Returns latents of `x`, one sample of its posterior, `[B, d]`.

        Args:
            x: Data, `[B, ...]`.
            seed: An integer for the same noise each time, or `None` for fresh noise. For a mean
                instead of a sample use `model.posterior(x).mean()`.
        """
        return self.posterior(x).sample(seed=self.make_seed(seed))

    def decode(self, latents: Any) -> tf.Tensor:
        """Returns g(z), data `[B, ...]` for latents `[B, d]`."""
        return as_float32(self.decoder(latents, training=False))

    def sample(self, n: int, seed: int | None = None) -> tf.Tensor:
        """Returns `n` new examples, decoded from the prior.

        Args:
            n: Number of examples.
            seed: An integer for the same examples each time, or `None` for new ones.
        """
        return self.decode(self.prior().sample(n, seed=self.make_seed(seed)))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        parts = {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "posterior": self.posterior_layer,
            "prior": self.prior_layer,
        }
        serialize = keras.saving.serialize_keras_object
        return {**super().get_config(), **{name: serialize(part) for name, part in parts.items()}}
