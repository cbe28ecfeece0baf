"""The tolerance of a range that a model is used with."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.constraints import Range
from tf_geco.models.curve import sums_after, sums_at_levels
from tf_geco.models.latent_variable import LatentVariableModel
from tf_geco.models.served import Endpoint
from tf_geco.networks import Gate
from tf_geco.training.batch import Batch, size_of


class Chosen(LatentVariableModel):
    """A model that serves every tolerance of a `tf_geco.Range`, if its objective asks for one.

    Two gates are all that a level changes: one on the encoder's features, one on the latents that
    the decoder sees. Networks stay as they are.
    """

    serves_range = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        ranged = self.objective.range is not None
        self.encoder_gate: Any = Gate(name="encoder_gate") if ranged else None
        self.decoder_gate: Any = Gate(name="decoder_gate") if ranged else None

    @property
    def tolerance(self) -> float:
        """The tolerance with which a model of a range is used where nobody says another.

        `reconstruct`, `predict`, `score`, `evaluate`, validation and all of `tf_geco.evaluation` go
        by it; assign to it. Training sees the whole range.

        Raises:
            ValueError: If the objective has no range, or the tolerance is not within it.
        """
        self._refuse_without_range("model.tolerance")
        return float(self.objective.state_of("chosen").numpy())

    @tolerance.setter
    def tolerance(self, tolerance: float) -> None:
        self._refuse_without_range(tolerance)
        self.objective.state_of("chosen").assign(self._told(tolerance))

    def after_fit(self, given: dict[str, Any]) -> None:
        """Calibrates a model of a range on data that it was trained on, up to 1,024 examples.

        Moving averages lag behind networks that still learn, and are of networks in training. They
        have to do where data are no arrays and no `tf.data.Dataset`.
        """
        super().after_fit(given)
        if self.objective.range is None:
            return
        try:
            sums = sums_after(self, given)
        except (ValueError, TypeError, tf.errors.OpError) as error:  # a model is trained now
            warnings.warn(
                "What the levels of the range reach could not be measured: tolerances go by the "
                f"moving averages of training, until `model.calibrate(data)`. Received: {error}",
                stacklevel=4,
            )
            return
        if sums is not None and self.objective.is_curve(sums):
            self.objective.calibrate(sums)

    def calibrate(self, data: Any, *, seed: int = 0, batch_size: int = 256) -> None:
        """Makes tolerances those of other data, such as held-out ones, measured as used.

        `fit` has measured which level has which error on its own data. On data it has not seen
        errors are larger: this measures all levels anew. Further training forgets it.

        Args:
            data: Arrays `x`, `(x, y)` or `(x, y, sample_weight)`, or a `tf.data.Dataset` of batches
                of such.
            seed: Of the noise of the latents.
            batch_size: Number of examples at once.

        Raises:
            ValueError: If the objective has no range, or the data are empty, do not fit, are not
                finite where they count, or nothing in them counts.

        Example:
        ```python
        ranged.calibrate(images[:4])  # `ranged` was trained for a `Range`
        ranged.reconstruct(images[4:], tolerance=0.6)
        ```
        """
        self._refuse_without_range("calibrate")
        self.objective.calibrate(sums_at_levels(self, data, seed=seed, batch_size=batch_size))

    def batch_at_level(self, data: Any, level: tf.Tensor) -> tf.Tensor:
        """Returns the stacked sums of a batch at a level, `[2, entries]`."""
        batch = self.prepared(Batch.of(data))
        level = tf.fill([size_of(batch.x)], level)
        return self.forward(batch, training=False, level=level).sums.stacked()

    def reconstruct(
        self, x: Any, seed: int | None = None, *, tolerance: float | None = None
    ) -> tf.Tensor:
        """Returns the data as the model reconstructs it, from a sample of its latents.

        Args:
            x: Data, `[B, ...]`.
            seed: An integer for the same noise each time, or `None` for fresh noise.
            tolerance: Of a range, which to serve, by default `model.tolerance`.
        """
        asked = {} if tolerance is None else {"tolerance": self._told(tolerance)}
        return self.decode(self.encode(x, seed, **asked), **asked)

    def generate(self, n: int | None = None, **options: Any) -> np.ndarray:
        """Returns new examples, as `LatentVariableModel.generate`; of a range at a `tolerance`."""
        if options.get("tolerance") is not None:
            options["tolerance"] = self._told(options["tolerance"])  # a tensor: one trace for all
        return super().generate(n, **options)

    def levels(self, x: Any, training: bool) -> dict[str, tf.Tensor]:
        """Returns a level for each example, where the objective asks for a range."""
        if self.objective.range is None or not training:
            return {}
        return {"level": self.objective.draw(size_of(x), self.make_seed(None, training))}

    def level_of(self, tolerance: Any = None) -> tf.Tensor | None:
        """Returns the level that meets a tolerance, by default the chosen; `None` without a range.

        Args:
            tolerance: A number, or a tensor; a tensor outside of the range counts as its end.

        Raises:
            ValueError: If the objective has no range, or a number is not within it.
        """
        if tolerance is not None:
            return self.objective.level(self._told(tolerance))
        if self.objective.range is None:
            return None
        return self.objective.level(self.objective.state_of("chosen"))

    def gated(self, gate: Gate | None, inputs: tf.Tensor, level: tf.Tensor | None) -> tf.Tensor:
        """Returns what a gate makes of its inputs at a level; without a range the inputs."""
        return inputs if gate is None else gate(inputs, level)

    def endpoints(self) -> dict[str, Endpoint]:
        """Returns the functions that `export` saves; of a range each takes a tolerance as well."""
        found = super().endpoints()
        if self.objective.range is None:
            return found
        tolerance = tf.TensorSpec([], tf.float32, name="tolerance")
        found["score"] = (self._score_at, found["score"][1])
        return {
            name: (self._of_tolerance(function), [*inputs, tolerance])
            for name, (function, inputs) in found.items()
        }

    def _of_tolerance(self, function: Callable) -> Callable:
        """Returns a served function whose last input is its tolerance, which must be in range."""
        asked = self._refuse_without_range(function)

        def served(*inputs: tf.Tensor) -> Any:
            tolerance = inputs[-1]
            said = f"`tolerance` must be within {asked}. Received:"
            within = tf.debugging.Assert(asked.holds(tolerance), [said, tolerance])
            with tf.control_dependencies([within]):
                return function(*inputs[:-1], tolerance=tf.identity(tolerance))

        return served

    def _score_at(self, x: Any, tolerance: Any) -> dict[str, tf.Tensor]:
        return self.score_batch(x, level=self.level_of(tolerance))

    def _refuse_without_range(self, received: Any) -> Range:
        """Returns the range, or raises an error if there is none."""
        if self.objective.range is not None:
            return self.objective.range
        raise ValueError(
            "This model is trained for one tolerance. To choose afterwards, train with "
            f"`ReconstructionError(tf_geco.Range(...))`. Received: {received!r}."
        )

    def _told(self, tolerance: Any) -> tf.Tensor:
        """Returns a tolerance as a tensor; of a number people are told what is wrong with it."""
        asked_range = self._refuse_without_range(tolerance)
        if not tf.is_tensor(tolerance):
            tolerance = asked_range.choose(tolerance)
            if tf.executing_eagerly() and self.objective.built:
                self._warn_of_unreached(tolerance)
        return tf.cast(tolerance, tf.float32)

    def _warn_of_unreached(self, tolerance: float) -> None:
        """Warns if no level reaches a tolerance."""
        readings = self.objective.curve()[0].numpy()
        constraint = self.objective.constraints[0]
        nearest = constraint._sign * np.min(constraint._sign * readings)
        # NaN, of a curve that is not known, is not greater.
        if constraint._sign * (nearest - tolerance) > 0.02 * tolerance:
            warnings.warn(
                "No level of the model reaches that tolerance on the data that it was measured on: "
                f"the nearest has {nearest:.4g}. Train longer, or with a larger network. "
                f"Received: tolerance={tolerance:g}.",
                stacklevel=5,
            )
