"""NLL: the negative log-likelihood of the data under any distribution."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.checks import finite_number, one_of, positive_number
from tf_geco.constraints.constraint import Constraint
from tf_geco.constraints.inputs import any_observed, entry, mask_of, number_of_latents
from tf_geco.constraints.likelihoods import (
    checked_likelihood,
    distribution_of,
    possible,
    supported,
)
from tf_geco.constraints.sized import size_of
from tf_geco.schedules import Schedule

UNITS = ("nats", "nats_per_dim", "bits_per_dim")


@keras.saving.register_keras_serializable(package="tf_geco")
class NegativeLogLikelihood(Constraint):
    """NLL: describe the data, given the latents, with at most `tolerance` nats or bits.

        C = -log p(x | z) - kappa,    p(x | z) = likelihood(decoder(z))

    Its worth is that of the likelihood itself: at lambda = 1 the loss is the negative ELBO, up to
    a constant. The NLL says nothing of what a violation of 100 % is: it contains the entropy of the
    data, and is no zero or ratio. What latents can change of it is the scale. By linear Gaussian
    models one unit of log lambda changes the NLL by d / (2 lambda) nats, half a nat for each of d
    latents where lambda is 1, and D / 2 nats at the least lambda that any solution needs, d / D. In
    between is

        scale = sqrt(d D) / 2    nats of an example

    With a `band` of 5 %, 8 latents and 200 values, `feasible` means: at most 1 nat over. With d = D
    the scale is that of a reconstruction error, D / 2. That is also what to give as `scale` where
    lambda ends far below 0.1, because the likelihood is far too sure of itself.

    Args:
        tolerance: kappa, a number in the unit chosen (densities may make it negative), or a
            schedule of it.
        likelihood: A function, what the decoder returns (an array, or a dictionary of them) ->
            distribution over the data, whose batch and event shape together are the data's. Or a
            name: `"bernoulli"`, of probabilities, as the decoders of `tf_geco.models` return them;
            `"normal"`, of means and standard deviations; `"poisson"`, of logarithms of rates;
            `"negative_binomial"`, of the logarithms of mean and number r, for counts of variance
            mean + mean^2 / r. Two parameters share the last axis, `[..., 2 C]`: all of the first
            kind, then all of the second. Register a function with
            `keras.saving.register_keras_serializable` if the model is to be saved.
        unit: `"nats"` for an example, the default; `"nats_per_dim"` or `"bits_per_dim"`, the same
            for any size of image.
        parameters: The entry of the model's outputs that the likelihood is made from. By default
            `"parameters"`, where `tf_geco.VAE` keeps what its decoder returns; `"reconstruction"`
            for models without.
        scale: The violation that counts as 100 %, in the unit chosen, by default that of above; d
            is the number of `"latents"` in the outputs, at most D, and D without any.
        name: Name in logs and plots.

    Call arguments:
        x: Data, `[B, ...]`.
        y: Not used, but for `y["mask"]`, where the likelihood has one log-probability per value:
            missing values add nothing, and a unit per dimension is per value observed.
        outputs: A dictionary with what `parameters` names.

    Raises:
        ValueError: If an argument is of the wrong kind.

    Example:
    ```python
    @keras.saving.register_keras_serializable(package="mine")
    def logistics(h):  # [B, 28, 28, 3 * 5]: a mixture of five logistics over 0, 1, ..., 255
        weight, centre, width = tf.split(h, 3, axis=-1)
        logistic = tfd.Logistic(255 * tf.sigmoid(centre) - 0.5, tf.exp(width))
        bins = tfd.QuantizedDistribution(logistic, low=0, high=255)
        return tfd.MixtureSameFamily(tfd.Categorical(logits=weight), bins)

    constraint = tf_geco.constraints.NegativeLogLikelihood(3.0, logistics, unit="bits_per_dim")
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Section 2: any bound on the likelihood is a
        constraint; van den Oord et al., 2016, and Salimans et al., 2017, arXiv:1701.05517, for
        categorical and logistic mixture likelihoods.
    """

    reads_labels = False

    def __init__(
        self,
        tolerance: float | Schedule | None,
        likelihood: Callable[[Any], tfd.Distribution] | str = "bernoulli",
        *,
        unit: str = "nats",
        parameters: str | None = None,
        scale: float | None = None,
        name: str | None = "negative_log_likelihood",
        **kwargs: Any,
    ) -> None:
        if parameters is not None and not isinstance(parameters, str):
            raise ValueError(
                "`parameters` must name an entry of the model's outputs. "
                f"Received: parameters={parameters!r}."
            )
        self._scale = None if scale is None else positive_number(scale, "scale")
        super().__init__(tolerance, name=name, **kwargs)
        self.likelihood: Any = checked_likelihood(likelihood)
        self.unit = one_of(UNITS, unit, "unit")
        self.parameters = parameters
        self.size: int | None = None
        self.latents: Any = None

    def check_tolerance(self, tolerance: Any, name: str = "tolerance") -> float:
        """Returns the tolerance as a float: any finite number."""
        return finite_number(tolerance, name)

    def build(self, x_shape: Any, y_shape: Any = None, outputs_shape: Any = None) -> None:
        """Learns D and d: how many values an example has, and how many latents."""
        self.size = math.prod(x_shape[1:])
        latents = number_of_latents(outputs_shape) or self.size
        self.latents = min(latents, self.size)

    def measure(self, x: Any, y: Any = None, outputs: Any = None) -> Any:
        """Returns the negative log-likelihood of each example in the unit chosen, `[B]`."""
        distribution = distribution_of(self.likelihood, self._parameters(outputs))
        self._check_shape(distribution, x)
        mask = mask_of(y, x)
        if mask is None:
            values = supported(self.likelihood, tf.cast(x, distribution.dtype))
            log_prob = distribution.log_prob(values)
        else:
            log_prob = self._observed(distribution, x, mask)
        values = -tf.reduce_sum(log_prob, range(1, log_prob.shape.rank)) / self._nats_per_unit
        if mask is None:
            return values
        return values / self._share_observed(mask, x), any_observed(mask)

    def _parameters(self, outputs: Any) -> Any:
        """Returns what the likelihood is made from."""
        kept = isinstance(outputs, dict) and "parameters" in outputs
        default = "parameters" if kept else "reconstruction"
        return entry(outputs, self.parameters or default, self.name)

    def _share_observed(self, mask: tf.Tensor, x: Any) -> Any:
        """Returns the share of the values that a unit per dimension is about, `[B]`, else 1."""
        if self.unit == "nats":
            return 1.0
        seen = tf.cast(tf.broadcast_to(mask, tf.shape(x)), tf.float32)
        return tf.maximum(tf.reduce_mean(seen, range(1, seen.shape.rank)), 1e-6)

    def _check_shape(self, distribution: Any, x: Any) -> None:
        shape = distribution.batch_shape + distribution.event_shape
        if not shape.is_compatible_with(x.shape):
            raise ValueError(
                f"Constraint '{self.name}' needs a likelihood of the data: batch and event shape "
                f"together are the data's. Received: {tuple(shape)} for data of {tuple(x.shape)}."
            )

    def _observed(self, distribution: Any, x: Any, mask: tf.Tensor) -> tf.Tensor:
        """Returns the log-probabilities of the values observed, and zero for the others."""
        if distribution.event_shape.rank != 0:
            raise ValueError(
                f"Constraint '{self.name}' can leave out missing values only if the likelihood has "
                "a log-probability for each value: one without `tfd.Independent`. Received: "
                f"a distribution with events of shape {tuple(distribution.event_shape)}."
            )
        # What stands for a missing value must be possible, or gradients would not be finite.
        x = tf.cast(x, distribution.dtype)
        x = tf.where(mask, x, possible(distribution, tf.zeros_like(x)))
        log_prob = distribution.log_prob(supported(self.likelihood, x))
        return tf.where(mask, log_prob, 0.0)

    @property
    def _nats_per_unit(self) -> float:
        """How many nats of an example make one of the unit."""
        size = size_of(self)
        return dict(zip(UNITS, (1.0, float(size), size * math.log(2.0)), strict=True))[self.unit]

    def scale(self, step: Any = 0) -> Any:
        """Returns the violation that counts as 100 %, by default sqrt(d D) / 2 nats."""
        if self._scale is not None:
            return self._scale
        return math.sqrt(size_of(self) * self.latents) / 2 / self._nats_per_unit

    @property
    def is_likelihood(self) -> bool:
        """Yes."""
        return True

    @property
    def measured_in(self) -> str:
        """The unit, if it is not nats."""
        return "" if self.unit == "nats" else self.unit

    @property
    def is_ratio(self) -> bool:
        """No: what an NLL is above the one allowed is no share of it."""
        return False

    def nats(self, step: Any = 0) -> Any:
        """Returns the scale in nats of an example."""
        return self.scale(step) * self._nats_per_unit

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of `__init__`."""
        likelihood = self.likelihood
        if callable(likelihood):
            likelihood = keras.saving.serialize_keras_object(likelihood)
        return {
            **super().get_config(),
            "likelihood": likelihood,
            "unit": self.unit,
            "parameters": self.parameters,
            "scale": self._scale,
        }
