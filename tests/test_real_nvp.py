"""RealNVP against autodiff, against TensorFlow Probability, and the laws of a flow."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import bijectors as tfb
from tensorflow_probability import distributions as tfd

import tf_geco
from tf_geco.posteriors import DiagonalNormal, RealNVP


def flow(latent_dim=5, couplings=3, hidden=(8,), dtype="float64", spread=0.5):
    """Returns a posterior away from the identity that it starts at."""
    posterior = RealNVP(latent_dim, couplings, hidden, dtype=dtype)
    posterior.build((None, 4))
    for index, weight in enumerate(posterior.weights):
        weight.assign(keras.random.normal(weight.shape, stddev=spread, seed=index))
    return posterior


def context(n=3, dtype="float64"):
    return tf.constant(np.random.default_rng(1).normal(size=(n, 4)), dtype)


SIZES = {
    "even": (4, 4, (8,)),
    "odd": (5, 3, (8, 6)),
    "two": (2, 2, (4,)),
    "one_coupling": (3, 1, 8),
}
every_size = pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)


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
            weights = tf.concat([network.of_latents.kernel, network.of_context.kernel], axis=0)
            hidden = tf.nn.relu(tf.concat([a, h], -1) @ weights + network.of_context.bias)
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


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_computes_in_float32_under_mixed_precision(policy):
    q = flow(dtype=policy)(context(dtype="float32"))
    z, log_density = q.experimental_sample_and_log_prob(seed=(1, 2))
    assert z.dtype == log_density.dtype == tf.float32
    exact = flow()
    exact.set_weights(flow(dtype=policy).get_weights())
    halved = tf.cast(context(dtype="float32"), policy.removeprefix("mixed_"))
    expected = exact(tf.cast(halved, tf.float64)).log_prob(tf.cast(z, tf.float64))
    np.testing.assert_allclose(log_density, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiles(jit_compile):
    posterior, h = flow(dtype="float32"), context(dtype="float32")
    z = posterior(h).sample(seed=1)
    compiled = tf.function(lambda z: posterior(h).log_prob(z), jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(z), posterior(h).log_prob(z), rtol=1e-4, atol=1e-4)


def test_a_flow_fits_what_no_diagonal_normal_can():
    """Targets on a ring: the flow must be closer to the data than the best normal, by far."""
    keras.utils.set_random_seed(0)
    angles = np.random.default_rng(0).uniform(-2, 2, 512)
    ring = np.stack([2 * np.cos(angles), 2 * np.sin(angles)], -1).astype("float32")
    ring += 0.1 * np.random.default_rng(1).normal(size=ring.shape).astype("float32")
    h, posterior = tf.ones([1, 1]), RealNVP(2, couplings=6, hidden=32)
    posterior.build((None, 1))
    optimizer = keras.optimizers.Adam(1e-2)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(posterior(h).log_prob(ring))
        variables = posterior.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    for _ in range(300):
        loss = step()
    mean, scale = ring.mean(0), ring.std(0)
    normal = -tfd.Normal(mean, scale).log_prob(ring).numpy().sum(-1).mean()
    assert loss < normal - 1.0


def test_a_flow_can_be_the_prior():
    @keras.saving.register_keras_serializable(package="tests")
    class FlowPrior(keras.layers.Layer):
        def build(self, shape=None):
            self.flow = RealNVP(3, couplings=2, hidden=8)
            self.flow.build((None, 1))

        def call(self, context=None):
            q = self.flow(tf.ones([1, 1]))
            base = tfd.Independent(tfd.Normal(q.distribution.mean()[0], tf.ones(3)), 1)
            return tfd.TransformedDistribution(base, q.bijector)

    prior = FlowPrior()
    prior.build()
    model = tf_geco.VAE(
        *tf_geco.models.dense_networks((6,), 3, (8,)),
        posterior=RealNVP(3, couplings=2, hidden=8),
        objective=tf_geco.ELBO(0.1),
        prior=prior,
    )
    model.compile(keras.optimizers.Adam(1e-2))
    before = [w.numpy() for w in prior.trainable_weights]
    model.fit(np.random.default_rng(0).random((16, 6)).astype("float32"), verbose=0)
    assert any(np.any(b != w.numpy()) for b, w in zip(before, prior.trainable_weights, strict=True))
    assert model.sample(4, seed=0).shape == (4, 6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"latent_dim": 1}, "at least 2; for a single latent use `DiagonalNormal`"),
        ({"latent_dim": 0}, "`latent_dim` must be a positive integer. Received: latent_dim=0"),
        ({"latent_dim": 4, "couplings": 0}, "`couplings` must be a positive integer"),
        ({"latent_dim": 4, "hidden": (8, -1)}, "`hidden` must be a positive integer"),
        ({"latent_dim": 4, "hidden": ()}, "`hidden` must have at least one width"),
        ({"latent_dim": 4, "max_log_scale": 0}, "`max_log_scale` must be a positive number"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        RealNVP(**arguments)


def test_context_must_be_one_vector_per_example():
    with pytest.raises(ValueError, match="one vector per example"):
        RealNVP(4).build((None, 5, 5))


def test_config_makes_the_same_layer():
    config = RealNVP(6, 3, (16, 8), max_log_scale=1.5, name="q").get_config()
    assert RealNVP.from_config(config).get_config() == config
