"""Likelihoods: what a decoder returns -> a distribution over the data."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tf_geco.checks import takes
from tf_geco.dtypes import as_float32

Function = Callable[[Any], tfd.Distribution]


def bernoulli(probabilities: tf.Tensor) -> tfd.Distribution:
    """Returns the Bernoulli distribution of probabilities, kept off 0 and 1 by 1e-6.

    Its log-probability of a value between 0 and 1 is the cross-entropy.
    """
    return tfd.Bernoulli(probs=tf.clip_by_value(probabilities, 1e-6, 1 - 1e-6), dtype=tf.float32)


def normal(parameters: tf.Tensor) -> tfd.Distribution:
    """Returns the normal distribution whose means and scales `[..., 2 C]` share the last axis."""
    return tfd.Normal(*_halves(parameters, "normal"))


def poisson(log_rates: tf.Tensor) -> tfd.Distribution:
    """Returns the Poisson distribution of logarithms of rates."""
    return tfd.Poisson(log_rate=log_rates)


def negative_binomial(parameters: tf.Tensor) -> tfd.Distribution:
    """Returns the negative binomial distribution of counts that scatter more than Poisson's.

        mean m = e^a,    variance = m + m^2 / r,    r = e^b

    Args:
        parameters: a and b, which share the last axis, `[..., 2 C]`.
    """
    log_mean, log_number = _halves(parameters, "negative_binomial")
    return tfd.NegativeBinomial(tf.exp(log_number), logits=log_mean - log_number)


def _halves(parameters: tf.Tensor, likelihood: str) -> list[tf.Tensor]:
    """Returns the two halves of the last axis."""
    shape = getattr(parameters, "shape", tf.TensorShape([]))
    if not shape.rank or (shape[-1] or 0) % 2:
        raise ValueError(
            f"`likelihood` {likelihood!r} takes two parameters for each value of the data, joined "
            "along the last axis; let the decoder return them. "
            f"Received: {type(parameters).__name__} of shape {shape}."
        )
    return tf.split(parameters, 2, axis=-1)


LIKELIHOODS: dict[str, Function] = {
    "bernoulli": bernoulli,
    "negative_binomial": negative_binomial,
    "normal": normal,
    "poisson": poisson,
}


SUPPORTS = {
    "bernoulli": (0.0, 1.0),
    "negative_binomial": (0.0, math.inf),
    "poisson": (0.0, math.inf),
}


def supported(likelihood: Function | str, x: Any) -> Any:
    """Returns data with NaN where a likelihood that has a name gives them no probability.

    Its formula would go on there, and say something that means nothing. A thousandth beyond is
    rounding.
    """
    if not isinstance(likelihood, str) or likelihood not in SUPPORTS:
        return x
    least, most = SUPPORTS[likelihood]
    within = tf.logical_and(x >= least - 1e-3, x <= most + 1e-3)
    return tf.where(within, x, tf.constant(math.nan, x.dtype))


def checked_likelihood(likelihood: Any) -> Any:
    """Returns a likelihood as the user gave it: a function, or one of the names."""
    named = isinstance(likelihood, str) and likelihood in LIKELIHOODS
    if named or (callable(likelihood) and takes(likelihood, "parameters")):
        return likelihood
    raise ValueError(
        "`likelihood` must be a function that returns a distribution, or one of "
        f"{', '.join(map(repr, LIKELIHOODS))}. Received: likelihood={likelihood!r}."
    )


def distribution_of(likelihood: Function | str, parameters: Any) -> tfd.Distribution:
    """Returns the distribution over the data, in at least float32.

    Args:
        likelihood: A function, or one of the names.
        parameters: What a decoder returns: a tensor, or a structure of them.
    """
    make = LIKELIHOODS[likelihood] if isinstance(likelihood, str) else likelihood
    try:
        distribution = make(tf.nest.map_structure(as_float32, parameters))
    except TypeError as error:
        raise TypeError(
            "`likelihood` must take what the decoder returns. "
            f"Received: likelihood={likelihood!r}, which says: {error}"
        ) from error
    if not isinstance(distribution, tfd.Distribution):
        raise ValueError(
            "`likelihood` must return a distribution of TensorFlow Probability. "
            f"Received: {distribution!r}."
        )
    return distribution


def possible(distribution: tfd.Distribution, zeros: tf.Tensor) -> tf.Tensor:
    """Returns values that a distribution gives a probability, shaped like zeros.

    They are zeros themselves if it is discrete, or does not say which values it has.
    """
    try:
        support = distribution.experimental_default_event_space_bijector()
    except NotImplementedError:
        support = None
    return zeros if support is None else tf.stop_gradient(support.forward(zeros))


def mean_of(distribution: tfd.Distribution) -> tf.Tensor:
    """Returns the mean, a float of at least 32 bits.

    Raises:
        ValueError: If the distribution has none.
    """
    try:
        return as_data(distribution.mean())
    except NotImplementedError as error:
        raise ValueError(
            "The likelihood must have a mean, for the reconstruction: return a distribution of a "
            f"class of your own that defines `_mean`. Received: a {type(distribution).__name__}, "
            "which has none."
        ) from error


def as_data(values: tf.Tensor) -> tf.Tensor:
    """Returns values as data are: floats of at least 32 bits."""
    return tf.cast(values, tf.float64 if values.dtype == tf.float64 else tf.float32)


def shape_of(likelihood: Function | str, parameters: Any) -> tuple:
    """Returns batch and event shape together, of parameters of certain shapes.

    Args:
        likelihood: A function, or one of the names.
        parameters: A structure of `tf.TensorSpec`.

    Raises:
        ValueError: If the distribution has no mean.
    """
    found = []

    def make(given: Any) -> tf.Tensor:
        distribution = distribution_of(likelihood, given)
        found.append(distribution.batch_shape + distribution.event_shape)
        return mean_of(distribution)

    with tf.init_scope():
        tf.function(make, autograph=False).get_concrete_function(parameters)
    return tuple(found[0])
