"""The recurrence of ConvDRAW, from images to latents and from latents to images."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.dtypes import as_float32
from tf_geco.models.conv_draw.recomputed import recomputed
from tf_geco.models.conv_draw.step import DrawStep, State, Views
from tf_geco.strategies import has_accelerator


class DrawNetwork(keras.layers.Layer):
    """All steps of ConvDRAW, which share their weights or have each their own.

    Args:
        image_shape: (H, W, C).
        steps: Number T of steps.
        sizes: Arguments of `DrawStep`: channels and kernel size.
        share_weights: Whether all steps are the same `DrawStep`.
        unroll: Whether to write the steps out one by one, or to loop.
        rematerialize: Whether to compute each step again in the backward pass.
    """

    def __init__(
        self,
        image_shape: tuple[int, ...],
        steps: int,
        sizes: dict[str, int],
        *,
        share_weights: bool,
        unroll: bool,
        rematerialize: bool,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.image_shape, self.steps = image_shape, steps
        self.unroll, self.rematerialize = unroll, rematerialize
        # XLA runs convolutions in a loop many times slower on a CPU; Keras then leaves it out.
        self.supports_jit = unroll or has_accelerator()
        height, width, channels = image_shape
        self.maps = ((height + 1) // 2, (width + 1) // 2)
        options = {**sizes, "canvas_channels": 4 * channels, "dtype": self.dtype_policy}
        self.cells = [DrawStep(**options) for _ in range(1 if share_weights else steps)]

    def build(self, input_shape: Any = None) -> None:
        """Creates the weights of all steps."""
        for cell in self.cells:
            cell.build((None, *self.maps, cell.canvas_channels))

    def infer(self, image: tf.Tensor, context: Any, noise: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns canvas, latents and KL of each step.

        Args:
            image: x, `[B, H, W, C]`.
            context: Representation of the context, `[B, h, w, R]`, or `None`.
            noise: Standard normal, `[T, B, h, w, latent_channels]`.
        """
        folded = self._fold(image)

        def advance(cell: DrawStep, given: tuple, carry: tuple, noise: tf.Tensor) -> tuple:
            views, folded = given
            return cell.infer(carry[0], views, folded, noise)

        zeros = (tf.zeros_like(noise[0]), tf.zeros_like(noise[0, :, 0, 0, 0]))
        state = self.cells[0].first(tf.shape(image)[0], *self.maps)
        given = [(cell.views(folded, context), folded) for cell in self.cells]
        canvas, latents, kl = self._recur(advance, given, (state, *zeros), noise)
        return {
            "reconstruction": self._image(canvas),
            "kl": tf.reduce_sum(kl, axis=0),
            "kl_per_step": tf.transpose(kl),
            "latents": tf.transpose(latents, [1, 0, 2, 3, 4]),
        }

    def draw(self, noise: tf.Tensor, context: Any) -> tf.Tensor:
        """Returns images from the prior, for noise `[T, B, h, w, latent_channels]`."""

        def latents(cell: DrawStep, views: Views, state: State, noise: tf.Tensor) -> tf.Tensor:
            prior = cell.prior(state, views)
            return prior.loc + prior.scale * noise

        return self._generate(latents, noise, context)

    def decode(self, latents: tf.Tensor, context: Any) -> tf.Tensor:
        """Returns images from latents `[B, T, h, w, latent_channels]`."""
        return self._generate(
            lambda cell, views, state, z: z, tf.transpose(latents, [1, 0, 2, 3, 4]), context
        )

    def _generate(self, latents: Callable, inputs: tf.Tensor, context: Any) -> tf.Tensor:
        def advance(cell: DrawStep, views: Views, carry: tuple, part: tf.Tensor) -> tuple:
            state, *rest = carry
            return cell.generate(state, views, latents(cell, views, state, part)), *rest

        state = self.cells[0].first(tf.shape(inputs)[1], *self.maps)
        views = [cell.views(None, context) for cell in self.cells]
        return self._image(self._recur(advance, views, (state,), inputs)[0])

    def _recur(
        self, advance: Callable, given: list, carry: tuple, inputs: tf.Tensor
    ) -> list[tf.Tensor]:
        """Returns the last canvas, and all further parts of what `advance` returns, `[T, ...]`."""

        def step(index: int, carry: tuple, part: tf.Tensor) -> tuple:
            index %= len(self.cells)
            return advance(self.cells[index], given[index], carry, part)

        if not self.unroll:
            state, *rest = tf.scan(lambda carry, part: step(0, carry, part), inputs, carry)
            return [state.canvas[-1], *rest]
        if self.rematerialize:
            parts = [part for part in tf.nest.flatten(given) if tf.is_tensor(part)]
            take = lambda index, state, part: step(index, (state, *carry[1:]), part)  # noqa: E731
            state, rest = recomputed(take, self.steps, carry[0], parts, inputs)
            return [state.canvas, *rest]
        history = []
        for index in range(self.steps):
            carry = step(index, carry, inputs[index])
            history.append(carry[1:])
        return [carry[0].canvas, *[tf.stack(parts) for parts in zip(*history, strict=True)]]

    def _fold(self, image: tf.Tensor) -> tf.Tensor:
        """Returns `[B, h, w, 4 C]`: blocks of 2 x 2 pixels as channels; odd sides are padded."""
        height, width, _ = self.image_shape
        padded = tf.pad(image, [[0, 0], [0, height % 2], [0, width % 2], [0, 0]])
        return tf.nn.space_to_depth(as_float32(padded), 2)

    def _image(self, canvas: tf.Tensor) -> tf.Tensor:
        """Returns g, `[B, H, W, C]`."""
        height, width, _ = self.image_shape
        return tf.sigmoid(tf.nn.depth_to_space(canvas, 2)[:, :height, :width])
