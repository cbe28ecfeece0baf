"""RealNVP against autodiff, against TensorFlow Probability, and the laws of a flow."""

import numpy as np
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

from tests.posteriors.flows import context, every_size, flow
from tf_geco.posteriors import DiagonalNormal, RealNVP


@every_size
def test_inverse_undoes_forward_and_the_log_determinants_agree(size):
    bijector = flow(*size)(context()).bijector
    u = tf.random.stateless_normal([7, 3, size[0]], [1, 2], dtype=tf.float64)
    z = bijector.forward(u)
    assert np.abs(z - u).max() > 0.1
    np.testing.assert_allclose(bijector.inverse(tf.identity(z)), u, atol=1e-12)
    forward = bijector.forward_log_det_jacobian(u, event_ndims=1)
    inverse = bijector.inverse_log_det_jacobian(tf.identity(z), event_ndims=1)
    np.testing.assert_allclose(forward, -inverse, atol=1e-12)


@every_size
def test_jacobian_against_autodiff(size):
    bijector = flow(*size)(context()).bijector
    u = tf.random.stateless_normal([3, size[0]], [1, 2], dtype=tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(u)
        z = bijector.forward(u)
    expected = np.linalg.slogdet(tape.batch_jacobian(z, u).numpy())[1]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(bijector.forward_and_log_det(u)[1], expected, atol=1e-12)


@every_size
def test_log_prob_against_the_change_of_variables(size):
    q = flow(*size)(context())
    z = tf.constant(q.sample(seed=3).numpy())  # not the tensor whose inverse is cached
    with tf.GradientTape() as tape:
        tape.watch(z)
        u = q.bijector.inverse(z)
    log_det = np.linalg.slogdet(tape.batch_jacobian(u, z).numpy())[1]
    np.testing.assert_allclose(q.log_prob(z), q.distribution.log_prob(u) + log_det, atol=1e-12)


@every_size
def test_every_parameter_gets_a_gradient(size):
    posterior = flow(*size)
    with tf.GradientTape() as tape:
        z, log_density = posterior(context()).experimental_sample_and_log_prob(seed=(1, 2))
        loss = tf.reduce_sum(log_density * tf.reduce_sum(z**2, axis=-1))
    gradients = tape.gradient(loss, posterior.trainable_variables)
    assert len(gradients) == 2 + (3 + 2 * len(posterior.hidden)) * size[1]
    assert all(np.any(np.asarray(gradient) != 0) for gradient in gradients)


def test_equals_tensorflow_probability_with_one_dense_layer_of_latents_and_context():
    posterior, h = flow(4, 2, (6,)), context()

    def parameters(network):
        def call(a, depth):
            weights = tf.concat([network.of_latents.kernel, network.of_features.kernel], axis=0)
            hidden = tf.nn.relu(tf.concat([a, h], -1) @ weights + network.of_features.bias)
            raw, shift = tf.split(hidden @ network.last.kernel + network.last.bias, 2, axis=-1)
            return shift, 2.0 * tf.tanh(raw / 2.0)

        return call

    couplings = [
        tfb.RealNVP(num_masked=sign * 2, shift_and_log_scale_fn=parameters(network))
        for sign, network in zip([1, -1], posterior.networks, strict=True)
    ]
    expected = tfd.TransformedDistribution(posterior.base(h), tfb.Chain(couplings[::-1]))
    z = expected.sample(seed=1)
    np.testing.assert_allclose(posterior(h).log_prob(z), expected.log_prob(z), atol=1e-12)


def test_sample_and_log_prob_is_one_forward_pass_that_agrees_with_log_prob(monkeypatch):
    q = flow()(context())
    calls = []
    inverse = type(q.bijector).inverse_and_log_det
    monkeypatch.setattr(
        type(q.bijector), "inverse_and_log_det", lambda *args: calls.append(1) or inverse(*args)
    )
    z, log_density = q.experimental_sample_and_log_prob(seed=(1, 2))
    assert not calls
    np.testing.assert_allclose(q.log_prob(z), log_density, atol=1e-12)
    np.testing.assert_array_equal(q.sample(seed=(1, 2)), z)
    assert len(calls) == 1


def test_log_prob_of_samples_against_contexts_needs_no_tiling():
    posterior, h = flow(), context(3)
    z = tf.random.stateless_normal([6, 1, 5], [1, 2], dtype=tf.float64)
    pairs = posterior(h).log_prob(z)
    tiled = posterior(tf.tile(h, [6, 1])).log_prob(tf.repeat(z[:, 0], 3, axis=0))
    assert pairs.shape == (6, 3)
    np.testing.assert_allclose(pairs, tf.reshape(tiled, [6, 3]), atol=1e-12)


def test_starts_as_its_diagonal_normal():
    posterior, h = RealNVP(4, dtype="float64"), context()
    q = posterior(h)
    z = q.sample(5, seed=1)
    np.testing.assert_allclose(q.log_prob(z), posterior.base(h).log_prob(z), atol=1e-12)
    assert isinstance(posterior.base, DiagonalNormal)


def test_log_scale_is_bounded_however_large_the_weights():
    q = flow(couplings=1, spread=1e6)(context())
    bijector = q.bijector
    log_det = bijector.forward_log_det_jacobian(100 * tf.ones([3, 5], tf.float64), event_ndims=1)
    assert np.abs(log_det).max() <= 3 * 2.0 + 1e-9  # three moved latents, max_log_scale 2


def test_density_integrates_to_one():
    q = flow(2, 2, (8,), spread=0.25)(context(1))
    axis = np.linspace(-40, 40, 1601)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(q.log_prob(grid)).sum() * (axis[1] - axis[0]) ** 2
    np.testing.assert_allclose(mass, 1.0, atol=2e-3)
