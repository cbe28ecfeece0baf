"""Constraints from plain functions, as inequalities, bands and equalities."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tf_geco.checks import LEAST, finite_number, positive_number, takes
from tf_geco.constraints.constraint import Constraint
from tf_geco.constraints.values import has_gradient, per_example, straight_through
from tf_geco.schedules import Schedule

Function = Callable[[Any, Any, Any], tf.Tensor]


@keras.saving.register_keras_serializable(package="tf_geco")
class FunctionConstraint(Constraint):
    """A constraint on the mean of a function's values; `from_function` makes one.

        E[fn(x, y, outputs)] <= tolerance        form "<="
        E[fn(x, y, outputs)] >= tolerance        form ">="

    Register the functions with `keras.saving.register_keras_serializable` if the model is to be
    saved.

    Args:
        fn: (x, y, outputs) -> values `[B]`.
        tolerance: kappa, any number in the unit of the values, or a schedule of it.
        name: Name in logs and plots.
        form: `"<="` or `">="`.
        proxy: (x, y, outputs) -> `[B]`, in the unit of the values: where its gradient is, if `fn`
            has none. The values of `fn` still decide whether the constraint holds.
        where: (x, y, outputs) -> boolean `[B]`: which examples count. The mean is then over these
            alone, of an epoch or a whole evaluation, and a batch without any says nothing.
        scale: The violation that counts as 100 %, by default the size of the tolerance. For a rate
            of at least kappa, 1 - kappa makes it the error rate that is allowed. For what lies far
            from zero, such as a temperature in kelvin, give the size of what varies.
        margin: The violation of which `band` of `GECO` is a share; by default `scale`.
        nats: What a violation of 100 % is worth in the loss when lambda is 1. By default 1, so that
            lambda itself says what it is worth.

    Raises:
        ValueError: If an argument is of the wrong kind, or `scale` is missing for a tolerance of 0.

    Example:
    ```python
    def correct(x, y, outputs):
        return tf.equal(tf.argmax(outputs, axis=1), y)

    def probability(x, y, outputs):
        return tf.gather(outputs, y, batch_dims=1)

    def is_seven(x, y, outputs):
        return tf.equal(y, 7)

    recall = tf_geco.constraints.from_function(
        correct, 0.99, "recall_of_7", form=">=", proxy=probability, where=is_seven, scale=0.01
    )
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Section 3; for proxies Cotter et al., 2019,
        arXiv:1809.04198.
    """

    def __init__(
        self,
        fn: Function,
        tolerance: float | Schedule,
        name: str,
        *,
        form: str = "<=",
        proxy: Function | None = None,
        where: Function | None = None,
        scale: float | None = None,
        margin: float | None = None,
        nats: float = 1.0,
        **kwargs: Any,
    ) -> None:
        for argument, function in {"fn": fn, "proxy": proxy, "where": where}.items():
            if function is not None or argument == "fn":
                _check_function(function, argument)
        self._scale = None if scale is None else positive_number(scale, "scale")
        self._margin = None if margin is None else positive_number(margin, "margin")
        super().__init__(tolerance, form=form, name=name, **kwargs)
        self.fn, self.proxy, self.where = fn, proxy, where
        self._nats = positive_number(nats, "nats")
        self._told = False

    def check_tolerance(self, tolerance: Any, name: str = "tolerance") -> float:
        """Returns the tolerance as a float: any finite number, or with no scale any but 0."""
        tolerance = finite_number(tolerance, name)
        if self._scale is None and abs(tolerance) < LEAST:
            raise ValueError(
                "A tolerance of 0 needs a `scale`, the violation that counts as 100 %. "
                f"Received: {name}={tolerance}, scale=None."
            )
        return tolerance

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> Any:
        """Returns the function's value for each example, and which of them count, `[B]` each."""
        value = self._value(self.fn, x, y, outputs)
        self._warn_without_gradient(x, y, outputs)
        if self.proxy is not None:
            value = straight_through(value, self._value(self.proxy, x, y, outputs))
        return value if self.where is None else (value, self.where(x, y, outputs))

    def _warn_without_gradient(self, x: Any, y: Any, outputs: Any) -> None:
        """Warns once, where it is traced, if training cannot move what is measured."""
        if self._told or self.proxy is not None or tf.executing_eagerly():
            return
        self._told = True
        if not has_gradient(functools.partial(self._value, self.fn, x, y), outputs):
            warnings.warn(
                f"Constraint '{self.name}' has no gradient, so training cannot meet it: give a "
                "`proxy` that has one, such as a probability in place of a count.",
                stacklevel=2,
            )

    def _value(self, function: Function, x: Any, y: Any, outputs: Any) -> tf.Tensor:
        who = f"Constraint '{self.name}': its function must return"
        return per_example(function(x, y, outputs), who)

    def scale(self, step: Any = 0) -> Any:
        """Returns the violation that counts as 100 %, by default the size of the tolerance."""
        return abs(self.tolerance_at(step)) if self._scale is None else self._scale

    def margin(self, step: Any = 0) -> Any:
        """Returns the violation of which the band is a share."""
        return self.scale(step) if self._margin is None else self._margin

    @property
    def is_ratio(self) -> bool:
        """No: the values of a function may be anything."""
        return False

    def nats(self, step: Any = 0) -> float:
        """Returns what a violation of one `scale` is worth in the loss when lambda is 1."""
        return self._nats

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "fn": serialize(self.fn),
            "proxy": serialize(self.proxy),
            "where": serialize(self.where),
            "scale": self._scale,
            "margin": self._margin,
            "nats": self._nats,
        }


def from_function(
    fn: Function, tolerance: float | Schedule, name: str, **options: Any
) -> FunctionConstraint:
    """Returns a constraint on the mean of a function's values.

        E[fn(x, y, outputs)] <= tolerance        form "<="
        E[fn(x, y, outputs)] >= tolerance        form ">="

    Args:
        fn: (x, y, outputs) -> values `[B]`.
        tolerance: kappa, any number in the unit of the values, or a schedule of it.
        name: Name in logs and plots.
        **options: `form`, `proxy`, `where`, `scale`, `margin`, `nats`, as in `FunctionConstraint`.

    Raises:
        ValueError: If an argument is of the wrong kind, or `scale` is missing for a tolerance of 0.

    Example:
    ```python
    def brightness(x, y, outputs):
        return tf.reduce_mean(outputs["reconstruction"], axis=(1, 2, 3))

    constraint = tf_geco.constraints.from_function(brightness, 0.2, "brightness")
    ```
    """
    return FunctionConstraint(fn, tolerance, name, **options)


def between(
    fn: Function, low: float, high: float, name: str, **options: Any
) -> list[FunctionConstraint]:
    """Returns two constraints that hold the mean of a function's values in a band.

        low <= E[fn(x, y, outputs)] <= high

    Each side has its own lambda above zero; what pulls on the mean is their difference, which has
    either sign. So multipliers stay positive, and the logs tell which side of the band is active.
    The band of 5 % in which `GECO` counts them as feasible is one of high - low.

    Args:
        fn: (x, y, outputs) -> values `[B]`.
        low: Least mean.
        high: Greatest mean.
        name: Name; the two are called `<name>_at_least` and `<name>_at_most`.
        **options: Those of `from_function`.

    Raises:
        ValueError: If `low` is not below `high`.

    Example:
    ```python
    brightness = lambda x, y, outputs: tf.reduce_mean(outputs["reconstruction"], (1, 2, 3))
    objective = tf_geco.GECO(
        [
            tf_geco.constraints.ReconstructionError(0.1),
            *tf_geco.constraints.between(brightness, 0.1, 0.2, "brightness"),
        ]
    )
    ```
    """
    low, high = finite_number(low, "low"), finite_number(high, "high")
    if not low < high:
        raise ValueError(f"`low` must be below `high`. Received: low={low}, high={high}.")
    options = {"scale": max(abs(low), abs(high)), "margin": high - low, **options}
    return [
        from_function(fn, low, f"{name}_at_least", form=">=", **options),
        from_function(fn, high, f"{name}_at_most", form="<=", **options),
    ]


def equal_to(
    fn: Function, value: float, name: str, *, width: float | None = None, **options: Any
) -> list[FunctionConstraint]:
    """Returns two constraints that hold the mean of a function's values at a value.

        value - width <= E[fn(x, y, outputs)] <= value + width

    Args:
        fn: (x, y, outputs) -> values `[B]`.
        value: What the mean must be.
        name: Name; the two are called `<name>_at_least` and `<name>_at_most`.
        width: Half the band that counts as equal, by default 1 % of the value. Not zero, because
            both sides would then be active at once and only the difference of lambdas determined.
        **options: Those of `from_function`.

    Raises:
        ValueError: If `width` is not positive, or is missing for a value of zero.
    """
    value = finite_number(value, "value")
    if width is None and value == 0:
        raise ValueError("`width` must be given where `value` is 0. Received: width=None.")
    width = positive_number(0.01 * abs(value) if width is None else width, "width")
    return between(fn, value - width, value + width, name, **options)


def _check_function(function: Any, argument: str) -> None:
    """Raises an error if an argument cannot be called with x, y and outputs."""
    if not callable(function) or not takes(function, "x", "y", "outputs"):
        raise ValueError(
            f"`{argument}` must be a function of (x, y, outputs). Received: {function!r}."
        )
