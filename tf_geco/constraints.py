"""Constraints: what must hold in expectation, E[C(x, g(z))] <= 0."""

import math
from typing import Any

import keras
import tensorflow as tf

from tf_geco.schedules import positive_number


@keras.saving.register_keras_serializable(package="tf_geco")
class Constraint(keras.layers.Layer):
    """Something that must hold in expectation: E[C] <= 0.

    Subclass it, write `call(x, y, outputs)` and return one violation per example, `[B]`: the
    measured value minus the tolerance, so that a violation of zero or less means that the wish is
    met. A constraint knows nothing of its multiplier; `tf_geco.GECO` joins the two.

    Two numbers say how a violation counts in the scaled loss

        loss = cost + lambda * nats * violation / scale

    `scale` is the violation that counts as 100 %, and `nats` what that is worth.

    Args:
        tolerance: kappa, a positive number in the constraint's own unit.
        name: Name in logs and plots. Give each constraint of one objective its own.

    Call arguments:
        x: The data, or for a conditional model the target, `[B, ...]`.
        y: Labels or whatever else the data set yields, or `None`.
        outputs: What the model returns, such as `{"reconstruction": ..., "kl": ...}`.

    Raises:
        ValueError: If `tolerance` is not a positive number.

    Example:
    ```python
    class MeanBrightness(tf_geco.constraints.Constraint):
        def call(self, x, y=None, outputs=None):
            brightness = lambda images: tf.reduce_mean(images, axis=(1, 2, 3))
            return tf.abs(brightness(x) - brightness(outputs["reconstruction"])) - self.tolerance
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, arXiv:1810.00597, Section 3 and Table 1.
    """

    def __init__(self, tolerance: float, *, name: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        self.tolerance = positive_number(tolerance, "tolerance")

    def call(self, x: Any, y: Any = None, outputs: Any = None) -> tf.Tensor:
        """Returns the violation of each example, `[B]`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define `call(x, y, outputs)` and return violations [B]."
        )

    @property
    def scale(self) -> float:
        """The violation that counts as 100 %, by default the tolerance."""
        return self.tolerance

    @property
    def nats(self) -> float:
        """What a violation of one `scale` is worth in the loss when the multiplier is 1."""
        return 1.0

    def measure(self, violation: tf.Tensor) -> tf.Tensor:
        """Returns a mean violation as a value in the unit of the tolerance, for people to read."""
        return violation + self.tolerance

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "tolerance": self.tolerance}


@keras.saving.register_keras_serializable(package="tf_geco")
class ReconstructionError(Constraint):
    """RE: reconstruct to a root-mean-square error of at most `tolerance`.

        C = mean_d (x_d - g_d)^2 - kappa^2

    In the scaled loss its worth is D / 2 nats, D being the number of values of one example, so

        loss = KL + lambda (D / 2) (RE / kappa^2 - 1)

    is at lambda = 1 the negative ELBO of a Gaussian likelihood with sigma = kappa, up to a
    constant, and 1 / lambda is the beta of a beta-VAE.

    Args:
        tolerance: kappa, in units of the data (0.1 is a tenth of the range of a [0, 1] image).
        reduction: `"mean"` over the values of an example, the default, because then a tolerance
            means the same for every image size; or `"sum"`, as Table 1 prints it.
        name: Name in logs and plots.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Not used.
        outputs: A dictionary with `"reconstruction"`, of the shape of `x`.

    Raises:
        ValueError: If `tolerance` is not positive, `reduction` is unknown, or there is no
            reconstruction of the right shape.

    Example:
    ```python
    constraint = tf_geco.constraints.ReconstructionError(0.1)
    violation = constraint(x, outputs={"reconstruction": reconstruction})  # [B]
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Table 1. The table prints a norm, but its
        tolerances (0.06 to 0.175) make sense only per pixel.
    """

    def __init__(
        self,
        tolerance: float,
        *,
        reduction: str = "mean",
        name: str | None = "reconstruction_error",
        **kwargs: Any,
    ) -> None:
        super().__init__(tolerance, name=name, **kwargs)
        if reduction not in ("mean", "sum"):
            raise ValueError(
                f"`reduction` must be 'mean' or 'sum'. Received: reduction={reduction!r}."
            )
        self.reduction = reduction
        self.size: int | None = None

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns D, the number of values of an example."""
        shape = _entry(outputs_shape, "reconstruction", self.name)
        if tuple(shape[1:]) != tuple(x_shape[1:]):
            raise ValueError(
                f"Constraint '{self.name}' compares the data with the reconstruction, so they must "
                f"have the same shape. Received: data of shape {tuple(x_shape)}, reconstruction of "
                f"shape {tuple(shape)}."
            )
        if None in x_shape[1:]:
            raise ValueError(
                f"Constraint '{self.name}' needs data of a fixed shape. "
                f"Received: shape {tuple(x_shape)}."
            )
        self.size = math.prod(x_shape[1:])

    def call(self, x: Any, y: Any = None, outputs: Any = None) -> tf.Tensor:
        """Returns the violation of each example, `[B]`."""
        reconstruction = _entry(outputs, "reconstruction", self.name)
        error = tf.math.squared_difference(tf.cast(x, reconstruction.dtype), reconstruction)
        reduce = tf.reduce_mean if self.reduction == "mean" else tf.reduce_sum
        return reduce(error, axis=range(1, error.shape.rank)) - self.scale

    @property
    def scale(self) -> float:
        """kappa^2."""
        return self.tolerance**2

    @property
    def nats(self) -> float:
        """D / 2."""
        if self.size is None:
            raise ValueError(f"Constraint '{self.name}' is not built yet: call it on data first.")
        return self.size / 2

    def measure(self, violation: tf.Tensor) -> tf.Tensor:
        """Returns the root-mean-square error, in the unit of the tolerance."""
        return tf.sqrt(tf.maximum(violation + self.scale, 0.0))

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        return {**super().get_config(), "reduction": self.reduction}


def _entry(outputs: Any, key: str, name: str) -> Any:
    """Returns `outputs[key]`, or says which constraint misses it."""
    if not isinstance(outputs, dict) or key not in outputs:
        keys = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        raise ValueError(f"Constraint '{name}' needs `outputs['{key}']`. Received: outputs={keys}.")
    return outputs[key]
