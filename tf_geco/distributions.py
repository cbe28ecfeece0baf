"""The quantized normal: a likelihood for data on a grid, such as pixels."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability import distributions as tfd

_NODES, _WEIGHTS = (array / 2 for array in np.polynomial.legendre.leggauss(5))


class QuantizedNormal(tfd.Distribution):
    """A normal distribution integrated over the bins of a grid.

        P(x) = Phi((x + b/2 - mu) / s) - Phi((x - b/2 - mu) / s)

    The probabilities of the grid points ..., -b, 0, b, 2 b, ... sum to 1. Unlike a density, the
    probability of a pixel is bounded by 1, whatever the scale, so that likelihoods of different
    models compare.

    Args:
        loc: mu, the mean.
        scale: s, the standard deviation, of a shape that broadcasts with `loc`.
        bin_width: b. The default, 1/255, is the step of an 8-bit image in [0, 1].
        name: Name of the distribution.

    Raises:
        ValueError: If `bin_width` is not positive.

    Example:
    ```python
    pixels = tf_geco.distributions.QuantizedNormal(loc=[0.2, 0.7], scale=0.1)
    pixels.log_prob([51 / 255, 180 / 255])  # nats
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Appendix D; Gregor et al., "Towards conceptual
        compression", 2016, arXiv:1604.08772.
    """

    def __init__(
        self, loc: Any, scale: Any, bin_width: float = 1 / 255, name: str = "quantized_normal"
    ) -> None:
        parameters = dict(locals())
        if not 0 < bin_width < math.inf:
            raise ValueError(f"`bin_width` must be positive. Received: bin_width={bin_width!r}.")
        dtype = (
            tf.float64 if getattr(loc, "dtype", None) in (tf.float64, np.float64) else tf.float32
        )
        self.loc = tf.convert_to_tensor(loc, dtype)
        self.scale = tf.convert_to_tensor(scale, dtype)
        self.bin_width = float(bin_width)
        super().__init__(
            dtype=dtype,
            reparameterization_type=tfd.NOT_REPARAMETERIZED,
            validate_args=False,
            allow_nan_stats=True,
            parameters=parameters,
            name=name,
        )

    @classmethod
    def _parameter_properties(cls, dtype: Any, num_classes: Any = None) -> dict[str, Any]:
        shape = tfp.util.ParameterProperties()
        return {"loc": shape, "scale": shape}

    def _event_shape(self) -> tf.TensorShape:
        return tf.TensorShape([])

    def _event_shape_tensor(self) -> tf.Tensor:
        return tf.constant([], tf.int32)

    def _log_prob(self, x: tf.Tensor) -> tf.Tensor:
        return quantized_normal_log_prob(x, self.loc, self.scale, self.bin_width)

    def _sample_n(self, n: int, seed: Any = None) -> tf.Tensor:
        sample = tfd.Normal(self.loc, self.scale).sample(n, seed=seed)
        return tf.round(sample / self.bin_width) * self.bin_width

    def dithered_log_prob(self, x: Any, seed: Any) -> tf.Tensor:
        """Returns a lower bound of `log_prob` in expectation, which needs no special functions.

            log N(x + u; mu, s) + log b,    u uniform on [-b/2, b/2]

        By Jensen's inequality it is too low, by about b^2 / (24 s^2) nats: little, unless the scale
        is that of a bin.

        Args:
            x: Data, of a shape that broadcasts with the parameters.
            seed: int32[2].
        """
        x = tf.convert_to_tensor(x, self.dtype)
        half = self.bin_width / 2
        noise = tf.random.stateless_uniform(tf.shape(x), seed, -half, half, self.dtype)
        return tfd.Normal(self.loc, self.scale).log_prob(x + noise) + math.log(self.bin_width)


def quantized_normal_log_prob(
    x: tf.Tensor, loc: tf.Tensor, scale: tf.Tensor, bin_width: Any
) -> tf.Tensor:
    """Returns log[Phi((x + b/2 - mu) / s) - Phi((x - b/2 - mu) / s)], exact in every tail.

    With a = |x - mu| / s and w = b / s the logarithm of the bin's probability is

        log Phi(w/2 - a) + log(1 - exp(-delta))                          wide or far bins
        log phi(a) + log w + log int_{-1/2}^{1/2} e^{-a w v - (w v)^2 / 2} dv     narrow bins

    with delta the drop of log Phi over the bin.

    Args:
        x: Data.
        loc: mu.
        scale: s.
        bin_width: b.

    Returns:
        Nats, of the shape to which the arguments broadcast.
    """
    distance = tf.abs(x - loc)  # by symmetry, always the left tail
    width = tf.broadcast_to(bin_width / scale, tf.shape(distance))
    centre = distance / scale
    # Where log Phi drops by much less than 1 a difference would cancel, and the integrand is so
    # flat that five Gauss-Legendre nodes integrate it to 1e-12.
    narrow = width * (centre + width) < 1.0

    def where_narrow(value: tf.Tensor) -> tf.Tensor:
        return tf.where(narrow, value, tf.ones_like(value))

    def where_wide(value: tf.Tensor) -> tf.Tensor:
        return tf.where(narrow, tf.ones_like(value), value)

    # Each branch sees harmless numbers where it is not taken, so that its gradient stays finite.
    integral = _log_integral(where_narrow(centre), where_narrow(width))
    upper, lower = (bin_width / 2 - distance) / scale, (-bin_width / 2 - distance) / scale
    difference = _log_difference(where_wide(upper), -where_wide(-lower))
    return tf.where(narrow, integral, difference)


def _log_integral(distance: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
    """Returns log int of phi over a bin, by Gauss-Legendre quadrature."""
    nodes = [width * node for node in _NODES]
    terms = [
        weight * tf.exp(-distance * node - tf.square(node) / 2)
        for node, weight in zip(nodes, _WEIGHTS, strict=True)
    ]
    log_density = -tf.square(distance) / 2 - math.log(2 * math.pi) / 2
    return log_density + tf.math.log(width) + tf.math.log(tf.add_n(terms))


def _log_difference(upper: tf.Tensor, lower: tf.Tensor) -> tf.Tensor:
    """Returns log[Phi(upper) - Phi(lower)], for ends that differ by much in log Phi."""
    normal = tfd.Normal(tf.zeros([], upper.dtype), tf.ones([], upper.dtype))
    top, bottom = normal.log_cdf(upper), normal.log_cdf(lower)
    return top + tfp.math.log1mexp(bottom - top)
