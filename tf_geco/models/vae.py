"""The variational auto-encoder, with any networks and any posterior."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.checks import one_of
from tf_geco.models.chosen import Chosen
from tf_geco.models.decoded import decoded_shapes, draw_of, likelihood_of, output_shapes, outputs_of
from tf_geco.networks.presets import ends_in_sigmoid
from tf_geco.objectives import Objective
from tf_geco.posteriors import Posterior, StandardNormal, centre, sample_with_kl
from tf_geco.posteriors.posterior import takes_features


@keras.saving.register_keras_serializable(package="tf_geco")
class VAE(Chosen):
    """A variational auto-encoder: encoder -> posterior -> decoder.

        h = encoder(x),   z ~ q(z | x) = posterior(h),   g(z) = decoder(z)

    Any Keras networks go in, for data of any rank. Where the objective has a `tf_geco.Range`, one
    training serves all of its tolerances, and most methods take a `tolerance`.

    Args:
        encoder: A Keras model or layer, data `[B, ...]` -> features `[B, H]`.
        decoder: A Keras model or layer, latents `[B, d]` -> reconstruction, shaped like the data.
            Where the objective has a `NegativeLogLikelihood`: -> what its likelihood needs, an
            array or a dictionary of them. The reconstruction is then the mean of the likelihood.
        posterior: A `tf_geco.posteriors.Posterior`, features -> distribution over latents.
        objective: `tf_geco.GECO(...)`, or `tf_geco.ELBO(...)` for the baselines.
        prior: A layer that returns a distribution over latents when called with `features=None`, by
            default N(0, I).
        seed: Seed of the model's noise, or `None` for one that `keras.utils.set_random_seed`
            determines.

    Call arguments:
        x: Data, `[B, ...]`.
        training: Whether the networks train (dropout, batch normalisation).
        level: Of a range, the level of each example, `[B]`, by default that of `model.tolerance`.

    Call returns:
        `{"reconstruction": [B, ...], "kl": [B], "latents": [B, d]}`, in float32, and with a
        likelihood `"parameters"`, what the decoder returned.

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

    Counts, such as those of genes in cells `[N, 200]`, have a likelihood of their own:

    ```python
    logarithm = keras.layers.Activation(keras.ops.log1p)
    encoder = keras.Sequential([logarithm, keras.layers.Dense(64, "gelu")])
    decoder = keras.Sequential([keras.layers.Dense(64, "gelu"), keras.layers.Dense(2 * 200)])
    nll = tf_geco.constraints.NegativeLogLikelihood(380.0, "negative_binomial")
    model = tf_geco.VAE(
        encoder, decoder, tf_geco.posteriors.DiagonalNormal(latent_dim=8), tf_geco.GECO([nll])
    )
    model.compile("adam")
    model.fit(counts, epochs=20)
    means, data = model.sample(9, seed=0), model.sample(9, seed=0, draw="data")
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
        given = {"encoder": encoder, "decoder": decoder}
        given |= {} if prior is None else {"prior": prior}
        for name, layer in given.items():
            if not isinstance(layer, keras.Layer):
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
        data_shape = (None, *input_shape[1:])
        decoded = output_shapes(
            self.likelihood, decoded_shapes(self.decoder, latents_shape), data_shape
        )
        if self.encoder_gate is not None:
            self.encoder_gate.build(features.shape)
            self.decoder_gate.build(latents_shape)
        if not self.objective.built:
            outputs = {**decoded, "kl": (None,), "latents": latents_shape}
            self.objective.build(input_shape, None, outputs)
        self.data_shape, self.latents_shape = data_shape, latents_shape

    @property
    def likelihood(self) -> Any:
        """The likelihood of the objective's `NegativeLogLikelihood`; `None` without one."""
        return likelihood_of(self.objective)

    def in_unit_range(self, x: Any) -> tf.Tensor | None:
        """Returns the target, if the decoder ends in a sigmoid or it has the rank of images."""
        bounded = self.likelihood is None and ends_in_sigmoid(self.decoder)
        return self.target(x) if bounded else super().in_unit_range(x)

    def call(self, x: Any, training: bool = False, level: Any = None) -> dict[str, tf.Tensor]:
        """Returns reconstruction, KL and latents of a batch."""
        drawn = {} if level is None else {"level": level}
        level = self.level_of() if level is None else level
        features = self.gated(self.encoder_gate, self.encoder(x, training=training), level)
        posterior = self.posterior_layer(features)
        encoded = sample_with_kl(posterior, self.prior(), self.make_seed(None, training))
        decoder_learns = training and self.decoder.trainable_variables
        latents, kl = self.objective.with_head_start(*encoded) if decoder_learns else encoded
        gated = self.gated(self.decoder_gate, latents, level)
        decoded = outputs_of(self.likelihood, self.decoder(gated, training=training))
        return {**decoded, "kl": kl, "latents": latents, **drawn}

    def posterior(self, x: Any, *, tolerance: float | None = None) -> tfd.Distribution:
        """Returns q(z | x), batch shape `[B]`, event shape `[d]`."""
        features = self.encoder(x, training=False)
        return self.posterior_layer(
            self.gated(self.encoder_gate, features, self.level_of(tolerance))
        )

    def prior(self) -> tfd.Distribution:
        """Returns pi(z), event shape `[d]`."""
        return self.prior_layer(features=None)

    def encode(
        self, x: Any, seed: int | None = None, *, tolerance: float | None = None
    ) -> tf.Tensor:
        """Returns latents of `x`, one sample of its posterior, `[B, d]`.

        Args:
            x: Data, `[B, ...]`.
            seed: An integer for the same noise each time, or `None` for fresh noise.
            tolerance: Of a range, which to serve, by default `model.tolerance`.
        """
        return self.posterior(x, tolerance=tolerance).sample(seed=self.make_seed(seed))

    def encode_mean(self, x: Any, *, tolerance: float | None = None) -> tf.Tensor:
        """Returns the mean latents of `x`, without noise, `[B, d]`.

        A flow has no mean in closed form: what is returned is where it carries its base's mean.

        Args:
            x: Data, `[B, ...]`.
            tolerance: Of a range, which to serve, by default `model.tolerance`.
        """
        return centre(self.posterior(x, tolerance=tolerance))

    @property
    def has_normal_prior(self) -> bool:
        """Whether the prior is N(0, I)."""
        return isinstance(self.prior_layer, StandardNormal)

    def decode(
        self,
        latents: Any,
        seed: int | None = None,
        *,
        draw: str = "mean",
        tolerance: float | None = None,
    ) -> tf.Tensor:
        """Returns g(z), data `[B, ...]` for latents `[B, d]`.

        Args:
            latents: `[B, d]`.
            seed: An integer for the same data each time; a mean takes none.
            draw: `"mean"`: what the decoder returns, or the mean of the likelihood made of it. Or
                `"data"`: a draw of that likelihood, with its noise.
            tolerance: Of a range, which to serve, by default `model.tolerance`.

        Raises:
            ValueError: If there is no such `draw`, or no likelihood to draw data from.
        """
        gated = self.gated(self.decoder_gate, latents, self.level_of(tolerance))
        decoded = self.decoder(gated, training=False)
        if one_of(("mean", "data"), draw, "draw") == "mean":
            return outputs_of(self.likelihood, decoded)["reconstruction"]
        # Folded, or the noise would be that of the latents of the same seed.
        folded = tf.random.experimental.stateless_fold_in(self.make_seed(seed), 1)
        return draw_of(self.likelihood, decoded, folded)

    def sample(
        self,
        n: int,
        seed: int | None = None,
        *,
        draw: str = "mean",
        tolerance: float | None = None,
    ) -> tf.Tensor:
        """Returns `n` new examples, decoded from the prior.

        Args:
            n: Number of examples; for very many see `generate`.
            seed: An integer for the same examples each time, or `None` for new ones.
            draw: `"mean"` or `"data"`, as in `decode`.
            tolerance: Of a range, which to serve, by default `model.tolerance`.
        """
        latents = self.prior().sample(n, seed=self.make_seed(seed))
        return self.decode(latents, seed, draw=draw, tolerance=tolerance)

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
