"""RealNVP as its users meet it: precision, compilation, fitting, as a prior, errors."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_probability import distributions as tfd

import tf_geco
from tests.posteriors.flows import context, flow
from tf_geco.posteriors import RealNVP


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

        def call(self, features=None):
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
