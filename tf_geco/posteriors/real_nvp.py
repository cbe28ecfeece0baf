"""The conditional RealNVP posterior."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import layers
from tensorflow_probability import distributions as tfd

from tf_geco.checks import positive_integer, positive_number
from tf_geco.posteriors.diagonal_normal import DiagonalNormal
from tf_geco.posteriors.flow import Flow, Steps
from tf_geco.posteriors.posterior import Posterior


@keras.saving.register_keras_serializable(package="tf_geco")
class RealNVP(Posterior):
    """A conditional normalizing flow, whose posteriors can take any shape that data ask for.

        u ~ N(m(h), diag(s(h)^2)),    z = f_K( ... f_1(u; h) ...; h)

    Each coupling f_k keeps one half a of the latents, and scales and shifts the other half b:

        a' = a,    b' = b exp(r) + t,    (r, t) = network_k(a, h),    |r| < max_log_scale

    and the halves change places from one coupling to the next. The flow starts as the identity, so
    that training starts from a diagonal normal. Its Kullback-Leibler divergence has no closed form;
    the models estimate it at one sample, which a single forward pass draws and weighs.

    Densities broadcast: `log_prob` of samples `[S, 1, d]` against the features of n examples is
    `[S, n]`, and what the networks make of features is computed once for each example.

    Args:
        latent_dim: Number of latent dimensions d, at least 2.
        couplings: Number K of couplings. Four is two passes over all latents.
        hidden: Width of each network's hidden layer, or a sequence of several.
        max_log_scale: Bound of the log scale r of one coupling. The default, 2, lets one coupling
            scale by at most 7.4, enough to shape a density and too little to overflow.
        name: Name of the layer.

    Call arguments:
        features: The encoder's output, `[B, H]`.

    Raises:
        ValueError: If `latent_dim` is not an integer of at least 2, another number is not positive,
            or the features are not `[B, H]`.

    Example:
    ```python
    q = tf_geco.posteriors.RealNVP(latent_dim=8)(tf.ones([3, 64]))
    z, log_density = q.experimental_sample_and_log_prob(seed=1)  # [3, 8], [3]
    q.log_prob(z[:, tf.newaxis]).shape  # [3, 3], each sample under each posterior
    ```

    Reference:
        Dinh et al., "Density estimation using Real NVP", 2017, arXiv:1605.08803; Rezende and Viola,
        "Taming VAEs", 2018, Section 4.1 ("fully connected conditional NVP"). The paper does not
        give the sizes of its networks: the ones here are ours.
    """

    def __init__(
        self,
        latent_dim: int,
        couplings: int = 4,
        hidden: int | Sequence[int] = 128,
        *,
        max_log_scale: float = 2.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(latent_dim, name=name, **kwargs)
        if self.latent_dim < 2:
            raise ValueError(
                "A coupling shifts one half of the latents by a function of the other, so "
                "`latent_dim` must be at least 2; for a single latent use `DiagonalNormal`. "
                f"Received: latent_dim={latent_dim}."
            )
        self.couplings = positive_integer(couplings, "couplings")
        widths = hidden if isinstance(hidden, Sequence) else [hidden]
        self.hidden = tuple(positive_integer(width, "hidden") for width in widths)
        if not self.hidden:
            raise ValueError(f"`hidden` must have at least one width. Received: hidden={hidden}.")
        self.max_log_scale = positive_number(max_log_scale, "max_log_scale")

    def build(self, features_shape: Any) -> None:
        """Creates the base distribution and one network for each coupling."""
        self.check_features(features_shape)
        # A density in less than 32 bits would be noise, whatever the policy of the model.
        dtype = "float64" if self.compute_dtype == "float64" else "float32"
        self.base = DiagonalNormal(self.latent_dim, dtype=dtype)
        self.base.build(features_shape)
        self.networks = []
        for index in range(self.couplings):
            kept = _kept(self.latent_dim, index)
            network = CouplingNetwork(
                self.latent_dim - kept, self.hidden, self.max_log_scale, dtype=dtype
            )
            network.build((None, kept), features_shape)
            self.networks.append(network)

    def call(self, features: tf.Tensor) -> tfd.Distribution:
        """Returns q(z | x), in float32 under any precision policy."""
        features = tf.cast(features, self.base.compute_dtype)
        steps = [
            AffineCoupling(network.given(features), _kept(self.latent_dim, index), index % 2 == 0)
            for index, network in enumerate(self.networks)
        ]
        return Flow(self.base(features), Steps(steps))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        sizes = {"couplings": self.couplings, "hidden": list(self.hidden)}
        return {**super().get_config(), **sizes, "max_log_scale": self.max_log_scale}


class AffineCoupling(NamedTuple):
    """One half of the latents stays, and says how the other half is scaled and shifted.

    Args:
        network: The half that stays, `[..., kept]` -> log scale and shift of the other half.
        kept: Number of latents that stay.
        keeps_first: Whether the first half stays, or the last.
    """

    network: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    kept: int
    keeps_first: bool

    def forward(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the latents after the coupling, and log |det|."""
        a, b = self._halves(z)
        log_scale, shift = self.network(a)
        return self._join(a, b * tf.exp(log_scale) + shift), tf.reduce_sum(log_scale, axis=-1)

    def inverse(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the latents before the coupling, and log |det| of the way back."""
        a, b = self._halves(z)
        log_scale, shift = self.network(a)
        return self._join(a, (b - shift) * tf.exp(-log_scale)), -tf.reduce_sum(log_scale, axis=-1)

    def _halves(self, z: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        if self.keeps_first:
            return z[..., : self.kept], z[..., self.kept :]
        return z[..., -self.kept :], z[..., : -self.kept]

    def _join(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        # Samples [S, 1, d] meet the features [n, H] in the half that moved.
        a = tf.broadcast_to(a, tf.concat([tf.shape(b)[:-1], [self.kept]], axis=0))
        return tf.concat([a, b] if self.keeps_first else [b, a], axis=-1)


class CouplingNetwork(layers.Layer):
    """The network of a coupling: a half of the latents and features -> log scale and shift.

        r, t = W_out relu(W_a a + W_h h + bias),    r <- c tanh(r / c)

    The same function as a dense layer on [a, h], split so that W_h h is computed once for each
    example.

    Args:
        size: Number of latents that it scales and shifts.
        hidden: Widths of the hidden layers.
        max_log_scale: c.
    """

    def __init__(
        self, size: int, hidden: Sequence[int], max_log_scale: float, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.max_log_scale = max_log_scale
        dtype = self.dtype_policy
        self.of_latents = layers.Dense(hidden[0], use_bias=False, dtype=dtype)
        self.of_features = layers.Dense(hidden[0], dtype=dtype)
        self.inner = [layers.Dense(width, activation="relu", dtype=dtype) for width in hidden[1:]]
        self.last = layers.Dense(2 * size, kernel_initializer="zeros", dtype=dtype)

    def build(self, latents_shape: Any, features_shape: Any) -> None:
        """Creates the weights."""
        self.of_latents.build(latents_shape)
        self.of_features.build(features_shape)
        width = self.of_latents.units
        for dense in [*self.inner, self.last]:
            dense.build((None, width))
            width = dense.units

    def given(self, features: tf.Tensor) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
        """Returns the network for features `[n, H]`: a `[..., n or 1, kept]` -> r and t."""
        of_features = self.of_features(features)

        def network(a: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            hidden = tf.nn.relu(self.of_latents(a) + of_features)
            for dense in self.inner:
                hidden = dense(hidden)
            raw, shift = tf.split(self.last(hidden), 2, axis=-1)
            return self.max_log_scale * tf.tanh(raw / self.max_log_scale), shift

        return network


def _kept(latent_dim: int, index: int) -> int:
    """Returns how many latents coupling `index` keeps: the first half, then the last half."""
    first = latent_dim // 2
    return first if index % 2 == 0 else latent_dim - first
