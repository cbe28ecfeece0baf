"""The constraint: what it measures of each example, and the bound on the mean of that."""

from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import one_of, positive_number
from tf_geco.configs import rebuilt
from tf_geco.constraints.range import Range, check_change
from tf_geco.constraints.values import Measured, per_example
from tf_geco.schedules import Schedule, as_schedule, value_at

LEAST_RATIO = 1e-6


@keras.saving.register_keras_serializable(package="tf_geco")
class Constraint(keras.layers.Layer):
    """Something that must hold in expectation: E[C] <= 0.

        C = E[m] - bound        form "<=": the mean of what is measured has a greatest value
        C = bound - E[m]        form ">=": it has a least value

    Subclass it and write `measure(x, y, outputs)`, which returns what is measured of each example,
    m, `[B]`. A constraint knows nothing of its multiplier; `tf_geco.GECO` joins the two. Training
    does not change it, so that it may serve several objectives for data of one shape.

    Two numbers say how a violation counts in the scaled loss

        loss = cost + lambda * nats * C / scale

    `scale` is the violation that counts as 100 %, and `nats` what that is worth.

    Where some values of an example are missing, the data set yields a mask beside the labels,
    `y = {"mask": [B, ...], ...}`, true where a value was observed. The constraints of this library
    leave the rest out of what they measure; it may be anything, even NaN.

    Args:
        tolerance: kappa, a positive number in the constraint's own unit, or a
            `keras.optimizers.schedules.LearningRateSchedule` of it over training steps. Anneal
            slowly against the moving average, which remembers up to 100 steps. A `tf_geco.Range`
            serves all tolerances in it by one training. `None` asks for nothing: what is measured
            is only logged, as by `tf_geco.ELBO`.
        form: `"<="` or `">="`.
        name: Name in logs and plots. Give each constraint of one objective its own.

    Call arguments:
        x: The data, or for a conditional model the target, `[B, ...]`.
        y: Labels or whatever else the data set yields, or `None`.
        outputs: What the model returns, such as `{"reconstruction": ..., "kl": ...}`.

    Call returns:
        A `Measured`: values `[B]`, and how much each of them counts.

    Raises:
        ValueError: If `tolerance` is neither a positive number nor a schedule nor a range, or
            `form` is not one of the two.
        TypeError: If a subclass overrides `call`.

    Example:
    ```python
    class BrightnessError(tf_geco.constraints.Constraint):
        def measure(self, x, y=None, outputs=None):
            brightness = lambda images: tf.reduce_mean(images, axis=(1, 2, 3))
            return tf.abs(brightness(x) - brightness(outputs["reconstruction"]))

    constraint = BrightnessError(0.02)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, arXiv:1810.00597, Section 3 and Table 1.
    """

    values_within: tuple[float, float] | None = None  # what an example may measure, if known
    reads_labels = True  # whether it may look at `y`

    def __init__(
        self,
        tolerance: float | Schedule | Range | None,
        *,
        form: str = "<=",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(name=name, **kwargs)
        one_of(("<=", ">="), form, "form")
        if type(self).call is not Constraint.call:
            raise TypeError(
                "A constraint defines `measure(x, y, outputs)`: what is measured of each, without "
                f"the tolerance. Received: a class {type(self).__name__} that overrides `call`."
            )
        self.form = form
        self._sign = 1.0 if form == "<=" else -1.0  # by how much C grows with the mean
        self.tolerance = tolerance
        self.built_for: tuple | None = None

    @property
    def tolerance(self) -> Any:
        """kappa: a number, a schedule, a range or `None`.

        Between trainings assign another number or schedule in place of one. A range, or none at
        all, is what a model is made for.
        """
        return self._tolerance

    @tolerance.setter
    def tolerance(self, tolerance: Any) -> None:
        if isinstance(tolerance, Range):
            tolerance.check(self.check_tolerance)
        elif tolerance is not None:
            tolerance = as_schedule(tolerance, "tolerance", self.check_tolerance)
        check_change(getattr(self, "_tolerance", tolerance), tolerance, self.name)
        self._tolerance = tolerance

    def check_tolerance(self, tolerance: Any, name: str = "tolerance") -> float:
        """Returns the tolerance as a float, or raises an error that says what it may be."""
        return positive_number(tolerance, name)

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns what it needs of the shapes; most constraints need nothing."""

    def build_once(self, x_shape: Any, y_shape: Any, outputs_shape: Any) -> None:
        """Builds it, or checks that it was built for data of this shape.

        Raises:
            ValueError: If it was built for data of another shape.
        """
        shape = keras.tree.map_shape_structure(lambda part: tuple(part[1:]), x_shape)
        if self.built_for is not None and shape != self.built_for:
            raise ValueError(
                f"Constraint '{self.name}' serves data of one shape, {self.built_for}; make a new "
                f"one for each model. Received: data of shape {shape}."
            )
        if self.built_for is None:
            self.build(x_shape, y_shape, outputs_shape)
        self.built_for = shape

    def call(self, x: Any, y: Any = None, outputs: Any = None) -> Measured:
        """Returns what is measured, checked and in float32."""
        measured = self.measure(x, y, outputs)
        values, counts = measured if isinstance(measured, tuple) else (measured, None)
        values = per_example(values, f"Constraint '{self.name}' must measure")
        if counts is None:
            return Measured(values)
        return Measured(values, per_example(counts, f"Constraint '{self.name}' must count"))

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> Any:
        """Returns what is measured of each example, `[B]`.

        Where some examples do not count, it returns a pair of values and counts, `[B]` each: the
        mean is then the sum of counts times values over the sum of counts.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `measure(x, y, outputs)` and return values [B]."
        )

    def tolerance_at(self, step: Any = 0) -> Any:
        """Returns kappa at a training step: a float, or a scalar tensor if a schedule sets it.

        Of a range it is the geometric middle.

        Raises:
            ValueError: If there is none.
        """
        if self.tolerance is None:
            raise ValueError(
                f"Constraint '{self.name}' needs a `tolerance`. Received: tolerance=None."
            )
        ranged = isinstance(self.tolerance, Range)
        return self.tolerance.middle if ranged else value_at(self.tolerance, step)

    def at(self, tolerance: Any) -> "Constraint":
        """Returns this constraint with another tolerance; they share what they measure with."""
        other = object.__new__(type(self))  # `copy.copy` of a Keras layer makes it anew
        other.__dict__.update(self.__dict__, _tolerance=tolerance)
        return other

    def bound(self, step: Any = 0) -> Any:
        """Returns what the mean of the values is compared with, by default the tolerance."""
        return self.tolerance_at(step)

    def scale(self, step: Any = 0) -> Any:
        """Returns the violation that counts as 100 %, by default the bound."""
        return self.bound(step)

    def margin(self, step: Any = 0) -> Any:
        """Returns the violation of which `band` of `GECO` is a share, by default the scale."""
        return self.scale(step)

    def nats(self, step: Any = 0) -> Any:
        """Returns what a violation of one `scale` is worth in the loss when lambda is 1."""
        return 1.0

    def first_multiplier(self, latents: int | None) -> float:
        """Returns the lambda that weighs a violation of 100 % as half a nat for each latent.

        lambda_0 = latents / (2 nats), at most 1, which it is where there are no latents
        """
        return 1.0 if latents is None else min(1.0, latents / (2.0 * float(self.nats())))

    @property
    def measured_in(self) -> str:
        """Its unit, where it has several and not the default: averages of others are not its."""
        return ""

    @property
    def is_likelihood(self) -> bool:
        """Whether lambda = 1 makes the loss an ELBO, so that the size of lambda says something."""
        return False

    @property
    def is_ratio(self) -> bool:
        """Whether no violation is below -scale, so that 1 + C / scale is a ratio.

        It is the ratio of what is measured to what is allowed, and the multiplier follows its
        logarithm. Otherwise it follows that of the violation, with its sign. By default it is one
        where the mean has a greatest value: what is measured is then not expected below zero.
        """
        return self.form == "<="

    def violation(self, mean: Any, step: Any = 0) -> Any:
        """Returns C, of the mean of the values: zero or less holds."""
        return self._sign * (mean - self.bound(step))

    def excess(self, mean: Any, step: Any = 0) -> Any:
        """Returns C in units of the scale: zero or less holds, 0.05 is 5 % over."""
        return self.violation(mean, step) / self.scale(step)

    def error(self, mean: Any, step: Any = 0) -> Any:
        """Returns what the multiplier brings to zero.

            log(1 + C / scale)                         a ratio of measured to allowed
            sign(C) log(1 + |C| / scale)               other constraints

        For a reconstruction error the first is log(RE / kappa^2). It falls by about one unit for a
        unit of log lambda, whatever the data set, so one rule can serve every data set.
        """
        excess = self.excess(mean, step)
        if self.is_ratio:
            return tf.math.log(tf.maximum(1.0 + excess, LEAST_RATIO))
        return tf.sign(excess) * tf.math.log1p(tf.abs(excess))

    def weight(self, step: Any = 0) -> Any:
        """Returns what one unit of violation adds to the loss when lambda is 1."""
        return self.nats(step) / self.scale(step)

    def reading(self, mean: Any) -> Any:
        """Returns the mean of the values in the unit of the tolerance, for people to read."""
        return mean

    def get_config(self) -> dict:
        """Returns the arguments of `__init__`."""
        tolerance = keras.saving.serialize_keras_object(self.tolerance)
        return {**super().get_config(), "tolerance": tolerance, "form": self.form}

    @classmethod
    def from_config(cls, config: dict) -> "Constraint":
        """Makes the constraint that `get_config` described."""
        return rebuilt(cls, config)
