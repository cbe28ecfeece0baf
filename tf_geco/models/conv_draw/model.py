"""ConvDRAW: a recurrent, hierarchical VAE of images, unconditional and conditional."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.checks import flag, positive_integer, positive_integers
from tf_geco.dtypes import as_float32
from tf_geco.models.conv_draw.conditional import ConditionalModel
from tf_geco.models.conv_draw.network import DrawNetwork
from tf_geco.models.conv_draw.representation import representation_for
from tf_geco.networks.presets import image_sizes
from tf_geco.objectives import Objective

PRESETS = {
    "small": {"steps": 4, "latent_channels": 4, "hidden_channels": 24, "kernel_size": 3},
    "large": {"steps": 32, "latent_channels": 12, "hidden_channels": 320, "kernel_size": 5},
}


@keras.saving.register_keras_serializable(package="tf_geco")
class ConvDRAW(ConditionalModel):
    """ConvDRAW: T times, look at what is still wrong, draw latents, add to a canvas.

        z_t ~ q(z_t | x, r_{t-1}, h_{t-1}),    p(z_t | z_{<t}) = N(conv(h_{t-1})),    h = h_dec
        r_t = r_{t-1} + write(h_t),            g(z) = sigmoid(r_T)
        KL = sum_t KL(q(z_t) || p(z_t))

    Its capacity is what a fixed beta cannot tame. With a `context_shape` it is conditional: it
    trains on `{"context": [B, ...], "target": [B, H, W, C]}`, a representation of the context joins
    both cores and the prior, and it predicts targets from contexts.

    Args:
        image_shape: (H, W, C) of the images, in [0, 1].
        objective: `tf_geco.GECO(...)`, or `tf_geco.ELBO(...)` for the baselines.
        steps: Number T of steps: 8 does for 28 x 28 pixels, 16 for 32 x 32.
        latent_channels: Channels of each z_t, which has half the resolution of the image.
        hidden_channels: Channels of either core, a ConvLSTM.
        kernel_size: Side of all kernels.
        context_shape: Shape of a context, or `None` for no context.
        representation: A Keras layer, context -> maps `[B, ceil(H / 2), ceil(W / 2), R]`; there is
            a default for contexts that are images of H x W.
        share_weights: Whether all steps have the same weights.
        learn_sigma: Whether to learn the scale of a Gaussian output: then there is an output
            `"mean_and_scale"`, `[B, H, W, 2 C]`, for `NegativeLogLikelihood(k, "normal")`.
        unroll: Whether to write the steps out one by one. A loop (`False`) traces as fast for many
            steps as for few, and runs slower; XLA on a CPU refuses it.
        rematerialize: Whether to compute each step a second time in the backward pass instead of
            keeping what it computed: less memory, more time.
        seed: Seed of the model's noise, or `None` for one that `keras.utils.set_random_seed`
            determines.

    Call arguments:
        x: Images `[B, H, W, C]`, or the dictionary of context and target.

    Call returns:
        `{"reconstruction": [B, H, W, C], "kl": [B], "kl_per_step": [B, T], "latents":
        [B, T, h, w, latent_channels]}`, in float32.

    Raises:
        ValueError: If a size is not a positive integer, or arguments contradict each other.

    Example:
    ```python
    geco = tf_geco.GECO([tf_geco.constraints.ReconstructionError(0.1)])
    model = tf_geco.ConvDRAW.from_preset("small", (28, 28, 1), geco)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(images, epochs=10)
    sketches = model.sample(16, steps=2)  # two steps drawn, the others at their prior's mean
    ```

    Reference:
        Gregor et al., "Towards conceptual compression", 2016, arXiv:1604.08772; Eslami et al.,
        "Neural scene representation and rendering", 2018, for the conditional form.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        objective: Objective,
        *,
        steps: int = 8,
        latent_channels: int = 12,
        hidden_channels: int = 64,
        kernel_size: int = 5,
        context_shape: Sequence[int] | None = None,
        representation: keras.Layer | None = None,
        share_weights: bool = True,
        learn_sigma: bool = False,
        unroll: bool = True,
        rematerialize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(objective, **kwargs)
        self.image_shape = image_sizes(image_shape)
        self.steps = positive_integer(steps, "steps")
        self.sizes = {
            "latent_channels": positive_integer(latent_channels, "latent_channels"),
            "hidden_channels": positive_integer(hidden_channels, "hidden_channels"),
            "kernel_size": positive_integer(kernel_size, "kernel_size"),
        }
        self.options = {
            "share_weights": flag(share_weights, "share_weights"),
            "unroll": flag(unroll, "unroll"),
            "rematerialize": flag(rematerialize, "rematerialize"),
        }
        if not unroll and (rematerialize or not share_weights):
            raise ValueError(
                "A loop runs the same weights at each step, and TensorFlow cannot recompute within "
                "it: `share_weights=False` and `rematerialize=True` need `unroll=True`. Received: "
                f"unroll=False, share_weights={share_weights}, rematerialize={rematerialize}."
            )
        self.learn_sigma = flag(learn_sigma, "learn_sigma")
        self.data_shape = (None, *self.image_shape)
        if context_shape is not None:
            context_shape = positive_integers(context_shape, "context_shape")
        self.context_shape = None if context_shape is None else (None, *context_shape)
        self.representation: Any = representation_for(
            context_shape,
            self.image_shape,
            representation,
            self.sizes["hidden_channels"],
            self.sizes["kernel_size"],
        )
        self.build(self.input_shapes())

    @classmethod
    def from_preset(
        cls, preset: str, image_shape: Sequence[int], objective: Objective, **options: Any
    ) -> "ConvDRAW":
        """Returns a ConvDRAW of tried sizes.

        Args:
            preset: `"small"`, for a CPU; `"large"`, for accelerators: the largest sizes of
                "Towards conceptual compression", since "Taming VAEs" prints none.
            image_shape: (H, W, C).
            objective: As in `ConvDRAW`.
            **options: Further arguments of `ConvDRAW`, or others than the preset's.

        Raises:
            ValueError: If there is no such preset.
        """
        if preset not in PRESETS:
            raise ValueError(
                f"`preset` must be one of {', '.join(PRESETS)}. Received: preset={preset!r}."
            )
        return cls(image_shape, objective, **{**PRESETS[preset], **options})

    def build(self, input_shape: Any) -> None:
        """Creates all weights; the shapes are known from the start."""
        if self.built:
            return
        self.network = DrawNetwork(
            self.image_shape,
            self.steps,
            {**self.sizes, "context_channels": self.represented_shape()[-1]},
            **self.options,
            dtype=self.dtype_policy,
        )
        self.network.build()
        if self.learn_sigma:
            self.log_sigma = self.add_weight(name="log_sigma", shape=(), initializer="zeros")
        self.latents_shape = (None, self.steps, *self.network.maps, self.sizes["latent_channels"])
        if not self.objective.built:
            outputs = {"reconstruction": self.data_shape, "latents": self.latents_shape}
            self.objective.build(self.data_shape, None, {**outputs, "kl": (None,)})

    def call(self, x: Any, training: bool = False) -> dict[str, tf.Tensor]:
        """Returns reconstruction, KL and latents of a batch."""
        return self._infer(x, None, training)

    def encode(self, x: Any, seed: int | None = None) -> tf.Tensor:
        """Returns latents of `x`, one sample, `[B, T, h, w, latent_channels]`.

        Args:
            x: Images, or the dictionary of context and target.
            seed: An integer for the same noise each time, or `None` for fresh noise.
        """
        return self._infer(x, seed)["latents"]

    def encode_mean(self, x: Any) -> tf.Tensor:
        """Returns latents of `x` without noise: of each step the mean, given those before."""
        return self._infer(x, seed=0, noisy=False)["latents"]

    def decode(self, latents: Any, context: Any = None) -> tf.Tensor:
        """Returns the images that latents `[B, T, h, w, latent_channels]` stand for."""
        return self.network.decode(tf.convert_to_tensor(latents), self.represent(context))

    def reconstruct(self, x: Any, seed: int | None = None) -> tf.Tensor:
        """Returns the images as the model reconstructs them, from a sample of their latents.

        Args:
            x: Images, or the dictionary of context and target.
            seed: An integer for the same noise each time, or `None` for fresh noise.
        """
        return self._infer(x, seed)["reconstruction"]

    def sample(
        self,
        n: int | None = None,
        seed: int | None = None,
        *,
        context: Any = None,
        steps: int | None = None,
    ) -> tf.Tensor:
        """Returns new images from the prior: `n` of them, or one for each context.

        Args:
            n: Number of images; a conditional model takes `context` instead.
            seed: An integer for the same images each time, or `None` for new ones.
            context: Contexts `[B, ...]` of a conditional model.
            steps: Number of first steps to draw. The others take the mean of their prior: what is
                drawn sets the outline, the rest follows from it. All by default.

        Raises:
            ValueError: If the model needs a context and gets none, or the reverse.
        """
        represented = self.represent(context)
        if (n is None) == (context is None):
            raise ValueError(f"Give either `n` or `context`. Received: n={n}, context={context!r}.")
        n = tf.shape(context)[0] if n is None else n
        drawn = tf.range(self.steps) < (self.steps if steps is None else steps)
        noise = tf.where(drawn[:, None, None, None, None], self._noise(n, seed), 0.0)
        return self.network.draw(noise, represented)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        return {
            **super().get_config(),
            **self.sizes,
            **self.options,
            "image_shape": self.image_shape,
            "steps": self.steps,
            "context_shape": self.context_shape and self.context_shape[1:],
            "representation": keras.saving.serialize_keras_object(self.representation),
            "learn_sigma": self.learn_sigma,
        }

    def _infer(
        self, x: Any, seed: int | None, training: bool = False, noisy: bool = True
    ) -> dict[str, tf.Tensor]:
        images = as_float32(tf.convert_to_tensor(self.target(x)))
        context = self.represent(self.context(x), training)
        noise = self._noise(tf.shape(images)[0], seed, training)
        outputs = self.network.infer(images, context, noise if noisy else tf.zeros_like(noise))
        if self.learn_sigma:
            mean = outputs["reconstruction"]
            scale = tf.ones_like(mean) * as_float32(tf.exp(self.log_sigma))
            outputs["mean_and_scale"] = tf.concat([mean, scale], axis=-1)
        return outputs

    def _noise(self, n: Any, seed: int | None, training: bool = False) -> tf.Tensor:
        """Returns standard normal noise, `[T, n, h, w, latent_channels]`."""
        _, steps, *maps = self.latents_shape
        noise = tfd.Normal(0.0, 1.0).sample([steps, n, *maps], seed=self.make_seed(seed, training))
        return tf.ensure_shape(noise, [steps, None, *maps])
