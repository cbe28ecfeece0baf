"""ELBO against the normal density in NumPy."""

import numpy as np
import pytest
import tensorflow as tf

import tf_geco
from tests.catalogue import line


def data():
    x = np.random.default_rng(0).random((4, 6)).astype("float32")
    g = np.random.default_rng(1).random((4, 6)).astype("float32")
    return x, g, np.arange(4.0, dtype="float32")


def test_elbo_against_the_normal_density():
    x, g, kl = data()

    def negative_elbo(sigma, beta):
        log_density = -0.5 * ((x - g) / sigma) ** 2 - np.log(sigma * np.sqrt(2 * np.pi))
        return (beta * kl - log_density.sum(1)).mean()

    best = np.sqrt(((x - g) ** 2).mean())
    cases = {(0.2, 1.0): (0.2, 1.0), (0.2, 4.0): (0.2, 4.0), ("optimal", 1.0): (best, 1.0)}
    for arguments, (sigma, beta) in cases.items():
        elbo = tf_geco.ELBO(*arguments)
        sums = elbo(x, outputs={"reconstruction": g}, cost=kl)
        np.testing.assert_allclose(elbo.loss(sums), negative_elbo(sigma, beta), rtol=1e-4)


def test_the_optimal_sigma_is_the_best_and_has_the_gradient_of_a_minimum():
    x, g, kl = data()
    best = np.sqrt(((x - g) ** 2).mean())

    def loss(sigma):
        elbo, images = tf_geco.ELBO(sigma), tf.Variable(g)
        with tf.GradientTape() as tape:
            value = elbo.loss(elbo(x, outputs={"reconstruction": images}, cost=kl))
        return float(value), tape.gradient(value, images).numpy()

    optimal, gradient = loss("optimal")
    assert optimal < min(loss(float(best) * factor)[0] for factor in (0.95, 1.05))
    np.testing.assert_allclose(gradient, loss(float(best))[1], rtol=1e-4)


def test_hand_annealing_follows_the_steps():
    elbo = tf_geco.ELBO(sigma=1.0, beta=line(2.0, 0.7, 10))
    elbo.build((None, 1), None, {"reconstruction": (None, 1)})
    x, betas = tf.ones([1, 1]), []
    for _ in range(12):
        betas.append(float(elbo.logs()["beta"]))
        np.testing.assert_allclose(elbo.multiplier, [1 / betas[-1]], rtol=1e-6)
        sums = elbo(x, outputs={"reconstruction": 0 * x}, cost=tf.constant([3.0]))
        nll = 0.5 * (1 + np.log(2 * np.pi))
        np.testing.assert_allclose(elbo.loss(sums), nll + 3 * betas[-1], rtol=1e-5)
        elbo.update(sums)
    np.testing.assert_allclose(betas, np.maximum(2.0 - 0.13 * np.arange(12), 0.7), rtol=1e-5)


def test_it_only_measures():
    x, g, kl = data()
    elbo = tf_geco.ELBO(0.2)
    sums = elbo(x, outputs={"reconstruction": g}, cost=kl)
    elbo.update(sums)
    assert elbo.constraints[0].tolerance is None
    assert np.isnan(elbo.violations()).all()
    assert elbo.verdict(sums) == {}
    expected = np.sqrt(((x - g) ** 2).mean())
    np.testing.assert_allclose(elbo.readings(sums)["reconstruction_error"], expected, rtol=1e-5)
    np.testing.assert_allclose(elbo.cost_average, kl.mean(), rtol=1e-6)


@pytest.mark.parametrize("sigma", [0.2, "optimal"])
def test_an_example_with_nothing_observed_does_not_count(sigma):
    """The expected likelihood is that of the others; the KL is of all."""
    x, g, kl = data()
    mask = np.ones_like(x, bool)
    mask[1] = False
    elbo = tf_geco.ELBO(sigma)
    holes = np.where(mask, x, np.nan).astype("float32")
    found = elbo.loss(elbo(holes, y={"mask": mask}, outputs={"reconstruction": g}, cost=kl))
    others = [0, 2, 3]
    plain = elbo.loss(elbo(x[others], outputs={"reconstruction": g[others]}, cost=0 * kl[others]))
    np.testing.assert_allclose(found, plain + kl.mean(), rtol=1e-5)
