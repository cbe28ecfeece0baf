"""The diagonal normal: near its prior at first, and never so wide that its KL rules a training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from tests.catalogue import NETWORKS, batches
from tf_geco.posteriors import DiagonalNormal, RealNVP


def kl(posterior, features):
    """Returns KL(q || N(0, I)) of the posterior's base, `[B]`."""
    q = getattr(posterior, "base", posterior)(features)
    return tfd.kl_divergence(q, tfd.Independent(tfd.Normal(tf.zeros(posterior.latent_dim), 1.0), 1))


@pytest.mark.parametrize("make", [DiagonalNormal, RealNVP])
@pytest.mark.parametrize("width", [16, 256])
def test_scales_start_near_one_and_means_at_full_size(make, width):
    """Weights of Keras have the variance 2 / (H + 2 d); log s has a hundredth of the means'."""
    keras.utils.set_random_seed(0)
    posterior = make(8)
    features = keras.random.normal((500, width))
    posterior(features)
    q = getattr(posterior, "base", posterior)(features).distribution
    usual = width * 2 / (width + 16)
    np.testing.assert_allclose(np.var(q.loc), usual, rtol=0.3)
    np.testing.assert_allclose(np.var(np.log(q.scale)), usual / 100, rtol=0.3)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_its_scale_never_rules_the_kl(size):
    """A scale of e costs (e^2 - 3) / 2 = 2.2 nats, however large the weights."""
    posterior = DiagonalNormal(4)
    posterior.build((None, 3))
    kernel = np.zeros((3, 8), "float32")
    kernel[:, 4:] = size
    posterior.parameters.kernel.assign(kernel)
    assert (kl(posterior, tf.ones([2, 3])).numpy() <= 4 * (np.e**2 - 3) / 2 + 1e-4).all()


def test_log_scale_is_continuous_with_slope_one_where_its_bounds_meet():
    posterior = DiagonalNormal(1, max_log_scale=0.5)
    posterior.build((None, 1))
    posterior.parameters.kernel.assign([[0.0, 1.0]])
    raw = np.float32([[-1e3], [-1e-3], [0.0], [1e-3], [1e3]])
    log_scale = np.log(posterior(raw).stddev().numpy()[:, 0])
    np.testing.assert_allclose(log_scale, [-10.0, -1e-3, 0.0, 1e-3, 0.5], atol=1e-6)


@pytest.mark.parametrize("name", ["dense", "conv", "users_networks", "flow"])
def test_plain_sgd_does_not_explode(name):
    """A toy on which the KL rose to 3e9 within three epochs when s could be e^10."""
    case = NETWORKS[name]
    keras.utils.set_random_seed(0)
    model = case.build()
    model.compile(keras.optimizers.SGD(1e-2))
    history = model.fit(batches(case.data(), repeat=30), verbose=0).history
    assert history["kl"][-1] < 100.0


def test_survives_serialisation_and_names_a_wrong_bound():
    posterior = DiagonalNormal(3, max_log_scale=2.0)
    assert DiagonalNormal.from_config(posterior.get_config()).max_log_scale == 2.0
    with pytest.raises(ValueError, match="`max_log_scale` must be a positive number"):
        DiagonalNormal(3, max_log_scale=0.0)
