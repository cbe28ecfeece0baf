"""The constraint: data, labels, outputs -> the violation of each example."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import positive_number
from tf_geco.schedules import Constant, Schedule


@keras.saving.register_keras_serializable(package="tf_geco")
class Constraint(keras.layers.Layer):
    """Something that must hold in expectation: E[C] <= 0.

    Subclass it, write `call(x, y, outputs)` and return one violation per example, `[B]`: the
    measured value minus the tolerance, so that a violation of zero or less means that the wish is
    met. A constraint knows nothing of its multiplier; `tf_geco.GECO` joins the two.

    Two numbers say how a violation counts in the scaled loss

        loss = cost + lambda * nats * violation / scale

    `scale` is the violation that counts as 100 %, and `nats` what that is worth.

    Where some values of an example are missing, the data set yields a mask beside the labels,
    `y = {"mask": [B, ...], ...}`, true where a value was observed. The constraints of this library
    leave the rest out of what they measure; it may be anything, even NaN.

    Args:
        tolerance: kappa, a positive number in the constraint's own unit, or a
            `tf_geco.schedules.Schedule` of it over training steps. Anneal slowly against the
            moving average, whose 0.99 remembers about 100 steps.
        name: Name in logs and plots. Give each constraint of one objective its own.

    Call arguments:
        x: The data, or for a conditional model the target, `[B, ...]`.
        y: Labels or whatever else the data set yields, or `None`.
        outputs: What the model returns, such as `{"reconstruction": ..., "kl": ...}`.

    Raises:
        ValueError: If `tolerance` is neither a positive number nor a schedule.

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

    def __init__(
        self, tolerance: float | Schedule, *, name: str | None = None, **kwargs: Any
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        if not isinstance(tolerance, Schedule):
            tolerance = Constant(self.check_tolerance(tolerance))
        self.schedule = tolerance
        if not isinstance(tolerance, Constant):
            self._current = self._tolerance_weight()

    def _tolerance_weight(self) -> Any:
        return self.add_weight(
            name="tolerance",
            shape=(),
            dtype="float32",
            initializer=lambda shape, dtype: self.schedule(tf.zeros([], tf.int64)),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )

    def check_tolerance(self, tolerance: Any) -> float:
        """Returns the tolerance as a float, or raises an error that says what it may be."""
        return positive_number(tolerance, "tolerance")

    @property
    def tolerance(self) -> Any:
        """The present kappa: a float, or where it follows a schedule a scalar tensor."""
        if isinstance(self.schedule, Constant):
            return self.schedule.value
        return tf.convert_to_tensor(self._current)

    def follow(self, step: tf.Tensor) -> None:
        """Moves a scheduled tolerance to its value at `step`; the objective calls it."""
        if not isinstance(self.schedule, Constant):
            self._current.assign(self.schedule(step))

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns what it needs of the shapes; most constraints need nothing."""

    def call(self, x: Any, y: Any = None, outputs: Any = None) -> tf.Tensor:
        """Returns the violation of each example, `[B]`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define `call(x, y, outputs)` and return violations [B]."
        )

    @property
    def scale(self) -> Any:
        """The violation that counts as 100 %, by default the tolerance."""
        return self.tolerance

    @property
    def is_ratio(self) -> bool:
        """Whether no violation is below -scale, so that 1 + violation / scale is a ratio.

        It is the ratio of what is measured to what is allowed, and the multiplier follows its
        logarithm. Otherwise it follows that of the violation, with its sign.
        """
        return True

    @property
    def nats(self) -> Any:
        """What a violation of one `scale` is worth in the loss when the multiplier is 1."""
        return 1.0

    def measure(self, violation: tf.Tensor) -> tf.Tensor:
        """Returns a mean violation as a value in the unit of the tolerance, for people to read."""
        return violation + self.tolerance

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        tolerance: Any = self.schedule
        if isinstance(tolerance, Constant):
            tolerance = tolerance.value
        else:
            tolerance = keras.saving.serialize_keras_object(tolerance)
        return {**super().get_config(), "tolerance": tolerance}

    @classmethod
    def from_config(cls, config: dict) -> "Constraint":
        """Makes the constraint that `get_config` described."""
        deserialize = keras.saving.deserialize_keras_object
        parts = {k: deserialize(v) for k, v in config.items() if _is_serialized(v)}
        return cls(**{**config, **parts})


class Sized(Constraint):
    """A constraint that is worth half a nat for each of the D values of an example it looks at.

    `build` sets `size`, which is D.
    """

    size: int | None = None

    @property
    def nats(self) -> float:
        """D / 2."""
        if self.size is None:
            raise ValueError(f"Constraint '{self.name}' is not built yet: call it on data first.")
        return self.size / 2


class SquaredError(Sized):
    """A mean squared error of at most kappa^2, which people read as its root."""

    @property
    def scale(self) -> Any:
        """kappa^2."""
        return self.tolerance**2

    def measure(self, violation: tf.Tensor) -> tf.Tensor:
        """Returns the root-mean-square error, in the unit of the tolerance."""
        return tf.sqrt(tf.maximum(violation + self.scale, 0.0))


def straight_through(strict: tf.Tensor, proxy: tf.Tensor) -> tf.Tensor:
    """Returns the value of `strict` with the gradient of `proxy`.

    Lambda sees the strict value, which may have no gradient (an accuracy, a count); the weights of
    the model follow the proxy, which should fall where the strict value falls.

        strict + proxy - stop_gradient(proxy)

    Args:
        strict: `[B]`.
        proxy: `[B]`, finite.

    Reference:
        Cotter et al., "Optimization with non-differentiable constraints with applications to
        fairness, recall, churn, and other goals", 2019, arXiv:1809.04198, Section 4.
    """
    return tf.stop_gradient(tf.cast(strict, proxy.dtype) - proxy) + proxy


def entry(outputs: Any, key: str, name: str) -> Any:
    """Returns `outputs[key]`, or says which constraint misses it."""
    if not isinstance(outputs, dict) or key not in outputs:
        keys = sorted(outputs) if isinstance(outputs, dict) else type(outputs).__name__
        raise ValueError(f"Constraint '{name}' needs `outputs['{key}']`. Received: outputs={keys}.")
    return outputs[key]


def mask_of(y: Any) -> tf.Tensor | None:
    """Returns the boolean mask of observed values that the data set yields, or `None`."""
    if not isinstance(y, dict) or "mask" not in y:
        return None
    return tf.cast(y["mask"], tf.bool)


def observed(x: tf.Tensor, reconstruction: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
    """Returns `x` with the reconstruction in place of missing values, which then agree."""
    return x if mask is None else tf.where(mask, x, tf.stop_gradient(reconstruction))


def image_and_reconstruction(
    x: Any, y: Any, outputs: Any, name: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the data, missing values filled in, and its reconstruction, in one dtype."""
    reconstruction = entry(outputs, "reconstruction", name)
    x = tf.cast(x, reconstruction.dtype)
    return observed(x, reconstruction, mask_of(y)), reconstruction


def _is_serialized(value: Any) -> bool:
    return isinstance(value, dict) and "class_name" in value
