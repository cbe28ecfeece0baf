"""One step of ConvDRAW: look, encode, draw latents, decode, write."""

from typing import Any, NamedTuple

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.dtypes import as_float32
from tf_geco.posteriors import bounded_normal


class Core(NamedTuple):
    """The state of a convolutional LSTM: output h and memory c, both `[B, h, w, K]`."""

    output: tf.Tensor
    memory: tf.Tensor


class State(NamedTuple):
    """What one step of ConvDRAW hands to the next: canvas `[B, h, w, 4 C]` and both cores."""

    canvas: tf.Tensor
    encoder: Core
    decoder: Core


class Views(NamedTuple):
    """What does not change from step to step: its share of the gates and of the prior, or zero."""

    encoder: Any
    decoder: Any
    prior: Any


class ConvLSTM(keras.layers.Layer):
    """A convolutional LSTM, one step at a time.

        i, f, o, g = split(W * [input, h] + view)
        c <- sigmoid(f + 1) c + sigmoid(i) tanh(g),    h <- sigmoid(o) tanh(c)

    `keras.layers.ConvLSTM2D` runs over whole sequences; DRAW's next input depends on its output.

    Args:
        channels: Number K of channels of the state.
        kernel_size: Side of the kernel W.

    Reference:
        Shi et al., "Convolutional LSTM network", 2015, arXiv:1506.04214.
    """

    def __init__(self, channels: int, kernel_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        self.gates = _conv(4 * channels, kernel_size, self.dtype_policy)

    def build(self, input_shape: Any) -> None:
        """Creates the kernel."""
        self.gates.build((*input_shape[:-1], input_shape[-1] + self.channels))

    def advance(self, inputs: list[tf.Tensor], core: Core, view: Any) -> Core:
        """Returns the next state, from inputs that are joined along their channels."""
        inputs = [tf.cast(part, self.compute_dtype) for part in [*inputs, core.output]]
        gates = self.gates(tf.concat(inputs, axis=-1)) + view
        write, keep, show, new = tf.split(gates, 4, axis=-1)
        memory = tf.sigmoid(keep + 1.0) * core.memory + tf.sigmoid(write) * tf.tanh(new)
        return Core(tf.sigmoid(show) * tf.tanh(memory), memory)


class DrawStep(keras.layers.Layer):
    """One step of the recurrence, at half the resolution of the image.

        h_enc <- LSTM([x, x - mean(r), h_dec], h_enc),   z ~ q = N(W_q * h_enc)
        p = N(W_p * h_dec),   h_dec <- LSTM([z, r], h_dec),   r <- r + W_r * h_dec

    The prior p is that of the state before z is known. Images go in and out with each 2 x 2 block
    of pixels as channels, so reading at stride 2 is part of the kernels of the cores. The share of
    x and of a context in all of this is the same at each step: `views` gives it once.

    Args:
        latent_channels: Channels of z.
        hidden_channels: Channels of either core.
        kernel_size: Side of all kernels.
        canvas_channels: 4 C, for images of C channels.
        context_channels: Channels of the representation of a context, 0 without one.

    Reference:
        Gregor et al., "Towards conceptual compression", 2016, arXiv:1604.08772, Section 2.
    """

    def __init__(
        self,
        latent_channels: int,
        hidden_channels: int,
        kernel_size: int,
        canvas_channels: int,
        context_channels: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.latent_channels, self.hidden_channels = latent_channels, hidden_channels
        self.canvas_channels, self.context_channels = canvas_channels, context_channels
        self.encoder = ConvLSTM(hidden_channels, kernel_size, dtype=policy)
        self.decoder = ConvLSTM(hidden_channels, kernel_size, dtype=policy)
        self.to_posterior = _conv(2 * latent_channels, kernel_size, policy)
        self.to_prior = _conv(2 * latent_channels, kernel_size, policy)
        self.write = _conv(canvas_channels, kernel_size, policy)
        self.image_view = _conv(4 * hidden_channels, kernel_size, policy, use_bias=False)
        self.context_views = [
            _conv(channels, kernel_size, policy, use_bias=False)
            for channels in (4 * hidden_channels, 4 * hidden_channels, 2 * latent_channels)
            if context_channels
        ]

    def build(self, image_shape: Any) -> None:
        """Creates the kernels, for images `[B, h, w, 4 C]`."""
        maps, canvas, hidden = image_shape[:-1], self.canvas_channels, self.hidden_channels
        self.encoder.build((*maps, canvas + hidden))
        self.decoder.build((*maps, canvas + self.latent_channels))
        for layer in (self.to_posterior, self.to_prior, self.write):
            layer.build((*maps, hidden))
        self.image_view.build((*maps, canvas))
        for layer in self.context_views:
            layer.build((*maps, self.context_channels))

    def views(self, image: tf.Tensor | None, context: tf.Tensor | None) -> Views:
        """Returns the share of an image and of a representation, each if there is one."""
        of_image = 0.0 if image is None else self.image_view(image)
        if context is None:
            return Views(of_image, 0.0, 0.0)
        encoder, decoder, prior = [layer(context) for layer in self.context_views]
        return Views(of_image + encoder, decoder, prior)

    def infer(
        self, state: State, views: Views, image: tf.Tensor, noise: tf.Tensor
    ) -> tuple[State, tf.Tensor, tf.Tensor]:
        """Returns the next state, latents drawn from the posterior, and its KL from the prior.

        Args:
            state: From the step before.
            views: What `views` returned.
            image: x, `[B, h, w, 4 C]`.
            noise: Standard normal, shaped like z.
        """
        prior = self.prior(state, views)
        error = image - tf.sigmoid(state.canvas)
        encoder = self.encoder.advance([error, state.decoder.output], state.encoder, views.encoder)
        posterior = bounded_normal(self.to_posterior(encoder.output))
        z = posterior.loc + posterior.scale * noise
        kl = tf.reduce_sum(tfd.kl_divergence(posterior, prior), axis=[1, 2, 3])
        return self.generate(state._replace(encoder=encoder), views, z), z, kl

    def prior(self, state: State, views: Views) -> tfd.Normal:
        """Returns p(z | what was drawn before), `[B, h, w, latent_channels]`."""
        return bounded_normal(self.to_prior(state.decoder.output) + views.prior)

    def generate(self, state: State, views: Views, z: tf.Tensor) -> State:
        """Returns the next state, from latents."""
        decoder = self.decoder.advance([z, state.canvas], state.decoder, views.decoder)
        canvas = state.canvas + as_float32(self.write(decoder.output))
        return State(canvas, state.encoder, decoder)

    def first(self, batch: tf.Tensor, height: int, width: int) -> State:
        """Returns the state before the first step: zeros."""
        core = tf.zeros([batch, height, width, self.hidden_channels], self.compute_dtype)
        canvas = as_float32(tf.zeros([batch, height, width, self.canvas_channels], core.dtype))
        return State(canvas, Core(core, core), Core(core, core))


def _conv(channels: int, kernel_size: int, dtype: Any, **options: Any) -> keras.layers.Conv2D:
    return keras.layers.Conv2D(channels, kernel_size, padding="same", dtype=dtype, **options)
