"""The least negative log-likelihood that an error allows."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tf_geco import evaluation
from tf_geco.distributions import quantized_normal_log_prob


@pytest.mark.parametrize("bin_width", [1 / 255, 0.2])
def test_the_least_nll_is_that_of_equal_errors(bin_width):
    sigma = np.sqrt([1, 0.1])
    nll = evaluation.least_nll([1.0, 0.1, 0.0], bin_width)
    probability = stats.norm.cdf(1 + bin_width / 2 / sigma) - stats.norm.cdf(
        1 - bin_width / 2 / sigma
    )
    np.testing.assert_allclose(nll, [*-np.log(probability), 0], rtol=1e-6)
    gaussian = np.log(2 * np.pi * np.e * sigma**2) / 2 - np.log(bin_width)
    np.testing.assert_allclose(nll[:2], gaussian, rtol=0.01)
    with pytest.raises(ValueError, match=r"bin_width=0\.0"):
        evaluation.least_nll(0.1, bin_width=0.0)


@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0, 30.0])
def test_no_distribution_of_errors_has_a_lower_nll(ratio):
    """The quantized NLL at sigma_opt is convex in the squared error: equal errors cost least."""
    rng, width = np.random.default_rng(0), 1 / 255
    for shape in (0.2, 1.0, 5.0):
        residual = rng.gamma(shape, size=1000)
        residual *= ratio * width / np.sqrt((residual**2).mean())
        sigma = np.sqrt((residual**2).mean())
        log_prob = quantized_normal_log_prob(tf.constant(residual), 0.0, sigma, width)
        assert -np.mean(log_prob) >= evaluation.least_nll(sigma**2, width) - 1e-9
