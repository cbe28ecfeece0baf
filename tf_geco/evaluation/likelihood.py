"""Likelihoods that do not depend on beta: at the standard deviation that suits each model best."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tf_geco.checks import positive_number
from tf_geco.constraints.inputs import observed, only
from tf_geco.distributions import quantized_normal_log_prob
from tf_geco.evaluation.estimate import Estimate, per_example


@dataclass(frozen=True)
class Likelihood:
    """A negative log-likelihood per pixel.

    Args:
        nats: Its mean over examples and pixels, in nats per pixel.
        standard_error: Of the mean, in nats per pixel.
        sigma: Standard deviation of the likelihood, in units of the data.
    """

    nats: float
    standard_error: float
    sigma: float

    @property
    def bits(self) -> float:
        """The same in bits per pixel."""
        return self.nats / math.log(2)


def optimal_sigma(
    model: Any, data: Any, *, seed: int = 0, batch_size: int = 256, verbose: bool = False
) -> float:
    """Returns the standard deviation of a normal likelihood that fits a model best.

        sigma_opt = sqrt(mean over examples and pixels of (x - g(z))^2),    z ~ q(z | x)

    Where values are missing it is the mean over examples of the mean over their observed pixels, so
    that no other sigma has a lower `quantized_nll`.

    Args:
        model: A latent variable model.
        data: The training set: arrays or a data set, `(x, {"mask": mask})` where values are
            missing. Weights are not used.
        seed: Seed of z.
        batch_size: Number of examples at once.
        verbose: Whether to show progress.

    Returns:
        sigma_opt, in units of the data.

    Raises:
        ValueError: If the data are empty, or the model returns something that is not finite.

    Example:
    ```python
    sigma = tf_geco.evaluation.optimal_sigma(model, train)
    nll = tf_geco.evaluation.quantized_nll(model, test, sigma)
    ```

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Equation 26, which lacks a division by the number of
        pixels.
    """
    options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
    return math.sqrt(squared_errors(model, data, **options).mean())


def squared_errors(model: Any, data: Any, **options: Any) -> np.ndarray:
    """Returns RE, the mean squared error per observed pixel of each example that has any, `[n]`."""
    return per_example(model, data, _error, **options)["reconstruction"]


def quantized_nll(
    model: Any,
    data: Any,
    sigma: float,
    *,
    bin_width: float = 1 / 255,
    seed: int = 0,
    batch_size: int = 256,
    verbose: bool = False,
) -> Likelihood:
    """Returns the negative log-likelihood of data per pixel, by a quantized normal.

        NLL = -mean log[Phi((x + b/2 - g(z)) / sigma) - Phi((x - b/2 - g(z)) / sigma)]

    Args:
        model: A latent variable model.
        data: Arrays or a data set, `(x, {"mask": mask})` where values are missing: the mean is over
            the observed pixels of each example, then over the examples that have any. Weights are
            not used.
        sigma: Standard deviation, see `optimal_sigma`.
        bin_width: b. The default, 1/255, suits 8-bit images in [0, 1].
        seed: Seed of z ~ q(z | x).
        batch_size: Number of examples at once.
        verbose: Whether to show progress.

    Returns:
        A `Likelihood`, in nats and bits per pixel.

    Raises:
        ValueError: If `sigma` or `bin_width` is not positive, the data are empty, or the model
            returns something that is not finite.

    Reference:
        Rezende and Viola, "Taming VAEs", 2018, Appendix D.
    """
    sigma = positive_number(sigma, "sigma")
    bin_width = positive_number(bin_width, "bin_width")
    options: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "verbose": verbose}
    found = per_example(model, data, _nll, sigma, bin_width, **options)
    estimate = Estimate.of(found["likelihood"])
    return Likelihood(estimate.value, estimate.standard_error, sigma)


def least_nll(reconstruction_error: Any, bin_width: float = 1 / 255) -> np.ndarray:
    """Returns the least NLL that a model of a given reconstruction error can have at sigma_opt.

    At sigma_opt = sqrt(RE) the quantized NLL is convex in the squared error, so that it is least if
    every pixel has an error of sigma_opt:

        NLL >= -log[Phi(1 + b / (2 sigma_opt)) - Phi(1 - b / (2 sigma_opt))],    b = bin_width

    Args:
        reconstruction_error: RE, the mean squared error per pixel, of any shape.
        bin_width: b. The default, 1/255, suits 8-bit images in [0, 1].

    Returns:
        Nats per pixel, of the same shape; 0 where there is no error.

    Raises:
        ValueError: If `bin_width` is not positive.

    Example:
    ```python
    curve = tf_geco.theory.rate_distortion(images.reshape(len(images), -1), temperatures)
    limit = curve.kl, tf_geco.evaluation.least_nll(curve.reconstruction_error)
    tf_geco.plotting.information_plane({"GECO": points}, limit=limit)
    ```
    """
    sigma = np.sqrt(np.asarray(reconstruction_error, np.float64))
    scale = tf.constant(np.where(sigma > 0, sigma, 1.0))
    log_prob = quantized_normal_log_prob(scale, 0.0, scale, positive_number(bin_width, "bin_width"))
    return np.where(sigma > 0, -log_prob, 0.0)


def _error(model: Any, x: Any, mask: Any, outputs: dict) -> dict[str, Any]:
    error = mean_squared_error(model.target(x), outputs["reconstruction"], mask)
    return {"reconstruction": error}


def _nll(model: Any, x: Any, mask: Any, outputs: dict, *normal: Any) -> dict[str, Any]:
    nll = mean_nll(model.target(x), outputs["reconstruction"], normal, mask)
    return {"likelihood": nll}


def mean_squared_error(x: Any, reconstruction: tf.Tensor, mask: Any = None) -> Any:
    """Returns the mean squared error per pixel of each example, `[B]`.

    With a mask it is per observed pixel, and comes with which examples have any, `[B]`.
    """
    x = observed(tf.cast(x, reconstruction.dtype), reconstruction, mask)
    return _mean_per_example(tf.math.squared_difference(x, reconstruction), mask)


def mean_nll(x: Any, reconstruction: tf.Tensor, normal: tuple, mask: Any = None) -> Any:
    """Returns the quantized NLL per pixel, by a sigma and a width of bins, of each example, `[B]`.

    With a mask it is per observed pixel, and comes with which examples have any, `[B]`.
    """
    x = observed(tf.cast(x, reconstruction.dtype), reconstruction, mask)
    scale, width = (tf.cast(number, reconstruction.dtype) for number in normal)
    return _mean_per_example(-quantized_normal_log_prob(x, reconstruction, scale, width), mask)


def _mean_per_example(values: tf.Tensor, mask: Any) -> Any:
    return only(values, mask, tf.range(1, tf.rank(values)))
